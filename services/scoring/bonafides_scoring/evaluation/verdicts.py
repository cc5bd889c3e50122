"""Judgements on a model, each derived from the numbers of its report: none is typed."""

from bonafides_scoring.evaluation.report import Part, Report
from bonafides_scoring.manifest import Interval


def verdicts(report: Report) -> list[str]:
    """Lines of a list: what the level came to, and which challengers rank better or worse."""
    return [line for part in report.parts for line in (*_level(part), *_ranking(part))]


def _level(part: Part) -> list[str]:
    model, came = part.standings[0], part.counts.outcome_rate
    if model.level is None:
        return []
    said = f"{model.mean_probability:.1%} was said, {came:.1%} came"
    if model.level.low > 1:
        verdict = "**The level was too low**"
    elif model.level.high < 1:
        verdict = "**The level was too high**"
    else:
        verdict = "The level was right within its interval"
    return [f"- {verdict} on {part.words}: {said}, a factor of {_shown(model.level)}."]


def _ranking(part: Part) -> list[str]:
    surely = [one.words for one in part.lifts if one.auc is not None and one.auc.high < 0]
    maybe = [one.words for one in part.lifts if one.auc is not None and one.auc.value < 0 <= one.auc.high]
    lines = []
    if surely:
        lines.append(f"- **Ranked better by AUC** on {part.words}: {', '.join(surely)}.")
    if maybe:
        lines.append(f"- Ranked better by AUC on {part.words}, within what chance gives: {', '.join(maybe)}.")
    return lines


def _shown(interval: Interval) -> str:
    return f"{interval.value:.2f} [{interval.low:.2f}, {interval.high:.2f}]"
