"""Handing records to the broker, and waiting until they are in the log."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bonafides.bus import Producer

from bonafides_ingest.outgoing import OutgoingRecord
from bonafides_ingest.pressure import Pressure


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends, and tells how long it took."""

    producer: Producer
    pressure: Pressure
    seconds: Callable[[], float] = time.monotonic

    def send(self, records: Sequence[OutgoingRecord]) -> None:
        """All of these are in the log, in order, when it returns. Raises Unavailable: some of them may be."""
        started = self.seconds()
        for record in records:
            self.producer.send(record.topic, record.partition, record.value)
        self.producer.flush()
        self.pressure.flushed(self.seconds() - started)
