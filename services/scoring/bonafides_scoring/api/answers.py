"""Reads the answers about a wallet: its score, and the score taken apart."""

import json
from collections.abc import Sequence
from typing import Any, TypedDict, cast

from bonafides.consent import ConsentMode
from bonafides.errors import NotFound
from bonafides.types import Address, AdverseReason, Band, Digest, ModelClass, ScoreFlag, UnscorableReason, flag_names
from sqlalchemy import Connection, RowMapping, Table, select

from bonafides_scoring.api import schemas
from bonafides_scoring.features.schema import FEATURES, REASON_OF_FAMILY, Family
from bonafides_scoring.store import attestations
from bonafides_scoring.store.provisional import Origin, provisional_of
from bonafides_scoring.store.tables import latest_result
from bonafides_scoring.store.tables import score as score_table
from bonafides_scoring.store.tables import unscorable as unscorable_table
from bonafides_scoring.web import texts

UNSEEN = (
    "nothing is known of this address as of the newest scoring boundary: it has no history in the protocols that are "
    "read here, or was not read yet"
)
_FAMILY_OF_REASON = {reason: family for family, reason in REASON_OF_FAMILY.items()}


class StoredFamily(TypedDict):
    """One line of the explanation as it is kept."""

    family: str
    points: int
    contribution: str


class StoredExplanation(TypedDict):
    """The explanation as the worker kept it (`store.results.explanation_json`)."""

    outcome: str
    horizon_days: int
    base_points: int
    clip: int
    families: list[StoredFamily]
    features: dict[str, int]
    margin: str
    market_digest: str
    feature_digest: str
    feature_schema_hash: str
    fold_version: int


def score_answer(
    connection: Connection, wallet: Address, mode: ConsentMode
) -> schemas.ScoredAnswer | schemas.UnscorableAnswer | schemas.ProvisionalAnswer:
    """The latest finalized answer about a wallet; before the first one the provisional one, said to be that.

    Raises NotFound for a wallet that was never seen.
    """
    row = _latest_row(connection, wallet)
    if row is None:
        return _provisional_alone(connection, wallet, mode)
    if "score_id" not in row:
        return _unscorable(connection, row, wallet, mode)
    kept = explanation_of(row)
    return schemas.ScoredAnswer(
        status="scored",
        **_about(row, wallet, mode),
        score_id=hex_text(row["score_id"]),
        score=row["score"],
        band=Band(row["band"]),
        pd_bps=row["pd_bps"],
        outcome="liquidation_or_bad_debt",
        horizon_days=kept["horizon_days"],
        flags=_flags(row),
        reasons=[AdverseReason(reason) for reason in row["reasons"]],
        attestation=_attestation(connection, Digest(bytes(row["score_id"]))),
        provisional=_provisional(connection, wallet),
    )


def explanation_answer(
    connection: Connection, wallet: Address, mode: ConsentMode
) -> schemas.ExplainedAnswer | schemas.UnscorableAnswer:
    """The latest finalized score taken apart. Raises NotFound for a wallet without a finalized answer."""
    row = _latest_row(connection, wallet)
    if row is None:
        raise NotFound(UNSEEN)
    if "score_id" not in row:
        return _unscorable(connection, row, wallet, mode)
    kept = explanation_of(row)
    points = {Family(line["family"]): line["points"] for line in kept["families"]}
    return schemas.ExplainedAnswer(
        status="scored",
        **_about(row, wallet, mode),
        score_id=hex_text(row["score_id"]),
        score=row["score"],
        band=Band(row["band"]),
        base_points=kept["base_points"],
        families=[
            schemas.FamilyLine(family=family, label=texts.FAMILY_LABELS[family], points=count)
            for family, count in points.items()
        ],
        clip=kept["clip"],
        reasons=[_reason(AdverseReason(code), points, kept["features"]) for code in row["reasons"]],
        flags=_flags(row),
        method="tree_shap_path_dependent",
    )


def score_row(connection: Connection, score_id: Digest) -> RowMapping:
    """The row of a score. Raises NotFound."""
    row = connection.execute(select(score_table).where(score_table.c.score_id == score_id)).mappings().first()
    if row is None:
        raise NotFound("there is no score of this id here")
    return row


def explanation_of(row: RowMapping) -> StoredExplanation:
    """The explanation that a score's row holds."""
    return cast("StoredExplanation", json.loads(row["explanation"]))


def hex_text(raw: bytes) -> str:
    """Lower-case 0x text."""
    return "0x" + bytes(raw).hex()


def blocks_of(encoded: Sequence[bytes]) -> list[schemas.Block]:
    """Blocks of an as-of, as `digests.encode_block` wrote them."""
    return [
        schemas.Block(
            chain_id=int.from_bytes(raw[:8]),
            number=int.from_bytes(raw[8:16]),
            hash=hex_text(raw[16:48]),
            timestamp=int.from_bytes(raw[48:56]),
        )
        for raw in encoded
    ]


def coverage_of(text: str) -> list[schemas.Coverage]:
    """Coverage as it was kept (`store.results.coverage_json`)."""
    rows = cast("list[dict[str, Any]]", json.loads(text))
    return [
        schemas.Coverage(**row | {"gaps": [schemas.Gap(first=first, last=last) for first, last in row["gaps"]]})
        for row in rows
    ]


def model_of(row: RowMapping) -> schemas.Model:
    """The model that a row names."""
    model_class = ModelClass(row["model_class"])
    return schemas.Model(
        model_id=hex_text(row["model_id"]), model_class=model_class, notice=texts.model_notice(model_class)
    )


def _latest_row(connection: Connection, wallet: Address) -> RowMapping | None:
    """The row of the latest score or unscorable; None before the first."""
    latest = connection.execute(
        select(latest_result.c.score_id, latest_result.c.result_id).where(latest_result.c.wallet == wallet)
    ).first()
    if latest is None:
        return None
    if latest.score_id is not None:
        return score_row(connection, Digest(bytes(latest.score_id)))
    return _row(connection, unscorable_table, latest.result_id)


def _row(connection: Connection, table: Table, result_id: bytes) -> RowMapping:
    return connection.execute(select(table).where(table.c.result_id == result_id)).mappings().one()


class _About(TypedDict):
    consent_mode: ConsentMode
    wallet: str
    as_of: list[schemas.Block]
    as_of_time: int
    coverage: list[schemas.Coverage]
    model: schemas.Model


def _about(row: RowMapping, wallet: Address, mode: ConsentMode) -> _About:
    return _About(
        consent_mode=mode,
        wallet=hex_text(wallet),
        as_of=blocks_of(row["as_of"]),
        as_of_time=row["as_of_time"],
        coverage=coverage_of(row["coverage"]),
        model=model_of(row),
    )


def _unscorable(
    connection: Connection, row: RowMapping, wallet: Address, mode: ConsentMode
) -> schemas.UnscorableAnswer:
    reason = UnscorableReason(row["reason"])
    return schemas.UnscorableAnswer(
        status="unscorable",
        **_about(row, wallet, mode),
        result_id=hex_text(row["result_id"]),
        reason=reason,
        detail=texts.UNSCORABLE_TEXTS[reason],
        provisional=_provisional(connection, wallet),
    )


def _flags(row: RowMapping) -> list[schemas.FlagName]:
    return [schemas.FlagName(name) for name in flag_names(ScoreFlag(row["flags"]))]


def _reason(code: AdverseReason, points: dict[Family, int], features: dict[str, int]) -> schemas.ReasonLine:
    family = _FAMILY_OF_REASON[code]
    return schemas.ReasonLine(
        code=code,
        family=family,
        points=points[family],
        text=texts.REASON_TEXTS[code],
        values=[
            schemas.OwnValue(
                feature=spec.name,
                label=texts.feature_label(spec.name),
                value=features[spec.name],
                unit=spec.unit,
                shown=texts.shown_value(spec, features[spec.name]),
            )
            for spec in FEATURES
            if spec.family is family
        ],
    )


def _attestation(connection: Connection, score_id: Digest) -> schemas.Attestation | None:
    found = attestations.newest_of(connection, score_id)
    if found is None:
        return None
    return schemas.Attestation(
        attestation_id=hex_text(found.attestation_id),
        status=found.status,
        revocation_index=found.revocation_index,
        valid_until=found.valid_until,
    )


def _provisional_alone(connection: Connection, wallet: Address, mode: ConsentMode) -> schemas.ProvisionalAnswer:
    row = provisional_of(connection, wallet)
    if row is None:
        raise NotFound(UNSEEN)
    return schemas.ProvisionalAnswer(
        status="provisional",
        **_about(row, wallet, mode),
        detail=texts.PROVISIONAL_TEXTS[Origin(row["origin"])],
        provisional=_provisional_view(row),
    )


def _provisional(connection: Connection, wallet: Address) -> schemas.Provisional | None:
    row = provisional_of(connection, wallet)
    return None if row is None else _provisional_view(row)


def _provisional_view(row: RowMapping) -> schemas.Provisional:
    return schemas.Provisional(
        origin=Origin(row["origin"]),
        as_of=blocks_of(row["as_of"]),
        score=row["score"],
        band=row["band"] and Band(row["band"]),
        pd_bps=row["pd_bps"],
        flags=_flags(row) if row["flags"] is not None else [],
        reason=row["reason"] and UnscorableReason(row["reason"]),
        coverage=coverage_of(row["coverage"]),
    )
