"""When the node is asked what accounts are, and how long boundaries wait for its answers.

```
tip ─► ask, so many a turn ─► … ─► none left ─► boundary at this tip ─► nothing more is asked until the tip moves
```
A fact speaks of the end of a block, and stands before the boundary of that block: nothing of a block comes later. So
nothing is asked at a tip that has its boundary. A node that cannot tell holds nothing up, and one that has millions to
tell not for long: what is left is asked at later blocks.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import structlog
from bonafides.accounts import AccountFact
from bonafides.errors import Unavailable
from bonafides.types import Address, BlockRef

from bonafides_ingest import metrics
from bonafides_ingest.accounts.census import MOST_AT_ONCE, CodeSource, ask
from bonafides_ingest.lease import Lease

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Asking:
    """What one process remembers of its questions."""

    _in_vain: BlockRef | None = None
    _waiting_since: float | None = None

    def ask(
        self,
        source: CodeSource | None,
        unknown: Callable[[int], Collection[Address]],
        gateways: Collection[Address],
        lease: Lease,
        told_to: int,
    ) -> tuple[AccountFact, ...]:
        """What some of the unknown accounts are at the cursor; nothing where none is left or the node does not tell.

        `told_to` is the block of the last boundary.
        """
        if source is None or lease.tip is None or lease.tip == self._in_vain or lease.tip.number <= told_to:
            return ()
        accounts = tuple(unknown(MOST_AT_ONCE))
        try:
            return ask(source, accounts, gateways, lease.tip, lease.epoch)
        except Unavailable as exc:
            self._in_vain = lease.tip  # nothing is gained by asking again about the same block
            metrics.count_error(exc)
            log.warning("the node does not tell what accounts are", error=type(exc).__name__, accounts=len(accounts))
            return ()

    def keeps_boundaries(self, has_more: bool, now: float, longest_s: float) -> bool:
        """Whether a boundary waits because accounts are left to ask about: so many seconds at most, from when it first
        had to."""
        since = now if self._waiting_since is None else self._waiting_since
        waits = has_more and now - since < longest_s
        self._waiting_since = since if waits else None
        return waits
