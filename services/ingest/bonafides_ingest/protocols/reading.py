"""Reading the logs of one transaction, whatever the protocol: dispatch, what a reader gets, how it says what it found.

A log goes to a reader by (contract, signature, number of topics): one signature can be two events (`0x4c209b5f…`), and
two protocols share many. Which contracts are a deployment's, and from which log on, its state says.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Protocol, Self, assert_never

from bonafides.errors import InvalidMessage
from bonafides.events import LendingEvent, MarketPoint, SubIndexKey, sub_index
from bonafides.quick import quick
from bonafides.types import ZERO_DIGEST, Address, Digest, EventType, MarketPointKind, Role

from bonafides_ingest.chain import Log
from bonafides_ingest.decoders import DECODER_VERSION
from bonafides_ingest.protocols.decoded import Decoded, RefusedLog
from bonafides_ingest.protocols.state import DeploymentState, Watched

_make_event, _make_point = quick(LendingEvent), quick(MarketPoint)


@cache
def _sub_index(type: EventType, role: Role, leg: int) -> int:
    return sub_index(SubIndexKey(type, role, leg))


@dataclass(frozen=True, slots=True)
class Complaint:
    """Makes the log a dead letter, beside the facts that it gives."""

    reason: str
    wallets: tuple[Address, ...] = ()
    """Wallets whose history has a hole by it, where its topics do not name them."""
    is_hole: bool = False
    """Whether it is not read by design: no fault of the decoder, so it never counts against the chain's limit."""


type Fact = LendingEvent | MarketPoint | Complaint


@dataclass(frozen=True, slots=True)
class Reading[S: DeploymentState]:
    """A log of a watched contract, and what is known at that point."""

    state: S
    log: Log
    watched: Watched
    """The contract that emitted it."""
    fork_epoch: int
    transaction: Sequence[Log]
    """All logs of the log's transaction that were fetched, in order: some facts stand in two of them."""

    @property
    def asset(self) -> Address:
        """Underlying of the token that emitted it; the zero address for other contracts."""
        return self.watched.asset

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
        market: Digest = ZERO_DIGEST,
        leg: int = 0,
    ) -> list[LendingEvent]:
        """One event, or none where the wallet is the protocol itself."""
        if not self.is_wallet(wallet):
            return []
        if counterparty is not None and (counterparty == wallet or not self.is_wallet(counterparty)):
            counterparty = None
        return [
            _make_event(
                position=self.log.position,
                sub_index=_sub_index(type, role, leg),
                fork_epoch=self.fork_epoch,
                decoder_version=DECODER_VERSION,
                protocol=self.state.deployment.protocol,
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
                market=market,
            )
        ]

    def point(
        self,
        kind: MarketPointKind,
        asset: Address,
        values: tuple[int, ...],
        *,
        category: int = 0,
        market: Digest = ZERO_DIGEST,
        leg: int = 0,
    ) -> MarketPoint:
        """One fact of the market. Those of one log are told apart by kind, deployment, asset and leg (below 256)."""
        return _make_point(
            position=self.log.position,
            sub_index=kind.code * 256 + leg,
            fork_epoch=self.fork_epoch,
            decoder_version=DECODER_VERSION,
            deployment=self.state.deployment.id,
            kind=kind,
            asset=asset,
            category=category,
            values=values,
            market=market,
        )


class Signature(Protocol):
    """What tells an event from others: an `EventCodec` has it."""

    @property
    def topic0(self) -> Digest: ...

    @property
    def topics(self) -> int:
        """How many topics its logs have, the signature included."""


@dataclass(frozen=True, slots=True)
class Reader[S: DeploymentState]:
    """How the logs of one event are read. `read` raises InvalidMessage for a log that will never be right."""

    kinds: tuple[StrEnum, ...]
    codec: Signature
    read: Callable[[Reading[S]], Iterable[Fact]]
    wallet_topics: tuple[int, ...] = ()
    """Topics that name the wallets whose history has a hole when the log cannot be read."""
    change: Callable[[Reading[S]], S] | None = None
    """The deployment after this log, where it changes."""
    is_market: bool = False
    """Whether it speaks of a market and no wallet, though other events of its contract do not."""
    reads_any_topics: bool = False
    """Whether it is asked, too, about logs of this signature that have too many topics or too few."""


type _RouteKey = tuple[StrEnum, Digest, int]


@dataclass(frozen=True, slots=True)
class Routes[S: DeploymentState]:
    """The readers of a protocol by kind of contract, signature and number of topics."""

    readers: Mapping[_RouteKey, Reader[S]]
    signatures: frozenset[tuple[StrEnum, Digest]]

    @classmethod
    def of(cls, readers: Iterable[Reader[S]]) -> Self:
        """Raises LookupError where two readers claim the same logs."""
        by_key: dict[_RouteKey, Reader[S]] = {}
        for reader in readers:
            counts = range(1, 5) if reader.reads_any_topics else (reader.codec.topics,)
            for key in ((kind, reader.codec.topic0, count) for kind in reader.kinds for count in counts):
                if by_key.setdefault(key, reader) is not reader:
                    raise LookupError(f"two readers for logs of {key[0]} with {key[2]} topics and one signature")
        return cls(by_key, frozenset((kind, topic0) for kind, topic0, _ in by_key))


def read_transaction[S: DeploymentState](
    routes: Routes[S], state: S, logs: Sequence[Log], fork_epoch: int, pass_over: Callable[[S, Log], S]
) -> tuple[S, Decoded]:
    """What the logs of one transaction say, and the deployment after them.

    `logs` are in order of their index and may hold those of other contracts, which go to `pass_over`. A log that cannot
    be read is in `refused`, and costs the others nothing.
    """
    refused: list[RefusedLog] = []
    events: list[LendingEvent] = []
    points: list[MarketPoint] = []
    for log in logs:
        if not log.topics or not state.deployment.covers(log.position.block.number):
            continue
        watched = state.watched.get(log.address)
        if watched is None:
            state = pass_over(state, log)
            continue
        reader = routes.readers.get((watched.kind, log.topics[0], len(log.topics)))
        if reader is None:
            if (watched.kind, log.topics[0]) in routes.signatures:
                reason = f"{len(log.topics)} topics for a known signature"
                refused.append(_refusal(state, log, (), reason, watched.kind in state.market_kinds))
            continue  # an event that says nothing about positions or markets
        reading = Reading(state, log, watched, fork_epoch, logs)
        is_market = reader.is_market or watched.kind in state.market_kinds
        try:
            found = list(reader.read(reading))
            if reader.change:
                state = reader.change(reading)
        except InvalidMessage as exc:
            refused.append(_refusal(state, log, _named(log, reader.wallet_topics), str(exc), is_market))
            continue
        for fact in found:
            match fact:
                case LendingEvent():
                    events.append(fact)
                case MarketPoint():
                    points.append(fact)
                case Complaint():
                    named = (*_named(log, reader.wallet_topics), *fact.wallets)
                    refused.append(_refusal(state, log, named, fact.reason, is_market, fact.is_hole))
                case _:
                    assert_never(fact)
    return state, Decoded(tuple(events), tuple(points), tuple(refused))


def _named(log: Log, wallet_topics: tuple[int, ...]) -> tuple[Address, ...]:
    return tuple(
        Address(log.topics[number][12:])
        for number in wallet_topics
        if number < len(log.topics) and not any(log.topics[number][:12])
    )


def _refusal(
    state: DeploymentState,
    log: Log,
    wallets: tuple[Address, ...],
    reason: str,
    is_market: bool,
    is_hole: bool = False,
) -> RefusedLog:
    known = tuple(wallet for wallet in dict.fromkeys(wallets) if wallet not in state.not_wallets)
    return RefusedLog(log, state.deployment.id, reason, known, is_market, is_hole)
