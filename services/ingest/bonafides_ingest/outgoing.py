"""What was decoded as the records of the topics. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import batched

from bonafides.accounts import AccountFact
from bonafides.events import BoundaryMark, LendingEvent, WalletDeadLetter
from bonafides.messages import (
    MAX_ACCOUNTS_PER_RECORD,
    MAX_EVENTS_PER_RECORD,
    MAX_POINTS_PER_RECORD,
    AccountBatch,
    EventBatch,
    LogDeadLetter,
    MarketBatch,
    encode,
)
from bonafides.topics import MARKET, WALLET_EVENTS, dead_letter_topic, partition_of
from bonafides.types import ChainId

from bonafides_ingest.decoders import DECODER_VERSION
from bonafides_ingest.protocols.decoded import Decoded, RefusedLog

MAX_OWNERS_PER_RECORD = 20_000
"""Of 21 bytes each: under half a megabyte, of the megabyte that a broker takes."""


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """One record, and where it goes."""

    topic: str
    partition: int
    value: bytes


def records_of(parts: Sequence[Decoded]) -> Iterator[OutgoingRecord]:
    """The records of some deployments' facts: packed events by partition, then market points.

    Events stay in canonical order inside a partition; between partitions and deployments there is none to keep.
    """
    by_partition: dict[int, list[LendingEvent]] = {}
    for part in parts:
        for event in part.events:
            by_partition.setdefault(partition_of(event.wallet, WALLET_EVENTS), []).append(event)
    for partition, events in sorted(by_partition.items()):
        for batch in batched(events, MAX_EVENTS_PER_RECORD):
            yield OutgoingRecord(WALLET_EVENTS.name, partition, encode(EventBatch(batch)))
    for part in parts:
        for points in batched(part.points, MAX_POINTS_PER_RECORD):
            yield OutgoingRecord(MARKET.name, 0, encode(MarketBatch(points)))


def letter_records(refused: Iterable[RefusedLog]) -> Iterator[OutgoingRecord]:
    """What could not be read, as it came, and a word in the partition of each wallet whose history now has a hole.

    Of final blocks only: a fork epoch voids no letter.
    """
    for refusal in refused:
        yield from _dead_letter_records(refusal)


def account_records(facts: Iterable[AccountFact]) -> Iterator[OutgoingRecord]:
    """Facts about accounts, packed by partition, in their order."""
    by_partition: dict[int, list[AccountFact]] = {}
    for fact in facts:
        by_partition.setdefault(partition_of(fact.account, WALLET_EVENTS), []).append(fact)
    for partition, found in sorted(by_partition.items()):
        for accounts in _account_batches(found):
            yield OutgoingRecord(WALLET_EVENTS.name, partition, encode(AccountBatch(accounts)))


def _account_batches(facts: Iterable[AccountFact]) -> Iterator[tuple[AccountFact, ...]]:
    """Owners are what makes a fact large: without end, anybody's Safe could make a record that no broker takes."""
    batch: list[AccountFact] = []
    owners = 0
    for fact in facts:
        if batch and (len(batch) == MAX_ACCOUNTS_PER_RECORD or owners + len(fact.owners) > MAX_OWNERS_PER_RECORD):
            yield tuple(batch)
            batch, owners = [], 0
        batch.append(fact)
        owners += len(fact.owners)
    if batch:
        yield tuple(batch)


def touched_partitions(records: Iterable[OutgoingRecord]) -> frozenset[int]:
    """The partitions of wallet-events.v1 among these."""
    return frozenset(record.partition for record in records if record.topic == WALLET_EVENTS.name)


def mark_records(chain_id: ChainId, number: int, partitions: Iterable[int]) -> Iterator[OutgoingRecord]:
    """A boundary's number for these partitions of wallet-events.v1."""
    value = encode(BoundaryMark(chain_id, number))
    for partition in partitions:
        yield OutgoingRecord(WALLET_EVENTS.name, partition, value)


def _dead_letter_records(refusal: RefusedLog) -> Iterator[OutgoingRecord]:
    """The log as it came, and a word in the partition of each wallet whose history now has a hole."""
    log = refusal.log
    letter = LogDeadLetter(
        position=log.position,
        deployment=refusal.deployment,
        address=log.address,
        topics=log.topics,
        payload=log.payload,
        reason=refusal.reason,
        decoder_version=DECODER_VERSION,
    )
    topic = dead_letter_topic(MARKET if refusal.is_market else WALLET_EVENTS)
    yield OutgoingRecord(topic.name, log.position.block.number % topic.partitions, encode(letter))
    for wallet in refusal.wallets:
        told = WalletDeadLetter(log.position, refusal.deployment, wallet, refusal.reason)
        yield OutgoingRecord(WALLET_EVENTS.name, partition_of(wallet, WALLET_EVENTS), encode(told))
