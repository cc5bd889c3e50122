"""What the worker does with records: events and market facts are kept, a boundary's mark folds and scores.

```
wallet-events.v1 ─► events ─► rows          mark k ─► boundary k is in the market? ─ no ─► wait (pause the partition)
market.v1 ────────► points, boundaries                     └─ yes ─► fold to its block ─► score who is due ─► outbox
attestation-status.v1 ─► rows
```
All of it runs in the poll's one transaction, and delivering anything twice changes nothing.

What cannot be read is buried and leaves a mark: on its wallet where an event says whose it was, else on the partition,
whose wallets then have an incomplete history; "not read" must never look like "never happened". A schema of a newer
version is not buried: the worker stops, to be upgraded first (`UnknownSchema`).
"""

from dataclasses import dataclass, field, replace
from hashlib import sha256

import structlog
from bonafides import messages, outbox
from bonafides.accounts import AccountFact
from bonafides.bus import Record, TopicPartition
from bonafides.consumer import Outcome
from bonafides.errors import InvalidMessage, InvalidSettings, InvariantViolation
from bonafides.events import Boundary, BoundaryMark, Hydrated, LendingEvent, MarketPoint, WalletDeadLetter
from bonafides.topics import ATTESTATION_STATUS, MARKET, WALLET_EVENTS, dead_letter_topic, partition_of
from bonafides.types import Address, ChainId
from sqlalchemy import Connection, Transaction

from bonafides_scoring import metrics
from bonafides_scoring.boundaries import BoundaryScorer, PartitionTurn
from bonafides_scoring.store import accounts, attestations, events, market
from bonafides_scoring.store.tables import outbox as outbox_table
from bonafides_scoring.store.unreadable import add_unreadable

DECODER_VERSION = 1
"""Of this reader of messages; stands in dead letters, so that a mended reader can find what to read again."""
LONGEST_ORIGINAL_BYTES = 512 * 1024
"""Of a dead letter: half of what a broker takes by default, so that a letter is never larger than what it may carry."""
LONGEST_REASON = 300
"""Characters: a reason may quote the message."""
EVENTS_BEFORE_A_MARK = 100
"""So many events of one poll are committed before a mark behind them is worked on: the first mark after a backfill
scores everybody, and rows should neither wait for that nor be written again when it fails."""
TOPICS = (MARKET, WALLET_EVENTS, ATTESTATION_STATUS)
"""In the order in which a poll's are handled: marks need the market, and must not wait for what came with them."""
_BY_NAME = {topic.name: topic for topic in TOPICS}

log = structlog.get_logger(__name__)


@dataclass
class ScoringHandler:
    """`bonafides.consumer.Handler` of the worker."""

    scorer: BoundaryScorer
    chain_ids: frozenset[ChainId]
    dead_letter_limit: int
    """So many unreadable records since start are no accident: the worker stops."""
    _dead: set[tuple[TopicPartition, int]] = field(default_factory=set)
    _counted: list[tuple[str, str, int]] = field(default_factory=list)
    _transaction: Transaction | None = None
    _read: list[events.ReadEvent] = field(default_factory=list)
    """Events of this poll that are not added yet: of all its partitions at once, since a few statements for each cost a
    third of the time of a backfill."""
    _events_in_poll: int = 0
    _has_messages: bool = False

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
        """Add what no mark has asked for."""
        self._begin_poll(connection)  # none of its partitions may have been handled
        self._add_events(connection)

    def after_commit(self) -> None:
        """The poll is durable: what it did may be counted."""
        self._has_messages |= self.scorer.has_messages or any(what == "dead letters" for what, _, _ in self._counted)
        self.scorer.after_commit()
        for name, label, amount in self._counted:
            match name:
                case "events":
                    metrics.events_total.inc(amount)
                case "points":
                    metrics.market_points_total.inc(amount)
                case _:
                    metrics.dead_letters_total.labels(label).inc(amount)
        self._counted.clear()

    def take_has_messages(self) -> bool:
        """Whether anything durable was put into the outbox since this was asked last."""
        found, self._has_messages = self._has_messages, False
        return found

    def _begin_poll(self, connection: Connection) -> None:
        """Forget what is left of a poll that was rolled back."""
        if connection.get_transaction() is not self._transaction:
            self._transaction = connection.get_transaction()
            self._counted.clear()
            self._read.clear()
            self._events_in_poll = 0
            self.scorer.forget_counts()

    def _handle_wallet_events(self, connection: Connection, at: TopicPartition, records: list[Record]) -> Outcome:
        """Events are added before the mark that claims them; a mark that must wait ends the batch.

        So does one behind many events, unless it comes first: then what was before it is committed.
        """
        turn: PartitionTurn | None = None  # asked for by the first mark: most polls of a backfill have none
        following, is_waiting = records[-1].offset + 1, False
        for record in records:
            message = self._decode(connection, record)
            match message:
                case messages.EventBatch(batch):
                    own = self._own_events(connection, record, batch)
                    self._read += [(at.partition, record.offset, event) for event in own]
                    self._events_in_poll += len(own)
                case BoundaryMark():
                    self._check_chain(message.chain_id)
                    if self._events_in_poll >= EVENTS_BEFORE_A_MARK and record is not records[0]:
                        following = record.offset
                        break
                    self._add_events(connection)
                    turn = turn or self.scorer.begin(connection, at.partition)
                    if not self.scorer.take_mark(connection, turn, record.offset, message):
                        following, is_waiting = record.offset, True
                        break
                case WalletDeadLetter():
                    if self._is_own(connection, record, message.wallet):
                        events.add_dead_letter(connection, at.partition, record.offset, message)
                case Hydrated():
                    if self._is_own(connection, record, message.wallet):
                        self._check_chain(message.block.chain_id)
                        self._add_events(connection)
                        turn = turn or self.scorer.begin(connection, at.partition)
                        events.add_hydration(connection, record.offset, message)
                        self.scorer.take_hydrated(connection, turn, record.offset, message)
                case messages.AccountBatch(facts):
                    self._add_accounts(connection, record, facts)
                case None:
                    pass
                case _:
                    self._refuse_type(connection, record, message)
        if turn is not None:
            self.scorer.finish(connection, turn)
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
                    market.add_boundary(connection, record.offset, message)
                case None:
                    pass
                case _:
                    self._refuse_type(connection, record, message)
        for chain_id in {point.position.block.chain_id for _, point in pending}:
            self._check_chain(chain_id)
        self._counted.append(("points", "", market.add_points(connection, pending)))

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

    def _add_events(self, connection: Connection) -> None:
        if not self._read:
            return
        for chain_id in {event.position.block.chain_id for _, _, event in self._read}:
            self._check_chain(chain_id)
        self._counted.append(("events", "", events.add_events(connection, self._read)))
        self._read.clear()

    def _own_events(
        self, connection: Connection, record: Record, batch: tuple[LendingEvent, ...]
    ) -> list[LendingEvent]:
        """The events of a record that belong to its partition; the others are dead-lettered one by one."""
        own = []
        for event in batch:
            if partition_of(event.wallet, WALLET_EVENTS) == record.at.partition:
                own.append(event)
            else:
                self._bury(connection, record, _WRONG_PARTITION, messages.encode(messages.EventBatch((event,))))
        return own

    def _add_accounts(self, connection: Connection, record: Record, batch: tuple[AccountFact, ...]) -> None:
        own = [fact for fact in batch if partition_of(fact.account, WALLET_EVENTS) == record.at.partition]
        for chain_id in {fact.block.chain_id for fact in own}:
            self._check_chain(chain_id)
        for fact in batch:
            if fact not in own:
                self._bury(connection, record, _WRONG_PARTITION, messages.encode(messages.AccountBatch((fact,))))
        accounts.add_accounts(connection, [(record.offset, fact) for fact in own])

    def _is_own(self, connection: Connection, record: Record, wallet: Address) -> bool:
        if partition_of(wallet, WALLET_EVENTS) == record.at.partition:
            return True
        self._bury(connection, record, _WRONG_PARTITION)
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
            self._bury(connection, record, str(exc))
            add_unreadable(connection, record.at, record.offset, _cut_reason(str(exc)))
            return None
        for part in refused:
            self._bury(connection, record, part.reason, part.original)
            if part.is_history:
                self._remember(connection, record, part)
        return message

    def _remember(self, connection: Connection, record: Record, part: messages.RefusedPart) -> None:
        """Whose history has a hole now: the wallet's, where it can be told, else the whole partition's."""
        letter, partition = part.letter, record.at.partition
        if letter is None or part.sub_index is None or letter.position.block.chain_id not in self.chain_ids:
            add_unreadable(connection, record.at, record.offset, _cut_reason(part.reason))
        elif partition_of(letter.wallet, WALLET_EVENTS) == partition:
            letter = replace(letter, reason=_cut_reason(letter.reason))
            events.add_dead_letter(connection, partition, record.offset, letter, part.sub_index)

    def _refuse_type(self, connection: Connection, record: Record, message: messages.Message) -> None:
        self._bury(connection, record, f"a {type(message).__name__} does not belong in this topic")

    def _bury(self, connection: Connection, record: Record, reason: str, original: bytes | None = None) -> None:
        letters = dead_letter_topic(_BY_NAME[record.at.topic])
        original, reason = _fit(record.value if original is None else original, _cut_reason(reason))
        letter = messages.DeadLetter(
            original=original,
            reason=reason,
            topic=record.at.topic,
            partition=record.at.partition,
            offset=record.offset,
            decoder_version=DECODER_VERSION,
        )
        outbox.put(connection, outbox_table, letters, record.at.partition % letters.partitions, letter)
        self._dead.add((record.at, record.offset))
        self._counted.append(("dead letters", record.at.topic, 1))
        log.warning(
            "message refused",
            topic=record.at.topic,
            partition=record.at.partition,
            offset=record.offset,
            reason=reason,
        )
        if len(self._dead) > self.dead_letter_limit:
            raise InvariantViolation(
                f"{len(self._dead)} records could not be read since start, more than the "
                f"{self.dead_letter_limit} allowed: wrong topic, or a producer of a newer version; upgrade this worker"
            )


def _cut_reason(reason: str) -> str:
    """At most `LONGEST_REASON` characters, and none that a database refuses."""
    return reason[:LONGEST_REASON].replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _fit(original: bytes, reason: str) -> tuple[bytes, str]:
    """What a dead letter carries of a message: all of it, or its beginning and what names the whole."""
    if len(original) <= LONGEST_ORIGINAL_BYTES:
        return original, reason
    digest = sha256(original).hexdigest()
    return (
        original[:LONGEST_ORIGINAL_BYTES],
        f"{reason}; cut to {LONGEST_ORIGINAL_BYTES} of {len(original)} bytes, sha256 {digest}",
    )


_WRONG_PARTITION = "a wallet of another partition: its order against its other events is lost"
