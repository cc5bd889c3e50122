"""A wallet's story told in calls, as the events that ingest would make of it. Indices stay at 1: amounts are plain."""

from dataclasses import dataclass, field

from bonafides.events import LendingEvent, MarketPoint, Position, SubIndexKey, sub_index
from bonafides.hashing import sha256
from bonafides.types import (
    ZERO_DIGEST,
    Address,
    AsOf,
    BlockRef,
    ChainId,
    Digest,
    EventType,
    MarketPointKind,
    Protocol,
    Role,
)

CHAIN = ChainId(31337)
DEPLOYMENT = "aave-v3-development"
WALLET = Address(b"\x11" * 20)
OTHER = Address(b"\x22" * 20)
WETH = Address(b"\xaa" * 20)
USDC = Address(b"\xbb" * 20)
RAY = 10**27
START = 1_700_000_000
DAY = 86_400
ETHER = 10**18
DOLLAR = 10**6


def block_ref(number: int, timestamp: int, chain_id: ChainId = CHAIN) -> BlockRef:
    """A block whose hash follows from its number."""
    return BlockRef(chain_id, number, sha256(b"block", number.to_bytes(8)), timestamp)


@dataclass
class Story:
    """Events in canonical order. One block per transaction; `wait` lets days pass."""

    wallet: Address = WALLET
    now: int = START
    number: int = 100
    events: list[LendingEvent] = field(default_factory=list)
    log_index: int = 0

    def wait(self, days: float) -> "Story":
        self.now += int(days * DAY)
        return self

    def open(self) -> "Story":
        """A new transaction, in a new block, twelve seconds later."""
        self.number += 1
        self.now += 12
        self.log_index = 0
        return self

    @property
    def block(self) -> BlockRef:
        return block_ref(self.number, self.now)

    def add(
        self,
        kind: EventType,
        asset: Address,
        amount: int = 0,
        *,
        role: Role = Role.OWNER,
        delta: int = 0,
        counterparty: Address | None = None,
        second_asset: Address | None = None,
        second_amount: int = 0,
        protocol: Protocol = Protocol.AAVE_V3,
        index_ray: int = RAY,
        market: Digest = ZERO_DIGEST,
        leg: int = 0,
    ) -> "Story":
        """One event of the open transaction."""
        self.log_index += 1
        position = Position(self.block, Digest(sha256(b"tx", self.number.to_bytes(8))), 0, self.log_index)
        self.events.append(
            LendingEvent(
                position=position,
                sub_index=sub_index(SubIndexKey(kind, role, leg)),
                fork_epoch=1,
                decoder_version=1,
                protocol=protocol,
                deployment=DEPLOYMENT,
                type=kind,
                role=role,
                wallet=self.wallet,
                counterparty=counterparty,
                asset=asset,
                amount=amount,
                second_asset=second_asset,
                second_amount=second_amount,
                scaled_delta=delta,
                index_ray=index_ray if delta or kind in (EventType.DEBT_SET, EventType.STABLE_DEBT_SET) else 0,
                market=market,
            )
        )
        return self

    def supply(self, asset: Address, amount: int, *, payer: Address | None = None, first: bool = False) -> "Story":
        self.open().add(EventType.SUPPLY_BALANCE, asset, amount, delta=amount)
        if first:
            self.add(EventType.COLLATERAL_ENABLED, asset)
        return self.add(EventType.SUPPLIED, asset, amount, counterparty=payer)

    def withdraw(self, asset: Address, amount: int, *, to: Address | None = None) -> "Story":
        self.open().add(EventType.SUPPLY_BALANCE, asset, amount, delta=-amount)
        return self.add(EventType.WITHDRAWN, asset, amount, counterparty=to)

    def borrow(self, asset: Address, amount: int) -> "Story":
        self.open().add(EventType.DEBT_BALANCE, asset, amount, delta=amount)
        return self.add(EventType.BORROWED, asset, amount)

    def repay(self, asset: Address, amount: int, *, payer: Address | None = None) -> "Story":
        self.open().add(EventType.DEBT_BALANCE, asset, amount, delta=-amount)
        return self.add(EventType.REPAID, asset, amount, counterparty=payer)

    def liquidation(self, debt: Address, repaid: int, collateral: Address, seized: int) -> "Story":
        self.open().add(EventType.DEBT_BALANCE, debt, repaid, delta=-repaid)
        self.add(EventType.SUPPLY_BALANCE, collateral, seized, delta=-seized)
        self.add(EventType.TRANSFERRED, collateral, seized, role=Role.SENDER, counterparty=OTHER)
        return self.add(
            EventType.LIQUIDATED,
            debt,
            repaid,
            counterparty=OTHER,
            second_asset=collateral,
            second_amount=seized,
        )

    def flash(self, asset: Address, amount: int) -> "Story":
        """Borrow and repay in one transaction."""
        self.open().add(EventType.DEBT_BALANCE, asset, amount, delta=amount).add(EventType.BORROWED, asset, amount)
        return self.add(EventType.DEBT_BALANCE, asset, amount, delta=-amount).add(EventType.REPAID, asset, amount)

    def as_of(self) -> AsOf:
        """Now, one block later."""
        return AsOf((block_ref(self.number + 1, self.now),))


def point(
    kind: MarketPointKind,
    asset: Address,
    values: tuple[int, ...],
    *,
    block: BlockRef,
    log_index: int,
    category: int = 0,
) -> MarketPoint:
    """One fact of the market."""
    return MarketPoint(
        position=Position(block, sha256(b"market", block.number.to_bytes(8)), 1, log_index),
        sub_index=kind.code * 256,
        fork_epoch=1,
        decoder_version=1,
        deployment=DEPLOYMENT,
        kind=kind,
        asset=asset,
        category=category,
        values=values,
    )


def market_points(
    *, weth_usd: float = 2_000.0, number: int = 1, timestamp: int = START - DAY, rates: tuple[int, int] = (0, 0)
) -> list[MarketPoint]:
    """WETH (18 decimals, threshold 83 %) and USDC (6 decimals, threshold 80 %), indices at 1."""
    block = block_ref(number, timestamp)
    rows: list[tuple[MarketPointKind, Address, tuple[int, ...]]] = [
        (MarketPointKind.RESERVE_CONFIG, WETH, (8_050, 8_300, 10_500, 18)),
        (MarketPointKind.RESERVE_CONFIG, USDC, (7_700, 8_000, 10_450, 6)),
        (MarketPointKind.RESERVE_INDEX, WETH, (*rates, RAY, RAY)),
        (MarketPointKind.RESERVE_INDEX, USDC, (*rates, RAY, RAY)),
        (MarketPointKind.PRICE, WETH, (int(weth_usd * 10**8),)),
        (MarketPointKind.PRICE, USDC, (10**8,)),
    ]
    return [
        point(kind, asset, values, block=block, log_index=index) for index, (kind, asset, values) in enumerate(rows)
    ]
