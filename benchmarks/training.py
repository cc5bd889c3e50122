"""`make bench-training`: from simulated transactions over folds and panels to what the models are worth."""

import shutil
from pathlib import Path
from typing import Annotated

import typer
from bonafides.errors import InvalidInput
from bonafides_ingest.file_decoding import decode_folder
from bonafides_ingest.registry import load_registry
from bonafides_ingest.sources.parquet import open_log_folder
from rich.console import Console

from benchmarks import fitting, folding
from benchmarks.harness import Result, report
from benchmarks.model_results import manipulation_result, real_results, synthetic_results
from benchmarks.panels import measure_panel
from benchmarks.simulator import registry_of, simulate_market

FOLDER = Path(".stack/bench-training")
PARTS = ("simulate", "fold", "panel", "fit", "real", "synthetic", "manipulation")
ON_A_MARKET = frozenset({"simulate", "fold", "panel"})

console = Console(stderr=True)


def main(
    parts: Annotated[list[str] | None, typer.Argument(help=f"Of {', '.join(PARTS)}; all unless named.")] = None,
    decoded: Annotated[Path | None, typer.Option(help="A market decoded before, for fold and panel.")] = None,
    attack: Annotated[Path | None, typer.Option(help="attack.json of `bonafides lab attack`, not a new one.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes of `bonafides scoring panel`.")] = 2,
    name: Annotated[str, typer.Option(help="Of the results file.")] = "training",
) -> None:
    """Measure, write benchmarks/results/NAME.json, and print goals, values, met or missed."""
    wanted = set(parts or PARTS)
    if not wanted <= set(PARTS):
        raise InvalidInput(f"there is no part {', '.join(sorted(wanted - set(PARTS)))}, expected {', '.join(PARTS)}")
    shutil.rmtree(FOLDER, ignore_errors=True)
    results: list[Result] = []
    if "simulate" in wanted or (decoded is None and wanted & ON_A_MARKET):
        simulated = simulate_market(FOLDER / "logs", "simulate.tx_per_s")
        results += [simulated] if "simulate" in wanted else []
    if decoded is None and wanted & {"fold", "panel"}:
        console.print("decoding")
        decoded = FOLDER / "decoded"
        decode_folder(open_log_folder(FOLDER / "logs"), load_registry(registry_of(FOLDER / "logs")), decoded)
    if "fold" in wanted:
        console.print("folding")
        results += folding.measure(decoded)
    if "panel" in wanted and decoded is not None:
        console.print("building a panel")
        results += measure_panel(decoded, FOLDER / "panel", workers)
    if "fit" in wanted:
        console.print("training on a million rows")
        results += fitting.measure()
    if "real" in wanted:
        results += real_results(FOLDER / "backtest")
    if "synthetic" in wanted:
        results += synthetic_results()
    if "manipulation" in wanted:
        results.append(manipulation_result(FOLDER / "attack", attack))
    shutil.rmtree(FOLDER, ignore_errors=True)
    report(name, results)


if __name__ == "__main__":
    typer.run(main)
