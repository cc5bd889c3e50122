"""Memory of a training on a million panel rows, in a process of its own.

The rows are drawn from a real panel when one is given, else from the tests' made-up one: whole rows with their labels,
under new wallets, at cut-offs spread over the same time. The training is the one of `bonafides scoring train`: tuning,
challengers, calibration, measures and bundle.
"""

import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from bonafides.hashing import sha256
from bonafides.types import Address, ModelClass
from bonafides_scoring.training.panels.panel import Panel
from bonafides_scoring.wallet_state import SECONDS_PER_DAY

from benchmarks.harness import Better, Result

ROWS = 1_000_000
ROWS_OF_A_WALLET = 100
SPAN_DAYS = 700
SEED = 20_260_101


def measure(panel: Path | None = None, rows: int = ROWS) -> list[Result]:
    """Train in a new process and report the kernel's high-water mark of it."""
    fresh = multiprocessing.get_context("spawn")
    with fresh.Pool(1) as pool, tempfile.TemporaryDirectory() as folder:
        peak_mb, seconds, auc = pool.apply(_train, (panel, rows, Path(folder)))
    source = "drawn from a panel of the synthetic market" if panel else "made up"
    note = f"{rows:,} rows {source}; the whole training took {seconds:.0f} s on two threads, AUC out of time {auc:.3f}"
    return [Result("train.peak_rss_mb_1m_rows", peak_mb, "MB", Better.LOWER, 1, note)]


def bootstrapped(source: Panel, rows: int) -> Panel:
    """`rows` rows drawn with their labels from a panel, of new wallets, one a week and wallet."""
    rng = np.random.default_rng(SEED)
    wallets = -(-rows // ROWS_OF_A_WALLET)
    names = sorted(Address(sha256(b"bench/fitting", number.to_bytes(4))[:20]) for number in range(wallets))
    week = np.tile(np.arange(ROWS_OF_A_WALLET), wallets)[:rows] * (SPAN_DAYS // ROWS_OF_A_WALLET)
    drawn = rng.integers(0, len(source), rows)
    return Panel(
        features=source.features[drawn],
        labels=source.labels[drawn],
        labels_90d=source.labels_90d[drawn],
        cutoffs=1_600_000_000 + week * SECONDS_PER_DAY,
        wallets=tuple(names[row // ROWS_OF_A_WALLET] for row in range(rows)),
        chains=np.full(rows, source.chains[0], dtype=np.int64),
        strata=source.strata[drawn],
    )


def _train(panel: Path | None, rows: int, folder: Path) -> tuple[float, float, float]:
    from bonafides_scoring.training.learners import LocalEngine
    from bonafides_scoring.training.panels.files import read_panel
    from bonafides_scoring.training.train import TrainingPlan, train_on

    from tests.support.scoring_train_panel import made_up_panel

    source = read_panel(panel) if panel else made_up_panel(SEED, wallets=500, days=SPAN_DAYS)
    started = time.perf_counter()
    plan = TrainingPlan("bench", ModelClass.SYNTHETIC, "Rows of the benchmark")
    trained = train_on(
        bootstrapped(source, rows),
        folder / "model",
        plan,
        work=folder / "work",
        engine=LocalEngine(2),
        progress=lambda step, done, total: print(f"{step} {done}/{total}", flush=True),
    )
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak_kb / 1024, time.perf_counter() - started, trained.unseen.auc.value


if __name__ == "__main__":
    import sys

    for result in measure(Path(sys.argv[1]) if len(sys.argv) > 1 else None):
        print(f"{result.id} {result.value:.0f} {result.unit}: {result.note}")
