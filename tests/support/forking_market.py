"""What people do on the forking chain, as the logs that Aave V3 emits for it. Each branch has its own market.

Indices stay at one ray, so that an amount is its scaled balance and a branch's ledger can be kept by adding up.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from bonafides.hashing import keccak
from bonafides.types import ZERO_ADDRESS, Address, Digest, EventType, Protocol, address_text
from bonafides_ingest.decoders import EventCodec
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.protocols.aave_v3.rounding import Rounding
from bonafides_ingest.protocols.aave_v3.state import AaveV3Deployment

from tests.support.ingest_logs import CHAIN, RAY, TREASURY, ListedReserve, address, encode_event

WALLETS: Final = tuple(address(name) for name in ("alice", "bob", "carol", "dave"))
LAST_WALLET: Final = len(WALLETS) - 1
DOLLAR: Final = 10**8
_LIQUIDATOR: Final = address("liquidator")
EVERYBODY: Final = (*WALLETS, _LIQUIDATOR, TREASURY)
"""Every wallet that an event may name."""


class ActKind(StrEnum):
    """What a transaction does."""

    SUPPLY = "supply"
    WITHDRAW = "withdraw"
    BORROW = "borrow"
    REPAY = "repay"
    LIQUIDATE = "liquidate"
    EMODE = "emode"
    PRICE = "price"
    LIST = "list"
    """Another reserve, whose tokens have other addresses wherever it is listed."""
    UNREADABLE_OF_WALLET = "unreadable of a wallet"
    UNREADABLE_OF_NOBODY = "unreadable of nobody"


@dataclass(frozen=True, slots=True)
class Act:
    """One transaction. The same act has the same hash in whatever block it stands."""

    kind: ActKind
    nonce: int
    wallet: int = 0
    amount: int = 1
    market: int = 0

    @property
    def tx_hash(self) -> Digest:
        return keccak(f"act {self.kind}/{self.nonce}".encode())


@dataclass(frozen=True, slots=True)
class RawLog:
    """A log before it stands in a block."""

    address: Address
    topics: tuple[Digest, ...]
    payload: bytes


@dataclass(frozen=True, slots=True)
class LedgerKey:
    """One balance of a branch."""

    market: int
    wallet: Address
    asset: Address
    type: EventType


@dataclass(frozen=True, slots=True)
class BranchMarket:
    """The markets as they stand at the end of one block."""

    listed: Mapping[tuple[int, str], ListedReserve] = MappingProxyType({})
    ledger: Mapping[LedgerKey, int] = MappingProxyType({})

    def balance(self, key: LedgerKey) -> int:
        return self.ledger.get(key, 0)

    def moved(self, key: LedgerKey, delta: int) -> "BranchMarket":
        return replace(self, ledger=MappingProxyType({**self.ledger, key: self.balance(key) + delta}))


@dataclass(frozen=True, slots=True)
class MarketContracts:
    """The contracts of one deployment."""

    number: int

    def _named(self, name: str) -> Address:
        return address(f"{name} of market {self.number}")

    @property
    def pool(self) -> Address:
        return self._named("pool")

    @property
    def configurator(self) -> Address:
        return self._named("configurator")

    @property
    def oracle(self) -> Address:
        return self._named("oracle")

    @property
    def deployment(self) -> AaveV3Deployment:
        """Its entry in the registry."""
        return AaveV3Deployment.model_validate(
            {
                "id": f"aave-v3-forks-{self.number}",
                "chain_id": CHAIN,
                "protocol": Protocol.AAVE_V3,
                "pool": address_text(self.pool),
                "configurator": address_text(self.configurator),
                "oracle": address_text(self.oracle),
                "provider": address_text(self._named("provider")),
                "rounding": Rounding.HALF_UP,
                "from_block": 1,
                "source": "@aave/core-v3@1.19.3",
                "development": True,
            }
        )


MARKETS: Final = (MarketContracts(0), MarketContracts(1))


@dataclass
class _Transaction:
    """Logs of one transaction as they come."""

    market: BranchMarket
    logs: list[RawLog] = field(default_factory=list)

    def emit(self, emitter: Address, codec: EventCodec[Any], *values: Any) -> None:
        self.logs.append(RawLog(emitter, *encode_event(codec, values)))

    def move(self, key: LedgerKey, delta: int) -> None:
        self.market = self.market.moved(key, delta)


def play(act: Act, market: BranchMarket) -> tuple[tuple[RawLog, ...], BranchMarket]:
    """The logs of an act where the market stands like this, and the market behind it. Nobody can take out or pay back
    more than there is: he then takes all, and where there is nothing, the transaction logs nothing."""
    transaction = _Transaction(market)
    _PLAYS[act.kind](act, transaction)
    return tuple(transaction.logs), transaction.market


def _supply(act: Act, tx: _Transaction) -> None:
    """Of WETH; the last of the wallets supplies what was listed last."""
    listed = [symbol for market, symbol in tx.market.listed if market == act.market]
    symbol = listed[-1] if act.wallet == LAST_WALLET else "WETH"
    contracts, wallet, reserve = _at(act, tx, symbol)
    amount = act.amount * 10**17
    tx.emit(contracts.pool, abi.RESERVE_DATA_UPDATED, reserve.asset, 0, 0, 0, RAY, RAY)
    tx.emit(reserve.a_token, abi.TRANSFER, ZERO_ADDRESS, wallet, amount)
    tx.emit(reserve.a_token, abi.MINT, wallet, wallet, amount, 0, RAY)
    tx.emit(contracts.pool, abi.COLLATERAL_ENABLED, reserve.asset, wallet)
    tx.emit(contracts.pool, abi.SUPPLY, reserve.asset, wallet, wallet, amount, 0)
    tx.move(LedgerKey(act.market, wallet, reserve.asset, EventType.SUPPLY_BALANCE), amount)


def _withdraw(act: Act, tx: _Transaction) -> None:
    contracts, wallet, weth = _at(act, tx, "WETH")
    key = LedgerKey(act.market, wallet, weth.asset, EventType.SUPPLY_BALANCE)
    if amount := min(act.amount * 10**17, tx.market.balance(key)):
        tx.emit(weth.a_token, abi.TRANSFER, wallet, ZERO_ADDRESS, amount)
        tx.emit(weth.a_token, abi.BURN, wallet, wallet, amount, 0, RAY)
        tx.emit(contracts.pool, abi.WITHDRAW, weth.asset, wallet, wallet, amount)
        tx.move(key, -amount)


def _borrow(act: Act, tx: _Transaction) -> None:
    contracts, wallet, usdc = _at(act, tx, "USDC")
    weth = tx.market.listed[(act.market, "WETH")]
    if not tx.market.balance(LedgerKey(act.market, wallet, weth.asset, EventType.SUPPLY_BALANCE)):
        return
    amount = act.amount * 10**6
    tx.emit(usdc.variable_debt_token, abi.TRANSFER, ZERO_ADDRESS, wallet, amount)
    tx.emit(usdc.variable_debt_token, abi.MINT, wallet, wallet, amount, 0, RAY)
    tx.emit(contracts.pool, abi.RESERVE_DATA_UPDATED, usdc.asset, 0, 0, 0, RAY, RAY)
    tx.emit(contracts.pool, abi.BORROW, usdc.asset, wallet, wallet, amount, 2, 0, 0)
    tx.move(LedgerKey(act.market, wallet, usdc.asset, EventType.DEBT_BALANCE), amount)


def _repay(act: Act, tx: _Transaction) -> None:
    contracts, wallet, usdc = _at(act, tx, "USDC")
    key = LedgerKey(act.market, wallet, usdc.asset, EventType.DEBT_BALANCE)
    if amount := min(act.amount * 10**6, tx.market.balance(key)):
        tx.emit(usdc.variable_debt_token, abi.TRANSFER, wallet, ZERO_ADDRESS, amount)
        tx.emit(usdc.variable_debt_token, abi.BURN, wallet, ZERO_ADDRESS, amount, 0, RAY)
        tx.emit(contracts.pool, abi.REPAY, usdc.asset, wallet, wallet, amount, False)
        tx.move(key, -amount)


def _liquidate(act: Act, tx: _Transaction) -> None:
    contracts, wallet, usdc = _at(act, tx, "USDC")
    weth = tx.market.listed[(act.market, "WETH")]
    debt = LedgerKey(act.market, wallet, usdc.asset, EventType.DEBT_BALANCE)
    collateral = LedgerKey(act.market, wallet, weth.asset, EventType.SUPPLY_BALANCE)
    repaid, seized = tx.market.balance(debt) // 2, tx.market.balance(collateral) // 2
    if repaid and seized:
        tx.emit(usdc.variable_debt_token, abi.BURN, wallet, ZERO_ADDRESS, repaid, 0, RAY)
        tx.emit(weth.a_token, abi.BURN, wallet, _LIQUIDATOR, seized, 0, RAY)
        liquidation = (weth.asset, usdc.asset, wallet, repaid, seized, _LIQUIDATOR, False)
        tx.emit(contracts.pool, abi.LIQUIDATION_CALL, *liquidation)
        tx.move(debt, -repaid)
        tx.move(collateral, -seized)


def _emode(act: Act, tx: _Transaction) -> None:
    tx.emit(MARKETS[act.market].pool, abi.USER_EMODE_SET, WALLETS[act.wallet], act.amount % 3)


def _price(act: Act, tx: _Transaction) -> None:
    _, _, weth = _at(act, tx, "WETH")
    tx.emit(weth.feed, abi.ANSWER_UPDATED, (1_000 + act.amount) * DOLLAR, act.nonce, 0)


def _list(act: Act, tx: _Transaction) -> None:
    """DAI, or what is called so here, and a first supply of it."""
    contracts, wallet = MARKETS[act.market], WALLETS[act.wallet]
    reserve = _listing(tx, act.market, f"DAI {act.nonce}", 18, DOLLAR)
    amount = act.amount * 10**18
    tx.emit(reserve.a_token, abi.MINT, wallet, wallet, amount, 0, RAY)
    tx.emit(contracts.pool, abi.SUPPLY, reserve.asset, wallet, wallet, amount, 0)
    tx.move(LedgerKey(act.market, wallet, reserve.asset, EventType.SUPPLY_BALANCE), amount)


def _unreadable_of_wallet(act: Act, tx: _Transaction) -> None:
    topics, _ = encode_event(abi.USER_EMODE_SET, (WALLETS[act.wallet], 1))
    tx.logs.append(RawLog(MARKETS[act.market].pool, topics, b"\x01"))


def _unreadable_of_nobody(act: Act, tx: _Transaction) -> None:
    topics, payload = encode_event(abi.USER_EMODE_SET, (WALLETS[act.wallet], 1))
    tx.logs.append(RawLog(MARKETS[act.market].pool, topics[:1], payload))


def listing_of_markets() -> tuple[tuple[RawLog, ...], BranchMarket]:
    """WETH and USDC in every market, as its first transaction."""
    tx = _Transaction(BranchMarket())
    for market in range(len(MARKETS)):
        _listing(tx, market, "WETH", 18, 2_000 * DOLLAR)
        _listing(tx, market, "USDC", 6, DOLLAR)
    return tuple(tx.logs), tx.market


def _listing(tx: _Transaction, market: int, symbol: str, decimals: int, price: int) -> ListedReserve:
    contracts, reserve = MARKETS[market], ListedReserve.of(f"{symbol} of market {market}")
    tx.emit(reserve.feed, abi.ANSWER_UPDATED, price, 1, 0)
    tx.emit(contracts.oracle, abi.ASSET_SOURCE_UPDATED, reserve.asset, reserve.feed)
    initialized = (reserve.asset, contracts.pool, TREASURY, bytes(20), decimals, f"Aave {symbol}", f"a{symbol}", b"")
    tx.emit(reserve.a_token, abi.INITIALIZED, *initialized)
    tokens = (reserve.asset, reserve.a_token, reserve.stable_debt_token, reserve.variable_debt_token)
    tx.emit(contracts.configurator, abi.RESERVE_INITIALIZED, *tokens, address("strategy"))
    tx.emit(contracts.configurator, abi.COLLATERAL_CONFIGURED, reserve.asset, 8000, 8250, 10500)
    tx.emit(contracts.pool, abi.RESERVE_DATA_UPDATED, reserve.asset, 0, 0, 0, RAY, RAY)
    tx.market = replace(tx.market, listed=MappingProxyType({**tx.market.listed, (market, symbol): reserve}))
    return reserve


def _at(act: Act, tx: _Transaction, symbol: str) -> tuple[MarketContracts, Address, ListedReserve]:
    return MARKETS[act.market], WALLETS[act.wallet], tx.market.listed[(act.market, symbol)]


_PLAYS: Final[Mapping[ActKind, Callable[[Act, _Transaction], None]]] = {
    ActKind.SUPPLY: _supply,
    ActKind.WITHDRAW: _withdraw,
    ActKind.BORROW: _borrow,
    ActKind.REPAY: _repay,
    ActKind.LIQUIDATE: _liquidate,
    ActKind.EMODE: _emode,
    ActKind.PRICE: _price,
    ActKind.LIST: _list,
    ActKind.UNREADABLE_OF_WALLET: _unreadable_of_wallet,
    ActKind.UNREADABLE_OF_NOBODY: _unreadable_of_nobody,
}
