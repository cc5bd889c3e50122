"""Writes the model card from a report: no figure in it is typed, and none is anywhere but in the report."""

from bonafides_scoring.evaluation.markup import NOT_ENOUGH, day, shown
from bonafides_scoring.evaluation.report import Drift, Fairness, Manipulation, NotMeasured, Part, Report, Transfer
from bonafides_scoring.evaluation.verdicts import verdicts
from bonafides_scoring.features.schema import FEATURES, REASON_OF_FAMILY
from bonafides_scoring.manifest import Interval

LONG = {"auc": 3, "within_date_auc": 3, "pr_auc": 3, "ks": 3, "brier": 4, "log_loss": 4, "level": 2, "slope": 2}
"""Measures of the card, with the digits shown."""
WORDS_OF_MEASURE = {
    "auc": "AUC",
    "within_date_auc": "AUC within one date",
    "pr_auc": "PR-AUC",
    "ks": "KS",
    "brier": "Brier",
    "log_loss": "log loss",
    "level": "level: what came over what was said",
    "slope": "calibration slope",
}


def model_card(report: Report) -> str:
    """The card in Markdown."""
    subject, training, scale = report.subject, report.making.training, report.making.scale
    synthetic, reference = subject.is_synthetic, report.making.reference
    kind = "synthetic" if synthetic else "real"
    mark = " (synthetic)" if synthetic else ""
    windows = training.calibration
    rows, positives = sum(window.rows for window in windows), sum(window.positives for window in windows)
    lines = [
        "---",
        f"model_name: {subject.model}",
        f"model_class: {kind}",
        "library_name: xgboost",
        "license: apache-2.0",
        "---",
        f"# {subject.model}" + (" (SYNTHETIC)" if synthetic else ""),
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
        f"Population: {subject.population}.",
        "",
        f"Score: {scale.base_points} points at odds of {scale.base_odds}:1, {scale.pdo} points double the odds, shown "
        f"within {scale.floor}..{scale.ceiling}. Platt's calibration is folded in: slope "
        f"{float.fromhex(scale.slope):.4f}, intercept {float.fromhex(scale.intercept):.4f}.",
        f"A wallet with a past but no open debt is scored as if it borrowed {reference.debt_usd:,} USD now against "
        f"{reference.asset} at a health factor of {reference.health_factor_bps / 10_000:.2f}, and flagged.",
        "",
        "## Data",
        "",
        f"{training.source}. Cut-offs {day(training.first_cutoff)} to {day(training.last_cutoff)} for training, "
        f"{day(windows[0].first_cutoff)} to {day(windows[-1].last_cutoff)} for calibration (below), "
        f"{day(report.parts[0].first_cutoff)} to {day(report.parts[0].last_cutoff)} for the test, with "
        f"{training.embargo_days} days "
        "between what a model learns and what it is asked. One wallet in five is kept out of training and calibration.",
        "",
        "| part | rows | wallets | with the outcome | rate |",
        "|---|---:|---:|---:|---:|",
        f"| training | {training.rows:,} | {training.wallets:,} | {training.positives:,} "
        f"| {training.positives / training.rows:.2%} |",
        f"| calibration | {rows:,} | | {positives:,} | {positives / rows:.2%} |",
        *(_part_row(part) for part in report.parts),
        "",
        f"## Calibration{mark}",
        "",
        f"Fit on {len(windows)} windows together, each predicted by a model trained only on cut-offs that ended "
        f"{training.embargo_days} days or more before it (rolling origins); the last of these models is the one that "
        "ships. Why several: one window is one stretch of the market's weather, and a model calibrated on a calm one "
        "says too little of the next storm. How far the two last columns part is how far the weather moves the level.",
        "",
        "| window | its model learned until | rows | outcome rate | mean probability, calibrated |",
        "|---|---|---:|---:|---:|",
        *(
            f"| {day(window.first_cutoff)} to {day(window.last_cutoff)} | {day(window.trained_until)} "
            f"| {window.rows:,} | {window.positives / window.rows:.2%} | {window.mean_pd:.2%} |"
            for window in windows
        ),
        "",
        f"## How well{mark}",
        "",
        "Out of time, after everything above. Intervals are 95 %, over draws of whole wallets; differences are paired.",
        "",
        *(line for part in report.parts for line in _part_lines(part)),
        *_slice_lines(report),
        *_drift_lines(report.drift),
        f"## Fairness{mark}",
        "",
        "Wallets carry no protected attribute; these are proxies. Approved: a score at the cut-off or above.",
        "",
        *(line for one in report.fairness for line in _fairness_lines(one)),
        f"## Reasons under small errors{mark}",
        "",
        f"Inputs moved by up to {report.steadiness.jitter_share:.0%}: the first adverse reason stays the same in "
        f"{report.steadiness.same_first_reason:.1%} of {report.steadiness.rows:,} rows; the score moves by "
        f"{report.steadiness.points_moved_median:.1f} points in the median, {report.steadiness.points_moved_p95:.1f} "
        "at the 95th percentile.",
        "",
        "## Trained on synthetic, tested on real",
        "",
        *_transfer_lines(report.transfer),
        f"## What a manipulation costs{mark}",
        "",
        *_manipulation_lines(report.manipulation),
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
        *verdicts(report),
        "- The calibration windows above are few: a calmer or wilder month moves the probabilities more than the "
        "intervals say.",
        "- Windows of unlike weather, fit together, draw the probabilities together. The calibration slope shows it: "
        "1 is right, above 1 the safe are safer and the risky riskier than told, below 1 the other way round.",
        "- Wallets are held out one by one, not person by person: where one person has several, they may stand on both "
        "sides, and the numbers for unseen wallets are a little too good.",
        "- A tidy record can be bought with enough capital: the part on manipulation says what is known of the price.",
        "",
        "## Intended use",
        "",
        "To develop lenders' integrations against, and to show that the machine works from end to end."
        if synthetic
        else "One input among others to the terms of a collateralised loan to the stated population.",
        "Not for: collections, employment, insurance, or any decision about a person by this number alone.",
        "",
    ]
    return "\n".join(lines)


def _part_row(part: Part) -> str:
    counts = part.counts
    return (
        f"| test: {part.words} | {counts.rows:,} | {counts.wallets:,} | {counts.positives:,} "
        f"| {counts.outcome_rate:.2%} |"
    )


def _part_lines(part: Part) -> list[str]:
    names = [one.words for one in part.standings]
    lines = [f"### {part.words[0].upper()}{part.words[1:]}", "", f"| measure | {' | '.join(names)} |"]
    lines += ["|---|" + "---|" * len(names)]
    for name, digits in LONG.items():
        cells = [shown(getattr(one, name), digits) for one in part.standings]
        lines.append(f"| {WORDS_OF_MEASURE[name]} | {' | '.join(cells)} |")
    lines.append("")
    if part.brier_training_rate is not None:
        lines += [f"Brier of telling everyone the training rate: {part.brier_training_rate:.4f}.", ""]
    if part.lifts:
        lines += ["| the model less | AUC | AUC within one date | Brier saved |", "|---|---|---|---|"]
        lines += [
            f"| {one.words} | {shown(one.auc)} | {shown(one.within_date_auc)} | {shown(one.brier, 4)} |"
            for one in part.lifts
        ]
        lines.append("")
    return lines


def _slice_lines(report: Report) -> list[str]:
    lines = ["### By kind of row", "", f"Of: {report.parts[0].words}.", ""]
    lines += ["| by | rows | outcomes | AUC | Brier | said | came |", "|---|---:|---:|---|---|---:|---:|"]
    missing = []
    for one in report.partitions:
        if isinstance(one, NotMeasured):
            missing.append(f"Not measured: {one.not_measured}.")
            continue
        lines += [
            f"| {one.name}: {part.name} | {part.counts.rows:,} | {part.counts.positives:,} | {shown(part.auc)} "
            f"| {shown(part.brier, 4)} | {part.mean_probability:.2%} | {part.counts.outcome_rate:.2%} |"
            for part in one.slices
        ]
    long = report.long_horizon
    if isinstance(long, NotMeasured):
        missing.append(f"Not measured: {long.not_measured}.")
    else:
        missing.append(
            f"Against {long.horizon_days} days: AUC {shown(long.auc)}, within {shown(long.within_date_auc)}."
        )
    return [*lines, "", *missing, ""]


def _drift_lines(drift: Drift | NotMeasured) -> list[str]:
    if isinstance(drift, NotMeasured):
        return [f"Not measured: {drift.not_measured}.", ""]
    most = max(drift.features, key=lambda one: one.stability_index)
    return [
        f"Stability index from the training rows: score {drift.score_stability_index:.3f}; the feature that moved most "
        f"is `{most.name}` with {most.stability_index:.3f}.",
        "",
    ]


def _fairness_lines(one: Fairness | NotMeasured) -> list[str]:
    if isinstance(one, NotMeasured):
        return [f"Not measured: {one.not_measured}.", ""]
    return [
        f"| {one.attribute}, cut-off {one.cutoff_points} | rows | approved | ratio | refused though good "
        "| approved though bad | ECE | AUC |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
        *(
            f"| {group.name} | {group.rows:,} | {group.approval_rate:.1%} | {_number(group.approval_ratio)} "
            f"| {_number(group.refused_though_good)} | {_number(group.approved_though_bad)} "
            f"| {group.calibration_error:.4f} | {_number(group.auc)} |"
            for group in one.groups
        ),
        "",
    ]


def _transfer_lines(one: Transfer | NotMeasured) -> list[str]:
    if isinstance(one, NotMeasured):
        return [f"Not measured: {one.not_measured}.", ""]
    return [
        f"{one.data}: {one.counts.rows:,} real rows, {one.counts.positives:,} with the outcome; the rows have "
        f"{len(one.features)} of the features, the other {one.absent_features} are absent.",
        "",
        "| who | AUC | AUC within one date | lift over recency within |",
        "|---|---|---|---|",
        *(
            f"| {part.words} | {shown(part.auc)} | {shown(part.within_date_auc)} | {_lift(part.lift_within)} |"
            for part in one.standings
        ),
        "",
    ]


def _manipulation_lines(one: Manipulation | NotMeasured) -> list[str]:
    if isinstance(one, NotMeasured):
        return [f"Not measured: {one.not_measured}.", ""]
    return [one.conclusion, "", *(f"- {limit}" for limit in one.limits), ""]


def _lift(one: Interval | None) -> str:
    return "–" if one is None else shown(one)


def _number(value: float | None) -> str:
    return NOT_ENOUGH if value is None else f"{value:.3f}"
