"""`bonafides ingest gaps`, `dlq` and `audit`: what an operator asks about a chain that is read."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

dlq = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Logs that could not be read: list and replay them.",
    epilog="First: bonafides ingest dlq list, then replay --dry-run, then replay.",
)

MOST_SHOWN = 100
"""Facts that are missing or invented, of each."""
DeploymentOption = Annotated[
    str | None, typer.Option(help="Of this deployment or source of links alone, by its id in the registry.")
]
ReasonOption = Annotated[str | None, typer.Option(help="With these words in the reason.")]


def gaps(
    wait: Annotated[
        float, typer.Option(min=0, help="Look again for this many seconds, until nothing is missing.")
    ] = 0.0,
) -> None:
    """Show what of each deployment and source of links is missing up to the final block, and who reads it now.

    Uses the same variables as `run`. Ends with 1 while something is missing, so
    that a script can tell.

    Examples:

      bonafides ingest gaps

      bonafides ingest gaps --wait 3600 && echo complete
    """
    from bonafides.process import exit_with
    from rich.table import Table

    from bonafides_ingest.operator_runs import ChainGaps, find_gaps, open_world

    def table_of(chain_id: int, found: ChainGaps) -> Table:
        replicas = sorted({claim.token for entry in found.entries for claim in entry.being_read})
        final = "nothing is final yet" if found.final < 0 else f"final block {found.final:,}"
        table = Table(
            "deployment",
            "from block",
            "missing",
            "being read",
            title=f"chain {chain_id}, {final}, {len(replicas)} replicas reading old blocks",
        )
        for entry in found.entries:
            missing = ", ".join(f"{gap.first}–{gap.last}" for gap in entry.missing)
            claims = ", ".join(
                f"{claim.range.first}–{claim.range.last} by replica {replicas.index(claim.token) + 1}"
                for claim in entry.being_read
            )
            table.add_row(
                entry.id, str(entry.from_block), missing or ("none" if found.final >= 0 else "everything"), claims
            )
        return table

    def main() -> None:
        until = time.monotonic() + wait
        with open_world() as world:
            found = find_gaps(world)
            while found.is_missing and time.monotonic() < until and not world.stop.wait(1.0):
                found = find_gaps(world)
            _console().print(table_of(world.chain_id, found))
        if found.is_missing:
            raise typer.Exit(1)

    exit_with(main)


@dlq.command("list")
def list_letters(
    deployment: DeploymentOption = None,
    reason: ReasonOption = None,
    mended: Annotated[bool, typer.Option(help="Those that were mended, too.")] = False,
    topics: Annotated[bool, typer.Option(help="Count the records in the dead-letter topics of all services.")] = False,
) -> None:
    """Show the logs that could not be read. No wallet is shown: a block and a log index lead to it.

    The log itself is in the table ingest.dead_letter, with its transaction,
    topics and data. Uses the same variables as `run`.

    Examples:

      bonafides ingest dlq list

      bonafides ingest dlq list --deployment aave-v3-ethereum \\
          --reason "topics" --mended

      bonafides ingest dlq list --topics
    """
    from bonafides.process import exit_with
    from rich.table import Table

    from bonafides_ingest import operator_runs

    def main() -> None:
        console = _console()
        with operator_runs.open_world() as world:
            letters = operator_runs.list_letters(world, deployment, reason, with_mended=mended)
            table = Table(
                "deployment", "block", "log", "wallet", "decoder", "mended", "reason", title=f"chain {world.chain_id}"
            )
            for letter in letters:
                table.add_row(
                    letter.deployment,
                    str(letter.block_number),
                    str(letter.place.log_index),
                    "known" if letter.is_wallet_known else "unknown",
                    str(letter.decoder_version),
                    "yes" if letter.is_mended else "no",
                    letter.reason,
                )
            if letters:
                console.print(table, markup=False)
            else:
                console.print(f"no dead letters on chain {world.chain_id}", highlight=False)
            if topics:
                counted = Table("topic", "records", title="dead-letter topics, all chains and services, 30 days")
                for name, count in operator_runs.count_topic_letters(world).items():
                    counted.add_row(name, f"{count:,}")
                console.print(counted)

    exit_with(main)


@dlq.command("replay")
def replay_letters(
    deployment: DeploymentOption = None,
    reason: ReasonOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decode and count; send and change nothing.")] = False,
    checkpoint: Annotated[
        Path | None, typer.Option(help="File that keeps where it is, so that the same command goes on from there.")
    ] = None,
) -> None:
    """Read dead letters again with today's decoder, and send what they say.

    How a log is read follows from all logs of its deployment before it. So each
    deployment with letters is read again from its first block to the last letter,
    without sending: as long as its backfill took for those blocks (hours for the
    whole of Ethereum, seconds for a young deployment), on one processor, and with
    as many requests to the node. The service may go on meanwhile. Killed at any
    point it can be run again; what was mended stays mended, and with --checkpoint
    the reading goes on where it was.

    A letter that is not mended keeps its row, with today's reason. Ends with 1
    while a letter that was asked for is left.

    Examples:

      bonafides ingest dlq replay --dry-run

      bonafides ingest dlq replay --deployment aave-v3-ethereum \\
          --reason topics --checkpoint replay.json
    """
    from bonafides.process import StopAsked, exit_with

    from bonafides_ingest import progress
    from bonafides_ingest.dead_letters.replay import ReplayProgress
    from bonafides_ingest.operator_runs import ReplayAsked, open_world
    from bonafides_ingest.operator_runs import replay_letters as replay

    def main() -> None:
        with progress.bar("blocks") as bar, open_world() as world:
            tasks: dict[str, object] = {}

            def show(at: ReplayProgress) -> None:
                if at.deployment not in tasks:
                    tasks[at.deployment] = bar.add_task(at.deployment, total=at.blocks.last - at.blocks.first + 1)
                task = next(task for task in bar.tasks if task.description == at.deployment)
                bar.update(task.id, completed=min(at.at, at.blocks.last) - at.blocks.first + 1)

            try:
                report, others = replay(world, ReplayAsked(deployment, reason, dry_run, checkpoint), show)
            except StopAsked:
                bar.console.print("stopped; the same command mends what is left")
                raise typer.Exit(1) from None
            verb = "can be mended" if dry_run else "mended"
            bar.console.print(
                f"{report.mended} letters {verb}: {report.events} events, {report.points} market points; "
                f"{report.still_unreadable} still cannot be read; {report.unfinished} can be read and are not "
                f"mended; {report.unread} were not looked at (`dlq list` says why)",
                highlight=False,
                soft_wrap=True,
            )
            if others:
                names = ", ".join(sorted({letter.deployment for letter in others}))
                bar.console.print(
                    f"{len(others)} letters were left alone, of sources of account links or of no entry of the "
                    f"registry ({names}): enter a source under another id, and it is read from its first block",
                    highlight=False,
                    soft_wrap=True,
                )
            if report.still_unreadable or report.unfinished or report.unread or others:
                raise typer.Exit(1)

    exit_with(main)


def audit(
    first: Annotated[int, typer.Argument(metavar="FROM", min=0, help="First block.")],
    last: Annotated[int, typer.Argument(metavar="TO", min=0, help="Last block; at most the last final one counts.")],
    deployment: DeploymentOption = None,
    events: Annotated[
        bool, typer.Option("--events", help="Compare the events and market points in Kafka, too, by their ids.")
    ] = False,
) -> None:
    """Compare what was read with the chain's receipts: those of every block from FROM to TO are fetched.

    Whole windows are compared, so the range grows to their ends. A window that
    differs is named with its deployment, its blocks, both counts and, where that
    can be told, the logs that were not read. The receipts of a full block of
    Ethereum are about a megabyte. Ends with 1 when anything differs, or could not
    be compared because it was not read, or was before digests were kept.

    With --events the receipts are decoded, and what that gives is compared with
    wallet-events.v1 and market.v1. For that each deployment is read again from
    its first block, and both topics from their beginning: hours on Ethereum.

    Examples:

      bonafides ingest audit 20000000 20001000

      bonafides ingest audit 20000000 20000100 --events \\
          --deployment aave-v3-ethereum
    """
    from bonafides.events import BlockRange
    from bonafides.process import StopAsked, exit_with

    from bonafides_ingest import progress
    from bonafides_ingest.auditing.audit import AuditProgress
    from bonafides_ingest.operator_audit import audit_blocks
    from bonafides_ingest.operator_runs import open_world

    def main() -> None:
        with progress.bar("blocks") as bar, open_world() as world:
            task = bar.add_task("audit", total=None)

            def show(at: AuditProgress) -> None:
                bar.update(task, completed=at.done, total=at.total, description=f"block {at.at:,}")

            def show_events(what: str, at: int) -> None:
                bar.update(task, completed=None, total=None, description=f"{what} {at:,}")

            try:
                found = audit_blocks(world, BlockRange(first, last), deployment, show, show_events if events else None)
            except StopAsked:
                bar.console.print("stopped before the end: nothing is said")
                raise typer.Exit(1) from None
            lines = [mismatch.text() for mismatch in found.report.mismatches]
            for name, blocks in found.without_digest.items():
                parts = ", ".join(f"{part.first}–{part.last}" for part in blocks)
                lines.append(f"{name}, blocks {parts}: not read, or read before digests were kept: nothing to compare")
            report = found.report
            lines.append(
                f"blocks {found.blocks.first}–{found.blocks.last}: {report.windows} windows with {report.logs:,} logs "
                f"compared, {len(report.mismatches)} differ"
            )
            if found.events is not None:
                for what, facts in (("lacks", found.events.missing), ("has too much", found.events.invented)):
                    lines += [
                        f"the log {what}: {fact.kind} of {fact.deployment}, block {fact.block}, log {fact.log_index}"
                        for fact in facts[:MOST_SHOWN]
                    ]
                lines.append(
                    f"{found.events.compared:,} events and market points compared: "
                    f"{len(found.events.missing)} missing, {len(found.events.invented)} invented"
                )
            for line in lines:
                bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
            if not found.is_clean:
                raise typer.Exit(1)

    exit_with(main)


def _console() -> "Console":
    """As wide as the terminal; wide enough for whole lines where there is none."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 200)
