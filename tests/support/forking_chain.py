"""A chain that forks: a tree of blocks, a head and a finalized block that a script moves.

```
        ┌─ b3 ── b4          replace(2, …): another branch on block 2
 b1 ── b2 ── a3 ── a4 ── a5  extend(…):     longer
        └─ c3 ── c4 ── …     go_to(a5):     a former branch is the chain again
  finalized ≤ every fork     finalize(n):   up to here nothing forks any more
```
Hashes follow from what is below and in a block: two blocks of equal content on two branches are two blocks.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from bonafides.events import Position
from bonafides.hashing import keccak
from bonafides.types import ZERO_DIGEST, BlockRef, Digest
from bonafides_ingest.chain import Log

from tests.support.forking_market import Act, BranchMarket, RawLog, listing_of_markets, play
from tests.support.ingest_logs import CHAIN

GENESIS_TIME = 1_700_000_000


def bloom_of(logs: Iterable[Log]) -> bytes:
    """Yellow Paper 4.3.1, written apart from the code under test."""
    bits = 0
    for log in logs:
        for value in (log.address, *log.topics):
            digest = keccak(value)
            for pair in (digest[0:2], digest[2:4], digest[4:6]):
                bits |= 1 << (int.from_bytes(pair) % 2048)
    return bits.to_bytes(256)


@dataclass(frozen=True, eq=False)
class Block:
    """One block of the tree; two are equal when they are one."""

    ref: BlockRef
    parent: "Block | None"
    acts: tuple[Act, ...]
    transactions: tuple[Digest, ...]
    """Their hashes."""
    logs: tuple[Log, ...]
    market: BranchMarket
    """As it stands at its end."""

    @property
    def number(self) -> int:
        return self.ref.number

    @property
    def parent_hash(self) -> Digest:
        return self.parent.ref.hash if self.parent else ZERO_DIGEST

    @cached_property
    def bloom(self) -> bytes:
        return bloom_of(self.logs)

    def down(self) -> Iterator["Block"]:
        """This block and those below it, down to the first."""
        at: Block | None = self
        while at is not None:
            yield at
            at = at.parent

    def ancestor(self, number: int) -> "Block":
        """Itself or the block of its branch with this number."""
        return next(block for block in self.down() if block.number == number)

    def branch_logs(self) -> tuple[Log, ...]:
        """Every log up to and with this block."""
        return tuple(log for block in reversed(list(self.down())) for log in block.logs)


@dataclass
class ForkingChain:
    """The tree. It begins with block 0 and the listings in block 1."""

    head: Block = field(init=False)
    finalized: int = 1
    """The listings are final from the start: without them there is no market."""
    blocks: dict[Digest, Block] = field(default_factory=dict)
    """Every block that ever was, by hash."""
    tips: list[Block] = field(default_factory=list)
    """The heads of branches, in the order in which they were left."""
    _made: int = 0

    def __post_init__(self) -> None:
        genesis = BlockRef(CHAIN, 0, keccak(b"genesis of the forking chain"), GENESIS_TIME)
        self.head = Block(genesis, None, (), (), (), BranchMarket())
        self.blocks[genesis.hash] = self.head
        logs, market = listing_of_markets()
        self.head = self._block(self.head, (), ((keccak(b"listing"), logs),), market)

    @property
    def numbers(self) -> range:
        """Blocks of the chain now."""
        return range(self.head.number + 1)

    def at(self, number: int) -> Block | None:
        """The block of the chain with this number; None above the head."""
        return self.head.ancestor(number) if 0 <= number <= self.head.number else None

    def is_canonical(self, block: Block) -> bool:
        return self.at(block.number) is block

    def extend(self, *contents: Iterable[Act]) -> list[Block]:
        """A block on the head for each of these contents."""
        made = []
        for acts in contents:
            self.head = self._mine(self.head, tuple(acts))
            made.append(self.head)
        return made

    def replace(self, keep: int, *contents: Iterable[Act]) -> list[Block]:
        """Another branch on block `keep` of the chain; returns the blocks that left the chain, ascending."""
        if keep < self.finalized:
            raise AssertionError(f"a fork at {keep} is below the finalized block {self.finalized}")
        return self.replace_even_final(keep, *contents)

    def replace_even_final(self, keep: int, *contents: Iterable[Act]) -> list[Block]:
        """The same where no chain may: below finality, too."""
        gone = [block for block in self.head.down() if block.number > keep][::-1]
        self._leave()
        self.head = self.head.ancestor(keep)
        self.extend(*contents)
        return gone

    def go_to(self, tip: Block) -> None:
        """Make a former branch the chain again. It must hold the finalized block."""
        if not self.holds_final(tip):
            raise AssertionError("this branch left the chain below finality")
        self._leave()
        self.head = tip

    def holds_final(self, tip: Block) -> bool:
        """Whether the chain may go to this block."""
        return tip.number >= self.finalized and tip.ancestor(self.finalized) is self.at(self.finalized)

    def finalize(self, number: int) -> None:
        """Everything up to this block is final."""
        self.finalized = max(self.finalized, min(number, self.head.number))

    def _leave(self) -> None:
        if self.head not in self.tips:
            self.tips.append(self.head)

    def _mine(self, parent: Block, acts: tuple[Act, ...]) -> Block:
        market, transactions = parent.market, []
        for act in acts:
            logs, market = play(act, market)
            transactions.append((act.tx_hash, logs))
        return self._block(parent, acts, transactions, market)

    def _block(
        self,
        parent: Block,
        acts: tuple[Act, ...],
        transactions: Sequence[tuple[Digest, tuple[RawLog, ...]]],
        market: BranchMarket,
    ) -> Block:
        self._made += 1
        number, timestamp = parent.number + 1, parent.ref.timestamp + 12 + self._made % 3
        content = b"".join(tx_hash for tx_hash, _ in transactions)
        block_hash = keccak(parent.ref.hash + number.to_bytes(8) + self._made.to_bytes(8) + content)
        ref = BlockRef(CHAIN, number, block_hash, timestamp)
        logs: list[Log] = []
        for tx_index, (tx_hash, found) in enumerate(transactions):
            for raw in found:
                position = Position(ref, tx_hash, tx_index, len(logs))
                logs.append(Log(position, raw.address, raw.topics, raw.payload))
        hashes = tuple(tx_hash for tx_hash, _ in transactions)
        block = Block(ref, parent, acts, hashes, tuple(logs), market)
        self.blocks[block_hash] = block
        return block
