"""All that ingest keeps of one chain in Postgres, opened at once."""

from dataclasses import dataclass
from typing import Self

from bonafides.types import ChainId
from sqlalchemy import Engine

from bonafides_ingest.boundary_store import BoundaryStore
from bonafides_ingest.claims import ClaimStore
from bonafides_ingest.lease import LeaseStore
from bonafides_ingest.live_store import LiveStore
from bonafides_ingest.store import Store


@dataclass(frozen=True, slots=True)
class ChainStores:
    """One room for each kind of rows; all lock the chain's row before they change what must agree."""

    leases: LeaseStore
    claims: ClaimStore
    store: Store
    boundaries: BoundaryStore
    ring: LiveStore

    @classmethod
    def of(cls, engine: Engine, chain_id: ChainId, lease_s: float, registry: bytes = b"") -> Self:
        """Those of one chain; a lease or claim that is not renewed ends after `lease_s` seconds. `registry` is the
        digest of what this replica reads the chain by."""
        store = Store(engine, chain_id, lease_s)
        return cls(
            LeaseStore(engine, chain_id, lease_s, registry),
            ClaimStore(engine, chain_id, lease_s, registry),
            store,
            BoundaryStore(engine, chain_id, lease_s),
            LiveStore(engine, chain_id, lease_s, store),
        )
