"""What the model and its challengers said of the test rows: `predictions.parquet` in a training's work folder.

    wallet · chain_id · cutoff_ts · stratum · part · label · margin_model · pd_<contender> …

One row for each test row of the panel; all contenders were fitted on the same rows, tuned on the same inner folds and
calibrated on the same windows, none of which reaches into the test. The file's metadata says what it is of. It names
wallets: it stays on the machine that made it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from bonafides.errors import InvalidInput
from bonafides.types import Address

from bonafides_scoring.training.fit import Reals
from bonafides_scoring.training.panels.panel import Ints, Panel, Stratum, Words

PREDICTIONS_FILE = "predictions.parquet"
HEADER_KEY = b"bonafides.predictions"
FORMAT = 1


class Contender(StrEnum):
    """Who answers. The model is the one that ships; the others are always beside it."""

    MODEL = "model"
    SCORECARD = "scorecard"
    """optbinning's: monotone bins, one logistic regression over their weights of evidence."""
    LOGISTIC_REGRESSION = "logistic_regression"
    HEALTH_FACTOR = "health_factor"
    """The health factor alone."""
    ONE_LINE_RULE = "one_line_rule"
    """The one feature that ranks the training rows best."""


CHALLENGERS = tuple(contender for contender in Contender if contender is not Contender.MODEL)


class TestPart(StrEnum):
    """Which test rows. Both lie after everything that any contender learned from."""

    __test__ = False  # for pytest, which collects by name

    UNSEEN_WALLETS = "unseen_wallets"
    """Of wallets that are in no other row: the honest ones."""
    KNOWN_WALLETS = "known_wallets"
    """Of wallets that may have been learned from at earlier times."""


@dataclass(frozen=True, slots=True)
class PredictionsHeader:
    """What the predictions are of."""

    model: str
    horizon_days: int
    panel_digest: str
    """`Panel.digest` of the panel trained on, at this horizon, hexadecimal."""
    training_base_rate: float
    """Share of the shipped model's training rows with the outcome."""
    settings: Mapping[str, str]
    """Of each contender, in words: which hyper-parameters, which feature."""
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Predictions:
    """Test rows: those of unseen wallets first, else in the panel's order."""

    header: PredictionsHeader
    wallets: tuple[Address, ...]
    chains: Ints
    cutoffs: Ints
    strata: Words
    parts: Words
    """Words of `TestPart`."""
    labels: Ints
    """At the header's horizon."""
    margins: Reals
    """The booster's own, before calibration."""
    pds: Mapping[Contender, Reals]
    """Calibrated, of each contender."""

    def __len__(self) -> int:
        return len(self.wallets)


def gather(
    header: PredictionsHeader,
    parts: Sequence[tuple[TestPart, Panel]],
    margins: Sequence[Reals],
    pds: Mapping[Contender, Sequence[Reals]],
) -> Predictions:
    """Predictions of several parts, one after another."""
    panels = [panel for _, panel in parts]
    return Predictions(
        header=header,
        wallets=tuple(wallet for panel in panels for wallet in panel.wallets),
        chains=np.concatenate([panel.chains for panel in panels]),
        cutoffs=np.concatenate([panel.cutoffs for panel in panels]),
        strata=np.concatenate([panel.strata for panel in panels]),
        parts=np.concatenate([np.full(len(panel), part.value) for part, panel in parts]),
        labels=np.concatenate([panel.labels for panel in panels]),
        margins=np.concatenate(margins),
        pds={contender: np.concatenate(found) for contender, found in pds.items()},
    )


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write them, whole or not at all."""
    columns = {
        "wallet": pa.array(predictions.wallets, pa.binary(20)),
        "chain_id": pa.array(predictions.chains.astype(np.uint64)),
        "cutoff_ts": pa.array(predictions.cutoffs),
        "stratum": pa.array(predictions.strata.tolist(), pa.string()),
        "part": pa.array(predictions.parts.tolist(), pa.string()),
        "label": pa.array(predictions.labels.astype(np.int8)),
        "margin_model": pa.array(predictions.margins),
        **{f"pd_{contender.value}": pa.array(found) for contender, found in predictions.pds.items()},
    }
    header = json.dumps(asdict(predictions.header), sort_keys=True).encode()
    table = pa.table(columns).replace_schema_metadata({HEADER_KEY: header})
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    pq.write_table(table, partial, compression="zstd")
    partial.replace(path)


def read_predictions(path: Path) -> Predictions:
    """Read them back.

    Raises:
        InvalidInput: no such file, one of another format, a column missing or of another type, or a value that cannot
            be (the row is named by its number, from 0).
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as exc:
        raise InvalidInput(f"{path.name} cannot be read: expected what `bonafides scoring train` writes") from exc
    try:
        header = PredictionsHeader(**json.loads((table.schema.metadata or {}).get(HEADER_KEY, b"")))
    except (ValueError, TypeError) as exc:
        raise InvalidInput(f"{path.name} holds no predictions of format {FORMAT}: train again") from exc
    if header.format != FORMAT:
        raise InvalidInput(f"{path.name} is of format {header.format}, this version needs {FORMAT}: train again")
    _check(path, table)
    return Predictions(
        header=header,
        wallets=tuple(Address(wallet) for wallet in table["wallet"].to_pylist()),
        chains=table["chain_id"].to_numpy().astype(np.int64),
        cutoffs=table["cutoff_ts"].to_numpy(),
        strata=np.array(table["stratum"].to_pylist(), dtype=np.str_),
        parts=np.array(table["part"].to_pylist(), dtype=np.str_),
        labels=table["label"].to_numpy().astype(np.int64),
        margins=table["margin_model"].to_numpy(),
        pds={contender: table[f"pd_{contender.value}"].to_numpy() for contender in Contender},
    )


_TYPES = {
    "wallet": pa.binary(20),
    "chain_id": pa.uint64(),
    "cutoff_ts": pa.int64(),
    "stratum": pa.string(),
    "part": pa.string(),
    "label": pa.int8(),
    "margin_model": pa.float64(),
    **{f"pd_{contender.value}": pa.float64() for contender in Contender},
}


def _check(path: Path, table: pa.Table) -> None:
    for name, kind in _TYPES.items():
        if name not in table.column_names:
            raise InvalidInput(f"{path.name} has no column {name}")
        column = table[name]
        if column.type != kind:
            raise InvalidInput(f"{path.name}: column {name} is {column.type}, expected {kind}")
        if column.null_count:
            _refuse(path, int(np.argmax(column.is_null().to_numpy())), f"no {name}")
    allowed = {"stratum": tuple(Stratum), "part": tuple(TestPart), "label": (0, 1)}
    for name, values in allowed.items():
        wrong = ~np.isin(np.array(table[name].to_pylist()), [getattr(value, "value", value) for value in values])
        if wrong.any():
            place = int(np.argmax(wrong))
            _refuse(path, place, f"{name} {table[name][place].as_py()!r} is unknown")
    for contender in Contender:
        found = table[f"pd_{contender.value}"].to_numpy()
        wrong = ~((found >= 0) & (found <= 1))
        if wrong.any():
            _refuse(path, int(np.argmax(wrong)), f"pd_{contender.value} is no probability")


def _refuse(path: Path, row: int, reason: str) -> None:
    raise InvalidInput(f"{path.name}, row {row}: {reason}")
