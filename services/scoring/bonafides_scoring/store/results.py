"""Finalized answers about wallets as rows: scores and unscorables are only ever added; which is the latest is replaced.

Provisional ones stand apart (`store.provisional`).
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bonafides import __version__
from bonafides.digests import encode_block
from bonafides.events import DeploymentCoverage
from bonafides.types import Address, ChainId, Digest, ModelClass
from sqlalchemy import Column, Connection, Table, delete, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from bonafides_scoring.due import Basis
from bonafides_scoring.features.schema import FEATURES
from bonafides_scoring.receipt import encode_receipt
from bonafides_scoring.scorer import Scored, ScoreResult, Unscorable
from bonafides_scoring.store.tables import latest_result, scoring_due
from bonafides_scoring.store.tables import score as score_table
from bonafides_scoring.store.tables import unscorable as unscorable_table


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Where and when a result was made: what it takes to find again what was known."""

    partition: int
    chain_id: ChainId
    boundary_number: int
    market_offset: int
    event_offset: int
    model_class: ModelClass
    model_name: str
    outcome: str
    horizon_days: int


@dataclass(frozen=True, slots=True)
class Due:
    """A scoring boundary that a partition still has to score, in the order of `market.v1`."""

    market_offset: int
    chain_id: ChainId
    boundary_number: int


def last_bases(connection: Connection, wallets: Sequence[Address]) -> dict[Address, Basis]:
    """What the latest finalized result of each of these wallets rested on."""
    table = latest_result
    rows = connection.execute(select(table).where(table.c.wallet.in_(wallets)))
    return {
        Address(bytes(row.wallet)): Basis(Digest(bytes(row.basis)), row.health_factor_bps, row.as_of_time)
        for row in rows
    }


def add_results(
    connection: Connection, results: Sequence[ScoreResult], coverage: Sequence[DeploymentCoverage], at: Circumstances
) -> set[Digest]:
    """Add finalized results; returns the ids (of scores, of unscorables) of those that were new."""
    scored = [_score_row(result, coverage, at) for result in results if isinstance(result, Scored)]
    others = [_unscorable_row(result, coverage, at) for result in results if isinstance(result, Unscorable)]
    return _add_new(connection, score_table, score_table.c.score_id, scored) | _add_new(
        connection, unscorable_table, unscorable_table.c.result_id, others
    )


def set_latest(connection: Connection, latest: Sequence[tuple[Address, ScoreResult, Basis]], at: Circumstances) -> None:
    """These finalized results are the latest of their wallets."""
    if not latest:
        return
    rows = [
        {
            "wallet": wallet,
            "partition": at.partition,
            "score_id": result.score_id if isinstance(result, Scored) else None,
            "result_id": result.result_id if isinstance(result, Unscorable) else None,
            "as_of_time": basis.as_of_time,
            "market_offset": at.market_offset,
            "basis": basis.digest,
            "health_factor_bps": basis.health_factor_bps,
        }
        for wallet, result, basis in latest
    ]
    statement = insert(latest_result)
    replaced = {name: statement.excluded[name] for name in rows[0] if name != "wallet"}
    connection.execute(statement.on_conflict_do_update(index_elements=["wallet"], set_=replaced), rows)


def explanation_json(result: Scored, at: Circumstances) -> str:
    """The explanation as it is kept: canonical JSON, with the receipt's fields that its bytes hold as digests."""
    receipt = result.receipt
    content = {
        "model_name": at.model_name,
        "outcome": at.outcome,
        "horizon_days": at.horizon_days,
        "base_points": result.explanation.base_points,
        "families": [
            {"family": line.family.value, "points": line.points, "contribution": line.contribution.hex()}
            for line in result.explanation.families
        ],
        "clip": result.explanation.clip,
        "features": {spec.name: int(value) for spec, value in zip(FEATURES, result.features.values, strict=True)},
        "margin": receipt.margin.hex(),
        "market_digest": receipt.market_digest.hex(),
        "feature_digest": receipt.feature_digest.hex(),
        "feature_schema_hash": receipt.feature_schema_hash.hex(),
        "fold_version": receipt.fold_version,
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def coverage_json(coverage: Sequence[DeploymentCoverage]) -> str:
    """What was read, as canonical JSON sorted by chain and deployment."""
    rows = [
        {
            "deployment": row.deployment,
            "chain_id": row.chain_id,
            "registry_version": row.registry_version,
            "scanned_from": row.scanned_from,
            "complete_to": row.complete_to,
            "gaps": [[gap.first, gap.last] for gap in row.gaps],
            "dead_letters": row.dead_letters,
        }
        for row in sorted(coverage, key=lambda one: (one.chain_id, one.deployment))
    ]
    return json.dumps(rows, sort_keys=True, separators=(",", ":"))


def add_dues(connection: Connection, dues: Sequence[tuple[int, Due]]) -> None:
    """Remember that partitions have these scoring boundaries to score."""
    if not dues:
        return
    connection.execute(
        insert(scoring_due).on_conflict_do_nothing(),
        [
            {
                "partition": partition,
                "market_offset": due.market_offset,
                "chain_id": due.chain_id,
                "boundary_number": due.boundary_number,
            }
            for partition, due in dues
        ],
    )


def dues_of(connection: Connection, partitions: Iterable[int]) -> dict[int, list[Due]]:
    """What each of these partitions has to score, oldest first."""
    table = scoring_due
    found: dict[int, list[Due]] = {partition: [] for partition in partitions}
    rows = connection.execute(
        select(table).where(table.c.partition.in_(list(found))).order_by(table.c.partition, table.c.market_offset)
    )
    for row in rows:
        found[row.partition].append(Due(row.market_offset, ChainId(row.chain_id), row.boundary_number))
    return found


def drop_dues(connection: Connection, dues: Sequence[tuple[int, Due]]) -> None:
    """They were scored, or cannot be."""
    if not dues:
        return
    table = scoring_due
    keys = [(partition, due.market_offset) for partition, due in dues]
    connection.execute(delete(table).where(tuple_(table.c.partition, table.c.market_offset).in_(keys)))


def _score_row(result: Scored, coverage: Sequence[DeploymentCoverage], at: Circumstances) -> dict[str, Any]:
    return {
        "score_id": result.score_id,
        **common_columns(result, coverage, at),
        "score": result.score,
        "band": result.band.value,
        "pd_bps": result.pd_bps,
        "flags": int(result.flags),
        "reasons": [reason.value for reason in result.reasons],
        "receipt": encode_receipt(result.receipt),
        "explanation": explanation_json(result, at),
        "code_version": __version__,
    }


def _unscorable_row(result: Unscorable, coverage: Sequence[DeploymentCoverage], at: Circumstances) -> dict[str, Any]:
    return {
        "result_id": result.result_id,
        **common_columns(result, coverage, at),
        "reason": result.reason.value,
    }


def _add_new(connection: Connection, table: Table, key: Column[Any], rows: list[dict[str, Any]]) -> set[Digest]:
    if not rows:
        return set()
    statement = insert(table).on_conflict_do_nothing().returning(key)
    return {Digest(bytes(found)) for found in connection.scalars(statement, rows)}


def common_columns(result: ScoreResult, coverage: Sequence[DeploymentCoverage], at: Circumstances) -> dict[str, Any]:
    """What a row of every answer holds, score or not."""
    about = result.receipt if isinstance(result, Scored) else result
    as_of = about.as_of
    return {
        "wallets": list(about.wallets),
        "partition": at.partition,
        "as_of": [encode_block(block) for block in as_of.blocks],
        "as_of_time": as_of.time,
        "chain_id": at.chain_id,
        "boundary_number": at.boundary_number,
        "event_offset": at.event_offset,
        "market_offset": at.market_offset,
        "model_id": result.model_id,
        "model_class": at.model_class.value,
        "coverage": coverage_json(coverage),
        "event_set_digest": about.event_set_digest,
    }
