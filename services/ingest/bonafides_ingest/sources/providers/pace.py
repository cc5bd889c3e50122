"""How many blocks to ask a provider for at once. Pure: who asks tells what came of it, and how long it took.

```
 answered  in < 1 s     double             Safe's indexer has these bounds, and they hold here for the whole window,
           in < 3 s     a quarter of the   its checks included: a turn of the flow must end before its claim does
                        start value more
           in > 10 s    a quarter less     in proportion, not by a number: 200 blocks fewer are nothing to 100,000
           in > 30 s    half
 refused   with a hint  what it names      once, and only where it is less: what was asked for because of a hint,
           else         half               and is refused again, is halved
 no answer after 3 s    half               perhaps it was too much; what fails faster says nothing about size
```
A size that was refused is not asked for again for a while: growth halves the distance to it instead, so that a limit
nobody told is found to a sixteenth, at the price of some refusals. It is forgotten in time: a limit on results moves
with the chain, and a balancer's backends differ.

The logs of one window are bounded, too, whatever the provider would give: they are held in memory.
"""

from bonafides.events import BlockRange

from bonafides_ingest.sources.providers.refusals import Hint

DOUBLE_BELOW_S, GROW_BELOW_S, SHRINK_ABOVE_S, HALVE_ABOVE_S = 1.0, 3.0, 10.0, 30.0
MOST_LOGS = 20_000  # at about 5 kB each 100 MB; and what the larger providers give at once
FORGET_AFTER = 32  # windows: one refused request in as many is the price of noticing that more is allowed
NEAR_ENOUGH = 16  # parts: closer to a refused size nothing is gained by trying


class Pace:
    """What is asked for next, of one provider.

    Args:
        start: blocks to begin with.
        most: blocks that are never exceeded.
    """

    def __init__(self, start: int, most: int) -> None:
        self.blocks = min(start, most)
        """To ask for at once now; at least 1."""
        self._step, self._most = max(self.blocks // 4, 1), most
        self._refused: int | None = None
        """The smallest size that was refused of late."""
        self._answers = 0
        """Whole windows since then."""
        self._is_hinted = False
        """Whether the size that is asked for now is the provider's own word."""

    def answered(self, asked: BlockRange, seconds: float, logs: int) -> None:
        """A range was answered and checked in so many seconds, with so many logs."""
        size, is_whole = asked.last - asked.first + 1, asked.last - asked.first + 1 >= self.blocks
        if is_whole:
            self._is_hinted = False
            self._note_answer()
        if seconds > HALVE_ABOVE_S:
            wanted = size // 2
        elif seconds > SHRINK_ABOVE_S:
            wanted = size - max(size // 4, 1)
        elif not is_whole:  # the end of the chain, or of what was to be read: it says nothing about larger ranges
            wanted = self.blocks
        elif seconds < DOUBLE_BELOW_S:
            wanted = self._short_of_refused(size, 2 * size)
        elif seconds < GROW_BELOW_S:
            wanted = self._short_of_refused(size, size + self._step)
        else:
            wanted = size
        if logs:
            wanted = min(wanted, max(MOST_LOGS * size // logs, 1))
        self._set(wanted)

    def refused(self, asked: BlockRange, hint: Hint | None) -> None:
        """The provider refused a range, and perhaps said what it would answer. Less is asked for next, always."""
        size = asked.last - asked.first + 1
        is_believed = hint is not None and not self._is_hinted and 0 < hint.blocks < size
        named = hint.blocks if hint is not None and is_believed else size // 2
        # A number without a range is a limit on blocks; a range is only as long as its logs allow.
        limit = named + 1 if hint is not None and is_believed and hint.first is None else size
        self._refused, self._answers = min(limit, self._refused or limit), 0
        self._is_hinted = is_believed
        self._set(named)

    def unanswered(self, asked: BlockRange, seconds: float) -> None:
        """No answer came to a range for so many seconds."""
        if seconds >= GROW_BELOW_S:
            self._set((asked.last - asked.first + 1) // 2)

    def _note_answer(self) -> None:
        self._answers += 1
        if self._answers >= FORGET_AFTER:
            self._refused = None

    def _short_of_refused(self, size: int, wanted: int) -> int:
        if self._refused is None or wanted < self._refused:
            return wanted
        gap = self._refused - size
        return size + gap // 2 if gap > size // NEAR_ENOUGH else size

    def _set(self, blocks: int) -> None:
        self.blocks = min(max(blocks, 1), self._most)
