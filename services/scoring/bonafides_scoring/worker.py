"""The scoring worker: reads the three topics, folds and scores, and sends what that came to.

poll ─► [ rows, states, results, outbox, offsets: one transaction ] ─► outbox ─► scores-issued.v1, dead letters
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from bonafides.consumer import OffsetConsumer
from bonafides.outbox import Outbox

from bonafides_scoring import metrics

GROUP = "bonafides-scoring-worker"
"""Fixed: offsets stand under it. One member of it owns `market.v1` and writes the market for all."""


RELAY_EVERY_S = 1.0
"""Also without anything of our own to send: what a member that died has left behind."""


@dataclass
class ScoringWorker:
    """One member of the group. Several work at once: a wallet belongs to one partition, a partition to one member."""

    consumer: OffsetConsumer
    outbox: Outbox
    has_messages: Callable[[], bool] = lambda: True
    """Whether a turn has put something into the outbox: looking into it costs each turn a transaction."""
    now: Callable[[], float] = time.monotonic
    _relayed_at: float = float("-inf")

    def start(self) -> None:
        """Send what a crash left behind, and join the group. Raises Unavailable."""
        self.relay()
        self.consumer.start()

    def turn(self) -> bool:
        """One poll and what it made; returns whether anything was done."""
        was_busy = self.consumer.turn()
        if not self.has_messages() and self.now() - self._relayed_at < RELAY_EVERY_S:
            return was_busy
        return self.relay() > 0 or was_busy

    def relay(self) -> int:
        """Send the outbox; returns how many messages."""
        sent = self.outbox.relay_all()
        self._relayed_at = self.now()
        metrics.outbox_sent_total.inc(sent)
        return sent

    def missing(self) -> str | None:
        """Readiness: None when the group has given us partitions."""
        return None if self.consumer.is_assigned() else "no partition is assigned to this worker yet"
