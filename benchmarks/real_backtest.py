"""real.*: the headline of the real-data back-test, measured anew on the folder that BONAFIDES_DATA names."""

import os
from pathlib import Path

from bonafides_scoring.backtest.measures import Measured
from bonafides_scoring.backtest.pack import TaskReport, run_backtest

from benchmarks.harness import Better, Result

VARIABLE = "BONAFIDES_DATA"


def measure() -> tuple[Result, ...]:
    """The four numbers of the Aave task; none without the data, which is nobody's to hand out."""
    told = os.environ.get(VARIABLE)
    if not told:
        return ()
    report = run_backtest(Path(told)).aave
    return results(report, report.row(report.headline))


def results(report: TaskReport, row: Measured) -> tuple[Result, ...]:
    """As the benchmark's file holds them."""
    note = (
        f"{report.headline}, chosen on {len(report.inner_dates)} inner origins; {report.rows:,} rows, "
        f"{report.positives:,} outcomes, {report.wallets:,} wallets, rolling origin "
        f"{report.first_cutoff} to {report.last_cutoff}; 95 % intervals over wallets"
    )
    found = [
        Result("real.within_date_auc", row.within.value, "AUC", Better.HIGHER, 1, note),
        Result("real.within_lift_low", row.lift.low, "AUC", Better.HIGHER, 1, f"lift {row.lift.value:+.4f}; {note}"),
    ]
    if row.brier is not None and row.gain is not None:
        found += [
            Result("real.brier", row.brier.value, "Brier", Better.LOWER, 1, note),
            Result(
                "real.brier_gain_low", row.gain.low, "Brier", Better.HIGHER, 1, f"gain {row.gain.value:+.5f}; {note}"
            ),
        ]
    return tuple(found)
