"""When a replica that fails leaves the lead to another, whose node may do better."""

from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

import structlog
from bonafides.clock import Clock
from bonafides.errors import Unavailable

from bonafides_ingest.chain_stores import ChainStores

log = structlog.get_logger(__name__)


@dataclass
class StandingBack:
    """Whether a replica may take the lease now."""

    token: UUID
    stores: ChainStores
    clock: Clock
    _failing_since: float | None = None
    """When the turns began to fail, one after the other."""
    _until: float = 0.0

    def is_due(self) -> bool:
        """Whether another replica is given time to take the lease."""
        return 0 < self._until - self.clock.now() <= self.stores.leases.lease_s

    def succeeded(self) -> None:
        """A turn did what it should."""
        self._failing_since = None

    def failed(self) -> None:
        """A turn failed for a reason outside. As long as a lease lasts, and another replica is alive: give it up."""
        now, lasts_s = self.clock.now(), self.stores.leases.lease_s
        if self._failing_since is None or now < self._failing_since:
            self._failing_since = now
        if now - self._failing_since < lasts_s:
            return
        with suppress(Unavailable):
            if self.stores.claims.has_others(self.token):
                self.stores.leases.release(self.token)
                self._until, self._failing_since = now + lasts_s, None
                log.warning("turns fail: another replica may lead", stands_back_s=lasts_s)
