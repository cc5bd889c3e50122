"""The lane of hydrations: which request is in hand, how it is worked on, and when its offset moves on.

```
requests of all partitions ─► handle: none in hand? this one is ─► its partition waits
                                  ▲                                  │
                                  │                                  ▼ outside of any transaction
                       its record comes again: done? the offset moves    work: a few steps, then poll again
```
One is in hand at a time. After a crash its record is read again and all of it is done again: the same events. What its
boundary says was seen may differ, as another block is final by then, and another provider may confirm. A request that
fails again and again is put behind the others of its partition, so that they need not wait. One that is too old is
dropped: whoever asked has asked again, or went away.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import structlog
from bonafides import crashpoints
from bonafides.bus import Producer, Record, TopicPartition
from bonafides.clock import Clock
from bonafides.consumer import OffsetConsumer, Outcome
from bonafides.errors import InvalidMessage, Unavailable
from bonafides.messages import DeadLetter, HistoryRequest, decode, encode
from bonafides.topics import WALLET_HISTORY_REQUESTED, dead_letter_topic
from bonafides.types import ChainId, Digest
from sqlalchemy import Connection

from bonafides_ingest import metrics
from bonafides_ingest.hydration.hydrator import Hydrator
from bonafides_ingest.hydration.past import FinalView

DECODER_VERSION = 1
"""Of this reader of requests; stands in dead letters."""
LONGEST_ORIGINAL_BYTES = 512 * 1024
"""Of a dead letter: half of what a broker takes."""
LONGEST_REASON = 300
"""Characters: a reason may quote the message."""
FAILURES = 3
"""After so many a request is put behind the others, where any wait."""
BEHIND_S = 10.0
"""So long it is not begun again, so that those of other partitions come first."""
UNSEEN_S = 60.0
"""So long without its record coming again, and another replica has it in hand, or has done it."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LaneOptions:
    """What the lane is told by the settings."""

    chain_id: ChainId
    expiry_s: float
    """A request that is older when it is begun is dropped."""
    slice_s: float = 2.0
    """How long is worked on a request between two polls: the group must hear of us."""


@dataclass
class _InHand:
    """The request that is worked on."""

    at: TopicPartition
    offset: int
    request: HistoryRequest
    taken_at: float
    seen_at: float
    steps: Iterator[None] | None = None
    """None: to be begun, or begun again."""
    failures: int = 0
    is_done: bool = False


class RequestHandler:
    """`bonafides.consumer.Handler` of the requests; `work` does what they ask for."""

    def __init__(
        self,
        options: LaneOptions,
        hydrator: Hydrator,
        view: Callable[[], FinalView],
        producer: Producer,
        clock: Clock,
    ) -> None:
        self._options, self._hydrator, self._view = options, hydrator, view
        self._producer, self._clock = producer, clock
        self._in_hand: _InHand | None = None
        self._left: TopicPartition | None = None
        """Where the request that is done, or dropped, moves on with this poll's commit."""
        self._has_others = False
        """Whether others were seen to wait for the one in hand."""
        self._behind: tuple[Digest, float] | None = None
        """The request that was put behind others last, and until when it stays there."""

    @property
    def in_hand(self) -> TopicPartition | None:
        """The partition of the request in hand."""
        return self._in_hand.at if self._in_hand else None

    def handle(self, connection: Connection, at: TopicPartition, records: list[Record]) -> Outcome:
        """Pass over what is not ours, take the first that is, and wait until it is done."""
        for record in records:
            if self._must_wait(record):
                work = self._in_hand
                is_last = work is not None and (work.at, work.offset) == (record.at, records[-1].offset)
                self._has_others = self._has_others or not is_last
                return Outcome(record.offset, is_waiting=True)
        return Outcome(records[-1].offset + 1)

    def before_commit(self, connection: Connection) -> None:
        """Nothing is written but the offsets."""

    def after_commit(self) -> None:
        """What was left behind is forgotten: before, its record could have come again."""
        if self._in_hand is not None and self._in_hand.at == self._left:
            self._in_hand = None
        self._left = None

    def work(self) -> None:
        """Go on with the request in hand for a while.

        Raises Unavailable when the node, the broker or the database does not answer: the request is begun again.
        """
        work = self._in_hand
        if work is None or work.is_done:
            return
        began = self._clock.now()
        try:
            if work.steps is None:
                work.steps = self._hydrator.hydrate(work.request, self._final_view())
            for _ in work.steps:
                if self._clock.now() - began > self._options.slice_s:
                    return
        except Unavailable:
            work.steps = None
            metrics.HYDRATIONS.labels("failed").inc()
            work.failures += 1
            if work.failures >= FAILURES and self._has_others:
                self._put_behind(work)
            raise
        crashpoints.reach("hydration.after_produce")
        work.is_done = True
        seconds = max(self._clock.now() - work.taken_at, 0.0)
        metrics.HYDRATIONS.labels("done").inc()
        metrics.HYDRATION_SECONDS.observe(seconds)
        log.info("wallet hydrated", seconds=round(seconds, 3))

    def _put_behind(self, work: _InHand) -> None:
        """Ask for the same again, behind the others; a crash before its offset moves on leaves it there twice."""
        self._producer.send(work.at.topic, work.at.partition, encode(work.request))
        self._producer.flush()
        work.is_done = True
        self._behind = work.request.request_id, self._clock.now() + BEHIND_S
        log.warning("hydration fails, and goes behind others", failures=work.failures)

    def drop(self) -> None:
        """Leave the request in hand to whoever reads its partition now."""
        self._in_hand = None

    def is_unseen(self) -> bool:
        """Whether the record of the request in hand has not come for so long that it must be another's."""
        work = self._in_hand
        return work is not None and self._clock.now() - work.seen_at > UNSEEN_S

    def _must_wait(self, record: Record) -> bool:
        """Whether this record is a request that is not done."""
        work = self._in_hand
        if work is not None and work.at == record.at and work.offset < record.offset and self._left != record.at:
            self._in_hand = work = None  # another replica was faster
        if work is not None and (work.at, work.offset) == (record.at, record.offset):
            work.seen_at = self._clock.now()
            if work.is_done or (work.steps is None and self._is_expired(work.request)):
                self._left = record.at
                return False
            return True
        request = self._read(record)
        if request is None or request.chain_id != self._options.chain_id or self._is_expired(request):
            return False
        now = self._clock.now()
        is_behind = self._behind is not None and request.request_id == self._behind[0] and now < self._behind[1]
        if work is None and not is_behind:
            self._has_others = False
            self._in_hand = _InHand(record.at, record.offset, request, now, now)
        return True

    def _is_expired(self, request: HistoryRequest) -> bool:
        is_expired = self._clock.now() - request.requested_at > self._options.expiry_s
        if is_expired:
            metrics.HYDRATIONS.labels("expired").inc()
        return is_expired

    def _final_view(self) -> FinalView:
        view = self._view()
        if view.number < 0:
            raise Unavailable("no block of the chain was taken as final yet: a history has no end to be read to")
        return view

    def _read(self, record: Record) -> HistoryRequest | None:
        """The request; None for what is none, which then lies in the dead letters. Raises UnknownSchema."""
        try:
            message = decode(record.value)
        except InvalidMessage as exc:
            self._bury(record, str(exc))
            return None
        if isinstance(message, HistoryRequest):
            return message
        self._bury(record, f"a {type(message).__name__} does not belong in this topic")
        return None

    def _bury(self, record: Record, reason: str) -> None:
        letters = dead_letter_topic(WALLET_HISTORY_REQUESTED)
        letter = DeadLetter(
            original=record.value[:LONGEST_ORIGINAL_BYTES],
            reason=reason[:LONGEST_REASON],
            topic=record.at.topic,
            partition=record.at.partition,
            offset=record.offset,
            decoder_version=DECODER_VERSION,
        )
        self._producer.send(letters.name, record.at.partition % letters.partitions, encode(letter))
        self._producer.flush()
        metrics.HYDRATIONS.labels("refused").inc()
        log.warning("request refused", partition=record.at.partition, offset=record.offset, reason=letter.reason)


class Lane:
    """Turns of the lane: poll, then work."""

    def __init__(self, consumer: OffsetConsumer, handler: RequestHandler, prepare: Callable[[], None]) -> None:
        self._consumer, self._handler, self._prepare = consumer, handler, prepare
        self._is_started = False

    def turn(self) -> bool:
        """Poll once, work for a while; returns whether there is more to do at once. Raises Unavailable: turn again."""
        if not self._is_started:
            self._prepare()
            self._consumer.start()
            self._is_started = True
        was_busy = self._consumer.turn()
        at = self._handler.in_hand
        if at is None:
            return was_busy
        if at not in self._consumer.consumer.assignment() or self._handler.is_unseen():
            self._handler.drop()
        else:
            self._handler.work()
        return True
