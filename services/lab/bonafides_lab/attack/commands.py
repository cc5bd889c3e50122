"""`bonafides lab attack`: what it costs to manipulate a model's score."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from bonafides_lab.attack.report import AttackReport

DEFAULT_BUDGET_USD = 500.0
DEFAULT_SEED = 20_261_124
"""Published before the first run on the shipped model."""
DEFAULT_DAYS = 90
DEFAULT_RANDOM = 400
DEFAULT_CHILDREN = 160
DEFAULT_ROUNDS = 10
DEFAULT_GAS_GWEI = 2.0
DEFAULT_ETHER_USD = 3_000.0
DEFAULT_CAPITAL_BPS = 500
POINTS_WANTED = 50


def attack_command(
    model: Annotated[Path, typer.Option("--model", help="Folder of the model bundle.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the result; started again there, it goes on.")],
    budget_usd: Annotated[
        float, typer.Option("--budget-usd", min=0, help="A success that costs more does not count.")
    ] = DEFAULT_BUDGET_USD,
    seed: Annotated[int, typer.Option(min=0, help="Names the search and its market.")] = DEFAULT_SEED,
    days: Annotated[int, typer.Option(min=2, max=365, help="The longest campaign.")] = DEFAULT_DAYS,
    strategies: Annotated[
        int, typer.Option(min=0, help="Random strategies of the first round, beside one by the book per family.")
    ] = DEFAULT_RANDOM,
    children: Annotated[int, typer.Option(min=1, help="Strategies of each greedy round.")] = DEFAULT_CHILDREN,
    rounds: Annotated[int, typer.Option(min=0, help="Greedy rounds at most.")] = DEFAULT_ROUNDS,
    gas_gwei: Annotated[float, typer.Option(min=0, help="Price of gas.")] = DEFAULT_GAS_GWEI,
    ether_usd: Annotated[float, typer.Option(min=0, help="Price of ether, for gas.")] = DEFAULT_ETHER_USD,
    capital_bps: Annotated[
        int, typer.Option(min=0, help="What locked money earns elsewhere, hundredths of a per cent a year.")
    ] = DEFAULT_CAPITAL_BPS,
    artifacts: Annotated[
        Path | None,
        typer.Option(help="Folder artifacts/contracts of @aave/core-v3; the installed node tools' unless given."),
    ] = None,
) -> None:
    """Search for the cheapest way to lift a score by 50 points without a better position: the manipulation cost.

    Made-up attackers act on real Aave V3 bytecode beside untouched twins; their
    logs are decoded and scored by the commands that operators use. Writes
    attack.json, attack.svg and attack.html.

    Example:

      bonafides lab attack --out build/attack \\
          --model services/scoring/bonafides_scoring/models/synthetic-2
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    from bonafides_lab.attack.figure import write_figures
    from bonafides_lab.attack.report import CostPrices, write_report
    from bonafides_lab.attack.search import SearchSettings, search
    from bonafides_lab.attack.summary import report_of
    from bonafides_lab.market.artifacts import Artifacts
    from bonafides_lab.stack.node_tools import aave_artifacts_folder

    name, model_id = model_name(model)
    settings = SearchSettings(
        seed=seed,
        budget_usd=budget_usd,
        most_days=days,
        points_wanted=POINTS_WANTED,
        random_strategies=strategies,
        children_per_round=children,
        most_rounds=rounds,
        prices=CostPrices(gas_gwei=gas_gwei, ether_usd=ether_usd, capital_bps_per_year=capital_bps),
        model_id=model_id,
    )
    contracts = Artifacts(artifacts if artifacts is not None else aave_artifacts_folder() / "contracts")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks: dict[str, TaskID] = {}

        def show(step: str, done: int, of: int) -> None:
            if step not in tasks:
                tasks[step] = bar.add_task(step, total=of)
            bar.update(tasks[step], completed=done, total=of)

        searched = search(settings, contracts, model, out, show)
    report = report_of(searched, settings, name)
    write_figures(report, out)
    write_report(report, out)  # last: who sees it finds the figures beside it
    console = Console()
    console.print(report_table(report))
    console.print(report.conclusion, highlight=False)


def model_name(folder: Path) -> tuple[str, str]:
    """The name in a bundle's manifest, and the digest of the manifest.

    Raises:
        InvalidInput: the folder holds no manifest with a name.
    """
    import json

    from bonafides.errors import InvalidInput
    from bonafides.hashing import sha256

    path = folder / "manifest.json"
    try:
        content = path.read_bytes()
        name = json.loads(content)["name"]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise InvalidInput(f"{folder.name} is no model bundle: expected a manifest.json with a name") from exc
    return str(name), sha256(content).hex()


def report_table(report: "AttackReport") -> "Table":
    """The families, as a table for a terminal."""
    from rich.table import Table

    table = Table(
        title=f"Manipulation of {report.model} (synthetic), position unchanged", caption=report.stopped_because
    )
    for column in ("family", "tried", "best gain", "for $", f"+{report.points_wanted} from $"):
        table.add_column(column, justify="left" if column == "family" else "right")
    for family in report.families:
        table.add_row(
            family.family,
            f"{family.tried:,}",
            "–" if family.best_gain is None else f"{family.best_gain:+d}",
            "–" if family.best_gain_usd is None else f"{family.best_gain_usd:,.2f}",
            "–" if family.cheapest_usd is None else f"{family.cheapest_usd:,.2f}",
        )
    return table
