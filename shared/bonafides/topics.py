"""The topics, their partitions, and which partition a wallet belongs to."""

from dataclasses import dataclass
from functools import lru_cache
from struct import iter_unpack

from bonafides.types import Address

DAY_MS = 86_400_000
FOR_EVER = -1


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it must exist on the broker."""

    name: str
    partitions: int
    retention_ms: int

    @property
    def dead_letters(self) -> str:
        """Name of the topic that takes what could not be read from this one."""
        return f"{self.name}.dlq"


WALLET_EVENTS = Topic("wallet-events.v1", 64, FOR_EVER)
MARKET = Topic("market.v1", 1, FOR_EVER)
WALLET_HISTORY_REQUESTED = Topic("wallet-history-requested.v1", 64, 7 * DAY_MS)
WALLET_HISTORY_PROGRESS = Topic("wallet-history-progress.v1", 64, 7 * DAY_MS)
SCORES_ISSUED = Topic("scores-issued.v1", 64, 7 * DAY_MS)
ATTESTATION_STATUS = Topic("attestation-status.v1", 64, 7 * DAY_MS)

TOPICS = (
    WALLET_EVENTS,
    MARKET,
    WALLET_HISTORY_REQUESTED,
    WALLET_HISTORY_PROGRESS,
    SCORES_ISSUED,
    ATTESTATION_STATUS,
)


def dead_letter_topic(topic: Topic) -> Topic:
    """The dead-letter topic of a topic: kept 30 days, eight partitions."""
    return Topic(topic.dead_letters, 8, 30 * DAY_MS)


@lru_cache(maxsize=1 << 15)  # a wallet comes back many times, and this is 2 µs of Python
def murmur2(data: bytes) -> int:
    """Kafka's murmur2 as Java's default partitioner computes it; unsigned 32-bit result.

    Ours because clients differ: librdkafka's default partitioner is CRC32, and one wallet in two partitions is a silent
    loss of order. The tests hold it to the values of Kafka's own.
    """
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    length = len(data)
    h = (0x9747B28C ^ length) & mask
    for (k,) in iter_unpack("<I", data[: length - length % 4]):
        k = (k * m) & mask
        k ^= k >> 24
        h = ((h * m) ^ (k * m)) & mask
    tail = data[length - length % 4 :]
    if tail:
        h ^= int.from_bytes(tail, "little")
        h = (h * m) & mask
    h ^= h >> 13
    h = (h * m) & mask
    return h ^ (h >> 15)


def partition_of(wallet: Address, topic: Topic) -> int:
    """Partition of a wallet: murmur2 of its 20 bytes, sign bit cleared, modulo the partitions."""
    return (murmur2(wallet) & 0x7FFFFFFF) % topic.partitions
