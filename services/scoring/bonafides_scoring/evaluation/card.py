"""Writes the model card from the manifest's numbers: nothing in it is typed by hand."""

from datetime import UTC, datetime

from bonafides.types import ModelClass

from bonafides_scoring.features.schema import FEATURES, REASON_OF_FAMILY
from bonafides_scoring.manifest import Evaluation, Interval, ReferencePart, ScalePart, TrainingRecord


def model_card(
    name: str,
    model_class: ModelClass,
    population: str,
    scale: ScalePart,
    reference: ReferencePart,
    training: TrainingRecord,
    unseen: Evaluation,
    known: Evaluation,
) -> str:
    """The card in Markdown."""
    synthetic = model_class is ModelClass.SYNTHETIC
    kind = "synthetic" if synthetic else "real"
    windows = training.calibration
    rows, positives = sum(window.rows for window in windows), sum(window.positives for window in windows)
    came = [window.positives / window.rows / window.mean_pd for window in windows]
    lines = [
        "---",
        f"model_name: {name}",
        f"model_class: {kind}",
        "library_name: xgboost",
        "license: apache-2.0",
        "---",
        f"# {name}" + (" (SYNTHETIC)" if synthetic else ""),
        "",
    ]
    if synthetic:
        lines += [
            "**Every number on this card is synthetic.** The model learned from made-up people on real Aave V3",
            "contracts. It shows that the machine works; it says nothing about real borrowers. It is never attested",
            "outside listed development chains, and verifiers refuse it there too.",
            "",
        ]
    lines += [
        "## What it answers",
        "",
        f"The probability that an account of the subject is liquidated, or left with bad debt, within "
        f"{scale.horizon_days} days, given open debt. Liquidation is not default.",
        f"Population: {population}.",
        "",
        f"Score: {scale.base_points} points at odds of {scale.base_odds}:1, {scale.pdo} points double the odds, shown "
        f"within {scale.floor}..{scale.ceiling}. Platt's calibration is folded in: slope "
        f"{float.fromhex(scale.slope):.4f}, intercept {float.fromhex(scale.intercept):.4f}.",
        f"A wallet with a past but no open debt is scored as if it borrowed {reference.debt_usd:,} USD now against "
        f"{reference.asset} at a health factor of {reference.health_factor_bps / 10_000:.2f}, and flagged.",
        "",
        "## Data",
        "",
        f"{training.source}. Cut-offs {_day(training.first_cutoff)} to {_day(training.last_cutoff)} for training, "
        f"{_day(windows[0].first_cutoff)} to {_day(windows[-1].last_cutoff)} for calibration (below), "
        f"{_day(unseen.first_cutoff)} to {_day(unseen.last_cutoff)} for the test, with {training.embargo_days} days "
        "between what a model learns and what it is asked. One wallet in five is kept out of training and calibration.",
        "",
        "| part | rows | wallets | with the outcome | rate |",
        "|---|---:|---:|---:|---:|",
        f"| training | {training.rows:,} | {training.wallets:,} | {training.positives:,} "
        f"| {training.positives / training.rows:.2%} |",
        f"| calibration | {rows:,} | | {positives:,} | {positives / rows:.2%} |",
        _part_row("test: later time, unseen wallets", unseen),
        _part_row("test: later time, known wallets", known),
        "",
        f"## Calibration{' (synthetic)' if synthetic else ''}",
        "",
        f"Fit on {len(windows)} windows together, each predicted by a model trained only on cut-offs that ended "
        f"{training.embargo_days} days or more before it (rolling origins); the last of these models is the one that "
        "ships. Why several: one window is one stretch of the market's weather, and a model calibrated on a calm one "
        "says too little of the next storm. How far the two last columns part is how far the weather moves the level.",
        "",
        "| window | its model learned until | rows | outcome rate | mean probability, calibrated |",
        "|---|---|---:|---:|---:|",
        *(
            f"| {_day(window.first_cutoff)} to {_day(window.last_cutoff)} | {_day(window.trained_until)} "
            f"| {window.rows:,} | {window.positives / window.rows:.2%} | {window.mean_pd:.2%} |"
            for window in windows
        ),
        "",
        f"## How well{' (synthetic)' if synthetic else ''}",
        "",
        f"Out of time: cut-offs {_day(unseen.first_cutoff)} to {_day(unseen.last_cutoff)}, after everything above. "
        "Intervals are 95 %, drawn over wallets.",
        "",
        "| measure | unseen wallets | known wallets |",
        "|---|---|---|",
        _row("AUC, model", unseen.auc, known.auc),
        _row("AUC, health factor alone, same rows", unseen.auc_health_factor_alone, known.auc_health_factor_alone),
        _row("lift over the health factor, paired", unseen.auc_lift, known.auc_lift),
        f"| AUC, price buffer alone | {unseen.auc_price_buffer_alone:.3f} | {known.auc_price_buffer_alone:.3f} |",
        _row("Brier, model", unseen.brier, known.brier, 4),
        f"| Brier, training rate for everyone | {unseen.brier_base_rate:.4f} | {known.brier_base_rate:.4f} |",
        f"| mean probability (outcome rate) | {unseen.mean_pd:.2%} ({unseen.base_rate:.2%}) "
        f"| {known.mean_pd:.2%} ({known.base_rate:.2%}) |",
        f"| calibration slope | {unseen.calibration_slope:.2f} | {known.calibration_slope:.2f} |",
        f"| expected calibration error | {unseen.expected_calibration_error:.4f} "
        f"| {known.expected_calibration_error:.4f} |",
        "",
        "## How it was made",
        "",
        f"XGBoost, {training.trees} trees of depth {training.depth}, learning rate {training.learning_rate}, seed "
        f"{training.seed}, monotone in every feature, no weighting of classes. Contributions are exact Shapley values "
        "(path-dependent TreeSHAP, `pred_contribs`), summed per family.",
        "",
        "| feature | unit | when it rises, risk | reason code | definition |",
        "|---|---|---|---|---|",
        *(
            f"| `{spec.name}` | {spec.unit} | {'rises' if spec.direction.constraint > 0 else 'falls'} "
            f"| `{REASON_OF_FAMILY[spec.family].value}` | {spec.definition} |"
            for spec in FEATURES
        ),
        "",
        "## Limits",
        "",
        "- Prices of the as-of block belong to the score; how restless the market is does not.",
        f"- The level is right on average over months, not for one month: what came was {min(came):.1f} to "
        f"{max(came):.1f} times what was said in the calibration windows, {unseen.base_rate / unseen.mean_pd:.1f} "
        "times in the test. The windows are few: a calmer or wilder month moves the probabilities more than the "
        "intervals say.",
        "- Windows of unlike weather, fit together, draw the probabilities together. The calibration slope shows it: "
        "1 is right, above 1 the safe are safer and the risky riskier than told, below 1 the other way round.",
        "- A tidy record can be bought with enough capital; what that costs has not been measured for this model.",
        "- Not for: collections, employment, insurance, or any decision about a person by this number alone.",
        "",
    ]
    return "\n".join(lines)


def _part_row(name: str, part: Evaluation) -> str:
    return f"| {name} | {part.rows:,} | {part.wallets:,} | {part.positives:,} | {part.base_rate:.2%} |"


def _row(name: str, unseen: Interval, known: Interval, digits: int = 3) -> str:
    return f"| {name} | {_shown(unseen, digits)} | {_shown(known, digits)} |"


def _shown(interval: Interval, digits: int) -> str:
    return f"{interval.value:.{digits}f} [{interval.low:.{digits}f}, {interval.high:.{digits}f}]"


def _day(timestamp: int) -> str:
    return datetime.fromtimestamp(timestamp, UTC).date().isoformat()
