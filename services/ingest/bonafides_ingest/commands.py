"""`bonafides ingest`: run the service, read its history from files, decode logs from files; what else it does stands in
`operator_commands` and `hydration`."""

from pathlib import Path
from typing import Annotated

import typer

from bonafides_ingest.hydration.commands import hydrate
from bonafides_ingest.operator_commands import audit, dlq, gaps

app = typer.Typer(
    add_completion=False,
    epilog="First: bonafides lab stack up, which starts a broker, a database and a chain and prints what to run then. "
    "With files alone: bonafides ingest decode.",
)
app.command()(hydrate)
app.command()(gaps)
app.command()(audit)
app.add_typer(dlq, name="dlq")

LogsFolder = Annotated[
    Path, typer.Argument(metavar="LOGS_DIR", help="Parquet logs (with block_hash) and blocks in the layout of cryo.")
]


@app.command()
def run() -> None:
    """Read one chain into Kafka until stopped.

    Settings come from variables that begin with BONAFIDES_INGEST_; .env.example
    in the repository lists all, with their defaults.

    Example:

      export BONAFIDES_INGEST_CHAIN_ID=31337
      export BONAFIDES_INGEST_RPC_URL=http://localhost:8545
      bonafides ingest run
    """
    from bonafides.process import exit_with

    from bonafides_ingest.__main__ import run as run_service

    exit_with(run_service)


@app.command()
def backfill(logs_folder: LogsFolder) -> None:
    """Read a chain's history from log files into Kafka, up to their last block, instead of from a node.

    Settings are those of `run`; a node (BONAFIDES_INGEST_RPC_URL) is not needed.
    Killed and started again it goes on where it was; `bonafides ingest run` with
    a node of the same chain goes on from its end.

    Examples:

      bonafides lab simulate --out market/
      BONAFIDES_INGEST_CHAIN_ID=31337 \\
      BONAFIDES_INGEST_DEPLOYMENTS_FILE=market/deployments.yaml \\
      bonafides ingest backfill market/

      export BONAFIDES_INGEST_CHAIN_ID=1
      export BONAFIDES_INGEST_RPC_URL=http://localhost:8545
      bonafides ingest export --out logs/
      bonafides ingest backfill logs/

    The files must begin where the registry does: the packaged one has sources
    of account links from block 0 on. Files of cryo do as well:
    `cryo logs blocks -b 0:17M --include-columns block_hash -o logs/`.
    """
    from bonafides.process import exit_with

    from bonafides_ingest import progress
    from bonafides_ingest.__main__ import run_backfill
    from bonafides_ingest.backfill import Progress

    # The bar first: log lines written from then on go above it.
    with progress.bar("logs") as bar:
        task = bar.add_task("backfill", total=None)

        def show(at: Progress) -> None:
            if bar.tasks[0].total is None:  # where it begins, so that what an earlier run read counts for no rate
                bar.reset(task, completed=at.logs, total=at.total)
            bar.update(task, completed=at.logs, description=f"block {at.block:,}")

        exit_with(lambda: run_backfill(logs_folder, show))


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="Folder for the files. What is complete there is not fetched again.")],
    from_block: Annotated[
        int | None, typer.Option(min=0, help="First block; where the first deployment begins unless given.")
    ] = None,
    to_block: Annotated[
        int | None, typer.Option(min=0, help="Last block; the newest finalized one unless given.")
    ] = None,
    address: Annotated[
        list[str] | None, typer.Option(help="All logs of this contract, instead of the registry's. May be repeated.")
    ] = None,
    chunk_blocks: Annotated[int, typer.Option(min=1, max=1_000_000, help="Blocks to a file.")] = 1_000,
) -> None:
    """Read a range of a chain from a node into log files in the layout of cryo, for a backfill without a node.

    Exports the logs of the registry's deployments, with every contract that they
    name on the way, or those of given addresses. Settings are those of `run`.
    Each file appears when it is complete; stopped and started again it goes on.

    Examples:

      export BONAFIDES_INGEST_CHAIN_ID=1
      export BONAFIDES_INGEST_RPC_URL=http://localhost:8545
      bonafides ingest export --out logs/

      bonafides ingest export --from-block 18000000 --to-block 18009999 \\
          --address 0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2 --out weth/
    """
    from bonafides.process import StopAsked, exit_with
    from bonafides.types import parse_address

    from bonafides_ingest import progress
    from bonafides_ingest.__main__ import run_export
    from bonafides_ingest.export import ExportAsked, ExportProgress

    with progress.bar("blocks") as bar:
        task = bar.add_task("export", total=None)

        def show(at: ExportProgress) -> None:
            what = "finding contracts" if at.done < at.wanted.first else f"block {at.done:,}"
            total, done = at.wanted.last - at.first_read + 1, at.done - at.first_read + 1
            bar.update(task, completed=done, total=total, description=what)

        def run() -> None:
            addresses = frozenset(parse_address(text) for text in address or ())
            try:
                logs = run_export(ExportAsked(out, from_block, to_block, addresses, chunk_blocks), show)
            except StopAsked:
                bar.console.print("stopped; the same command goes on from here")
                raise typer.Exit(1) from None
            bar.console.print(f"{logs:,} logs written to {out}", highlight=False, soft_wrap=True)

        exit_with(run)


@app.command()
def decode(
    logs_folder: LogsFolder,
    deployments: Annotated[Path, typer.Option(help="Registry of deployments (YAML).")],
    out: Annotated[Path, typer.Option(help="Folder for the files events, market, links and blocks (.parquet).")],
) -> None:
    """Decode log files as a backfill does: the same events, prices and owners, without a broker and a database.

    The files must begin where the registry does. Logs that cannot be read are
    counted, never guessed.

    Example:

      bonafides lab simulate --out market/
      bonafides ingest decode market/ --deployments market/deployments.yaml \\
          --out decoded/
    """
    from rich.console import Console

    from bonafides_ingest import progress
    from bonafides_ingest.file_decoding import decode_folder
    from bonafides_ingest.log_contents import check_folder
    from bonafides_ingest.registry import load_registry
    from bonafides_ingest.sources.parquet import open_log_folder

    console = Console(stderr=True)
    registry = load_registry(deployments)
    logs = open_log_folder(logs_folder)
    check_folder(logs, (*registry.of_chain(logs.chain_id), *registry.links_of_chain(logs.chain_id)))
    with progress.bar("logs") as bar:
        task = bar.add_task("decoding", total=logs.log_count)
        counts = decode_folder(logs, registry, out, lambda done: bar.update(task, completed=done))
    console.print(
        f"{counts.logs} logs → {counts.events} events, {counts.points} market points, {counts.blocks} blocks, "
        f"{counts.links} links",
        highlight=False,
    )
    for reason, count in counts.refused.most_common():
        console.print(f"refused {count}: {reason}", style="yellow", markup=False, highlight=False)
