"""A chain behind a JSON-RPC node that is not trusted (DESIGN 7).

Of each window it is checked that the node is on the right chain and not behind; that the logs lie in the range and are
of the addresses asked for; that each log's block hash is the header's; and that each header's bloom holds its logs. In
short windows (the live tail) every header is fetched: they must hang together, and where a bloom says that a block may
hold logs of a contract of which none came, its receipts must show just the logs that came. A bloom cannot tell one log
of a contract from two: a second one that is left out, and whatever is left out of a long window, is a matter for the
sampled audit of receipts that is to come. So is a log left out where the latest answer of a price feed is
looked for (`last_log_before`): no bloom is asked there, and an older answer is believed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bonafides.errors import InvalidSettings, InvariantViolation, Unavailable
from bonafides.events import BlockRange, Position
from bonafides.json_rpc import Call, JsonRpc, NodeLied, items, member, octets, quantity
from bonafides.types import Address, BlockRef, ChainId, Digest, Json, address_text

from bonafides_ingest.chain import Log, Window
from bonafides_ingest.feeds import ListedFeed, PhaseMemory
from bonafides_ingest.sources.bloom import BLOOM_BYTES, bloom_may_hold
from bonafides_ingest.sources.codes import NodeCodes
from bonafides_ingest.sources.errors import RangeRefused, refusals_told_apart
from bonafides_ingest.sources.feed_phases import NodeFeeds
from bonafides_ingest.sources.look_back import LookBack, LookBackLimits
from bonafides_ingest.windows import WindowSize


@dataclass(frozen=True, slots=True)
class _Header:
    ref: BlockRef
    parent_hash: bytes
    bloom: bytes


@dataclass(frozen=True, slots=True)
class _FoundLog:
    """A log as the node gave it, before its block is known."""

    block_number: int
    block_hash: bytes
    tx_hash: bytes
    tx_index: int
    log_index: int
    address: Address
    topics: tuple[Digest, ...]
    payload: bytes


@dataclass(frozen=True, slots=True)
class _Asked:
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

    def fits(self, log: _FoundLog) -> bool:
        if log.topics and log.topics[0] in self.topics_anywhere:
            return True
        return log.address in self.addresses and self.topic0 in (None, *log.topics[:1])


class RpcSource:
    """`chain.ChainSource` over JSON-RPC."""

    def __init__(
        self,
        rpc: JsonRpc,
        chain_id: ChainId,
        *,
        window_blocks: int,
        bloom_check_blocks: int,
        look_back: LookBackLimits | None = None,
    ) -> None:
        self._rpc, self._chain_id = rpc, chain_id
        self._limits = look_back or LookBackLimits()
        self._look_back = LookBack(self._limits, self._newest)
        self._bloom_check_blocks = bloom_check_blocks
        self.window = WindowSize(window_blocks, window_blocks)
        """What is asked for at once now."""

    def check_chain(self) -> None:
        seen = quantity(self._ask([("eth_chainId", [])])[0])
        if seen != self._chain_id:
            raise InvalidSettings(
                f"the node is on chain {seen}, the settings say {self._chain_id} (BONAFIDES_INGEST_CHAIN_ID): "
                "point to a node of the right chain"
            )

    def finalized(self) -> int:
        answer = self._ask([("eth_getBlockByNumber", ["finalized", False])])[0]
        if answer is None:
            raise Unavailable("the node knows no finalized block: it is still syncing, or its chain has no finality")
        return quantity(member(answer, "number"))

    def fetch(
        self,
        wanted: BlockRange,
        addresses: frozenset[Address],
        parent: BlockRef | None,
        topics_anywhere: frozenset[Digest] = frozenset(),
    ) -> Window:
        self._look_back.begin_turn()
        logs = _Asked(addresses, topics_anywhere)
        asked = BlockRange(wanted.first, min(wanted.last, wanted.first + self.window.blocks - 1))
        while True:
            try:
                found = self._logs(asked, logs)
                break
            except RangeRefused:
                self.window = WindowSize(asked.last - asked.first + 1, self.window.most).after_refusal()
                if asked.first == asked.last:
                    raise  # not even one block
                asked = BlockRange(asked.first, asked.first + self.window.blocks - 1)
        if asked.last < wanted.last:
            self.window = self.window.after_answer()
        is_short = asked.last - asked.first + 1 <= self._bloom_check_blocks
        numbers = set(range(asked.first, asked.last + 1)) if is_short else {log.block_number for log in found}
        headers = self._headers(numbers | {asked.last} | ({parent.number} if parent else set()))
        if parent and headers[parent.number].ref != parent:
            raise InvariantViolation(
                f"block {parent.number} was read as finalized and is another block now: the node is on another fork or "
                "still syncing, or finality failed; check the node before anything is read again"
            )
        if is_short:
            _check_links(headers, asked)
            self._check_silence(headers, asked, found, logs)
        return Window(asked, _place(found, headers), headers[asked.last].ref)

    def block(self, number: int) -> BlockRef:
        return self._headers({number})[number].ref

    def blocks(self, wanted: BlockRange) -> tuple[BlockRef, ...]:
        """All blocks of a range, which hang together."""
        headers = self._headers(range(wanted.first, wanted.last + 1))
        _check_links(headers, wanted)
        return tuple(headers[number].ref for number in range(wanted.first, wanted.last + 1))

    def blocks_at(self, numbers: Iterable[int]) -> tuple[BlockRef, ...]:
        """These blocks, ascending."""
        return tuple(header.ref for header in self._headers(numbers).values())

    def last_log_before(self, address: Address, topic0: Digest, first: int, before: int) -> Log | None:
        return self._look_back.newest(address, topic0, first, before, self.window.blocks)

    def feeds(self, memory: PhaseMemory, listed: Mapping[Address, ListedFeed]) -> NodeFeeds:
        """Who answers for price feeds, asked of this node."""
        return NodeFeeds(self._rpc, memory, self.finalized, listed, self._limits.requests)

    def codes(self) -> NodeCodes:
        """The code at addresses, asked of this node."""
        return NodeCodes(self._rpc)

    def _ask(self, calls: Sequence[Call]) -> list[Json]:
        with refusals_told_apart():
            return self._rpc.batch(calls)

    def _newest(self, ranges: tuple[BlockRange, ...], address: Address, topic0: Digest) -> Log | None:
        for found in self._logs_in(ranges, _Asked(frozenset({address}), topic0=topic0)):
            if found:
                return _place(found[-1:], self._headers({found[-1].block_number}))[0]
        return None

    def _logs(self, asked: BlockRange, wanted: _Asked) -> list[_FoundLog]:
        return self._logs_in((asked,), wanted)[0]

    def _logs_in(self, ranges: Sequence[BlockRange], wanted: _Asked) -> list[list[_FoundLog]]:
        """The logs of each range, asked for in one batch."""
        filters = wanted.filters()
        calls: list[Call] = [
            ("eth_getLogs", [{**criteria, "fromBlock": hex(asked.first), "toBlock": hex(asked.last)}])
            for asked in ranges
            for criteria in filters
        ]
        # In one batch with the head: a node behind a balancer that lags would answer [] for blocks it does not have.
        head, *answers = self._ask([("eth_blockNumber", []), *calls])
        newest, each = max(asked.last for asked in ranges), len(filters)
        if quantity(head) < newest:
            raise NodeLied(f"the node's head is below block {newest}, which it called finalized")
        return [
            _read_logs(answers[number * each : (number + 1) * each], asked, wanted)
            for number, asked in enumerate(ranges)
        ]

    def _headers(self, numbers: Iterable[int]) -> dict[int, _Header]:
        ordered = sorted(numbers)
        calls: list[Call] = [("eth_getBlockByNumber", [hex(number), False]) for number in ordered]
        headers = {}
        for number, answer in zip(ordered, self._ask(calls), strict=True):
            header = self._read_header(answer)
            if header.ref.number != number:
                raise NodeLied(f"the node sent another block than {number}")
            headers[number] = header
        return headers

    def _read_header(self, answer: Json) -> _Header:
        if answer is None:
            raise NodeLied("the node does not have a block below its finalized one")
        ref = BlockRef(
            self._chain_id,
            quantity(member(answer, "number")),
            Digest(octets(member(answer, "hash"), 32)),
            quantity(member(answer, "timestamp")),
        )
        return _Header(ref, octets(member(answer, "parentHash"), 32), octets(member(answer, "logsBloom"), BLOOM_BYTES))

    def _check_silence(
        self, headers: dict[int, _Header], asked: BlockRange, found: Sequence[_FoundLog], wanted: _Asked
    ) -> None:
        """Where a bloom may hold logs of a contract or topic and none came, the receipts must show just what came."""
        came: dict[int, list[_FoundLog]] = {}
        for log in found:
            came.setdefault(log.block_number, []).append(log)
        unsure = []
        for number in range(asked.first, asked.last + 1):
            logs = came.get(number, ())
            silent = wanted.addresses.difference(log.address for log in logs)
            missing = wanted.topics_anywhere.difference(*(log.topics[:1] for log in logs))
            if any(bloom_may_hold(headers[number].bloom, value) for value in (*silent, *missing)):
                unsure.append(number)
        calls: list[Call] = [("eth_getBlockReceipts", [hex(number)]) for number in unsure]
        for number, receipts in zip(unsure, self._ask(calls), strict=True):
            entries = [entry for receipt in items(receipts) for entry in items(member(receipt, "logs"))]
            if not wanted.topics_anywhere:  # most of a block's logs are others': only their addresses are looked at
                entries = [entry for entry in entries if octets(member(entry, "address"), 20) in wanted.addresses]
            ours = [log for log in map(_read_log, entries) if wanted.fits(log)]
            if sorted(ours, key=lambda log: log.log_index) != came.get(number, []):
                raise NodeLied(f"the node's logs of block {number} are not those of its receipts")


def _check_links(headers: dict[int, _Header], asked: BlockRange) -> None:
    for number in range(asked.first, asked.last + 1):
        below = headers.get(number - 1)
        if below and headers[number].parent_hash != below.ref.hash:
            raise NodeLied(f"the node's blocks {number - 1} and {number} do not hang together")


def _place(found: Sequence[_FoundLog], headers: dict[int, _Header]) -> tuple[Log, ...]:
    """The logs in their blocks, each checked against its header."""
    logs = []
    for log in found:
        header = headers[log.block_number]
        if log.block_hash != header.ref.hash:
            raise NodeLied(f"a log of block {log.block_number} names another block hash than its header")
        if not all(bloom_may_hold(header.bloom, value) for value in (log.address, *log.topics)):
            raise NodeLied(f"the bloom of block {log.block_number} excludes a log that came")
        position = Position(header.ref, Digest(log.tx_hash), log.tx_index, log.log_index)
        logs.append(Log(position, log.address, log.topics, log.payload))
    return tuple(logs)


def _read_logs(answers: Sequence[Json], asked: BlockRange, wanted: _Asked) -> list[_FoundLog]:
    """The logs of a range out of one answer per filter, in order."""
    placed: dict[tuple[int, int], _FoundLog] = {}
    for answer in answers:
        found = [_read_log(entry) for entry in items(answer)]
        for log in found:
            if not asked.first <= log.block_number <= asked.last or not wanted.fits(log):
                raise NodeLied("the node sent a log that was not asked for: another block, address or topic")
        places = {(log.block_number, log.log_index): log for log in found}
        if len(places) != len(found):
            raise NodeLied("the node sent one log twice")
        if any(placed.get(place, log) != log for place, log in places.items()):
            raise NodeLied("the node sent two logs of one place")
        placed |= places
    return [placed[place] for place in sorted(placed)]


def _read_log(entry: Json) -> _FoundLog:
    if isinstance(entry, dict) and entry.get("removed") is True:
        raise NodeLied("the node sent a log that it calls removed, below finalized")
    topics = tuple(Digest(octets(topic, 32)) for topic in items(member(entry, "topics")))
    if len(topics) > 4:
        raise NodeLied("the node sent a log with more than four topics")
    return _FoundLog(
        block_number=quantity(member(entry, "blockNumber")),
        block_hash=octets(member(entry, "blockHash"), 32),
        tx_hash=octets(member(entry, "transactionHash"), 32),
        tx_index=quantity(member(entry, "transactionIndex")),
        log_index=quantity(member(entry, "logIndex")),
        address=Address(octets(member(entry, "address"), 20)),
        topics=topics,
        payload=octets(member(entry, "data")),
    )
