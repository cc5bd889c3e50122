"""What ingest remembers of a chain, in Postgres: ranges read, contracts found, dead letters, holes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bonafides import crashpoints
from bonafides.accounts import AccountFact
from bonafides.database import transaction
from bonafides.errors import InvalidSettings, InvariantViolation
from bonafides.events import BlockRange
from bonafides.types import ZERO_ADDRESS, Address, BlockRef, ChainId, Json
from sqlalchemy import Connection, Engine, delete, exists, func, select, union_all, update
from sqlalchemy.dialects.postgresql import insert

from bonafides_ingest import tables
from bonafides_ingest.accounts.store import AccountStore, put_links, put_wallets
from bonafides_ingest.catalogue import protocol_of
from bonafides_ingest.claims import Claim, add_done, cursor_after, done_ranges, end_claim
from bonafides_ingest.decoders import DECODER_VERSION
from bonafides_ingest.deployments import Deployment
from bonafides_ingest.lease import add_chain, lock_chain
from bonafides_ingest.protocols.decoded import RefusedLog, hole_keys
from bonafides_ingest.protocols.state import DeploymentState, FactKey
from bonafides_ingest.read_windows import ReadLogs, put_read_windows
from bonafides_ingest.registry_entries import RegistryEntry


@dataclass(frozen=True, slots=True)
class FlushedWindow:
    """A range whose events are in the log, acknowledged."""

    range: BlockRange
    last: BlockRef
    """The last block of the range."""
    facts: Mapping[str, Mapping[FactKey, Json]]
    """By deployment, what its state learned here."""
    refused: tuple[RefusedLog, ...]
    read: Mapping[str, ReadLogs]
    """By deployment or source of links, which logs these were."""
    links: tuple[AccountFact, ...] = ()
    """What logs said about owners."""
    wallets: frozenset[Address] = frozenset()
    """Whose events were sent."""


class Store:
    """One chain's rows of the schema `ingest`, other than its boundaries and live blocks."""

    def __init__(self, engine: Engine, chain_id: ChainId, lease_s: float) -> None:
        self._engine, self._chain_id = engine, chain_id
        self.accounts = AccountStore(engine, chain_id, lease_s)

    def commit_claim(
        self,
        claim: Claim,
        flushed: FlushedWindow,
        partitions: frozenset[int],
        spans: Mapping[str, BlockRange],
        dead_letter_limit: int,
    ) -> None:
        """Remember a window that was flushed, and end the claim on it; the rest of what was claimed is free again.

        `partitions` of wallet-events.v1 got something; `spans` are those of all entries: the cursor moves to where
        nothing of them is missing.

        Raises:
            ClaimLost: another replica reads these blocks now.
            InvariantViolation: more dead letters than the limit; nothing is written, so nothing is skipped. What is
                not read by design is none.
        """
        with transaction(self._engine) as connection:
            row = lock_chain(connection, self._chain_id)
            end_claim(connection, self._chain_id, claim)
            self.put_window(connection, flushed, claim.work.deployments, dead_letter_limit)
            pending = sorted(partitions.union(row["pending_partitions"]))
            self.move_cursor(connection, spans, row["final_number"], {"pending_partitions": pending})
            crashpoints.reach("ingest.before_commit")
        self.accounts.have_rows(flushed.wallets)

    def put_window(
        self, connection: Connection, flushed: FlushedWindow, entries: Sequence[str], dead_letter_limit: int
    ) -> None:
        """What a window of these entries said, in a transaction that holds the chain's row. Raises as
        `commit_claim`."""
        add_done(connection, self._chain_id, entries, flushed.range, flushed.last)
        put_read_windows(connection, self._chain_id, flushed.range, flushed.read)
        for deployment, facts in flushed.facts.items():
            self._put_facts(connection, deployment, facts)
        put_links(connection, self._chain_id, flushed.links)
        put_wallets(connection, self._chain_id, self.accounts.without_row(flushed.wallets))
        self._put_holes(connection, [refusal for refusal in flushed.refused if refusal.is_hole])
        self._put_dead_letters(connection, unreadable(flushed.refused), dead_letter_limit)

    def move_cursor(
        self,
        connection: Connection,
        spans: Mapping[str, BlockRange],
        final_number: int,
        values: Mapping[str, object],
    ) -> None:
        """Set the cursor to where nothing of these entries is missing, with other values of the chain's row."""
        tip = cursor_after(connection, self._chain_id, spans, final_number)
        if tip is not None:
            values = {**values, "tip_number": tip.number, "tip_hash": tip.hash, "tip_timestamp": tip.timestamp}
        mine = tables.chain.c.chain_id == self._chain_id
        connection.execute(update(tables.chain).where(mine).values(**values))

    def done_ranges(self) -> dict[str, tuple[BlockRange, ...]]:
        """What was read and flushed, by deployment, ascending."""
        with transaction(self._engine) as connection:
            found = done_ranges(connection, self._chain_id)
        return {name: tuple(one.range for one in ranges) for name, ranges in found.items()}

    def done_up_to(self, number: int) -> tuple[dict[str, tuple[BlockRange, ...]], BlockRef | None]:
        """What was read and flushed, by deployment, and the block of this number as it was read; None where no range
        ends with it."""
        with transaction(self._engine) as connection:
            found = done_ranges(connection, self._chain_id)
        ends = (one.last for ranges in found.values() for one in ranges)
        block = next((last for last in ends if last and last.number == number), None)
        return {name: tuple(one.range for one in ranges) for name, ranges in found.items()}, block

    def newest_final(self) -> BlockRef | None:
        """The highest final block that was read and is known by its hash."""
        with transaction(self._engine) as connection:
            found = done_ranges(connection, self._chain_id)
        ends = [one.last for ranges in found.values() for one in ranges if one.last is not None]
        return max(ends, key=lambda block: block.number, default=None)

    def check_starts(self, deployments: Collection[RegistryEntry]) -> None:
        """Raise InvalidSettings when one begins below the blocks that were read of it, or has other contracts than
        then.

        What is known of a deployment is what its logs up to the cursor say. Earlier logs, read after later ones, would
        take that back: an asset would be priced by the feed that it had long ago. And of a contract that is named later
        the earlier logs were never read.
        """
        done, known = self.done_ranges(), self._known_contracts(deployments)
        for deployment in deployments:
            ranges = done.get(deployment.id)
            if ranges and deployment.from_block < ranges[0].first:
                raise InvalidSettings(
                    f"deployment {deployment.id} begins at block {deployment.from_block} in the registry, but was read "
                    f"from block {ranges[0].first} on: set from_block back, or enter it under another id, which is "
                    "read from its first block"
                )
            if ranges and known[deployment.id] != deployment.contracts():
                raise InvalidSettings(
                    f"deployment {deployment.id} has other contracts in the registry than those whose logs were read: "
                    "set them back, or enter it under another id, which is read from its first block"
                )

    def unknown_dead_letters(self) -> dict[str, int]:
        """Dead letters whose wallet is unknown, and such holes, by deployment: they stand in the coverage."""
        letter, hole = tables.dead_letter, tables.hole
        found = union_all(
            select(letter.c.deployment).where(
                (letter.c.chain_id == self._chain_id) & ~letter.c.is_wallet_known & letter.c.mended_at.is_(None)
            ),
            select(hole.c.deployment).where((hole.c.chain_id == self._chain_id) & (hole.c.wallet == ZERO_ADDRESS)),
        ).subquery()
        query = select(found.c.deployment, func.count()).group_by(found.c.deployment)
        with transaction(self._engine) as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def load_state(self, deployment: Deployment) -> DeploymentState:
        """A deployment as its logs up to the cursor describe it."""
        table = tables.deployment_fact
        query = select(table.c.kind, table.c.key, table.c.value).where(
            (table.c.chain_id == self._chain_id) & (table.c.deployment == deployment.id)
        )
        with transaction(self._engine) as connection:
            facts = {(row.kind, row.key): row.value for row in connection.execute(query)}
        state: DeploymentState = protocol_of(deployment).restore(deployment, facts)
        return state

    def _known_contracts(self, deployments: Collection[RegistryEntry]) -> dict[str, frozenset[Address]]:
        """By deployment, the contracts that the registry named when it was first read; from now on, if it is new."""
        table = tables.deployment
        rows = [
            {"chain_id": self._chain_id, "deployment": d.id, "contracts": sorted(d.contracts())} for d in deployments
        ]
        mine = (table.c.chain_id == self._chain_id) & table.c.deployment.in_(row["deployment"] for row in rows)
        is_unread = ~exists().where(
            (tables.done_range.c.chain_id == table.c.chain_id) & (tables.done_range.c.deployment == table.c.deployment)
        )
        with transaction(self._engine) as connection:
            add_chain(connection, self._chain_id)
            connection.execute(delete(table).where(mine & is_unread))  # nothing was read under the old entry
            connection.execute(insert(table).on_conflict_do_nothing(), rows)
            found = connection.execute(select(table.c.deployment, table.c.contracts).where(mine))
            return {row.deployment: frozenset(Address(bytes(a)) for a in row.contracts) for row in found}

    def _put_facts(self, connection: Connection, deployment: str, facts: Mapping[FactKey, Json]) -> None:
        if not facts:
            return
        rows = [
            {"chain_id": self._chain_id, "deployment": deployment, "kind": kind, "key": key, "value": value}
            for (kind, key), value in facts.items()
        ]
        statement = insert(tables.deployment_fact)
        same = ["chain_id", "deployment", "kind", "key"]
        new_value = {"value": statement.excluded.value}
        connection.execute(statement.on_conflict_do_update(index_elements=same, set_=new_value), rows)

    def _put_holes(self, connection: Connection, holes: Sequence[RefusedLog]) -> None:
        """Each once: the next log of its like adds nothing."""
        rows = [
            {
                "chain_id": self._chain_id,
                "deployment": deployment,
                "contract": contract,
                "wallet": wallet,
                "reason": reason,
                "block_number": refusal.log.position.block.number,
                "log_index": refusal.log.position.log_index,
                "decoder_version": DECODER_VERSION,
            }
            for refusal in holes
            for deployment, contract, wallet, reason in hole_keys(refusal)
        ]
        if rows:
            connection.execute(insert(tables.hole).on_conflict_do_nothing(), rows)

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
                "tx_hash": refusal.log.position.tx_hash,
                "tx_index": refusal.log.position.tx_index,
                "block_timestamp": refusal.log.position.block.timestamp,
                "address": refusal.log.address,
                "topics": list(refusal.log.topics),
                "payload": refusal.log.payload,
            }
            for refusal in refused
        ]
        connection.execute(insert(table).on_conflict_do_nothing(), rows)
        is_open = (table.c.chain_id == self._chain_id) & table.c.mended_at.is_(None)
        count = connection.scalar(select(func.count()).select_from(table).where(is_open))
        if count is not None and count > limit:
            raise InvariantViolation(
                f"{count} dead letters on chain {self._chain_id}, more than the limit of {limit} "
                f"(BONAFIDES_INGEST_DEAD_LETTER_LIMIT); the newest reason: {refused[-1].reason}. Nothing was skipped: "
                "mend the decoder or the registry, or raise the limit"
            )


def unreadable(refused: Sequence[RefusedLog]) -> tuple[RefusedLog, ...]:
    """Those that could not be read, without what is not read by design."""
    return tuple(refusal for refusal in refused if not refusal.is_hole)


def new_facts(before: DeploymentState, after: DeploymentState) -> Mapping[FactKey, Json]:
    """What the later state must be remembered by beyond the earlier one."""
    return {} if after is before else after.facts_since(before)
