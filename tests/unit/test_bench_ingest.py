"""The parts of bench-ingest that need no server: which runs count, which logs are the first, and their files."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from bonafides.errors import InvalidInput
from bonafides.types import Address, ChainId, Digest
from bonafides_ingest.sources.parquet import open_log_folder
from bonafides_lab.market.cryo_files import CryoFiles
from bonafides_lab.market.pyrevm_chain import EmittedBlock, EmittedLog, EmittedTransaction
from bonafides_lab.market.simulate import DEPLOYMENTS_FILE

from benchmarks.backfill import BackfillRun
from benchmarks.ingest import backfill_results
from benchmarks.log_folders import first_logs

pytestmark = pytest.mark.unit
POOL = Address(b"\x01" * 20)
LOGS_PER_BLOCK = 3


def _run(events: int, seconds: float, *, peak_rss_mb: float = 250.0) -> BackfillRun:
    return BackfillRun(2 * events, events, seconds, seconds, peak_rss_mb, {"ingest": 1.0}, ("broker: Kafka",))


def _market(folder: Path, blocks: int) -> Path:
    files = CryoFiles(folder, ChainId(31337))
    files.prepare()
    files.keep_logs_of([POOL])
    logs = tuple(EmittedLog(POOL, (b"\x02" * 32,), b"") for _ in range(LOGS_PER_BLOCK))
    for number in range(1, blocks + 1):
        block_hash = Digest(number.to_bytes(32))
        files.take(EmittedBlock(number, block_hash, 12 * number, (EmittedTransaction(block_hash, 21_000, logs),)))
    files.finish()
    (folder / DEPLOYMENTS_FILE).write_text("version: 1\n")
    return folder


def test_backfill_results__five_runs__are_medians_and_the_worst_peak() -> None:
    small = [_run(100, 1.0)] * 5  # 100 a second
    large = [_run(1_000, seconds, peak_rss_mb=peak) for seconds, peak in ((10, 1), (5, 9), (8, 2), (20, 3), (4, 4))]

    rate, peak, ratio = backfill_results(small, large)

    assert (rate.id, rate.value) == ("backfill.events_per_s", 125.0)
    assert (peak.id, peak.value) == ("backfill.peak_rss_mb", 9)
    assert (ratio.id, ratio.value) == ("backfill.rate_1m_over_100k", 1.25)


def test_backfill_results__four_runs__give_no_ratio() -> None:
    results = backfill_results([_run(100, 1.0)] * 4, [_run(1_000, 10.0)] * 4)

    assert [result.id for result in results] == ["backfill.events_per_s", "backfill.peak_rss_mb"]


def test_first_logs__in_the_middle_of_a_block__copies_that_block_whole(tmp_path: Path) -> None:
    market = _market(tmp_path / "market", blocks=1_500)  # two files: to block 999, to block 1500

    copied = first_logs(market, tmp_path / "first", 3_004)  # the first log of block 1002

    folder = open_log_folder(tmp_path / "first")
    assert (copied, folder.log_count) == (3_006, 3_006)
    assert (folder.range.first, folder.range.last) == (1, 1_002)
    assert (tmp_path / "first" / DEPLOYMENTS_FILE).exists()


def test_first_logs__more_than_there_are__is_refused(tmp_path: Path) -> None:
    market = _market(tmp_path / "market", blocks=2)

    with pytest.raises(InvalidInput, match="holds 6 logs, asked for 7"):
        first_logs(market, tmp_path / "first", 7)


def test_cryo_files__more_rows_than_a_group_holds__are_written_in_groups_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bonafides_lab.market.cryo_files.ROWS_PER_GROUP", 10)

    market = _market(tmp_path / "market", blocks=20)

    (logs,) = market.glob("*__logs__*.parquet")
    numbers = pq.read_table(logs, columns=["block_number"]).column(0).to_pylist()
    assert pq.read_metadata(logs).num_row_groups == 5  # groups of 12 rows: whole blocks of 3
    assert numbers == [number for number in range(1, 21) for _ in range(LOGS_PER_BLOCK)]
    assert not [path for path in market.iterdir() if path.name.startswith(".")]
