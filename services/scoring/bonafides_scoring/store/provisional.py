"""Provisional answers as rows: one per wallet, without receipt, never issued, never the latest finalized one.

```
made at a live boundary, or when a wallet's history was read on demand
gone when  a finalized boundary sees as far as it did (whatever that one says of the wallet)
           a fork epoch voids the block that it saw
           the next live boundary finds the wallet as its last finalized answer has it
```
"""

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Any, assert_never

from bonafides.events import DeploymentCoverage, ForkEpoch
from bonafides.types import Address, AsOf, ChainId
from sqlalchemy import Connection, RowMapping, and_, delete, or_, select
from sqlalchemy.dialects.postgresql import insert

from bonafides_scoring.scorer import Scored, ScoreResult, Unscorable
from bonafides_scoring.store.results import Circumstances, common_columns
from bonafides_scoring.store.tables import fork_epoch, provisional_result


class Origin(StrEnum):
    """What called for a provisional answer."""

    HEAD = "head"
    """A boundary above finalized."""
    HYDRATION = "hydration"
    """The wallet's history was read on demand, before the scan came as far."""


def set_provisional(
    connection: Connection,
    answers: Sequence[tuple[Address, ScoreResult]],
    coverage: Sequence[DeploymentCoverage],
    at: Circumstances,
    *,
    origin: Origin,
    block_number: int,
) -> None:
    """Replace the provisional answers of these wallets; `block_number` is how far they saw on the chain of `at`."""
    if not answers:
        return
    rows = [
        {
            "wallet": wallet,
            **common_columns(result, coverage, at),
            "origin": origin.value,
            "block_number": block_number,
            **_answer(result),
        }
        for wallet, result in answers
    ]
    statement = insert(provisional_result)
    replaced = {name: statement.excluded[name] for name in rows[0] if name != "wallet"}
    connection.execute(statement.on_conflict_do_update(index_elements=["wallet"], set_=replaced), rows)


def drop_of(connection: Connection, wallets: Collection[Address]) -> None:
    """Drop those that live boundaries made: these wallets are as their last finalized answers have them."""
    table = provisional_result
    if wallets:
        connection.execute(delete(table).where(table.c.wallet.in_(list(wallets)), table.c.origin == Origin.HEAD.value))


def drop_overtaken(connection: Connection, wallets: Collection[Address], as_of: AsOf) -> None:
    """Drop what saw no further than a finalized as-of does, whether or not it gave the wallet a new answer."""
    table = provisional_result
    is_overtaken = or_(
        *(and_(table.c.chain_id == block.chain_id, table.c.block_number <= block.number) for block in as_of.blocks)
    )
    connection.execute(delete(table).where(table.c.wallet.in_(list(wallets)), is_overtaken))


def drop_void(connection: Connection, partition: int, chain_id: ChainId, epoch: ForkEpoch, *, listed_by: int) -> None:
    """Drop what saw a block that this epoch made void; `listed_by` is a boundary that was told of the epoch."""
    table = provisional_result
    connection.execute(
        delete(table).where(
            table.c.partition == partition,
            table.c.chain_id == chain_id,
            table.c.block_number >= epoch.fork_block,
            table.c.boundary_number < listed_by,
        )
    )


def provisional_of(connection: Connection, wallet: Address) -> RowMapping | None:
    """A wallet's provisional answer, unless a fork that the market told of made it void: its partition may not have
    read that boundary yet."""
    table, forks = provisional_result, fork_epoch
    is_void = (
        select(forks.c.epoch)
        .where(
            forks.c.chain_id == table.c.chain_id,
            forks.c.boundary_number > table.c.boundary_number,
            forks.c.fork_block <= table.c.block_number,
        )
        .exists()
    )
    return connection.execute(select(table).where(table.c.wallet == wallet, ~is_void)).mappings().first()


def _answer(result: ScoreResult) -> dict[str, Any]:
    match result:
        case Scored():
            return {
                "score": result.score,
                "band": result.band.value,
                "pd_bps": result.pd_bps,
                "flags": int(result.flags),
                "reasons": [reason.value for reason in result.reasons],
                "reason": None,
            }
        case Unscorable():
            return {
                **dict.fromkeys(("score", "band", "pd_bps", "flags", "reasons")),
                "reason": result.reason.value,
            }
        case _:
            assert_never(result)
