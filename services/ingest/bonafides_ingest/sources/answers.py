"""What a node says of blocks and logs, read and checked for sense. Pure: nothing here asks the node."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

from bonafides.events import BlockRange, Position
from bonafides.json_rpc import NodeLied, items, member, octets, quantity
from bonafides.types import Address, BlockRef, ChainId, Digest, Json, address_text

from bonafides_ingest.chain import Header, Log
from bonafides_ingest.sources.bloom import BLOOM_BYTES, bits_of_each, bloom_may_hold, bloom_of

NUMBERS_BELOW = 1 << 63
"""Block numbers and timestamps: what the database holds."""
INDICES_BELOW = 1 << 31
"""Of transactions and logs in a block."""


@dataclass(frozen=True, slots=True)
class NodeHeader:
    """A block's header, as far as it is used to check the node."""

    ref: BlockRef
    parent_hash: Digest
    bloom: int
    """See `bloom`."""
    transactions: tuple[bytes, ...] | None
    """Hashes, in their order; None: let go, for a large block has thousands."""

    @property
    def header(self) -> Header:
        """As the flow knows it."""
        return Header(self.ref, self.parent_hash)


class FoundLog(NamedTuple):
    """A log as the node gave it, before its block is known. A tuple: there are tens of thousands in a window."""

    block_number: int
    block_hash: bytes
    tx_hash: bytes
    tx_index: int
    log_index: int
    address: Address
    topics: tuple[Digest, ...]
    payload: bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """Which logs are asked for."""

    addresses: frozenset[Address]
    topics_anywhere: frozenset[Digest] = frozenset()
    topic0: Digest | None = None
    """Of the addresses, this event alone."""

    def filters(self) -> list[dict[str, Json]]:
        """One `eth_getLogs` each."""
        found: list[dict[str, Json]] = []
        if self.addresses:
            mine: dict[str, Json] = {"address": [address_text(address) for address in sorted(self.addresses)]}
            found.append(mine | ({"topics": ["0x" + self.topic0.hex()]} if self.topic0 else {}))
        if self.topics_anywhere:
            found.append({"topics": [["0x" + topic.hex() for topic in sorted(self.topics_anywhere)]]})
        return found

    def fits(self, log: FoundLog) -> bool:
        """Whether the log was asked for."""
        if log.address in self.addresses and (self.topic0 is None or self.topic0 in log.topics[:1]):
            return True
        return bool(log.topics) and log.topics[0] in self.topics_anywhere

    def silent_maybe(self, bloom: int, came: Iterable[FoundLog] = ()) -> bool:
        """Whether a block with this bloom may hold logs of an address or topic of which none came."""
        if self.topic0 is not None and not bloom_may_hold(bloom, self.topic0):
            return False
        # Most blooms exclude most values, so they are looked at before the logs.
        silent = {value for value, bits in bits_of_each(self.addresses) if bloom & bits == bits}
        missing = {value for value, bits in bits_of_each(self.topics_anywhere) if bloom & bits == bits}
        for log in came if silent or missing else ():
            silent.discard(log.address)
            missing.difference_update(log.topics[:1])
        return bool(silent or missing)


NOTHING = Asked(frozenset())
"""No logs at all."""


def read_header(answer: Json, chain_id: ChainId) -> NodeHeader:
    """A block as `eth_getBlockByNumber` answers it, without its transactions' contents."""
    if answer is None:
        raise NodeLied("the node does not have a block below its finalized one")
    return NodeHeader(
        read_ref(answer, chain_id),
        Digest(octets(member(answer, "parentHash"), 32)),
        int.from_bytes(octets(member(answer, "logsBloom"), BLOOM_BYTES)),
        tuple(octets(transaction, 32) for transaction in items(member(answer, "transactions"))),
    )


def read_ref(answer: Json, chain_id: ChainId) -> BlockRef:
    """Which block a header is of."""
    number, timestamp = quantity(member(answer, "number")), quantity(member(answer, "timestamp"))
    if max(number, timestamp) >= NUMBERS_BELOW:
        raise NodeLied("the node sent a block number or timestamp of 2**63 or more")
    return BlockRef(chain_id, number, Digest(octets(member(answer, "hash"), 32)), timestamp)


def broken_link(headers: Mapping[int, NodeHeader], blocks: BlockRange) -> int | None:
    """The first block of a range that does not stand on the one below it, where both are known."""
    for number in sorted(headers):  # a long range has few of its headers read
        below = headers.get(number - 1) if blocks.first <= number <= blocks.last else None
        if below and headers[number].parent_hash != below.ref.hash:
            return number
    return None


def check_links(headers: Mapping[int, NodeHeader], blocks: BlockRange) -> None:
    """Raise NodeLied when the blocks of a final range do not hang together."""
    if (number := broken_link(headers, blocks)) is not None:
        raise NodeLied(f"the node's blocks {number - 1} and {number} do not hang together")


def read_logs(answers: Sequence[Json], blocks: BlockRange, asked: Asked) -> list[FoundLog]:
    """The logs of a range out of one answer per filter, in order."""
    placed: dict[tuple[int, int], FoundLog] = {}
    texts, first, last = Texts(), blocks.first, blocks.last
    for answer in answers:
        found = [read_log(entry, texts) for entry in items(answer)]
        for log in found:
            if not (first <= log.block_number <= last and asked.fits(log)):
                raise NodeLied("the node sent a log that was not asked for: another block, address or topic")
        places = {(log.block_number, log.log_index): log for log in found}
        if len(places) != len(found):
            raise NodeLied("the node sent one log twice")
        if any(placed[place] != places[place] for place in placed.keys() & places.keys()):
            raise NodeLied("the node sent two logs of one place")
        placed |= places
    return [placed[place] for place in sorted(placed)]


class _Read[T](dict[str, T]):
    """What each text says, read when it comes first: a dict's own look-up is what a hit costs."""

    def __init__(self, read: Callable[[Json], T]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, text: str) -> T:
        read = self[text] = self._read(text)
        return read


class Texts:
    """Reads hex texts, and those that come again only once. Of one answer or a few: nothing is ever forgotten.

    Whatever is no text is refused as `json_rpc.octets` and `json_rpc.quantity` do, but for lists and objects, which no
    dict looks up: TypeError.
    """

    def __init__(self) -> None:
        self.words = _Read[Digest](lambda text: Digest(octets(text, 32)))
        self.addresses = _Read[Address](lambda text: Address(octets(text, 20)))
        self.quantities = _Read[int](quantity)


def read_log(entry: Json, texts: Texts | None = None) -> FoundLog:
    """One log, wherever it stands. `texts` knows what other logs of the same answer said."""
    texts = texts or Texts()
    if not isinstance(entry, dict):
        raise NodeLied("the node sent no object where a log belongs")
    if entry.get("removed") is True:
        raise NodeLied("the node sent a log that it calls removed, of a block that it calls its own")
    words, numbers = cast(Mapping[Json, Digest], texts.words), cast(Mapping[Json, int], texts.quantities)
    try:
        topics = tuple([words[topic] for topic in items(entry["topics"])])
        if len(topics) > 4:
            raise NodeLied("the node sent a log with more than four topics")
        log = FoundLog(
            numbers[entry["blockNumber"]],
            words[entry["blockHash"]],
            words[entry["transactionHash"]],
            numbers[entry["transactionIndex"]],
            numbers[entry["logIndex"]],
            cast(Mapping[Json, Address], texts.addresses)[entry["address"]],
            topics,
            octets(entry["data"]),
        )
    except KeyError as exc:
        raise NodeLied(f"the node sent an answer without {exc.args[0]}") from None
    except TypeError:
        raise NodeLied("the node sent a list or an object where a text belongs") from None
    if log.block_number >= NUMBERS_BELOW or log.tx_index >= INDICES_BELOW or log.log_index >= INDICES_BELOW:
        raise NodeLied("the node sent a log of block 2**63 or more, or at place 2**31 or more in its block")
    return log


def by_block(logs: Iterable[FoundLog]) -> dict[int, list[FoundLog]]:
    """The logs of each block that has any, in their order."""
    found: dict[int, list[FoundLog]] = {}
    for log in logs:
        found.setdefault(log.block_number, []).append(log)
    return found


def place_logs(found: Iterable[FoundLog], headers: Mapping[int, NodeHeader]) -> tuple[Log, ...]:
    """The logs in their blocks, each checked against its header."""
    logs = []
    for log in found:
        header = headers[log.block_number]
        if log.block_hash != header.ref.hash:
            raise NodeLied(f"a log of block {log.block_number} names another block hash than its header")
        if bloom_of((log.address, *log.topics)) & ~header.bloom:
            raise NodeLied(f"the bloom of block {log.block_number} excludes a log that came")
        position = Position(header.ref, Digest(log.tx_hash), log.tx_index, log.log_index)
        logs.append(Log(position, log.address, log.topics, log.payload))
    return tuple(logs)
