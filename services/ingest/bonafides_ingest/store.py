"""What ingest remembers of a chain, in Postgres: ranges read, contracts found, dead letters."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bonafides import crashpoints
from bonafides.database import transaction
from bonafides.errors import InvalidSettings, InvariantViolation
from bonafides.events import BlockRange
from bonafides.types import Address, BlockRef, ChainId
from sqlalchemy import Connection, Engine, Table, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from bonafides_ingest import tables
from bonafides_ingest.decoders import DECODER_VERSION
from bonafides_ingest.deployments import Deployment
from bonafides_ingest.lease import Lease, hold_lease
from bonafides_ingest.protocols.aave_v3_state import AaveV3State, Reserve
from bonafides_ingest.protocols.decoded import RefusedLog
from bonafides_ingest.windows import merge_ranges


@dataclass(frozen=True, slots=True)
class FlushedWindow:
    """A range whose events are in the log, acknowledged."""

    range: BlockRange
    last: BlockRef
    """The last block of the range."""
    deployments: tuple[str, ...]
    """Ids of those that were read."""
    changed_states: tuple[AaveV3State, ...]
    refused: tuple[RefusedLog, ...]
    partitions: frozenset[int]
    """Partitions of wallet-events.v1 that got something."""


class Store:
    """One chain's rows of the schema `ingest`, other than its boundaries."""

    def __init__(self, engine: Engine, chain_id: ChainId, lease_s: float) -> None:
        self._engine, self._chain_id, self._lease_s = engine, chain_id, lease_s

    def commit_window(self, lease: Lease, flushed: FlushedWindow, dead_letter_limit: int) -> Lease:
        """Move the cursor past a window that was flushed. Returns the renewed lease.

        Raises:
            LeaseLost: another replica has the lease, or moved the cursor.
            InvariantViolation: more dead letters than the limit; nothing is written, so nothing is skipped.
        """
        last = flushed.last
        tip = last if lease.tip is None or last.number > lease.tip.number else lease.tip
        pending = flushed.partitions | lease.pending_partitions
        with transaction(self._engine) as connection:
            values = {
                "tip_number": tip.number,
                "tip_hash": tip.hash,
                "tip_timestamp": tip.timestamp,
                "pending_partitions": sorted(pending),
            }
            hold_lease(connection, self._chain_id, lease, self._lease_s, values)
            for deployment in flushed.deployments:
                self._add_range(connection, deployment, flushed.range)
            for state in flushed.changed_states:
                self._put_state(connection, state)
            self._put_dead_letters(connection, flushed.refused, dead_letter_limit)
            crashpoints.reach("ingest.before_commit")
        return Lease(lease.token, lease.epoch, tip, pending)

    def done_ranges(self) -> dict[str, tuple[BlockRange, ...]]:
        """What was read and flushed, by deployment, ascending."""
        table = tables.done_range
        query = select(table).where(table.c.chain_id == self._chain_id).order_by(table.c.first_block)
        done: dict[str, tuple[BlockRange, ...]] = {}
        with transaction(self._engine) as connection:
            for row in connection.execute(query).mappings():
                done[row["deployment"]] = (
                    *done.get(row["deployment"], ()),
                    BlockRange(row["first_block"], row["last_block"]),
                )
        return done

    def check_starts(self, deployments: Iterable[Deployment]) -> None:
        """Raise InvalidSettings when one begins below the blocks that were read of it, or has another oracle than then.

        What is known of a deployment is what its logs up to the cursor say. Earlier logs, read after later ones, would
        take that back: an asset would be priced by the feed that it had long ago. And of an oracle that is named later
        the earlier logs were never read.
        """
        done, oracles = self.done_ranges(), self._read_oracles()
        for deployment in deployments:
            ranges = done.get(deployment.id)
            if ranges and deployment.from_block < ranges[0].first:
                raise InvalidSettings(
                    f"deployment {deployment.id} begins at block {deployment.from_block} in the registry, but was read "
                    f"from block {ranges[0].first} on: set from_block back, or enter it under another id, which is "
                    "read from its first block"
                )
            if oracles.get(deployment.id, deployment.oracle) != deployment.oracle:
                raise InvalidSettings(
                    f"deployment {deployment.id} has another oracle in the registry than the one whose price sources "
                    "were read: set the oracle back, or enter it under another id, which is read from its first block"
                )

    def unknown_dead_letters(self) -> dict[str, int]:
        """Dead letters whose wallet is unknown, by deployment: they stand in the coverage."""
        table = tables.dead_letter
        query = (
            select(table.c.deployment, func.count())
            .where((table.c.chain_id == self._chain_id) & ~table.c.is_wallet_known)
            .group_by(table.c.deployment)
        )
        with transaction(self._engine) as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def load_state(self, deployment: Deployment) -> AaveV3State:
        """A deployment as its logs up to the cursor describe it."""
        key = {"chain_id": self._chain_id, "deployment": deployment.id}
        with transaction(self._engine) as connection:
            reserves = connection.execute(select(tables.reserve).filter_by(**key)).mappings().all()
            sources = connection.execute(select(tables.price_source).filter_by(**key)).mappings().all()
            oracle = connection.scalar(select(tables.asked_oracle.c.oracle).filter_by(**key))
        state = AaveV3State(
            deployment,
            sources={Address(row["asset"]): Address(row["feed"]) for row in sources},
            asked_oracle=None if oracle is None else Address(oracle),
        )
        return state.with_reserves(
            Reserve(
                asset=Address(row["asset"]),
                a_token=Address(row["a_token"]),
                stable_debt_token=Address(row["stable_debt_token"]),
                variable_debt_token=Address(row["variable_debt_token"]),
                decimals=row["decimals"],
                treasury=Address(row["treasury"]),
            )
            for row in reserves
        )

    def _read_oracles(self) -> dict[str, bytes]:
        """By deployment, where known: the oracle that the registry named when its logs were read."""
        table = tables.asked_oracle
        query = select(table.c.deployment, table.c.read_oracle).where(table.c.chain_id == self._chain_id)
        with transaction(self._engine) as connection:
            return {row.deployment: bytes(row.read_oracle) for row in connection.execute(query)}

    def _add_range(self, connection: Connection, deployment: str, read: BlockRange) -> None:
        table = tables.done_range
        mine = (table.c.chain_id == self._chain_id) & (table.c.deployment == deployment)
        rows = connection.execute(select(table.c.first_block, table.c.last_block).where(mine)).all()
        merged = merge_ranges([*(BlockRange(first, last) for first, last in rows), read])
        connection.execute(delete(table).where(mine))
        connection.execute(
            insert(table),
            [
                {"chain_id": self._chain_id, "deployment": deployment, "first_block": r.first, "last_block": r.last}
                for r in merged
            ],
        )

    def _put_state(self, connection: Connection, state: AaveV3State) -> None:
        key = {"chain_id": self._chain_id, "deployment": state.deployment.id}
        for row in state.reserves.values():
            found = {
                "a_token": row.a_token,
                "stable_debt_token": row.stable_debt_token,
                "variable_debt_token": row.variable_debt_token,
                "decimals": row.decimals,
                "treasury": row.treasury,
            }
            _upsert(connection, tables.reserve, {**key, "asset": row.asset}, found)
        for asset, feed in state.sources.items():
            _upsert(connection, tables.price_source, {**key, "asset": asset}, {"feed": feed})
        if state.asked_oracle is not None:
            oracles = {"oracle": state.asked_oracle, "read_oracle": state.deployment.oracle}
            _upsert(connection, tables.asked_oracle, key, oracles)

    def _put_dead_letters(self, connection: Connection, refused: Sequence[RefusedLog], limit: int) -> None:
        table = tables.dead_letter
        if not refused:
            return
        rows = [
            {
                "chain_id": self._chain_id,
                "deployment": refusal.deployment,
                "block_hash": refusal.log.position.block.hash,
                "log_index": refusal.log.position.log_index,
                "block_number": refusal.log.position.block.number,
                "is_wallet_known": bool(refusal.wallets),
                "reason": refusal.reason,
                "decoder_version": DECODER_VERSION,
            }
            for refusal in refused
        ]
        connection.execute(insert(table).on_conflict_do_nothing(), rows)
        count = connection.scalar(select(func.count()).select_from(table).where(table.c.chain_id == self._chain_id))
        if count is not None and count > limit:
            raise InvariantViolation(
                f"{count} dead letters on chain {self._chain_id}, more than the limit of {limit} "
                f"(BONAFIDES_INGEST_DEAD_LETTER_LIMIT); the newest reason: {refused[-1].reason}. Nothing was skipped: "
                "mend the decoder or the registry, or raise the limit"
            )


def _upsert(connection: Connection, table: Table, key: Mapping[str, object], values: Mapping[str, object]) -> None:
    statement = insert(table).values(**key, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=dict(values)))
