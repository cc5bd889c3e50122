"""One log being read: what its readers get, and how they say what they found."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from bonafides.events import LendingEvent, MarketPoint, SubIndexKey, sub_index
from bonafides.types import Address, Digest, EventType, MarketPointKind, Protocol, Role

from bonafides_ingest.chain import Log
from bonafides_ingest.decoders import DECODER_VERSION, EventCodec
from bonafides_ingest.protocols.aave_v3_state import AaveV3State, ContractKind


@dataclass(frozen=True, slots=True)
class Complaint:
    """Makes the log a dead letter, beside the facts that it gives."""

    reason: str


type Fact = LendingEvent | MarketPoint | Complaint


@dataclass(frozen=True, slots=True)
class Reading:
    """A log of a watched contract, and what is known at that point."""

    state: AaveV3State
    log: Log
    asset: Address
    """Underlying of the token that emitted it; the zero address for other contracts."""
    fork_epoch: int

    def is_wallet(self, address: Address) -> bool:
        """Whether an address can have a credit history: not the protocol's own."""
        return address not in self.state.not_wallets

    def event(
        self,
        type: EventType,
        role: Role,
        wallet: Address,
        *,
        asset: Address,
        amount: int,
        counterparty: Address | None = None,
        second_asset: Address | None = None,
        second_amount: int = 0,
        scaled_delta: int = 0,
        index_ray: int = 0,
        leg: int = 0,
    ) -> list[LendingEvent]:
        """One event, or none where the wallet is the protocol itself."""
        if not self.is_wallet(wallet):
            return []
        if counterparty is not None and (counterparty == wallet or not self.is_wallet(counterparty)):
            counterparty = None
        return [
            LendingEvent(
                position=self.log.position,
                sub_index=sub_index(SubIndexKey(type, role, leg)),
                fork_epoch=self.fork_epoch,
                decoder_version=DECODER_VERSION,
                protocol=Protocol.AAVE_V3,
                deployment=self.state.deployment.id,
                type=type,
                role=role,
                wallet=wallet,
                counterparty=counterparty,
                asset=asset,
                amount=amount,
                second_asset=second_asset,
                second_amount=second_amount,
                scaled_delta=scaled_delta,
                index_ray=index_ray,
            )
        ]

    def point(
        self, kind: MarketPointKind, asset: Address, values: tuple[int, ...], *, category: int = 0
    ) -> MarketPoint:
        """One fact of the market. Those of one log are told apart by kind, deployment and asset."""
        return MarketPoint(
            position=self.log.position,
            sub_index=kind.code * 256,
            fork_epoch=self.fork_epoch,
            decoder_version=DECODER_VERSION,
            deployment=self.state.deployment.id,
            kind=kind,
            asset=asset,
            category=category,
            values=values,
        )


@dataclass(frozen=True, slots=True)
class Reader:
    """How the logs of one event are read. `read` raises InvalidMessage for a log that will never be right."""

    kinds: tuple[ContractKind, ...]
    codec: EventCodec[Any]
    read: Callable[[Reading], Iterable[Fact]]
    wallet_topics: tuple[int, ...] = ()
    """Topics that name the wallets whose history has a hole when the log cannot be read."""
    change: Callable[[Reading], AaveV3State] | None = None
    """The deployment after this log, where it changes."""
    reads_any_topics: bool = False
    """Whether it is asked, too, about logs of this signature that have too many topics or too few."""

    @property
    def topic0(self) -> Digest:
        return self.codec.topic0

    @property
    def topics(self) -> int:
        return self.codec.topics
