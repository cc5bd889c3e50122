"""The market's two commands, to be mounted under `bonafides lab`."""

import time
from pathlib import Path
from typing import Annotated

import typer
from bonafides.errors import InvalidInput
from bonafides.types import address_text
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from bonafides_lab.market.artifacts import Artifacts
from bonafides_lab.market.deployment import deployments_yaml
from bonafides_lab.market.market_prices import MarketPrices, PriceSource
from bonafides_lab.market.people import DEMO_COUNTS
from bonafides_lab.market.play import DEMO_DAYS, DEMO_SEED, PlayedMarket, genesis_timestamp, play
from bonafides_lab.market.price_files import read_daily_series
from bonafides_lab.market.simulate import DEFAULT_BORROWERS, DEFAULT_DAYS, DEFAULT_SEED, SimulatedMarket, simulate
from bonafides_lab.stack.node_tools import aave_artifacts_folder

ENDS_BEFORE_NOW_S = 60

_ArtifactsFolder = Annotated[
    Path | None,
    typer.Option(
        "--artifacts", help="Folder artifacts/contracts of @aave/core-v3; the installed node tools' unless given."
    ),
]


def play_command(
    rpc: Annotated[str, typer.Option("--rpc", help="Address of an anvil, for example http://127.0.0.1:8545.")],
    seed: Annotated[int, typer.Option(min=0, help="Names the market: its people, their keys, the prices.")] = DEMO_SEED,
    days: Annotated[int, typer.Option(min=1, help="How many days it lasts, ending a minute ago.")] = DEMO_DAYS,
    out: Annotated[
        Path | None, typer.Option(help="Write the market's entry for the deployments registry to this file.")
    ] = None,
    artifacts: _ArtifactsFolder = None,
) -> None:
    """Deploy the real Aave V3 on an anvil and play a year of about fifty borrowers on it.

    The anvil's genesis must lie before the market's first day.

    Example:

      anvil --timestamp $(( $(date +%s) - 366*86400 )) &
      bonafides lab play --rpc http://127.0.0.1:8545 --out deployments.yaml

    Borrowers' keys follow from the seed; never use them off a development chain.
    """
    console = Console(stderr=True)
    with _bar(console) as bar:
        task = bar.add_task("playing the market", total=days)
        market = play(
            rpc,
            _artifacts(artifacts),
            end_timestamp=int(time.time()) - ENDS_BEFORE_NOW_S,
            seed=seed,
            days=days,
            progress=lambda done, _: bar.update(task, completed=done),
        )
    if out is not None:
        out.write_text(deployments_yaml(market.deployment), "utf-8")
    console.print(played_table(market))


def simulate_command(
    out: Annotated[Path, typer.Option("--out", help="Folder for the files; it must hold no Parquet yet.")],
    borrowers: Annotated[int, typer.Option(min=1, help="How many people.")] = DEFAULT_BORROWERS,
    days: Annotated[int, typer.Option(min=1, help="How many days.")] = DEFAULT_DAYS,
    seed: Annotated[int, typer.Option(min=0, help="Names the market; the same gives the same bytes.")] = DEFAULT_SEED,
    prices: Annotated[
        PriceSource,
        typer.Option(help="A calibrated model; a bootstrap of real days, crashes kept whole; or the real days."),
    ] = PriceSource.MODEL,
    prices_file: Annotated[
        Path | None,
        typer.Option(
            help="Parquet with date, symbol (WETH or ETH, WBTC or BTC, USDC, DAI) and close_usd, a row a day."
        ),
    ] = None,
    artifacts: _ArtifactsFolder = None,
) -> None:
    """Play a synthetic market of thousands on real Aave V3 bytecode, in this process, and write its logs.

    The logs and blocks are Parquet in cryo's column layout; deployments.yaml
    beside them says what to read.

    Examples:

      bonafides lab simulate --out build/market

      bonafides lab simulate --borrowers 5000 --days 730 --seed 11 \\
          --out build/market-5000

      bonafides lab simulate --out build/market-bootstrap \\
          --prices bootstrap --prices-file prices_daily.parquet

    A market to train on: --borrowers 3000 --days 900 or more, which takes a few
    minutes. The model's prices need no file; with one, a bootstrap has real
    crashes in any length, and real prices end where the file does.
    """
    chosen = _prices(prices, prices_file)
    console = Console(stderr=True)
    with _bar(console) as bar:
        task = bar.add_task("simulating the market", total=days)
        market = simulate(
            _artifacts(artifacts),
            out,
            borrowers=borrowers,
            days=days,
            seed=seed,
            prices=chosen,
            progress=lambda done, _: bar.update(task, completed=done),
        )
    console.print(simulated_table(market))


def played_table(market: PlayedMarket) -> Table:
    """What was played, as a table for a terminal."""
    table = Table(title="The market, synthetic people on real Aave V3")
    table.add_column("what")
    table.add_column("count", justify="right")
    table.add_row("Aave transactions", f"{market.aave_transactions:,}")
    for verb, count in sorted(market.transactions.items()):
        table.add_row(f"  {verb}", f"{count:,}")
    table.add_row("reverted", f"{market.reverted:,}")
    table.add_row("wallets liquidated", f"{len(market.liquidated):,}")
    for kind in DEMO_COUNTS:
        table.add_row(f"borrowers: {kind}", f"{len(market.of_kind(kind)):,}")
    table.add_row("pool", address_text(market.deployment.pool))
    table.add_row("seconds", f"{market.seconds:.1f}")
    return table


def simulated_table(market: SimulatedMarket) -> Table:
    """What was simulated, as a table for a terminal."""
    table = Table(title="The synthetic market")
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_row("Aave transactions", f"{market.aave_transactions:,}")
    for verb, count in market.transactions.items():
        table.add_row(f"  {verb}", f"{count:,}")
    table.add_row("reverted", f"{market.reverted:,}")
    table.add_row("wallets liquidated", f"{market.liquidated_wallets:,}")
    table.add_row("liquidated within 30 days, of those in debt", f"{market.liquidated_share_in_30_days:.1%}")
    table.add_row("wallets in debt at the end", f"{market.wallets_with_debt:,}")
    table.add_row("  of which have no collateral left", f"{market.wallets_with_bad_debt:,}")
    table.add_row("logs", f"{market.logs:,}")
    table.add_row("blocks", f"{market.blocks:,}")
    table.add_row("Aave transactions per second", f"{market.transactions_per_second:,.0f}")
    return table


def latest_genesis(days: int = DEMO_DAYS) -> int:
    """The `--timestamp` for an anvil that is about to be started for `play`."""
    return genesis_timestamp(int(time.time()) - ENDS_BEFORE_NOW_S, days)


def _prices(source: PriceSource, file: Path | None) -> MarketPrices:
    if source is PriceSource.MODEL and file is not None:
        raise InvalidInput("--prices-file is for bootstrap and real prices; the model has none: say --prices bootstrap")
    return MarketPrices(source, None if file is None else read_daily_series(file))


def _artifacts(folder: Path | None) -> Artifacts:
    return Artifacts(folder if folder is not None else aave_artifacts_folder() / "contracts")


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("days"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
