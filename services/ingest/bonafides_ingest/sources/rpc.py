"""A chain behind a JSON-RPC node that is not trusted (DESIGN 7).

Of each window it is checked that the node is on the right chain and not behind; that the logs lie in the range and are
of the addresses asked for; that each log's block hash is the header's; and that each header's bloom holds its logs.

| window | silence is believed where | receipts must show just the logs that came |
|---|---|---|
| live block (live.py) | the bloom excludes our contracts | in every block whose bloom may hold one of them |
| short, final | the bloom excludes those that are silent | where it may hold one, and in some blocks by chance |
| long, final | blooms exclude them: of some blocks, of all where nothing came | in some blocks by chance (audit.py) |

What is left out of a long window, by a node that bends nothing else, may be missed for a while: each window is a draw.
Whether a header is its hash is not computed: chains differ in what they hash.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from random import Random, SystemRandom
from types import MappingProxyType

from bonafides.errors import InvalidSettings, InvariantViolation, Unavailable
from bonafides.events import BlockRange
from bonafides.json_rpc import JsonRpc, NodeLied, member, quantity
from bonafides.types import Address, BlockRef, ChainId, Digest

from bonafides_ingest.chain import ChainTips, Header, Log, StillLooking, Window
from bonafides_ingest.feeds import ListedFeed, PhaseMemory
from bonafides_ingest.sources.answers import NOTHING, Asked, FoundLog, NodeHeader, by_block, check_links, place_logs
from bonafides_ingest.sources.audit import Trust, blocks_to_audit, blocks_to_look_at
from bonafides_ingest.sources.codes import NodeCodes
from bonafides_ingest.sources.feed_phases import NodeFeeds
from bonafides_ingest.sources.live import LiveBlocks
from bonafides_ingest.sources.look_back import LookBack, LookBackLimits
from bonafides_ingest.sources.node_reader import NodeReader
from bonafides_ingest.sources.proof import check_receipts
from bonafides_ingest.sources.providers.pace import Pace
from bonafides_ingest.sources.providers.refusals import NodeBehind, RangeRefused, RateLimited

AUDIT_BLOCKS = 4
MOST_WHOLE_HEADERS = 256
"""Of a window, held with their transactions; one of 200 takes about 14 kB."""
MOST_SPLITTING_S = 10.0  # a provider that thinks for long before it refuses would hold a turn for as many times


class RpcSource:
    """`chain.LiveSource` over JSON-RPC. Raises NodeLied, with what was seen, when the node is caught."""

    def __init__(
        self,
        rpc: JsonRpc,
        chain_id: ChainId,
        *,
        window_blocks: int,
        bloom_check_blocks: int,
        most_window_blocks: int | None = None,
        look_back: LookBackLimits | None = None,
        audit_blocks: int = AUDIT_BLOCKS,
        random: Random | None = None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rpc, self._chain_id = rpc, chain_id
        self._node = NodeReader(rpc, chain_id)
        self._live = LiveBlocks(self._node)
        self._limits = look_back or LookBackLimits()
        self._look_back = LookBack(self._limits, self._newest)
        self._bloom_check_blocks, self._audit_blocks = bloom_check_blocks, audit_blocks
        self._random = random or SystemRandom()  # a node that could foresee the sample would behave there
        self.trust = Trust()
        """What is thought of the node."""
        self._timer = timer
        self.pace = Pace(window_blocks, most_window_blocks or window_blocks)
        """What is asked for at once now; it never grows where nothing says to how much."""

    def check_chain(self) -> None:
        seen = quantity(self._node.ask([("eth_chainId", [])])[0])
        if seen != self._chain_id:
            raise InvalidSettings(
                f"the node is on chain {seen}, the settings say {self._chain_id} (BONAFIDES_INGEST_CHAIN_ID): "
                "point to a node of the right chain"
            )

    def finalized(self) -> int:
        answer = self._node.ask([("eth_getBlockByNumber", ["finalized", False])])[0]
        if answer is None:
            raise Unavailable("the node knows no finalized block: it is still syncing, or its chain has no finality")
        return self._node.note_finalized(answer).number

    def tips(self) -> ChainTips:
        with self._on_guard():
            return self._live.tips()

    def headers(self, wanted: BlockRange) -> tuple[Header, ...]:
        with self._on_guard():
            return self._live.headers(wanted)

    def logs_of(self, headers: Sequence[Header], addresses: frozenset[Address]) -> tuple[Log, ...]:
        with self._on_guard():
            return self._live.logs_of(headers, addresses)

    def fetch(
        self,
        wanted: BlockRange,
        addresses: frozenset[Address],
        parent: BlockRef | None,
        topics_anywhere: frozenset[Digest] = frozenset(),
    ) -> Window:
        self._look_back.begin_turn()
        asked = Asked(addresses, topics_anywhere)
        with self._on_guard():
            blocks, found, began = self._logs(wanted, asked)
            with self._paced(blocks):
                window = self._checked(blocks, found, asked, parent)
        self.pace.answered(blocks, self._timer() - began, len(found))
        self.trust = self.trust.after_agreement()
        return window

    def block(self, number: int) -> BlockRef:
        return self._node.headers({number})[number].ref

    def blocks(self, wanted: BlockRange) -> tuple[BlockRef, ...]:
        """All blocks of a range, which hang together."""
        headers = self._lean_headers(range(wanted.first, wanted.last + 1))
        check_links(headers, wanted)
        return tuple(headers[number].ref for number in range(wanted.first, wanted.last + 1))

    def blocks_at(self, numbers: Iterable[int]) -> tuple[BlockRef, ...]:
        """These blocks, ascending."""
        return tuple(header.ref for header in self._node.each_header(numbers))

    def last_log_before(self, address: Address, topic0: Digest, first: int, before: int) -> Log | None:
        with self._on_guard():
            return self._look_back.newest(address, topic0, first, before, self.pace.blocks)

    def feeds(self, memory: PhaseMemory, listed: Mapping[Address, ListedFeed]) -> NodeFeeds:
        """Who answers for price feeds, asked of this node."""
        return NodeFeeds(self._rpc, memory, self.finalized, listed, self._limits.requests)

    def codes(self) -> NodeCodes:
        """The code at addresses, asked of this node."""
        return NodeCodes(self._rpc)

    @contextmanager
    def _on_guard(self) -> Iterator[None]:
        try:
            yield
        except NodeLied:
            self.trust = self.trust.after_lie()
            raise

    def _logs(self, wanted: BlockRange, asked: Asked) -> tuple[BlockRange, list[FoundLog], float]:
        """The logs of the range, or of as much of its first part as the node gives at once, and when it was asked.

        Raises:
            RangeRefused: not even one block.
            StillLooking: the node took long to refuse; the next turn asks for less.
        """
        splitting_since = self._timer()
        while True:
            blocks = BlockRange(wanted.first, min(wanted.last, wanted.first + self.pace.blocks - 1))
            began = self._timer()
            try:
                with self._paced(blocks):
                    (found,), _ = self._node.logs_in((blocks,), asked)
            except RangeRefused as exc:
                if blocks.first == blocks.last:
                    raise
                if self._timer() - splitting_since > MOST_SPLITTING_S:
                    raise StillLooking("the provider refuses slowly: fewer blocks are asked for the next time") from exc
            else:
                return blocks, found, began

    @contextmanager
    def _paced(self, blocks: BlockRange) -> Iterator[None]:
        """Ask for fewer blocks the next time where these were too many."""
        began = self._timer()
        try:
            yield
        except RangeRefused as exc:
            self.pace.refused(blocks, exc.hint)
            raise
        except (RateLimited, NodeBehind, NodeLied):
            raise  # whatever the size
        except Unavailable:
            self.pace.unanswered(blocks, self._timer() - began)
            raise

    def _checked(self, blocks: BlockRange, found: list[FoundLog], asked: Asked, parent: BlockRef | None) -> Window:
        came = by_block(found)
        audited = self.trust.blocks_to_audit(self._audit_blocks)
        is_short = blocks.last - blocks.first + 1 <= self._bloom_check_blocks
        if is_short:
            numbers = set(range(blocks.first, blocks.last + 1))
        elif asked.filters():
            numbers = blocks_to_look_at(blocks, sorted(came), self._bloom_check_blocks, audited, self._random)
        else:
            numbers = {blocks.last}
        headers = self._lean_headers(numbers | ({parent.number} if parent else set()), asked, came)
        if parent and headers[parent.number].ref != parent:
            self._check_behind(parent)
            raise InvariantViolation(
                f"block {parent.number} was read as finalized and is another block now: the node is on another fork, "
                "or finality failed; check the node before anything is read again"
            )
        check_links(headers, blocks)
        logs = place_logs(found, headers)
        unsure = {number for number in numbers if asked.silent_maybe(headers[number].bloom, came.get(number, ()))}
        drawn = blocks_to_audit(unsure.difference(came), sorted(came), blocks.last, audited, self._random)
        proved = unsure.union(drawn) if is_short else drawn
        for header, receipts in self._node.receipts(headers[number] for number in sorted(proved)):
            check_receipts(header, receipts, asked, came.get(header.ref.number, ()))
        return Window(blocks, logs, headers[blocks.last].ref)

    def _lean_headers(
        self,
        numbers: Iterable[int],
        asked: Asked = NOTHING,
        came: Mapping[int, Sequence[FoundLog]] = MappingProxyType({}),
    ) -> dict[int, NodeHeader]:
        """These headers: with their transactions a few of those whose receipts may be read, the others without."""
        headers, whole = dict[int, NodeHeader](), 0
        for header in self._node.each_header(numbers):
            number = header.ref.number
            is_whole = whole < MOST_WHOLE_HEADERS and (number in came or asked.silent_maybe(header.bloom))
            whole += is_whole
            headers[number] = header if is_whole else NodeHeader(header.ref, header.parent_hash, header.bloom, None)
        return headers

    def _check_behind(self, parent: BlockRef) -> None:
        """Raise NodeBehind, or NodeLied for another chain, when the node cannot know what is final at that block."""
        (finalized,) = self._node.state(("eth_getBlockByNumber", ["finalized", False]))
        if finalized is None or quantity(member(finalized, "number")) < parent.number:
            raise NodeBehind(f"the node has not finalized block {parent.number}, which was read as finalized")

    def _newest(self, ranges: tuple[BlockRange, ...], address: Address, topic0: Digest) -> Log | None:
        asked = Asked(frozenset({address}), topic0=topic0)
        audited = self.trust.blocks_to_audit(self._audit_blocks)
        drawn = {self._random.randint(blocks.first, blocks.last) for blocks in self._random.choices(ranges, k=audited)}
        found, headers = self._node.logs_in(ranges, asked, drawn)
        logs = [log for logs in found for log in logs]
        came = by_block(logs)
        newest = max(came, default=None)
        if newest is not None and newest not in headers:
            headers |= self._node.headers({newest})
        # Its newest block with others; and of the silent ones drawn, those that may not be.
        proved = [
            header
            for number, header in sorted(headers.items())
            if number == newest or asked.silent_maybe(header.bloom, came.get(number, ()))
        ]
        for header, receipts in self._node.receipts(proved):
            check_receipts(header, receipts, asked, came.get(header.ref.number, ()))
        return place_logs(came[newest][-1:], headers)[0] if newest is not None else None
