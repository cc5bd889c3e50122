"""`bonafides ingest hydrate`: ask for the history of one wallet."""

from typing import Annotated

import typer


def hydrate(
    wallet: Annotated[str, typer.Argument(metavar="WALLET", help="Address of the wallet, 0x and 40 hex digits.")],
    wait: Annotated[bool, typer.Option("--wait", help="Show the progress until it is done.")] = False,
    patience: Annotated[
        float, typer.Option(min=1, help="With --wait: give up after so many seconds without a word.")
    ] = 120.0,
) -> None:
    """Ask a running `bonafides ingest run` for the history of one wallet, ahead of the scan.

    Only the chain and the broker are needed: BONAFIDES_INGEST_CHAIN_ID, and
    BONAFIDES_INGEST_KAFKA_BOOTSTRAP with its like, as for `run`. It ends with 1
    when nobody answers. The wallet's events and, behind them, what was seen of
    each deployment go to wallet-events.v1. What cannot be read wallet by wallet
    (Compound V2, Maker, owners of accounts) is a gap there.

    Examples:

      BONAFIDES_INGEST_CHAIN_ID=1 bonafides ingest hydrate \\
          0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045 --wait

      BONAFIDES_INGEST_CHAIN_ID=31337 \\
      BONAFIDES_INGEST_KAFKA_BOOTSTRAP=localhost:29092 \\
      bonafides ingest hydrate 0x70997970C51812dc3A010C7d01b50e0d17dc79C8
    """
    import time

    from bonafides.messages import HistoryProgress
    from bonafides.process import exit_with
    from bonafides.types import parse_address

    from bonafides_ingest import progress
    from bonafides_ingest.hydration.opening import ask_for_history
    from bonafides_ingest.settings import IngestSettings

    with progress.bar("blocks") as bar:
        task = bar.add_task("asking", total=None)

        def show(at: HistoryProgress) -> None:
            what = "done" if at.is_done else "reading" if at.complete_to else "finding contracts"
            bar.update(task, completed=at.complete_to, total=at.target, description=what)

        def run() -> None:
            settings = IngestSettings.load()
            asked = parse_address(wallet)
            done = ask_for_history(settings, asked, int(time.time()), patience if wait else None, show)
            if done is None:
                bar.console.print("asked for; --wait shows the progress")
            else:
                bar.console.print(f"read up to block {done.target:,} of chain {done.chain_id}", highlight=False)

        exit_with(run)
