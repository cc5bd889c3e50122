"""How far the work is, as the tables say: whether it goes on after a fault, and whether all of it is done."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from bonafides.errors import Unavailable
from bonafides.kafka_bus import KafkaBusAdmin, KafkaConnection
from bonafides.topics import MARKET, WALLET_EVENTS

LOOK_S = 0.1
RESUME_WITHIN_S = 90.0
"""Both sides wait up to 30 s between two attempts when something was away for long."""
DRAIN_WITHIN_S = 120.0


class Stuck(Exception):
    """Work does not go on, or does not come to its end."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Two numbers that grow while all goes well."""

    cursor: int
    """Of ingest, a block; -1 before the first."""
    consumed: int
    """Records that the workers have committed."""

    def is_past(self, other: "Progress") -> bool:
        """Whether both ends have moved since."""
        return self.cursor > other.cursor and self.consumed > other.consumed


@dataclass(frozen=True)
class Gauge:
    """Reads progress; `check` is called while it waits."""

    database_url: str
    bootstrap: str
    check: Callable[[], None]

    def read(self) -> Progress | None:
        """None while the database does not answer."""
        found = self._ask(
            "SELECT (SELECT coalesce(max(tip_number), -1) FROM ingest.chain),"
            " (SELECT coalesce(sum(next_offset), 0) FROM scoring.consumer_offset)"
        )
        return Progress(int(str(found[0][0])), int(str(found[0][1]))) if found else None

    def lease_token(self) -> object:
        """Who reads the chain; None while nobody says."""
        found = self._ask("SELECT lease_token FROM ingest.chain")
        return found[0][0] if found else None

    def wait_past(self, before: Progress) -> Progress:
        """Wait until both ends have moved. Raises Stuck."""

        def has_moved() -> bool:
            now = self.read()
            return now is not None and now.is_past(before)

        self.wait(has_moved, f"work beyond block {before.cursor} and record {before.consumed}", RESUME_WITHIN_S)
        return self.read() or before

    def wait_blocks(self, blocks: int) -> None:
        """Wait until the cursor has moved on so far. Raises Stuck."""
        before = self.wait_read()
        if blocks:
            self.wait(
                lambda: (now := self.read()) is not None and now.cursor >= before.cursor + blocks,
                f"the cursor beyond block {before.cursor + blocks}",
                RESUME_WITHIN_S,
            )

    def wait_read(self) -> Progress:
        """Progress, once the database answers. Raises Stuck."""
        self.wait(lambda: self.read() is not None, "an answer of the database", RESUME_WITHIN_S)
        return self.read() or self.wait_read()

    def wait_drained(self, final: int) -> None:
        """Wait until everything up to the finalized block is read, sent, consumed and scored. Raises Stuck."""
        self.wait(lambda: not self.missing(final), "the end of all work", DRAIN_WITHIN_S, lambda: self.missing(final))

    def missing(self, final: int) -> str:
        """What is still to come; empty when nothing is."""
        for what, query in (
            ("the cursor", "SELECT count(*) FROM ingest.chain WHERE tip_number >= %(final)s"),
            (
                "a range that is not read",
                "SELECT count(*) FROM (SELECT max(last_block) AS last FROM ingest.done_range GROUP BY deployment) done"
                " HAVING min(last) >= %(final)s",
            ),
            (
                "a boundary that is not sent",
                "SELECT 1 WHERE NOT EXISTS (SELECT FROM ingest.boundary WHERE NOT is_sent)",
            ),
            (
                "the last boundary at the worker",
                "SELECT count(*) FROM scoring.boundary WHERE finality = 'finalized' AND block_number >= %(final)s",
            ),
            ("scores", "SELECT 1 WHERE NOT EXISTS (SELECT FROM scoring.scoring_due)"),
        ):
            found = self._ask(query, final)
            if not found or not found[0][0]:
                return what
        read = {
            (topic, partition): offset
            for topic, partition, offset in self._ask(
                "SELECT topic, partition, next_offset FROM scoring.consumer_offset"
            )
        }
        behind = [at for at, end in self._end_offsets().items() if end > int(str(read.get(at, 0)))]
        return f"{len(behind)} partitions at the worker" if behind else ""

    def wait(self, claim: Callable[[], bool], what: str, within_s: float, why: Callable[[], str] = lambda: "") -> None:
        """Wait for a claim. Raises Stuck."""
        deadline = time.monotonic() + within_s
        while not claim():
            self.check()
            if time.monotonic() > deadline:
                raise Stuck(f"not in {within_s:.0f} s: {what} {why()}".rstrip())
            time.sleep(LOOK_S)

    def _end_offsets(self) -> dict[tuple[object, object], int]:
        try:
            admin = KafkaBusAdmin(KafkaConnection(self.bootstrap), "faults")
            try:
                ends = admin.end_offsets([WALLET_EVENTS.name, MARKET.name])
            finally:
                admin.close()
        except Unavailable:
            return {("", 0): 1}
        return {(at.topic, at.partition): end for at, end in ends.items()}

    def _ask(self, query: str, final: int = 0) -> list[tuple[object, ...]]:
        try:
            with psycopg.connect(self.database_url, connect_timeout=2, autocommit=True) as connection:
                return connection.execute(query.encode(), {"final": final}).fetchall()
        except psycopg.Error:
            return []
