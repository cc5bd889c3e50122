"""The port of a chain's final past, asked by what its logs say."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bonafides.events import BlockRange
from bonafides.types import BlockRef

from bonafides_ingest.chain import Log, Window
from bonafides_ingest.protocols.search import Criteria


@dataclass(frozen=True, slots=True)
class FinalView:
    """Up to where blocks were taken as final, and the epoch that what is sent of them carries.

    Later epochs begin above, so what is sent under this one is never void.
    """

    epoch: int
    number: int


class PastSource(Protocol):
    """A chain that can be asked for single logs. The adapter distrusts the node behind it (DESIGN 7)."""

    def find(self, wanted: BlockRange, criteria: Sequence[Criteria]) -> Window:
        """The logs that fit one of these criteria, in a range of final blocks or, when the provider refuses the whole,
        in the first part of it.

        Raises Unavailable: the node does not answer, refuses even one block, or was caught lying.
        """

    def receipts(self, found: Sequence[Log], criteria: Sequence[Criteria]) -> tuple[Log, ...]:
        """All logs of the transactions in which these were found by these criteria, in canonical order.

        `found` holds all that was found in each of them. Raises Unavailable as `find` does.
        """

    def is_confirmed(self, window: Window, criteria: Sequence[Criteria]) -> bool:
        """Whether what was found, or that nothing was, is more than one node's word.

        Where something was found it is asked now and then. Raises Unavailable when others say otherwise.
        """

    def block(self, number: int) -> BlockRef:
        """A final block."""
