"""The numbers of models in bench-training: what the real back-test, the shipped model and the attack say of them."""

import json
import os
from pathlib import Path

from bonafides.errors import InvalidInput
from bonafides_lab.attack.report import read_report as read_attack
from bonafides_scoring.model import load_bundle, shipped_model

from benchmarks.commands import run_command
from benchmarks.harness import Better, Result

COMMITTED_BACKTEST = Path(__file__).parents[1] / "docs" / "backtest" / "report.json"
DATA_VARIABLE = "BONAFIDES_DATA"


def real_results(folder: Path) -> list[Result]:
    """Of the Aave re-liquidation task: run again where `BONAFIDES_DATA` names the data, else as committed."""
    data = os.environ.get(DATA_VARIABLE)
    if data:
        run_command("scoring", "backtest", "--data", data, "--out", str(folder))
        path, origin = folder / "report.json", "run again on the real data"
    else:
        path, origin = COMMITTED_BACKTEST, f"of the committed report ({DATA_VARIABLE} is not set)"
    aave = json.loads(path.read_text("utf-8"))["aave"]
    row = next((row for row in aave["table"] if row["name"] == aave["headline"]), None)
    if row is None:
        raise InvalidInput(f"{path.name} has no row of its headline {aave['headline']!r}")
    told = (
        f"{row['name']}, not blind: see docs/backtest; {aave['rows']:,} rows of real Aave V2 "
        f"wallets, {aave['positives']:,} with the outcome, {aave['first_cutoff']} to {aave['last_cutoff']}; {origin}"
    )
    within, lift, brier, gain = row["within"], row["lift"], row["brier"], row["gain"]
    return [
        Result("real.within_date_auc", within["value"], "AUC", Better.HIGHER, 1, f"{_interval(within)}; {told}"),
        Result(
            "real.within_lift_low",
            lift["low"],
            "AUC",
            Better.HIGHER,
            1,
            f"lower end of the lift over recency, paired, {_interval(lift)}; the lift itself was to be 0.02; {told}",
        ),
        Result("real.brier", brier["value"], "Brier", Better.LOWER, 1, f"{_interval(brier)}; {told}"),
        Result(
            "real.brier_gain_low",
            gain["low"],
            "Brier",
            Better.HIGHER,
            1,
            f"lower end of the gain over refitted recency, paired, {_interval(gain)}; {told}",
        ),
    ]


def synthetic_results() -> list[Result]:
    """Of the shipped synthetic model on its own test: a later time, wallets that it never saw."""
    manifest = load_bundle(shipped_model()).manifest
    measured = manifest.evaluation
    told = (
        f"{manifest.name}, SYNTHETIC data: {measured.rows:,} test rows of {measured.wallets:,} wallets that it never "
        f"saw, at a later time, {measured.positives:,} with the outcome; as the shipped manifest says"
    )
    auc, alone = measured.auc, measured.auc_health_factor_alone
    return [
        Result("synthetic.auc_oot", auc.value, "AUC", Better.HIGHER, 1, f"[{auc.low:.3f}, {auc.high:.3f}]; {told}"),
        Result(
            "synthetic.auc_health_factor_alone",
            alone.value,
            "AUC",
            Better.HIGHER,
            1,
            f"[{alone.low:.3f}, {alone.high:.3f}]; the health factor alone on the same rows; {told}",
        ),
    ]


def manipulation_result(folder: Path, attack_file: Path | None) -> Result:
    """Of an attack on the shipped model, played now unless its file is given."""
    if attack_file is None:
        run_command("lab", "attack", "--model", str(shipped_model()), "--out", str(folder))
        attack_file = folder / "attack.json"
    found = read_attack(attack_file)
    if found.usd_for_points is None:
        value, told = found.budget_usd, "nothing succeeded within the budget: the value is that budget, a lower bound"
    else:
        value, told = found.usd_for_points, f"the cheapest success, {found.days_for_points} days"
    note = (
        f"{told}; {found.strategies_tried:,} strategies against {found.model} (SYNTHETIC) with at most "
        f"${found.budget_usd:,.0f} and {found.most_days} days, seed {found.seed}; {found.conclusion}"
    )
    return Result("manipulation.usd_for_50_points", value, "USD", Better.HIGHER, 1, note)


def _interval(measured: dict[str, float]) -> str:
    return f"[{measured['low']:.4f}, {measured['high']:.4f}]"
