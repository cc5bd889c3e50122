"""The card of the real model, written from the report: no figure in it is typed."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bonafides_scoring.backtest.measures import Interval
from bonafides_scoring.backtest.pack import TaskReport

if TYPE_CHECKING:
    from bonafides_scoring.backtest.shipped import ManifestPart, SteadyPart


def render_card(manifest: "ManifestPart", rule: "SteadyPart", report: TaskReport) -> str:
    """The card in Markdown."""
    chosen, recency = report.row(report.headline), report.row("recency")
    refitted = report.row("refitted recency")
    aucs = [row.auc for row in report.by_date if row.auc is not None]
    rates = [row.positives / row.rows for row in report.by_date]
    last = datetime.fromtimestamp(manifest.trained_until, UTC).date().isoformat()
    lines = [
        "---",
        f"model_name: {manifest.name}",
        "model_class: real",
        "sources: compiled",
        "license: apache-2.0",
        "---",
        f"# {manifest.name}",
        "",
        "## What it answers",
        "",
        f"P({manifest.outcome}), for {manifest.population}, and for nobody else. Liquidation is not default.",
        "",
        "## Data",
        "",
        f"Real Aave V2 liquidations, compiled from public chain facts without hash or block, so no score of it can be "
        f"replayed from a chain. {manifest.rows:,} rows, {manifest.wallets:,} wallets, {manifest.positives:,} with the "
        f"outcome; last window ended {last}. Digest of the rows: `{manifest.data_digest}`.",
        "",
        "## How well",
        "",
        f"Rolling origin, {report.first_cutoff} to {report.last_cutoff}: {report.rows:,} rows, {report.positives:,} "
        f"outcomes, {report.wallets:,} wallets. Each cut-off was scored by a model made in the same way from labels "
        "whose window had ended by then; the shipped one learned from all, and has no test of its own. 95 % intervals "
        "over wallets.",
        "",
        "| measure | this model | recency alone | refitted recency |",
        "|---|---|---|---|",
        "| within-date AUC | " + " | ".join(_shown(row.within, 3) for row in (chosen, recency, refitted)) + " |",
        f"| lift over recency, paired | {_shown(chosen.lift, 4)} | | |",
        f"| pooled AUC | {chosen.pooled:.3f} | {recency.pooled:.3f} | {refitted.pooled:.3f} |",
        f"| PR-AUC | {chosen.precision_recall:.3f} | {recency.precision_recall:.3f} "
        f"| {refitted.precision_recall:.3f} |",
        f"| Brier | {_shown(chosen.brier, 4)} | | {_shown(refitted.brier, 4)} |",
        f"| gain over refitted recency, paired | {_shown(chosen.gain, 4)} | | |",
        f"| mean probability (what came: {report.positives / report.rows:.2%}) | {chosen.mean_probability or 0:.2%} "
        f"| | {refitted.mean_probability or 0:.2%} |",
        "",
        "## How it was made",
        "",
        "A logistic regression with fixed signs, a level for each training date, and a ridge; the probability is the "
        "mean over the levels of past windows, recent ones more. It has no trees: they ranked worse on the windows "
        "before the tested ones. A missing value counts as the training mean.",
        "",
        "| feature | coefficient per standard deviation |",
        "|---|---:|",
        *(f"| `{name}` | {value:+.3f} |" for name, value in zip(rule.features, rule.coefficients, strict=True)),
        "",
        "## Limits",
        "",
        f"- Nobody can tell next month's market: by date the outcome rate was {min(rates):.1%} to {max(rates):.1%}, "
        f"and the AUC within a date {min(aucs):.2f} to {max(aucs):.2f}. That is wider than the intervals above.",
        f"- It said too much on the tested dates: {chosen.mean_probability or 0:.1%} on average, where "
        f"{report.positives / report.rows:.1%} came."
        if (chosen.mean_probability or 0) > report.positives / report.rows
        else "- It said too little on the tested dates.",
        "- It sees liquidations and daily prices, no deposits, borrows, repayments or health factors.",
        "- These numbers are not blind: another plan was the declared headline, this one was put in its place after "
        "the tested run was seen, and one setting was added after a second run. The report has both plans.",
        "- Fairness: the data says nothing about persons. A wallet's size enters only where it was dust.",
        "",
        "## Intended use, and not",
        "",
        "To check the method on real outcomes, and for research on liquidated wallets. It is never the default "
        "champion, no service loads it, and nothing is attested with it. Not for: lending decisions, wallets never "
        "liquidated, other protocols or years without a new back-test, collections, employment, insurance.",
        "",
    ]
    return "\n".join(lines)


def _shown(interval: Interval | None, digits: int) -> str:
    if interval is None:
        return ""
    return f"{interval.value:.{digits}f} [{interval.low:.{digits}f}, {interval.high:.{digits}f}]"
