"""Panels as Parquet files: the one that `bonafides scoring panel` writes, and training and evaluation read.

    wallet · chain_id · cutoff_ts · stratum · label_30d · label_90d (null: time not over) · one column per feature

The schema's metadata says what the rows were made of (`PanelHeader`). Rows are written as they come, so memory stays
bounded; the same rows give the same bytes.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from bonafides.errors import InvalidInput
from bonafides.types import Address

from bonafides_scoring.features.schema import FEATURE_NAMES, SCHEMA_HASH
from bonafides_scoring.reference import ReferencePosition
from bonafides_scoring.training.panels.panel import (
    HORIZON_DAYS,
    LONG_HORIZON_DAYS,
    UNKNOWN,
    Panel,
    Stratum,
    digest_head,
)
from bonafides_scoring.wallet_state import FOLD_VERSION

FORMAT = 1
HEADER_KEY = b"bonafides.panel"
ROWS_PER_GROUP = 100_000
"""Some 12 MB of features."""


@dataclass(frozen=True, slots=True)
class PanelHeader:
    """What a panel was made of. Stands in the file's metadata as JSON."""

    source: str
    """The data in words."""
    source_digest: str
    """SHA-256 over the files of events, market and blocks, hexadecimal."""
    step_days: int
    warm_up_days: int
    skipped: int = 0
    """Rows left out because something about them could not be known: no price, a part of the history missing."""
    rows: int = 0
    rows_digest: str = ""
    """`Panel.digest`, hexadecimal."""
    horizon_days: int = HORIZON_DAYS
    long_horizon_days: int = LONG_HORIZON_DAYS
    reference: str = ""
    """Where rows of `Stratum.RETURNING` were asked: `reference_words`."""
    fold_version: int = FOLD_VERSION
    feature_schema_hash: str = SCHEMA_HASH.hex()
    format: int = FORMAT


class PanelWriter:
    """Writes one file. Under its name it appears only when complete: until `close` it is `<name>.partial`."""

    def __init__(self, path: Path, header: PanelHeader) -> None:
        self._path, self._header = path, header
        self._partial = path.with_name(f"{path.name}.partial")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = pq.ParquetWriter(self._partial, panel_schema(), compression="zstd")
        self._hash = hashlib.sha256(b"".join(digest_head()))
        self._rows = 0

    def write(self, rows: Panel) -> None:
        """Add rows after those before."""
        self._hash.update(rows.row_bytes())
        self._rows += len(rows)
        self._writer.write_table(panel_table(rows), row_group_size=ROWS_PER_GROUP)

    def close(self, *, skipped: int = 0) -> PanelHeader:
        """Finish the file and give it its name; returns what its header says."""
        digest = self._hash.hexdigest()
        header = replace(self._header, rows=self._rows, rows_digest=digest, skipped=skipped)
        self._writer.add_key_value_metadata({HEADER_KEY: json.dumps(asdict(header), sort_keys=True).encode()})
        self._writer.close()
        self._partial.replace(self._path)
        return header

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._partial.exists():  # not closed: something went wrong
            self._writer.close()
            self._partial.unlink()


def write_panel(path: Path, panel: Panel, header: PanelHeader) -> PanelHeader:
    """Write a whole panel; returns the header with its rows and their digest filled in."""
    with PanelWriter(path, header) as writer:
        writer.write(panel)
        return writer.close(skipped=header.skipped)


def read_panel_header(path: Path) -> PanelHeader:
    """What a panel was made of.

    Raises:
        InvalidInput: no panel file, or one of another format, feature schema or fold.
    """
    with _opened(path) as file:
        return _header(path, file)


def read_panel(path: Path) -> Panel:
    """A whole panel: some 250 bytes of memory a row.

    Raises:
        InvalidInput: what `read_panel_header` refuses; a column missing or of another type; a row that cannot be (named
            by its number, from 0): a label or stratum unknown, a number that is none, the same wallet and cut-off
            twice; or rows that do not have the digest that the header names.
    """
    header = read_panel_header(path)
    panels = list(panel_groups(path))
    if not panels:
        raise InvalidInput(f"{path.name} holds no rows")
    panel = concatenate(panels)
    _check_order(path, panel)
    if panel.digest.hex() != header.rows_digest:
        raise InvalidInput(f"{path.name} was changed after it was written: its rows have another digest")
    return panel


def panel_groups(path: Path) -> Iterator[Panel]:
    """The rows of a panel file, some at a time. Raises InvalidInput as `read_panel` does, but looks at no digest."""
    with _opened(path) as file:
        _header(path, file)
        _check_columns(path, file.schema_arrow)
        yield from _groups(path, file)


def reference_words(reference: ReferencePosition) -> str:
    """A reference position as it stands in a header."""
    return (
        f"{reference.asset} {reference.debt_usd} USD {reference.liquidation_threshold_bps} bps "
        f"{reference.health_factor_bps} bps"
    )


def concatenate(panels: list[Panel]) -> Panel:
    """Panels one after another."""
    return Panel(
        features=np.concatenate([one.features for one in panels]),
        labels=np.concatenate([one.labels for one in panels]),
        labels_90d=np.concatenate([one.labels_90d for one in panels]),
        cutoffs=np.concatenate([one.cutoffs for one in panels]),
        wallets=tuple(wallet for one in panels for wallet in one.wallets),
        chains=np.concatenate([one.chains for one in panels]),
        strata=np.concatenate([one.strata for one in panels]),
    )


def panel_schema() -> pa.Schema:
    """The columns of a panel file."""
    return pa.schema(
        [
            pa.field("wallet", pa.binary(20), nullable=False),
            pa.field("chain_id", pa.uint64(), nullable=False),
            pa.field("cutoff_ts", pa.int64(), nullable=False),
            pa.field("stratum", pa.string(), nullable=False),
            pa.field("label_30d", pa.int8(), nullable=False),
            pa.field("label_90d", pa.int8(), nullable=True),
            *(pa.field(name, pa.float32(), nullable=False) for name in FEATURE_NAMES),
        ]
    )


def panel_table(rows: Panel) -> pa.Table:
    """Rows as they stand in the file."""
    unknown = rows.labels_90d == UNKNOWN
    columns = [
        pa.array(rows.wallets, pa.binary(20)),
        pa.array(rows.chains.astype(np.uint64)),
        pa.array(rows.cutoffs),
        pa.array(rows.strata.tolist(), pa.string()),
        pa.array(rows.labels.astype(np.int8)),
        pa.array(rows.labels_90d.astype(np.int8), mask=unknown),
        *(pa.array(np.ascontiguousarray(column)) for column in rows.features.T),
    ]
    return pa.Table.from_arrays(columns, schema=panel_schema())


def _opened(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as exc:
        raise InvalidInput(f"{path.name} cannot be read: expected what `bonafides scoring panel` writes") from exc


def _header(path: Path, file: pq.ParquetFile) -> PanelHeader:
    raw = (file.metadata.metadata or {}).get(HEADER_KEY)
    try:
        header = PanelHeader(**json.loads(raw or b""))
    except (ValueError, TypeError) as exc:
        raise InvalidInput(f"{path.name} is no panel of format {FORMAT}: build it again") from exc
    for name, found, expected in (
        ("format", header.format, FORMAT),
        ("fold", header.fold_version, FOLD_VERSION),
        ("feature schema", header.feature_schema_hash, SCHEMA_HASH.hex()),
    ):
        if found != expected:
            raise InvalidInput(f"{path.name} is of {name} {found}, this version needs {expected}: build it again")
    return header


def _check_columns(path: Path, found: pa.Schema) -> None:
    for field in panel_schema():
        place = found.get_field_index(field.name)
        if place < 0:
            raise InvalidInput(f"{path.name} has no column {field.name}")
        if found.field(place).type != field.type:
            raise InvalidInput(f"{path.name}: column {field.name} is {found.field(place).type}, expected {field.type}")


def _groups(path: Path, file: pq.ParquetFile) -> Iterator[Panel]:
    before = 0
    for batch in file.iter_batches(ROWS_PER_GROUP, columns=panel_schema().names):
        _check_rows(path, batch, before)
        before += len(batch)
        numbers = {
            name: batch.column(name).to_numpy(zero_copy_only=False) for name in ("cutoff_ts", "label_30d", "chain_id")
        }
        features = np.column_stack([batch.column(name).to_numpy() for name in FEATURE_NAMES])
        yield Panel(
            features=features,
            labels=numbers["label_30d"].astype(np.int64),
            labels_90d=batch.column("label_90d").fill_null(UNKNOWN).to_numpy().astype(np.int64),
            cutoffs=numbers["cutoff_ts"],
            wallets=tuple(Address(wallet) for wallet in batch.column("wallet").to_pylist()),
            chains=numbers["chain_id"].astype(np.int64),
            strata=np.array(batch.column("stratum").to_pylist(), dtype=np.str_),
        )


def _check_rows(path: Path, batch: pa.RecordBatch, before: int) -> None:
    for name in panel_schema().names:
        column = batch.column(name)
        if column.null_count and name != "label_90d":
            _refuse(path, before + int(np.argmax(column.is_null().to_numpy(zero_copy_only=False))), f"no {name}")
        values = column.fill_null(0).to_numpy(zero_copy_only=False) if name.startswith("label_") else None
        if values is not None and not np.isin(values, (0, 1)).all():
            row = int(np.argmax(~np.isin(values, (0, 1))))
            _refuse(path, before + row, f"{name} is {values[row]}, expected 0 or 1")
        if name in FEATURE_NAMES and not np.isfinite(column.to_numpy()).all():
            _refuse(path, before + int(np.argmax(~np.isfinite(column.to_numpy()))), f"{name} is not a finite number")
    strata = batch.column("stratum").to_pylist()
    known = {stratum.value for stratum in Stratum}
    for row, word in enumerate(strata):
        if word not in known:
            _refuse(path, before + row, f"stratum {word!r}, expected one of {', '.join(sorted(known))}")


def _check_order(path: Path, panel: Panel) -> None:
    keys = zip(panel.wallets, panel.chains.tolist(), panel.cutoffs.tolist(), panel.strata.tolist(), strict=True)
    last = None
    for row, key in enumerate(keys):
        if last is not None and key <= last:
            reason = "the same wallet, cut-off and stratum as the row before" if key == last else "out of order"
            _refuse(path, row, reason)
        last = key


def _refuse(path: Path, row: int, reason: str) -> None:
    raise InvalidInput(f"{path.name}, row {row}: {reason}")
