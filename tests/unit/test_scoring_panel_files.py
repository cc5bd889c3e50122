"""Panel files: what was written comes back, and what was not written by us is refused with its row."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bonafides.errors import InvalidInput
from bonafides.types import Address
from bonafides_scoring.features.schema import FEATURE_NAMES, FEATURES
from bonafides_scoring.training.panels.files import (
    HEADER_KEY,
    PanelHeader,
    PanelWriter,
    concatenate,
    read_panel,
    read_panel_header,
    write_panel,
)
from bonafides_scoring.training.panels.panel import UNKNOWN, Panel, Stratum

pytestmark = pytest.mark.unit

HEADER = PanelHeader("A panel of the tests", "00" * 32, step_days=7, warm_up_days=30)


def small_panel(rows: int = 5) -> Panel:
    rng = np.random.default_rng(1)
    return Panel(
        features=rng.integers(0, 100, (rows, len(FEATURES))).astype(np.float32),
        labels=np.arange(rows, dtype=np.int64) % 2,
        labels_90d=np.where(np.arange(rows) % 3 == 0, UNKNOWN, 1).astype(np.int64),
        cutoffs=1_700_000_000 + np.arange(rows, dtype=np.int64) * 86_400,
        wallets=tuple(Address(bytes([1 + row // 2] * 20)) for row in range(rows)),
        chains=np.full(rows, 31337, dtype=np.int64),
        strata=np.array([list(Stratum)[row % 2].value for row in range(rows)]),
    )


def edited(path: Path, name: str, values: pa.Array) -> Path:
    """The file with one column replaced and its metadata kept."""
    file = pq.ParquetFile(path)
    table = file.read()
    place = table.schema.get_field_index(name)
    table = table.set_column(place, pa.field(name, values.type), values)
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({HEADER_KEY: file.metadata.metadata[HEADER_KEY]})
    return path


def test_panel_file__written_and_read__is_the_same_panel(tmp_path: Path) -> None:
    panel, path = small_panel(), tmp_path / "panel.parquet"

    header = write_panel(path, panel, HEADER)
    again = read_panel(path)

    assert again.digest == panel.digest
    assert np.array_equal(again.labels_90d, panel.labels_90d)
    assert read_panel_header(path) == header
    assert (header.rows, header.rows_digest) == (5, panel.digest.hex())


def test_panel_file__written_in_parts__has_the_digest_of_the_whole(tmp_path: Path) -> None:
    panel = small_panel(6)
    first = np.arange(6) < 3

    with PanelWriter(tmp_path / "parts.parquet", HEADER) as writer:
        writer.write(panel.where(first))
        writer.write(panel.where(~first))
        header = writer.close()

    assert header.rows_digest == panel.digest.hex()
    assert read_panel(tmp_path / "parts.parquet").digest == panel.digest


def test_panel_writer__error_on_the_way__leaves_no_file(tmp_path: Path) -> None:
    panel = small_panel()
    broken = replace(panel, wallets=panel.wallets[1:])

    with pytest.raises(ValueError, match="shape"), PanelWriter(tmp_path / "panel.parquet", HEADER) as writer:
        writer.write(broken)

    assert list(tmp_path.iterdir()) == []


def test_panel__strata__are_told_apart() -> None:
    panel = small_panel()

    assert (len(panel.of(Stratum.OPEN_DEBT)), len(panel.of(Stratum.RETURNING))) == (3, 2)


@pytest.mark.parametrize(
    ("column", "values", "reason"),
    [
        ("label_30d", pa.array([0, 1, 7, 0, 1], pa.int8()), "row 2: label_30d is 7, expected 0 or 1"),
        ("label_30d", pa.array([0, 1, None, 0, 1], pa.int8()), "row 2: no label_30d"),
        ("label_30d", pa.array(["0", "1", "1", "0", "1"]), "column label_30d is string, expected int8"),
        ("stratum", pa.array(["open_debt", "open", *["open_debt"] * 3]), "row 1: stratum 'open', expected one of"),
        (FEATURE_NAMES[3], pa.array([0, 1, 2, float("nan"), 4], pa.float32()), "row 3: .* is not a finite number"),
        ("wallet", pa.array([b"\x09" * 20, *[b"\x01" * 20] * 4], pa.binary(20)), "row 1: out of order"),
        (FEATURE_NAMES[0], pa.array([1.0] * 5, pa.float32()), "was changed after it was written"),
    ],
)
def test_read_panel__row_that_cannot_be__is_refused_by_file_row_and_reason(
    tmp_path: Path, column: str, values: pa.Array, reason: str
) -> None:
    path = tmp_path / "panel.parquet"
    write_panel(path, small_panel(), HEADER)

    with pytest.raises(InvalidInput, match=rf"panel\.parquet.*{reason}"):
        read_panel(edited(path, column, values))


def test_read_panel__same_wallet_and_cutoff_twice__is_refused_with_the_row(tmp_path: Path) -> None:
    panel = small_panel()
    twice = concatenate([panel.where(np.arange(5) < 2), panel.where(np.arange(5) > 0)])
    write_panel(tmp_path / "panel.parquet", twice, HEADER)

    with pytest.raises(InvalidInput, match=r"panel\.parquet, row 2: the same wallet, cut-off and stratum"):
        read_panel(tmp_path / "panel.parquet")


def test_read_panel__missing_column__is_refused_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "panel.parquet"
    write_panel(path, small_panel(), HEADER)
    file = pq.ParquetFile(path)
    table = file.read().drop_columns(["label_30d"])
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({HEADER_KEY: file.metadata.metadata[HEADER_KEY]})

    with pytest.raises(InvalidInput, match=r"panel\.parquet has no column label_30d"):
        read_panel(path)


def test_read_panel__of_another_fold__is_refused(tmp_path: Path) -> None:
    write_panel(tmp_path / "panel.parquet", small_panel(), replace(HEADER, fold_version=1))

    with pytest.raises(InvalidInput, match="is of fold 1"):
        read_panel_header(tmp_path / "panel.parquet")


def test_read_panel__no_panel__is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "panel.parquet")

    with pytest.raises(InvalidInput, match="is no panel of format 1"):
        read_panel(tmp_path / "panel.parquet")
