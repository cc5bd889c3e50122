"""Logs of any size: memory follows neither their number nor their size."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bonafides.events import BlockRange
from bonafides_ingest.chain import Log
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.sources.parquet import ParquetSource, open_log_folder, rows, source

from tests.support.ingest_files import log_columns, write_blocks
from tests.support.ingest_logs import CHAIN, ChainOfLogs, address

pytestmark = pytest.mark.unit

CONTRACT, LOG_BYTES, BLOCKS = address("contract"), 100_000, 120


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Log]]:
    """120 logs of 100 KB, one a block, no two alike, in one row group."""
    folder = tmp_path_factory.mktemp("large")
    chain = ChainOfLogs(head=BLOCKS)
    for block in range(1, BLOCKS + 1):
        payload = block.to_bytes(4) * (LOG_BYTES // 4)
        chain.emit_raw(block, 0, CONTRACT, (abi.MINT.topic0,), payload)
    pq.write_table(pa.table(log_columns(chain.logs)), folder / f"dev__logs__00000000_to_{BLOCKS:08d}.parquet")
    write_blocks(folder, 0, BLOCKS)
    return folder, chain.logs


def test_read__logs_of_a_hundred_kilobytes__come_in_batches_of_a_few_megabytes(large: tuple[Path, list[Log]]) -> None:
    folder, logs = large

    batches = list(open_log_folder(folder).log_rows().read(BlockRange(0, BLOCKS)))

    assert sum(batch.num_rows for batch in batches) == len(logs)
    assert max(batch.num_rows * LOG_BYTES for batch in batches) <= rows.BATCH_BYTES


def test_fetch__large_logs__ends_the_window_before_it_gets_large(
    large: tuple[Path, list[Log]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, logs = large
    monkeypatch.setattr(source, "MOST_BYTES", 2 << 20)
    monkeypatch.setattr(rows, "BATCH_BYTES", 1 << 20)
    reader, first = ParquetSource(open_log_folder(folder), CHAIN), 0
    found: list[Log] = []

    while first <= BLOCKS:
        window = reader.fetch(BlockRange(first, BLOCKS), frozenset({CONTRACT}), None)
        assert sum(len(log.payload) for log in window.logs) <= 4 << 20
        found += window.logs
        first = window.range.last + 1

    assert found == logs


def test_rows_per_batch__small_rows__is_the_usual_number(tmp_path: Path) -> None:
    pq.write_table(pa.table({"number": pa.array(range(1_000), pa.uint32())}), tmp_path / "small.parquet")

    assert rows.rows_per_batch(pq.ParquetFile(tmp_path / "small.parquet").metadata, [0]) == rows.ROWS_PER_BATCH
