"""A chain's past made of logs, hydrations on it, and what the scan says of the same logs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bonafides.events import BlockRange, Hydrated, LendingEvent, WalletDeadLetter
from bonafides.hashing import keccak
from bonafides.messages import EventBatch, HistoryProgress, HistoryRequest, decode
from bonafides.testing.memory_bus import MemoryAdmin, MemoryBroker, MemoryProducer
from bonafides.topics import TOPICS, WALLET_EVENTS, WALLET_HISTORY_PROGRESS, dead_letter_topic
from bonafides.types import Address, BlockRef, ChainId
from bonafides_ingest.catalogue import protocol_of
from bonafides_ingest.chain import Log, Window
from bonafides_ingest.deployments import Deployment
from bonafides_ingest.hydration.hydrator import Hydrator
from bonafides_ingest.hydration.past import FinalView
from bonafides_ingest.protocols.decoded import Decoded
from bonafides_ingest.protocols.search import Criteria

from tests.support.ingest_logs import CHAIN


@dataclass
class PastOfLogs:
    """`past.PastSource` over logs in canonical order; it tells the truth."""

    logs: Sequence[Log]
    most_blocks: int = 10**9
    finds: list[BlockRange] = field(default_factory=list)

    def find(self, wanted: BlockRange, criteria: Sequence[Criteria]) -> Window:
        asked = BlockRange(wanted.first, min(wanted.last, wanted.first + self.most_blocks - 1))
        self.finds.append(asked)
        found = tuple(
            log
            for log in self.logs
            if asked.first <= log.position.block.number <= asked.last and any(one.fit(log) for one in criteria)
        )
        return Window(asked, found, self.block(asked.last))

    def receipts(self, found: Sequence[Log], criteria: Sequence[Criteria]) -> tuple[Log, ...]:
        wanted = {log.position.tx_hash for log in found}
        return tuple(log for log in self.logs if log.position.tx_hash in wanted)

    def is_confirmed(self, window: Window, criteria: Sequence[Criteria]) -> bool:
        return True

    def block(self, number: int) -> BlockRef:
        known = {log.position.block.number: log.position.block for log in self.logs}
        chain_id = self.logs[0].position.block.chain_id
        return known.get(number) or BlockRef(chain_id, number, keccak(number.to_bytes(8)), 0)


@dataclass(frozen=True, slots=True)
class Sent:
    """What a hydration put into the log."""

    events: tuple[LendingEvent, ...]
    letters: tuple[WalletDeadLetter, ...]
    hydrated: tuple[Hydrated, ...]
    progress: tuple[HistoryProgress, ...]


def request(wallet: Address, chain_id: ChainId = CHAIN, requested_at: int = 0) -> HistoryRequest:
    return HistoryRequest(keccak(b"request", wallet), chain_id, wallet, requested_at)


def topics_of(broker: MemoryBroker) -> None:
    MemoryAdmin(broker).ensure_topics((*TOPICS, *(dead_letter_topic(topic) for topic in TOPICS)), 1)


def sent_to(broker: MemoryBroker) -> Sent:
    topics = (WALLET_EVENTS, WALLET_HISTORY_PROGRESS)
    found = [decode(value) for topic in topics for at in broker.partitions(topic.name) for value in broker.logs[at]]
    return Sent(
        tuple(event for m in found if isinstance(m, EventBatch) for event in m.events),
        tuple(m for m in found if isinstance(m, WalletDeadLetter)),
        tuple(m for m in found if isinstance(m, Hydrated)),
        tuple(m for m in found if isinstance(m, HistoryProgress)),
    )


@dataclass
class Hydrations:
    """Hydrations of one chain, one after the other; the configuration is remembered."""

    past: PastOfLogs
    deployments: Sequence[Deployment]
    last: int
    epoch: int = 1

    def __post_init__(self) -> None:
        self._broker = MemoryBroker()
        self._hydrator = Hydrator(self.past, MemoryProducer(self._broker), self.deployments, (), 1)

    def of(self, wallet: Address) -> Sent:
        self._broker.logs.clear()
        topics_of(self._broker)
        for _ in self._hydrator.hydrate(request(wallet), FinalView(self.epoch, self.last)):
            pass
        return sent_to(self._broker)


def scan(logs: Sequence[Log], deployments: Iterable[Deployment], epoch: int = 1) -> Mapping[str, Decoded]:
    """What the scan's decoding says, by deployment."""
    states = {entry.id: protocol_of(entry).restore(entry, {}) for entry in deployments}
    return {name: protocol_of(state).decode_logs(state, logs, epoch)[1] for name, state in states.items()}


def check_every_wallet(
    logs: Sequence[Log],
    deployments: Sequence[Deployment],
    *,
    most_blocks: int = 10**9,
    unnamed: frozenset[Address] = frozenset(),
) -> int:
    """The law: for every wallet the events of its hydration are those of the scan. Returns the events compared.

    Of the `unnamed` it must say that it did not see all, and what it saw must be among the scan's.
    """
    ordered = sorted(logs, key=lambda log: log.position.order)
    last = ordered[-1].position.block.number
    scanned = scan(ordered, deployments).values()
    by_wallet: dict[Address, list[LendingEvent]] = {}
    for event in sorted((event for part in scanned for event in part.events), key=lambda event: event.order):
        by_wallet.setdefault(event.wallet, []).append(event)
    holes = {wallet for part in scanned for refusal in part.refused for wallet in refusal.wallets}
    hydrations = Hydrations(PastOfLogs(ordered, most_blocks), deployments, last)
    for wallet in {*by_wallet, *holes}:
        sent = hydrations.of(wallet)
        if wallet in unnamed:
            assert all(coverage.gaps for coverage in sent.hydrated[0].coverage)
            assert set(sent.events) <= set(by_wallet.get(wallet, []))
            continue
        assert sorted(sent.events, key=lambda event: event.order) == by_wallet.get(wallet, [])
        assert not any(coverage.gaps for coverage in sent.hydrated[0].coverage)
        told = {(letter.position, letter.reason) for letter in sent.letters}
        known = {
            (refusal.log.position, refusal.reason)
            for part in scanned
            for refusal in part.refused
            if wallet in refusal.wallets
        }
        assert told <= known
        assert {reason for _, reason in told} == {reason for _, reason in known}
        (hydrated,) = sent.hydrated
        assert hydrated.block.number == last
        assert sent.progress[-1].is_done
    return sum(map(len, by_wallet.values()))
