"""The model of the real Aave task as a folder: written from a run, read back only if nothing in it changed.

    manifest.json   model.json   golden.json   MODEL_CARD.md

It learned from compiled rows (`EventOrigin.compiled`), which have no block: it answers for files of that kind, is no
bundle that a service would load, and no setting defaults to it.
"""

import json
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from bonafides.errors import InvalidInput
from bonafides.hashing import sha256
from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError

from bonafides_scoring.backtest.blend import Blend, BlendPlan
from bonafides_scoring.backtest.features import FEATURES, feature_rows
from bonafides_scoring.backtest.histories import HORIZON, Histories, Task
from bonafides_scoring.backtest.measures import Measured
from bonafides_scoring.backtest.outputs import check_out_file
from bonafides_scoring.backtest.pack import AAVE_LABELS, EVENTS, PRICES, TaskReport
from bonafides_scoring.backtest.predict import Answer, Status, note_unpriced, train, write_answers
from bonafides_scoring.backtest.price_book import PriceBook, Reals
from bonafides_scoring.backtest.steady import Steady
from bonafides_scoring.backtest.tables import Note, Rows, read_cutoffs, read_events, read_labels, read_prices

NAME = "aave-v2-reliquidation"
GOLDEN_VECTORS = 100
FORMAT: Final = "bonafides/reliquidation/1"
_FILES = ("model.json", "golden.json", "MODEL_CARD.md")
_TOLERANCE = 1e-12  # sums of nine products may round differently on another processor

Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SteadyPart(_Part):
    """The fitted rule: for each feature its training mean, spread and coefficient; and the levels of past windows."""

    features: tuple[str, ...]
    centre: tuple[float, ...]
    spread: tuple[float, ...]
    coefficients: tuple[float, ...]
    levels: tuple[float, ...]
    shares: tuple[Share, ...]

    def model(self) -> Blend:
        """As `predict` uses it."""
        steady = Steady(np.array(self.centre), np.array(self.spread), np.array(self.coefficients))
        return Blend(BlendPlan(), steady, None, np.zeros(0), 0.0, np.array(self.levels), np.array(self.shares))


class GoldenPart(_Part):
    """A made-up vector, all features in order, and the probability it must get."""

    values: tuple[float, ...]
    p: float


class GoldenList(RootModel[tuple[GoldenPart, ...]]):
    """All of them."""


class ManifestPart(_Part):
    """What the model is, and how well it did before it was trained on everything."""

    format: Literal["bonafides/reliquidation/1"]
    name: str
    model_class: Literal["real"]
    sources: Literal["compiled"]
    outcome: str
    horizon_days: Literal[30]
    population: str
    features: tuple[str, ...]
    xgboost_version: str | None
    """None: the chosen plan has no trees."""
    data_digest: str
    """SHA-256 over the training rows: features, labels, cut-offs."""
    rows: int
    wallets: int
    positives: int
    trained_until: int
    """Unix seconds: end of the last training window. Earlier cut-offs are refused."""
    measured: dict[str, dict[str, float]]
    """Rolling origin, of models trained in the same way on less: value, low, high."""
    files: dict[str, str]


def ship(data: Path, report: TaskReport, out: Path) -> ManifestPart:
    """Train the chosen plan on all labels of the Aave task, and write the folder.

    Raises:
        InvalidInput: a file is refused; or the labels choose a plan with trees, which this format does not hold.
    """
    from bonafides_scoring.backtest.candidates import CHOSEN
    from bonafides_scoring.backtest.card import render_card

    if report.headline != CHOSEN:
        raise InvalidInput(f"the inner origins chose {report.headline!r}; this format holds only {CHOSEN!r}")
    labels = read_labels(data / AAVE_LABELS)
    histories = Histories.of(read_events(data / EVENTS), Task.RELIQUIDATION)
    prices = PriceBook.of(read_prices(data / PRICES))
    until = int(labels.cutoffs.max()) + HORIZON
    model = train(histories, prices, labels, until)
    if model is None or model.booster is not None:
        raise InvalidInput("the labels of the Aave task hold only one class, or the plan has trees")
    rows = labels.where(histories.members(labels))
    features = feature_rows(histories, prices, rows)
    part = SteadyPart(
        features=model.plan.steady.names,
        centre=tuple(map(float, model.steady.centre)),
        spread=tuple(map(float, model.steady.spread)),
        coefficients=tuple(map(float, model.steady.coefficients)),
        levels=tuple(map(float, model.levels)),
        shares=tuple(map(float, model.shares)),
    )
    digest = sha256(
        features.astype("<f8").tobytes() + rows.labels.astype("<i8").tobytes() + rows.cutoffs.astype("<i8").tobytes()
    ).hex()
    facts = ManifestPart(
        format=FORMAT,
        name=NAME,
        model_class="real",
        sources="compiled",
        outcome="liquidated again within 30 days of the cut-off",
        horizon_days=30,
        population="wallets liquidated on Aave V2 (Ethereum) in the 180 days before the cut-off",
        features=model.plan.steady.names,
        xgboost_version=None,
        data_digest=digest,
        rows=len(rows),
        wallets=len(set(rows.wallets)),
        positives=int(rows.labels.sum()),
        trained_until=until,
        measured=_numbers(report.row(report.headline)),
        files={},
    )
    written = {
        "model.json": _json(part),
        "golden.json": _golden(model),
        "MODEL_CARD.md": render_card(facts, part, report).encode(),
    }
    manifest = facts.model_copy(update={"files": {name: sha256(raw).hex() for name, raw in written.items()}})
    out.mkdir(parents=True, exist_ok=True)
    for name, raw in written.items():
        (out / name).write_bytes(raw)
    (out / "manifest.json").write_bytes(_json(manifest))
    return manifest


def load_reliquidation(folder: Path) -> tuple[ManifestPart, Blend]:
    """Read the folder.

    Raises:
        InvalidInput: a model of another kind, a file missing or changed, an unknown feature, a golden vector that gets
            another probability.
    """
    _check_kind(folder)
    raw = {name: _read(folder / name) for name in ("manifest.json", *_FILES)}
    manifest = _parsed(folder / "manifest.json", raw["manifest.json"], ManifestPart)
    for name in _FILES:
        if manifest.files.get(name) != sha256(raw[name]).hex():
            raise InvalidInput(f"{folder / name}: is not the file that the manifest names")
    part = _parsed(folder / "model.json", raw["model.json"], SteadyPart)
    golden = _parsed(folder / "golden.json", raw["golden.json"], GoldenList).root
    model = part.model()
    if part.features != model.plan.steady.names or manifest.features != part.features:
        raise InvalidInput(f"{folder}: made for features {', '.join(part.features)}, which this code does not compute")
    widths = {len(part.features), len(part.centre), len(part.spread), len(part.coefficients)}
    if len(widths) > 1 or len(part.levels) != len(part.shares):
        raise InvalidInput(f"{folder / 'model.json'}: its lists are not of one length")
    if len(golden) < GOLDEN_VECTORS or any(len(vector.values) != len(FEATURES) for vector in golden):
        raise InvalidInput(f"{folder / 'golden.json'}: expected {GOLDEN_VECTORS} vectors of {len(FEATURES)} features")
    said = model.probabilities(np.array([vector.values for vector in golden]))
    if not np.abs(said - np.array([vector.p for vector in golden])).max() <= _TOLERANCE:
        raise InvalidInput(f"{folder}: a golden vector gets another probability than it must")
    return manifest, model


def predict_with_model(
    model: Path, events: Path, prices: Path, cutoffs: Path, out: Path, note: Note = lambda _: None
) -> dict[Status, int]:
    """Like `predict_files`, with a model that was trained before.

    Raises:
        InvalidInput: a file or the place to write is refused; a cut-off lies before the end of what the model learned.
    """
    check_out_file(out, (events, prices, cutoffs))
    manifest, blend = load_reliquidation(model)
    asked = read_cutoffs(cutoffs, manifest.trained_until)
    histories = Histories.of(read_events(events, note), Task.RELIQUIDATION)
    book = PriceBook.of(read_prices(prices))
    note_unpriced(prices, book, asked, note)
    inside = histories.members(asked)
    answers = [Answer(Status.OUTSIDE_POPULATION, None)] * len(asked)
    rows: Rows = asked.where(inside)
    if len(rows):
        chances = blend.probabilities(feature_rows(histories, book, rows))
        for place, chance in zip(np.flatnonzero(inside), chances, strict=True):
            answers[place] = Answer(Status.OK, float(chance))
    write_answers(out, asked, answers)
    return {status: sum(answer.status is status for answer in answers) for status in Status}


def _check_kind(folder: Path) -> None:
    """Looks at the manifest's format before anything else: a model of another kind lacks other files as well."""
    expected = f"expected a folder with a model of format {FORMAT!r}, as bonafides scoring backtest --model-out writes"
    if not folder.is_dir():
        raise InvalidInput(f"{folder}: is {'a file' if folder.exists() else 'not there'}, {expected}")
    path = folder / "manifest.json"
    if not path.is_file():
        raise InvalidInput(f"{folder}: holds no manifest.json, {expected}")
    try:
        told = json.loads(_read(path))
    except (ValueError, RecursionError) as exc:
        raise InvalidInput(f"{path}: is no JSON, {expected}") from exc
    seen = told.get("format") if isinstance(told, dict) else None
    if seen != FORMAT:
        name = f", named {told['name']!r}" if isinstance(told, dict) and isinstance(told.get("name"), str) else ""
        raise InvalidInput(f"{folder}: is a model of format {seen!r}{name}, {expected}")


def _parsed[Part: BaseModel](path: Path, raw: bytes, kind: type[Part]) -> Part:
    try:
        return kind.model_validate_json(raw)
    except ValidationError as exc:
        first = exc.errors()[0]
        place = ".".join(map(str, first["loc"])) or "it"
        raise InvalidInput(f"{path}: {place}: {first['msg']}") from exc


def _golden(model: Blend) -> bytes:
    """Vectors from a seeded generator over the features' usual ranges: no real wallet."""
    rng = np.random.default_rng(30)
    values: Reals = np.round(rng.normal(0.5, 1.5, (GOLDEN_VECTORS, len(FEATURES))), 6)
    parts = [
        GoldenPart(values=tuple(map(float, row)), p=float(p)).model_dump_json()
        for row, p in zip(values, model.probabilities(values), strict=True)
    ]
    return ("[\n" + ",\n".join(parts) + "\n]\n").encode()


def _numbers(row: Measured) -> dict[str, dict[str, float]]:
    named = {"within_date_auc": row.within, "lift_over_recency": row.lift, "brier": row.brier, "brier_gain": row.gain}
    return {
        name: {"value": found.value, "low": found.low, "high": found.high} for name, found in named.items() if found
    }


def _json(part: BaseModel) -> bytes:
    return (part.model_dump_json(indent=2) + "\n").encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise InvalidInput(f"{path}: cannot be read") from exc
