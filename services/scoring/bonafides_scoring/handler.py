"""What the worker does with records: events and market facts are kept, a boundary's mark folds and scores.

```
wallet-events.v1 ─► events ─► rows          mark k ─► boundary k is in the market? ─ no ─► wait (pause the partition)
market.v1 ────────► points, boundaries                     └─ yes ─► fold to its block ─► score who is due ─► outbox
attestation-status.v1 ─► rows
```
All of it runs in the poll's one transaction, and delivering anything twice changes nothing. Events and marks are worked
on when all partitions of the poll were read, together (`poll_work`).

What cannot be read is buried and leaves a mark: on its wallet where an event says whose it was, else on the partition,
whose wallets then have an incomplete history; "not read" must never look like "never happened". A schema of a newer
version is not buried: the worker stops, to be upgraded first (`UnknownSchema`).
"""

from dataclasses import dataclass, field, replace

from bonafides import messages
from bonafides.accounts import AccountFact
from bonafides.bus import Record, TopicPartition
from bonafides.consumer import Outcome
from bonafides.errors import InvalidMessage, InvalidSettings
from bonafides.events import Boundary, BoundaryMark, Hydrated, LendingEvent, MarketPoint, WalletDeadLetter
from bonafides.topics import ATTESTATION_STATUS, MARKET, WALLET_EVENTS, partition_of
from bonafides.types import Address, ChainId
from sqlalchemy import Connection, Transaction

from bonafides_scoring import metrics
from bonafides_scoring.boundaries import BoundaryScorer
from bonafides_scoring.dead_letters import DeadLetters, cut_reason
from bonafides_scoring.poll_work import PollWork
from bonafides_scoring.store import accounts, attestations, events, market
from bonafides_scoring.store.market import LoggedBoundary
from bonafides_scoring.store.unreadable import add_unreadable

EVENTS_BEFORE_A_MARK = 100
"""So many events of one poll are committed before a mark behind them is worked on: the first mark after a backfill
scores everybody, and rows should neither wait for that nor be written again when it fails."""
TOPICS = (MARKET, WALLET_EVENTS, ATTESTATION_STATUS)
"""In the order in which a poll's are handled: marks need the market, and must not wait for what came with them."""
_BY_NAME = {topic.name: topic for topic in TOPICS}


@dataclass
class ScoringHandler:
    """`bonafides.consumer.Handler` of the worker."""

    scorer: BoundaryScorer
    chain_ids: frozenset[ChainId]
    dead_letter_limit: int
    """So many unreadable records since start are no accident: the worker stops."""
    _new_events: int = 0
    _new_points: int = 0
    _transaction: Transaction | None = None
    _events_in_poll: int = 0
    _has_messages: bool = False
    _work: PollWork = field(init=False)
    _dead_letters: DeadLetters = field(init=False)

    def __post_init__(self) -> None:
        self._work, self._dead_letters = PollWork(self.scorer), DeadLetters(self.dead_letter_limit)

    def handle(self, connection: Connection, at: TopicPartition, records: list[Record]) -> Outcome:
        """Handle records of one partition in order."""
        self._begin_poll(connection)
        match _BY_NAME[at.topic]:
            case topic if topic is WALLET_EVENTS:
                return self._handle_wallet_events(connection, at, records)
            case topic if topic is MARKET:
                self._handle_market(connection, at, records)
            case _:
                self._handle_statuses(connection, at, records)
        return Outcome(records[-1].offset + 1)

    def before_commit(self, connection: Connection) -> None:
        """Add the events and handle the marks of all partitions."""
        self._begin_poll(connection)  # none of its partitions may have been handled
        self._new_events += self._work.finish(connection)

    def after_commit(self) -> None:
        """The poll is durable: what it did may be counted."""
        self._has_messages |= self.scorer.has_messages or bool(self._dead_letters.buried)
        self.scorer.after_commit()
        metrics.events_total.inc(self._new_events)
        metrics.market_points_total.inc(self._new_points)
        for topic in self._dead_letters.buried:
            metrics.dead_letters_total.labels(topic).inc()
        self._forget_counts()

    def take_has_messages(self) -> bool:
        """Whether anything durable was put into the outbox since this was asked last."""
        found, self._has_messages = self._has_messages, False
        return found

    def _begin_poll(self, connection: Connection) -> None:
        """Forget what is left of a poll that was rolled back."""
        if connection.get_transaction() is not self._transaction:
            self._transaction = connection.get_transaction()
            self._forget_counts()
            self._work.forget()
            self._events_in_poll = 0
            self.scorer.forget_counts()

    def _forget_counts(self) -> None:
        self._new_events = self._new_points = 0
        self._dead_letters.buried.clear()

    def _handle_wallet_events(self, connection: Connection, at: TopicPartition, records: list[Record]) -> Outcome:
        """Events and marks are kept until every partition of the poll was read; a mark that must wait ends the batch.

        So does one behind many events, unless it comes first: then what was before it is committed.
        """
        following, is_waiting = records[-1].offset + 1, False
        for record in records:
            message = self._decode(connection, record)
            match message:
                case messages.EventBatch(batch):
                    own = self._own_events(connection, record, batch)
                    self._work.read_events(at.partition, record.offset, own)
                    self._events_in_poll += len(own)
                case BoundaryMark():
                    self._check_chain(message.chain_id)
                    if self._events_in_poll >= EVENTS_BEFORE_A_MARK and record is not records[0]:
                        following = record.offset
                        break
                    logged = self.scorer.memory.boundary(connection, message.chain_id, message.number)
                    if logged is None:
                        following, is_waiting = record.offset, True
                        break
                    self._work.read_mark(at.partition, record.offset, logged)
                case WalletDeadLetter():
                    if self._is_own(connection, record, message.wallet):
                        self._do_marks_before(connection, at.partition)
                        events.add_dead_letter(connection, at.partition, record.offset, message)
                case Hydrated():
                    if self._is_own(connection, record, message.wallet):
                        self._check_chain(message.block.chain_id)
                        self._new_events += self._work.do(connection)
                        turn = self._work.turn(connection, at.partition)
                        events.add_hydration(connection, record.offset, message)
                        self.scorer.take_hydrated(connection, turn, record.offset, message)
                case messages.AccountBatch(facts):
                    self._add_accounts(connection, record, facts)
                case None:
                    pass
                case _:
                    self._refuse_type(connection, record, message)
        metrics.waits_total.inc(is_waiting)
        return Outcome(following, is_waiting)

    def _handle_market(self, connection: Connection, at: TopicPartition, records: list[Record]) -> None:
        pending: list[tuple[int, MarketPoint]] = []
        for record in records:
            message = self._decode(connection, record)
            match message:
                case messages.MarketBatch(points):
                    pending += [(record.offset, point) for point in points]
                case Boundary():
                    self._check_chain(message.block.chain_id)
                    if market.add_boundary(connection, record.offset, message):
                        self.scorer.memory.keep(LoggedBoundary(message, record.offset))
                case None:
                    pass
                case _:
                    self._refuse_type(connection, record, message)
        for chain_id in {point.position.block.chain_id for _, point in pending}:
            self._check_chain(chain_id)
        self._new_points += market.add_points(connection, pending)

    def _handle_statuses(self, connection: Connection, at: TopicPartition, records: list[Record]) -> None:
        for record in records:
            message = self._decode(connection, record)
            match message:
                case messages.AttestationChanged():
                    attestations.set_status(connection, record.offset, message)
                case None:
                    pass
                case _:
                    self._refuse_type(connection, record, message)

    def _do_marks_before(self, connection: Connection, partition: int) -> None:
        """Before something is written at once: a mark of the partition that came earlier must not see it."""
        if self._work.has_mark(partition):
            self._new_events += self._work.do(connection)

    def _own_events(
        self, connection: Connection, record: Record, batch: tuple[LendingEvent, ...]
    ) -> list[LendingEvent]:
        """The events of a record that belong to its partition; the others are dead-lettered one by one."""
        own = []
        for event in batch:
            if partition_of(event.wallet, WALLET_EVENTS) == record.at.partition:
                own.append(event)
            else:
                self._dead_letters.bury(
                    connection, record, _WRONG_PARTITION, messages.encode(messages.EventBatch((event,)))
                )
        for chain_id in {event.position.block.chain_id for event in own}:
            self._check_chain(chain_id)
        return own

    def _add_accounts(self, connection: Connection, record: Record, batch: tuple[AccountFact, ...]) -> None:
        own = [fact for fact in batch if partition_of(fact.account, WALLET_EVENTS) == record.at.partition]
        for chain_id in {fact.block.chain_id for fact in own}:
            self._check_chain(chain_id)
        for fact in batch:
            if fact not in own:
                self._dead_letters.bury(
                    connection, record, _WRONG_PARTITION, messages.encode(messages.AccountBatch((fact,)))
                )
        accounts.add_accounts(connection, [(record.offset, fact) for fact in own])

    def _is_own(self, connection: Connection, record: Record, wallet: Address) -> bool:
        if partition_of(wallet, WALLET_EVENTS) == record.at.partition:
            return True
        self._dead_letters.bury(connection, record, _WRONG_PARTITION)
        return False

    def _check_chain(self, chain_id: ChainId) -> None:
        """Stop for a chain that the settings do not list, on purpose: its facts are good, and burying them would hide a
        whole chain from every score. Nothing is lost: the offset stays before them."""
        if chain_id not in self.chain_ids:
            raise InvalidSettings(
                f"the log holds chain {chain_id}, but BONAFIDES_SCORING_CHAIN_IDS lists "
                f"{', '.join(str(known) for known in sorted(self.chain_ids))}: an as-of names every chain; add it"
            )

    def _decode(self, connection: Connection, record: Record) -> messages.Message | None:
        """The message, without the parts that will never be right; None for one that is wrong as a whole. What is wrong
        then lies in the dead letters. Raises UnknownSchema."""
        try:
            message, refused = messages.decode_parts(record.value)
        except InvalidMessage as exc:
            self._dead_letters.bury(connection, record, str(exc))
            add_unreadable(connection, record.at, record.offset, cut_reason(str(exc)))
            return None
        for part in refused:
            self._dead_letters.bury(connection, record, part.reason, part.original)
            if part.is_history:
                self._remember(connection, record, part)
        return message

    def _remember(self, connection: Connection, record: Record, part: messages.RefusedPart) -> None:
        """Whose history has a hole now: the wallet's, where it can be told, else the whole partition's."""
        letter, partition = part.letter, record.at.partition
        if letter is None or part.sub_index is None or letter.position.block.chain_id not in self.chain_ids:
            add_unreadable(connection, record.at, record.offset, cut_reason(part.reason))
        elif partition_of(letter.wallet, WALLET_EVENTS) == partition:
            letter = replace(letter, reason=cut_reason(letter.reason))
            self._do_marks_before(connection, partition)
            events.add_dead_letter(connection, partition, record.offset, letter, part.sub_index)

    def _refuse_type(self, connection: Connection, record: Record, message: messages.Message) -> None:
        self._dead_letters.bury(connection, record, f"a {type(message).__name__} does not belong in this topic")


_WRONG_PARTITION = "a wallet of another partition: its order against its other events is lost"
