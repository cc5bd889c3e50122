"""Whether a window holds just the logs that the receipts show, and what is missing where it does not. Pure.

The store keeps a count and a digest of each window's logs, so that logs which are missing can be looked for among those
of the receipts: some that follow one another (one log, a block, a tail that was cut off), those of one contract, any
two. Logs that were invented are nowhere to be looked for; that there are some is all that can be told.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from bonafides.types import Address

from bonafides_ingest.chain import Log
from bonafides_ingest.log_digest import LogSet, log_hash
from bonafides_ingest.read_windows import StoredWindow

_MODULUS = 1 << 256
MOST_NAMED = 20
"""Places of missing logs in a report."""


class SeenLog(NamedTuple):
    """A log that the receipts show."""

    number: int
    """Its hash."""
    block: int
    log_index: int
    address: Address


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A window that does not hold what the receipts show."""

    window: StoredWindow
    found: LogSet
    """In the receipts."""
    missing: tuple[SeenLog, ...]
    """Those that were not read; empty where that cannot be told."""

    def text(self) -> str:
        """For a person. No log of it names a wallet."""
        stored, blocks = self.window.read.logs, self.window.blocks
        said = (
            f"{self.window.deployment}, blocks {blocks.first}–{blocks.last}: the store has {stored.count} logs, the "
            f"receipts show {self.found.count}"
        )
        if self.missing:
            places = ", ".join(f"{log.block}/{log.log_index}" for log in self.missing[:MOST_NAMED])
            more = f" and {len(self.missing) - MOST_NAMED} more" if len(self.missing) > MOST_NAMED else ""
            return f"{said}; not read (block/log index): {places}{more}"
        if stored.count > self.found.count:
            return f"{said}; at least {stored.count - self.found.count} were invented, or belong to another chain"
        if stored.count == self.found.count:
            return f"{said}, and they are not the same: some were changed, moved or exchanged"
        return f"{said}; which ones are missing cannot be told from the digest"


@dataclass
class WindowAudit:
    """One window while its blocks go by, in order."""

    window: StoredWindow
    _seen: list[SeenLog] = field(default_factory=list)

    def add(self, logs: Iterable[Log]) -> None:
        """All logs of the next block."""
        wanted = self.window.read.filter
        for log in logs:
            if wanted.takes(log):
                at = log.position
                number = int.from_bytes(log_hash(log))
                self._seen.append(SeenLog(number, at.block.number, at.log_index, log.address))

    def verdict(self) -> Mismatch | None:
        """Once all its blocks went by."""
        found = LogSet(len(self._seen), sum(log.number for log in self._seen) % _MODULUS)
        stored = self.window.read.logs
        return None if found == stored else Mismatch(self.window, found, missing_from(stored, self._seen))


def missing_from(stored: LogSet, seen: Sequence[SeenLog]) -> tuple[SeenLog, ...]:
    """Those of these logs, in the order of the chain, without which the set is the stored one; none where it cannot be
    told."""
    count = len(seen) - stored.count
    if count <= 0:
        return ()
    difference = (sum(log.number for log in seen) - stored.digest) % _MODULUS
    by_contract: dict[Address, list[SeenLog]] = {}
    for log in seen:
        by_contract.setdefault(log.address, []).append(log)
    for logs in chain([seen], by_contract.values()):
        if found := _run(logs, count, difference):
            return found
    return _pair(seen, difference) if count == 2 else ()


def _run(logs: Sequence[SeenLog], count: int, difference: int) -> tuple[SeenLog, ...]:
    """So many that follow one another and add up to the difference."""
    if len(logs) < count:
        return ()
    total = sum(log.number for log in logs[:count])
    for start in range(len(logs) - count + 1):
        if total % _MODULUS == difference:
            return tuple(logs[start : start + count])
        if start + count < len(logs):
            total += logs[start + count].number - logs[start].number
    return ()


def _pair(logs: Sequence[SeenLog], difference: int) -> tuple[SeenLog, ...]:
    known: dict[int, SeenLog] = {}
    for log in logs:
        if other := known.get((difference - log.number) % _MODULUS):
            return other, log
        known[log.number] = log
    return ()
