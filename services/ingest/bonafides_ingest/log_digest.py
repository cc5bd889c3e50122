"""What a window read, in forty bytes: how many logs, and a digest of their set. Pure.

The digest is the sum modulo 2**256 of each log's SHA-256. So the order does not matter, two windows that adjoin add up
to the one around them, and a log that is missing, doubled, moved or changed shows. It guards against errors and lies of
nodes; it is no commitment against somebody who may choose the logs (sums of hashes can then be made to meet).

Which logs were asked for must be remembered with it (`LogFilter`): a contract that was named later was not read then.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bonafides.hashing import sha256
from bonafides.types import Address, Digest

from bonafides_ingest.chain import Log

_MODULUS = 1 << 256


@dataclass(frozen=True, slots=True)
class LogSet:
    """A set of logs, told from others."""

    count: int = 0
    digest: int = 0
    """Below 2**256."""

    def __add__(self, other: "LogSet") -> "LogSet":
        """Both together; they must have no log in common."""
        return LogSet(self.count + other.count, (self.digest + other.digest) % _MODULUS)

    def to_bytes(self) -> bytes:
        """The digest as it is stored."""
        return self.digest.to_bytes(32)

    @classmethod
    def from_bytes(cls, count: int, digest: bytes) -> "LogSet":
        """As it was stored."""
        return cls(count, int.from_bytes(digest))


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which logs of a window count: those of these contracts, and anybody's whose first topic is one of these."""

    contracts: frozenset[Address]
    topics_anywhere: frozenset[Digest] = frozenset()

    def takes(self, log: Log) -> bool:
        return log.address in self.contracts or bool(log.topics and log.topics[0] in self.topics_anywhere)

    def read(self, logs: Iterable[Log]) -> LogSet:
        """The set of those that count."""
        return digest_of(log for log in logs if self.takes(log))

    @property
    def key(self) -> Digest:
        """Tells this filter from others: it is stored once, however many windows had it."""
        return sha256(len(self.contracts).to_bytes(8), *sorted(self.contracts), b"".join(sorted(self.topics_anywhere)))


def digest_of(logs: Iterable[Log]) -> LogSet:
    """The set of these logs, each of which is given once."""
    count, total = 0, 0
    for log in logs:
        count += 1
        total += int.from_bytes(log_hash(log))
    return LogSet(count, total % _MODULUS)


def log_hash(log: Log) -> Digest:
    """SHA-256 over where a log stands and all it says, each part of fixed length or behind its length."""
    at = log.position
    return sha256(
        at.block.hash,
        at.log_index.to_bytes(4),
        at.tx_hash,
        at.tx_index.to_bytes(4),
        log.address,
        len(log.topics).to_bytes(1),
        *log.topics,
        log.payload,
    )
