"""`report.html`: one file that needs no script and no network, with a table beside every picture."""

from html import escape

from bonafides_scoring.evaluation import plots
from bonafides_scoring.evaluation.markup import NOT_ENOUGH, day, figure, loud, number, share, shown, table
from bonafides_scoring.evaluation.report import (
    Drift,
    Fairness,
    LongHorizon,
    Manipulation,
    NotMeasured,
    Part,
    Partition,
    Report,
    Slice,
    Steadiness,
    Transfer,
)

_STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--line:#aab2bd;--paper:#fff;--card:#f5f6f8;--warn:#8a3b00;
--c0:#1558a8;--c1:#b04a00;--c2:#1c7a4a;--c3:#8a2f8f;--c4:#5c6470}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--line:#69727e;--paper:#15181c;--card:#1f242a;--warn:#ffb27a;
--c0:#7db8ff;--c1:#ffab70;--c2:#6fd3a0;--c3:#dc9be0;--c4:#b4bcc7}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:1080px;margin:auto;padding:16px}h1{font-size:1.6rem}h2{font-size:1.25rem;margin-top:2.2rem}
.both{display:grid;gap:16px;grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr));align-items:start}
.under{display:grid;gap:12px;grid-template-columns:minmax(0,1fr)}
figure{margin:0;padding:8px;background:var(--card);border-radius:8px}figcaption{font-size:.85rem}
figure svg{width:100%;height:auto;max-width:460px;font-family:system-ui,sans-serif;display:block;margin:auto}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem;width:100%}
th,td{padding:4px 8px;border-bottom:1px solid var(--line);text-align:right;vertical-align:top}
th:first-child,td:first-child{text-align:left;min-width:7em}
td{font-variant-numeric:tabular-nums}
.loud{color:var(--warn);font-weight:600;border-left:4px solid var(--warn);padding:4px 12px}
"""


def render_page(report: Report) -> str:
    """The whole page."""
    subject, first = report.subject, report.parts[0]
    kind = " (SYNTHETIC)" if subject.is_synthetic else ""
    body = [
        f"<h1>Evaluation of {escape(subject.model)}{kind}</h1>",
        loud(
            "Every number of this report is synthetic, but for those of the part on real data: made-up people on real "
            "contracts. It says nothing about real borrowers."
        )
        if subject.is_synthetic
        else "",
        f"<p>Population: {escape(subject.population)}. {_ownership(report)} Intervals are 95 %, from {subject.draws:,} "
        "draws of whole wallets; differences are paired. Within-date AUC ranks inside one cut-off date only.</p>",
        *(_part(part, report) for part in report.parts),
        _first_pictures(report),
        "<h2>By kind of row</h2>",
        f"<p>Of: {escape(first.words)}. A slice with fewer than 20 rows of a class is shown as “{NOT_ENOUGH}”.</p>",
        *(_partition(one) for one in report.partitions),
        _long_horizon(report.long_horizon),
        _drift(report.drift),
        "<h2>Fairness</h2>",
        "<p>Wallets carry no protected attribute; these are proxies. Approved: a score at the cut-off or above.</p>",
        *(_fairness(one) for one in report.fairness),
        _steadiness(report.steadiness),
        _transfer(report.transfer),
        _manipulation(report.manipulation),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(subject.model)}{kind}: evaluation</title><style>{_STYLE}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def _ownership(report: Report) -> str:
    if report.subject.is_own_panel:
        return "The rows are the test part of the model's own panel."
    return "The rows are of another panel than the model's own: those later than all that it learned from."


def _part(part: Part, report: Report) -> str:
    rows = [
        (
            one.words,
            shown(one.auc),
            shown(one.within_date_auc),
            shown(one.pr_auc),
            shown(one.ks),
            shown(one.brier, 4),
            shown(one.log_loss, 4),
            shown(one.level, 2),
            shown(one.slope, 2),
        )
        for one in part.standings
    ]
    lifts = [
        (one.words, shown(one.auc), shown(one.within_date_auc), shown(one.pr_auc), shown(one.ks), shown(one.brier, 4))
        for one in part.lifts
    ]
    counts = part.counts
    return (
        f"<h2>{_synthetic(report)}{escape(part.words)}</h2><p>{counts.rows:,} rows of {counts.wallets:,} wallets, "
        f"{counts.positives:,} with the outcome within {part.horizon_days} days ({counts.outcome_rate:.2%}); cut-offs "
        f"{day(part.first_cutoff)} to {day(part.last_cutoff)}.</p>"
        + table(
            ("who", "AUC", "within-date AUC", "PR-AUC", "KS", "Brier", "log loss", "level (came/said)", "slope"), rows
        )
        + (
            f"<p>Brier of telling everyone the training rate: {part.brier_training_rate:.4f}.</p>"
            if part.brier_training_rate is not None
            else ""
        )
        + ("<h3>Model less challenger, paired; above 0 the model is better</h3>" if lifts else "")
        + (table(("challenger", "AUC", "within-date AUC", "PR-AUC", "KS", "Brier saved"), lifts) if lifts else "")
        + ("" if lifts else loud("Challengers: not measured, no --predictions was given."))
    )


def _first_pictures(report: Report) -> str:
    first = report.parts[0]
    deciles = [
        (str(place), f"{one.rows:,}", f"{one.mean_probability:.2%}", share(one.outcome_rate))
        for place, one in enumerate(first.curve, 1)
    ]
    scores = [
        (f"{one.from_points}–{one.to_points - 1}", f"{one.rows:,}", f"{one.positives:,}") for one in report.scores
    ]
    return (
        f"<h2>{_synthetic(report)}Calibration and ranking</h2><div class=both>"
        + figure(plots.curve_plot(first.curve), "Said and came, by tenth of the rows; logarithmic axes.")
        + table(("tenth", "rows", "said", "came"), deciles)
        + figure(plots.standings_plot(first.standings, "within_date_auc", "within-date AUC"), "Within one date.")
        + figure(plots.standings_plot(first.standings, "auc", "AUC"), "Over all dates.")
        + figure(plots.roc_plot(report.rocs), "ROC curves; the AUCs stand in the table above.")
        + figure(plots.scores_plot(report.scores), "Scores by outcome.")
        + table(("score", "rows", "with the outcome"), scores)
        + "</div>"
    )


def _partition(one: Partition | NotMeasured) -> str:
    if isinstance(one, NotMeasured):
        return loud("Not measured: " + one.not_measured)
    is_of_level = one.name in ("date", "decile")  # inside a tenth there is little left to rank
    picture = plots.levels_plot(one.slices) if is_of_level else plots.slices_plot(one.slices, "within-date AUC")
    return (
        f"<h3>By {escape(one.name)}</h3><p>{escape(one.rule)}</p><div class=under>"
        + figure(picture, f"By {escape(one.name)}.")
        + table(
            (
                "slice",
                "rows",
                "outcomes",
                "AUC",
                "within-date AUC",
                "Brier",
                "rule's Brier",
                "said",
                "came/said",
                "slope",
            ),
            [_slice_row(part) for part in one.slices],
        )
        + "</div>"
    )


def _slice_row(one: Slice) -> tuple[str, ...]:
    return (
        one.name,
        f"{one.counts.rows:,}",
        f"{one.counts.positives:,}",
        shown(one.auc),
        shown(one.within_date_auc),
        shown(one.brier, 4),
        "–" if one.brier_rule is None else f"{one.brier_rule:.4f}",
        f"{one.mean_probability:.2%}",
        shown(one.level, 2),
        NOT_ENOUGH if one.slope is None else f"{one.slope:.2f}",
    )


def _long_horizon(one: LongHorizon | NotMeasured) -> str:
    if isinstance(one, NotMeasured):
        return "<h2>Second horizon</h2>" + loud("Not measured: " + one.not_measured)
    row = (
        f"{one.counts.rows:,}",
        f"{one.counts.positives:,}",
        *map(shown, (one.auc, one.within_date_auc, one.pr_auc, one.ks)),
    )
    return f"<h2>The same scores against {one.horizon_days} days</h2>" + table(
        ("rows", "outcomes", "AUC", "within-date AUC", "PR-AUC", "KS"), [row]
    )


def _drift(one: Drift | NotMeasured) -> str:
    if isinstance(one, NotMeasured):
        return "<h2>Drift</h2>" + loud("Not measured: " + one.not_measured)
    rows = [
        (part.name, f"{part.stability_index:.3f}", f"{part.absent_training:.1%}", f"{part.absent_measured:.1%}")
        for part in one.features
    ]
    return (
        f"<h2>Drift</h2><p>From the training rows to these: stability index of the score "
        f"{one.score_stability_index:.3f}. Below .10 is called stable, above .25 calls for action. “Absent”: share of "
        "rows where the thing never happened; no input is ever missing.</p><div class=both>"
        + figure(plots.drift_plot(one), "The features that moved most.")
        + table(("feature", "index", "absent, training", "absent, here"), rows)
        + "</div>"
    )


def _fairness(one: Fairness | NotMeasured) -> str:
    if isinstance(one, NotMeasured):
        return loud("Not measured: " + one.not_measured)
    rows = [
        (
            part.name,
            f"{part.rows:,}",
            f"{part.approval_rate:.1%}",
            number(part.approval_ratio, 2),
            number(part.refused_though_good, 3),
            number(part.approved_though_bad, 3),
            f"{part.calibration_error:.4f}",
            number(part.auc, 3),
        )
        for part in one.groups
    ]
    return (
        f"<h3>By {escape(one.attribute)} ({escape(one.rule)}), cut-off {one.cutoff_points}</h3><div class=under>"
        + figure(plots.approval_plot(one.groups), f"Approved, by {escape(one.attribute)}.")
        + table(
            ("group", "rows", "approved", "ratio", "refused though good", "approved though bad", "ECE", "AUC"), rows
        )
        + "</div>"
    )


def _steadiness(one: Steadiness) -> str:
    return (
        f"<h2>Reasons under small errors</h2><p>{one.rows:,} rows with every input moved by up to "
        f"{one.jitter_share:.0%}: the first adverse reason stays in {one.same_first_reason:.1%}, the set of reasons in "
        f"{one.same_reason_set:.1%}; the score moves by {one.points_moved_median:.1f} points in the median, "
        f"{one.points_moved_p95:.1f} at the 95th percentile.</p>"
    )


def _transfer(one: Transfer | NotMeasured) -> str:
    head = "<h2>Trained on synthetic, tested on real</h2>"
    if isinstance(one, NotMeasured):
        return head + loud("Not measured: " + one.not_measured)
    rows = [
        (
            part.words,
            shown(part.auc),
            shown(part.within_date_auc),
            "–" if part.lift_within is None else shown(part.lift_within),
        )
        for part in one.standings
    ]
    return (
        f"{head}<p>{escape(one.data)}. {one.counts.rows:,} rows of {one.counts.wallets:,} wallets, "
        f"{one.counts.positives:,} with the outcome. The real rows have {len(one.features)} features "
        f"({escape(', '.join(one.features))}); the other {one.absent_features} are absent. These numbers are of real "
        "data.</p>" + table(("who", "AUC", "within-date AUC", "within-date lift over recency, paired"), rows)
    )


def _manipulation(one: Manipulation | NotMeasured) -> str:
    head = "<h2>What a manipulation costs</h2>"
    if isinstance(one, NotMeasured):
        return head + loud("Not measured: " + one.not_measured)
    price = "nothing within the budget succeeded" if one.usd_for_points is None else f"{one.usd_for_points:,.2f} USD"
    limits = "".join(f"<li>{escape(limit)}</li>" for limit in one.limits)
    return (
        f"{head}<p>Model {escape(one.model)}, seed {one.seed}, budget {one.budget_usd:,.0f} USD and {one.most_days} "
        f"days, {one.strategies_tried:,} strategies: {one.points_wanted} points cost {price}"
        f"{'' if one.days_for_points is None else f' and {one.days_for_points} days'} (synthetic market).</p>"
        f"<p>{escape(one.conclusion)}</p><ul>{limits}</ul>"
    )


def _synthetic(report: Report) -> str:
    return "Synthetic: " if report.subject.is_synthetic else ""
