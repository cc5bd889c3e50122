"""manipulation.usd_for_50_points: the cheapest way to lift a score by 50 points with the position unchanged."""

from pathlib import Path

from bonafides.errors import Unavailable
from bonafides_lab.attack.commands import attack_command
from bonafides_lab.attack.report import REPORT_FILE, AttackReport, OutcomeKind, read_report
from typer import Typer
from typer.testing import CliRunner

from benchmarks.harness import Better, Result

ID = "manipulation.usd_for_50_points"


def measure(model: Path, out: Path) -> Result:
    """Search with the command's own defaults: its budget, its published seed. About two minutes on one core.

    `out` keeps the rounds and the report; a search that was interrupted there goes on. Where nothing succeeds the value
    is the budget, a lower bound, and the note says so.

    Raises:
        Unavailable: the command did not finish.
    """
    app = Typer()
    app.command()(attack_command)
    done = CliRunner().invoke(app, ["--model", str(model), "--out", str(out)])
    if done.exit_code:
        raise Unavailable(f"bonafides lab attack did not finish: {done.exception!r}") from done.exception
    return result_of(read_report(out / REPORT_FILE))


def result_of(report: AttackReport) -> Result:
    """The number of a report, with what it means."""
    value = report.usd_for_points
    best = report.cheapest.get(OutcomeKind.EMPTY)
    parked = report.cheapest.get(OutcomeKind.PARKED)
    notes = [report.conclusion]
    if value is None:
        notes.append(f"A lower bound: nothing below ${report.budget_usd:,.0f} succeeded.")
    if best is not None:
        notes.append(
            f"Gas ${best.cost.gas:,.2f} of it at {report.prices.gas_gwei:g} gwei and ether at "
            f"${report.prices.ether_usd:,.0f}; {best.family.replace('_', ' ')}, +{best.gain} points."
        )
    if parked is not None:
        notes.append(
            f"Not counted: the debt parked on an unlinked wallet, +{parked.gain} points for ${parked.usd:,.2f}."
        )
    bound = report.budget_usd if value is None else value
    return Result(ID, bound, "USD", Better.HIGHER, 1, " ".join(notes))
