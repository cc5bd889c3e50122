"""A market of Aave V3 on the EVM in this process: whichever version, every log kept as ingest gets it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from bonafides.events import LendingEvent, Position
from bonafides.hashing import keccak
from bonafides.types import ZERO_ADDRESS, Address, BlockRef, ChainId, Digest, Protocol, address_text, parse_address
from bonafides_ingest.chain import Log
from bonafides_ingest.protocols.aave_v3.protocol import AaveV3
from bonafides_ingest.protocols.aave_v3.rounding import Rounding
from bonafides_ingest.protocols.aave_v3.state import AaveV3Deployment
from bonafides_ingest.protocols.decoded import Decoded
from bonafides_lab.market.artifacts import AbiValue, Artifact, creation_code, price_feed_artifact
from bonafides_lab.market.calldata import Method, word_as_address, words
from pyrevm import EVM, BlockEnv

CHAIN = ChainId(31337)
DEPLOYMENT = "aave-v3-evm"
START = 1_700_000_000
_GAS = 2**60


def person(name: str) -> Address:
    """A wallet that a name stands for."""
    return Address(keccak(b"aave v3.6", name.encode())[12:])


ADMIN, TREASURY, UMBRELLA = person("admin"), person("treasury"), person("umbrella")


@dataclass(frozen=True, slots=True)
class Listing:
    """One reserve: its price, and its thresholds outside of any e-mode (0: no collateral there)."""

    symbol: str
    decimals: int
    price: int
    ltv_bps: int
    threshold_bps: int
    bonus_bps: int


LISTINGS = (
    Listing("WETH", 18, 2_000 * 10**8, 8_000, 8_300, 10_500),
    Listing("USDC", 6, 10**8, 7_500, 7_800, 10_450),
    Listing("WBTC", 8, 43_210_98765432, 7_300, 7_811, 10_650),
    Listing("EURS", 6, 108_765_432, 0, 0, 0),
)


@dataclass(frozen=True, slots=True)
class Asset:
    """The contracts of one reserve."""

    listing: Listing
    token: Address
    feed: Address
    a_token: Address
    debt_token: Address


@dataclass
class EvmMarket(ABC):
    """A market of Aave V3, its chain, and what was logged so far. Each `send` is a transaction; a block holds many."""

    artifacts: Mapping[str, Artifact]
    source: ClassVar[str]
    rounding: ClassVar[Rounding]

    evm: EVM = field(default_factory=lambda: EVM(gas_limit=_GAS))
    logs: list[Log] = field(default_factory=list)
    number: int = 0
    timestamp: int = START
    _transactions: int = 0
    _logs_of_block: int = 0

    provider: Address = ZERO_ADDRESS
    pool: Address = ZERO_ADDRESS
    configurator: Address = ZERO_ADDRESS
    oracle: Address = ZERO_ADDRESS
    gateway: Address = ZERO_ADDRESS
    pool_code: Address = ZERO_ADDRESS
    assets: tuple[Asset, ...] = ()

    def __post_init__(self) -> None:
        self.wait(1)
        self.install()

    @abstractmethod
    def install(self) -> None:
        """Deploy it: fills the addresses above."""

    # The chain

    def wait(self, seconds: int) -> None:
        """Begin a block so much later."""
        self.number += 1
        self.timestamp += seconds
        self._transactions = self._logs_of_block = 0
        self.evm.set_block_env(BlockEnv(number=self.number, timestamp=self.timestamp, gas_limit=_GAS))

    @property
    def block(self) -> BlockRef:
        return BlockRef(CHAIN, self.number, keccak(self.number.to_bytes(8)), self.timestamp)

    def deploy(
        self, artifact: Artifact, *arguments: AbiValue, libraries: Mapping[str, Address] | None = None
    ) -> Address:
        code = creation_code(artifact, arguments, libraries or {})
        created = parse_address(self.evm.deploy(address_text(ADMIN), code))
        self._keep_logs(code)
        return created

    def send(self, sender: Address, to: Address, calldata: bytes, *, value: int = 0) -> bool:
        """One transaction; whether it went through."""
        try:
            self.evm.message_call(address_text(sender), address_text(to), calldata=calldata, value=value)
        except RuntimeError:  # pyrevm's only error class: it reverted
            self._transactions += 1
            return False
        self._keep_logs(calldata)
        return True

    def _keep_logs(self, content: bytes) -> None:
        result = self.evm.result
        assert result is not None
        transaction = keccak(self.block.hash, self._transactions.to_bytes(4), content)
        for log in result.logs:
            place = Position(self.block, transaction, self._transactions, self._logs_of_block)
            topics = tuple(Digest(bytes(topic)) for topic in log.data[0])
            self.logs.append(Log(place, parse_address(log.address), topics, bytes(log.data[1])))
            self._logs_of_block += 1
        self._transactions += 1

    def ask(self, to: Address, method: Method, *arguments: int | Address) -> list[int]:
        """The words of what a view function returns."""
        reader = address_text(ZERO_ADDRESS)
        answer = self.evm.message_call(reader, address_text(to), calldata=method(*arguments), is_static=True)
        return words(bytes(answer))

    def administer(self, to: Address, signature: str, *arguments: int | Address) -> None:
        assert self.send(ADMIN, to, Method(signature)(*arguments)), f"{signature} reverted"

    # Steps of an installation

    def install_provider(self) -> None:
        """The addresses provider and who may administer."""
        read, text = self.artifacts, address_text
        self.provider = self.deploy(read["PoolAddressesProvider"], "bonafides", text(ADMIN))
        self.administer(self.provider, "setACLAdmin(address)", ADMIN)
        acl = self.deploy(read["ACLManager"], text(self.provider))
        self.administer(self.provider, "setACLManager(address)", acl)
        self.administer(acl, "addPoolAdmin(address)", ADMIN)
        self.administer(acl, "addEmergencyAdmin(address)", ADMIN)

    def find_proxies(self) -> None:
        """The Pool and its configurator, once the provider has their implementations."""
        self.pool = word_as_address(self.ask(self.provider, Method("getPool()"))[0])
        self.configurator = word_as_address(self.ask(self.provider, Method("getPoolConfigurator()"))[0])

    def install_oracle(self, tokens: Sequence[Address]) -> list[Address]:
        """The oracle; returns the price feeds of these tokens, which are those of `LISTINGS`."""
        text = address_text
        feeds = [self.deploy(price_feed_artifact(), listing.price) for listing in LISTINGS]
        self.oracle = self.deploy(
            self.artifacts["AaveOracle"],
            text(self.provider),
            [text(token) for token in tokens],
            [text(feed) for feed in feeds],
            text(ZERO_ADDRESS),
            text(ZERO_ADDRESS),
            10**8,
        )
        self.administer(self.provider, "setPriceOracle(address)", self.oracle)
        return feeds

    def configure(self, tokens: Sequence[Address]) -> None:
        """Thresholds, borrowing and fees of listed tokens."""
        for listing, token in zip(LISTINGS, tokens, strict=True):
            thresholds = (listing.ltv_bps, listing.threshold_bps, listing.bonus_bps)
            collateral = "configureReserveAsCollateral(address,uint256,uint256,uint256)"
            if listing.threshold_bps:
                self.administer(self.configurator, collateral, token, *thresholds)
            self.administer(self.configurator, "setReserveBorrowing(address,bool)", token, 1)
            self.administer(self.configurator, "setReserveFactor(address,uint256)", token, 1_500)
            self.administer(self.configurator, "setLiquidationProtocolFee(address,uint256)", token, 1_000)

    # What ingest makes of it

    def deployment(self, **changes: object) -> AaveV3Deployment:
        """The market's entry in a registry."""
        version = {"implementation": address_text(self.pool_code), "rounding": self.rounding, "source": self.source}
        entry: dict[str, object] = {
            "id": DEPLOYMENT,
            "chain_id": CHAIN,
            "protocol": Protocol.AAVE_V3.value,
            "pool": address_text(self.pool),
            "configurator": address_text(self.configurator),
            "oracle": address_text(self.oracle),
            "provider": address_text(self.provider),
            "pool_versions": [version],
            "gateways": [address_text(self.gateway)],
            "from_block": 1,
            "source": self.source,
            "development": True,
        }
        return AaveV3Deployment.model_validate(entry | changes)

    def decode(self, **changes: object) -> Decoded:
        """Everything logged so far."""
        protocol = AaveV3()
        return protocol.decode_logs(protocol.restore(self.deployment(**changes), {}), self.logs, 1)[1]


def ledger(events: Sequence[LendingEvent]) -> dict[tuple[Address, Address, str], int]:
    """Sums of scaled deltas by (wallet, asset, kind of entry); zeros left out."""
    sums: dict[tuple[Address, Address, str], int] = {}
    for event in events:
        if event.scaled_delta:
            key = (event.wallet, event.asset, event.type.value)
            sums[key] = sums.get(key, 0) + event.scaled_delta
    return {key: total for key, total in sums.items() if total}
