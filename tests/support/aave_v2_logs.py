"""Logs of an Aave V2 market, encoded by eth_abi from the committed ABI, and what is decoded of them."""

from bonafides.types import Address, Protocol, address_text
from bonafides_ingest.protocols.aave_v2 import events as abi
from bonafides_ingest.protocols.aave_v2.prices import BaseCurrency
from bonafides_ingest.protocols.aave_v2.protocol import AaveV2
from bonafides_ingest.protocols.aave_v2.state import AaveV2Deployment, AaveV2State
from bonafides_ingest.protocols.aave_v3.events import ANSWER_UPDATED
from bonafides_ingest.protocols.decoded import Decoded

from tests.support.ingest_logs import (
    CHAIN,
    CONFIGURATOR,
    ORACLE,
    POOL,
    PROVIDER,
    TREASURY,
    ChainOfLogs,
    ListedReserve,
    address,
)

GATEWAY, USD_FEED = address("WETH gateway"), address("ETH/USD feed")
WETH, STETH, USDC = (ListedReserve.of(symbol) for symbol in ("WETH", "stETH", "USDC"))
ETHER = 10**18
DEPLOYMENT = AaveV2Deployment.model_validate(
    {
        "id": "aave-v2-test",
        "chain_id": CHAIN,
        "protocol": Protocol.AAVE_V2,
        "pool": address_text(POOL),
        "configurator": address_text(CONFIGURATOR),
        "oracle": address_text(ORACLE),
        "provider": address_text(PROVIDER),
        "base": BaseCurrency.model_validate({"asset": address_text(WETH.asset), "usd_feed": address_text(USD_FEED)}),
        "decimals": {address_text(reserve.asset): 18 for reserve in (WETH, STETH)},
        "treasuries": [address_text(TREASURY)],
        "rebasing": [address_text(STETH.asset)],
        "gateways": [address_text(GATEWAY)],
        "from_block": 1,
        "source": "@aave/protocol-v2@1.0.1",
        "development": True,
    }
)


class V2Chain(ChainOfLogs):
    """Blocks with the logs of a V2 market."""

    def answer(self, block: int, feed: Address, answer: int, updated_at: int = 0) -> None:
        """A feed answers."""
        self.emit(block, 0, feed, ANSWER_UPDATED, answer, 1, updated_at)

    def name_feed(self, block: int, asset: Address, feed: Address) -> None:
        """The oracle is told who prices an asset."""
        self.emit(block, 1, ORACLE, abi.ASSET_SOURCE_UPDATED, asset, feed)

    def list_v2(self, block: int, reserve: ListedReserve, tx: int = 2) -> None:
        """A listing of the first release: no token says anything of itself."""
        tokens = (reserve.a_token, reserve.stable_debt_token, reserve.variable_debt_token)
        self.emit(block, tx, CONFIGURATOR, abi.RESERVE_INITIALIZED, reserve.asset, *tokens, address("strategy"))

    def initialise(self, block: int, reserve: ListedReserve, decimals: int, treasury: Address, tx: int = 2) -> None:
        """What an aToken of a later release says of itself."""
        named = (reserve.asset, POOL, treasury, bytes(20), decimals, "Aave", "a", b"")
        self.emit(block, tx, reserve.a_token, abi.INITIALIZED, *named)


def new_state(deployment: AaveV2Deployment = DEPLOYMENT) -> AaveV2State:
    """A market before its first log."""
    return AaveV2().restore(deployment, {})


def decode(chain: ChainOfLogs, deployment: AaveV2Deployment = DEPLOYMENT) -> Decoded:
    """What all logs say."""
    return AaveV2().decode_logs(new_state(deployment), chain.logs, fork_epoch=3)[1]
