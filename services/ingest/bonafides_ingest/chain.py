"""What ingest knows of a chain: logs in their place, ranges of blocks that were read, and the port of a source."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from bonafides.errors import Unavailable
from bonafides.events import BlockRange, Position
from bonafides.types import Address, BlockRef, Digest


@dataclass(frozen=True, slots=True)
class Log:
    """One log as the chain holds it."""

    position: Position
    address: Address
    topics: tuple[Digest, ...]
    """At most four; each 32 bytes."""
    payload: bytes


@dataclass(frozen=True, slots=True)
class Window:
    """All logs that were asked for in a range of blocks, checked and in canonical order."""

    range: BlockRange
    logs: tuple[Log, ...]
    last: BlockRef
    """The last block of the range, with or without logs."""


@dataclass(frozen=True, slots=True)
class Header:
    """A block, and what it stands on."""

    ref: BlockRef
    parent_hash: Digest


@dataclass(frozen=True, slots=True)
class ChainTips:
    """How far a chain is, in one look."""

    head: Header
    finalized: int
    """Number of the newest finalized block."""


class StillLooking(Unavailable):
    """A source needs another turn to answer. It goes on where it was: turn again, at once."""


class BlockGone(Unavailable):
    """A live block that was asked for by its hash is on the chain no more: look at the head again, at once."""


class LogSource(Protocol):
    """Some blocks whose logs can be read. The adapter distrusts the node behind it (DESIGN 7)."""

    def fetch(
        self,
        wanted: BlockRange,
        addresses: frozenset[Address],
        parent: BlockRef | None,
        topics_anywhere: frozenset[Digest] = frozenset(),
    ) -> Window:
        """The logs of these addresses in a range of these blocks, and those of anybody whose first topic is one of
        `topics_anywhere`.

        It may answer for the first part of the range only, when the provider refuses the whole. `parent` is the block
        before the range as it was read earlier.

        Raises:
            Unavailable: the node does not answer, refuses even one block, or was caught lying.
            InvariantViolation: the parent is no longer on the chain: a finalized block was replaced.
        """

    def block(self, number: int) -> BlockRef:
        """One of these blocks."""

    def last_log_before(self, address: Address, topic0: Digest, first: int, before: int) -> Log | None:
        """The newest log of this event by this address in blocks `first` ≤ block < `before`; None when there is none.

        Raises:
            StillLooking: it takes more than one turn; what was seen so far is remembered.
            Unavailable: as `fetch` does.
        """


class ChainSource(LogSource, Protocol):
    """A chain that can be read again at will, up to its newest finalized block."""

    def check_chain(self) -> None:
        """Raise InvalidSettings when the node is on another chain than the settings say, Unavailable when it is not
        there."""

    def finalized(self) -> int:
        """Number of the newest finalized block."""


@runtime_checkable
class Witnesses(Protocol):
    """A source that has more than one provider to ask."""

    def confirm_conflict(self, known: BlockRef) -> None:
        """Return when all say that a block that was read as final is another one now.

        Raises Unavailable when one says otherwise, or is not heard.
        """


class LiveSource(ChainSource, Protocol):
    """A chain that can also be read above finalized, where a block may be replaced by another at any moment."""

    def tips(self) -> ChainTips:
        """The head and the newest finalized block. Raises Unavailable: it does not answer, or is still syncing."""

    def headers(self, wanted: BlockRange) -> tuple[Header, ...]:
        """The blocks of a range that may lie above finalized, ascending; they hang together.

        Raises BlockGone when they do not any more, or one is not there.
        """

    def logs_of(self, headers: Sequence[Header], addresses: frozenset[Address]) -> tuple[Log, ...]:
        """The logs of these addresses in exactly these blocks, asked for by hash; proved by bloom and receipts.

        Raises BlockGone when one of the blocks was replaced.
        """
