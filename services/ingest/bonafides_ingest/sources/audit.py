"""Which blocks of a window have their receipts read, so that a node that leaves logs out is found out. Pure.

The receipts of every block would cost more than the logs; so some are read that the node cannot foresee, and more of
them while it is new, or was caught. The last block with logs and the end of the range are always among them: what is
cut off is cut off there. A bloom that excludes our contracts proves silence by itself.

```
 headers read:   blocks with logs · some silent ones, by chance · the silent tail, from the last log on
 receipts read:  ▲ last with logs   ▲ by chance, of those whose bloom may hold ours                  ▲ end
```
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from bonafides.events import BlockRange

TIMES_WHILE_DOUBTED: Final = 4
PROBES_PER_BLOCK: Final = 4  # headers are cheap beside receipts: so many are looked at for each block to audit
NEW: Final = 16
_MOST_DOUBT: Final = 1 << 10


@dataclass(frozen=True, slots=True)
class Trust:
    """What is thought of one provider: nothing in advance, and less each time that it was caught."""

    doubt: int = NEW
    """Windows that must agree with their receipts before fewer blocks are looked at."""

    def after_agreement(self) -> "Trust":
        """One more window was as the receipts say."""
        return Trust(max(self.doubt - 1, 0))

    def after_lie(self) -> "Trust":
        """Caught: doubted for longer than the last time, where that is not long ago."""
        return Trust(min(2 * self.doubt + NEW, _MOST_DOUBT))

    def blocks_to_audit(self, usual: int) -> int:
        """Of each window; `usual` is what the settings say for a provider that is trusted."""
        return usual * TIMES_WHILE_DOUBTED if self.doubt else usual


def blocks_to_look_at(
    blocks: BlockRange, spoken: Sequence[int], most_tail: int, audited: int, random: Random
) -> set[int]:
    """The numbers of the headers to read of a long window; `spoken` are its blocks with logs, ascending.

    An empty answer is a tail as long as the window, and every header of it is read; of another silent tail the first
    `most_tail` are.
    """
    tail = blocks.first if not spoken else spoken[-1] + 1
    tail_end = blocks.last if not spoken else min(blocks.last, tail + most_tail - 1)
    looked_at = {*spoken, *range(tail, tail_end + 1), blocks.last}
    silent = blocks.last - blocks.first + 1 - len(looked_at)
    wanted = min(audited * PROBES_PER_BLOCK, silent)
    if wanted:
        rest = [number for number in range(blocks.first, blocks.last + 1) if number not in looked_at]
        looked_at.update(random.sample(rest, wanted))
    return looked_at


def blocks_to_audit(
    may_hold: Iterable[int], spoken: Sequence[int], end: int, audited: int, random: Random
) -> list[int]:
    """The blocks whose receipts are read, ascending: at most about `audited`, all of them where they are few.

    `may_hold` are the silent blocks whose bloom may hold ours, `spoken` those with logs, ascending.
    """
    silent, heard = set(may_hold), set(spoken)
    if audited == 0:
        return []
    always = {*spoken[-1:], end} & (silent | heard)
    left = audited - len(always)
    silent_left, heard_left = sorted(silent - always), sorted(heard - always)
    # Half and half: a log left out of a silent block, and one left out of, or put into, a block with others.
    from_heard = min(len(heard_left), max(left // 2, left - len(silent_left), 0))
    from_silent = min(len(silent_left), max(left - from_heard, 0))
    return sorted(always.union(random.sample(silent_left, from_silent), random.sample(heard_left, from_heard)))
