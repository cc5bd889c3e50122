"""Asks for the hydration of a wallet, and follows its progress: what the command does."""

import time
from collections.abc import Callable
from uuid import uuid4

from bonafides.bus import Admin, Consumer, Producer, Record, TopicPartition
from bonafides.errors import InvalidMessage, Unavailable
from bonafides.messages import HistoryProgress, HistoryRequest, decode, encode
from bonafides.topics import WALLET_HISTORY_PROGRESS, WALLET_HISTORY_REQUESTED, partition_of
from bonafides.types import Address, ChainId, Digest

POLL_S = 0.2


def new_request(chain_id: ChainId, wallet: Address, now: int) -> HistoryRequest:
    """A request of its own id, which says nothing about the wallet."""
    return HistoryRequest(Digest(uuid4().bytes + uuid4().bytes), chain_id, wallet, now)


def send_request(producer: Producer, request: HistoryRequest) -> None:
    """Put it into its partition, acknowledged. Raises Unavailable."""
    topic = WALLET_HISTORY_REQUESTED
    producer.send(topic.name, partition_of(request.wallet, topic), encode(request))
    producer.flush()


class ProgressReader:
    """Reads the progress of requests that are sent after it was made."""

    def __init__(self, consumer: Consumer, admin: Admin) -> None:
        topic = WALLET_HISTORY_PROGRESS.name
        self._consumer, self._next = consumer, admin.end_offsets([topic])
        self._unplaced: set[TopicPartition] = set()
        consumer.subscribe([topic], self._place, lambda _: None)

    def wait(
        self,
        request: HistoryRequest,
        show: Callable[[HistoryProgress], None],
        timeout_s: float,
        now: Callable[[], float] = time.monotonic,
    ) -> HistoryProgress:
        """Show each word about a request, and return the last one. Raises Unavailable when none comes in time."""
        deadline = now() + timeout_s
        while now() < deadline:
            for record in self._poll():
                progress = _progress_of(record, request)
                if progress is None:
                    continue
                show(progress)
                if progress.is_done:
                    return progress
                deadline = now() + timeout_s
        raise Unavailable(
            f"no word of the request for {timeout_s:.0f} s: is `bonafides ingest run` at work for chain "
            f"{request.chain_id}, on this broker?"
        )

    def _place(self, partitions: set[TopicPartition]) -> None:
        self._unplaced |= partitions

    def _poll(self) -> list[Record]:
        placing = self._unplaced & self._consumer.assignment()
        for at in placing:
            self._consumer.seek(at, self._next.get(at, 0))
        self._consumer.resume(placing)
        self._unplaced -= placing
        records = self._consumer.poll(POLL_S)
        self._next |= {record.at: record.offset + 1 for record in records}
        return records


def _progress_of(record: Record, request: HistoryRequest) -> HistoryProgress | None:
    try:
        message = decode(record.value)
    except InvalidMessage:
        return None  # somebody else's matter
    return message if isinstance(message, HistoryProgress) and message.request_id == request.request_id else None
