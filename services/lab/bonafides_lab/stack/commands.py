"""`bonafides lab stack`: install the tools of the local stack, say what it would run with, run it."""

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

# What the extra `lab` brings is imported inside the commands, so that `bonafides --help` works without it.

app = typer.Typer(
    no_args_is_help=True,
    help="A broker, a database and a chain as real local processes.",
    epilog="First: bonafides lab stack doctor, then tools, then up.",
)
_console = Console(highlight=False)


@app.command()
def up(
    folder: Path | None = typer.Option(
        None,
        help="Keep data and logs here, and find them again next time. Default: a temporary folder.",
        show_default=False,
    ),
    kafka: bool = typer.Option(True, help="Start a Kafka broker."),
    postgres: bool = typer.Option(True, help="Start a PostgreSQL."),
    chain: bool = typer.Option(True, help="Start a chain."),
) -> None:
    """Start the stack, print its addresses and what to run with them, and stay until Ctrl-C.

    The variables BONAFIDES_LAB_* make a second stack, or a test run, use this
    one.

    Example:

      bonafides lab stack up --folder .stack
    """
    from bonafides_lab.stack.machine import ADDRESS_VARIABLES
    from bonafides_lab.stack.resolver import local_stack

    def on_ready(part: str, detail: str) -> None:
        _console.print(f"[green]ready[/] {part}: {detail}")

    # Also when started in the background, where a shell makes us deaf to Ctrl-C.
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.default_int_handler)
    with _folder_or_temporary(folder) as data_folder:
        try:
            with local_stack(data_folder, kafka=kafka, postgres=postgres, chain=chain, on_ready=on_ready) as stack:
                for part, server in stack.servers.items():
                    _console.print(f"export {ADDRESS_VARIABLES[part]}='{server.address}'", soft_wrap=True, markup=False)
                _console.print(f"data and logs: {data_folder}; Ctrl-C stops the stack", soft_wrap=True)
                while True:
                    time.sleep(3600)
        except KeyboardInterrupt:
            _console.print("stopped")


@app.command()
def tools() -> None:
    """Install what the stack runs with: node tools by npm, Apache Kafka's jars by Maven. Run again, it does nothing.

    Kafka's jars need Java 17 and Maven; without them the packaged broker is used,
    and this says so.

    Example:

      bonafides lab stack tools
    """
    from bonafides.errors import Unavailable

    from bonafides_lab.stack.kafka_jars import ensure_kafka_jars, find_java, find_maven, kafka_jars_are_cached
    from bonafides_lab.stack.node_tools import ensure_node_tools

    with _progress() as progress:
        task = progress.add_task("node tools: anvil, forge, cast, solc, Aave V3, OpenZeppelin (npm)", total=1)
        node = ensure_node_tools()
        progress.update(
            task, completed=1, description=f"node tools are installed (Node {node.version} from {node.origin})"
        )
        task = progress.add_task("Apache Kafka (Maven)", total=1)
        if find_java() is None or not (kafka_jars_are_cached() or find_maven()):
            note = (
                "[yellow]Apache Kafka is SKIPPED: it needs java >= 17 and mvn on PATH; the packaged broker is used[/]"
            )
        else:
            try:
                ensure_kafka_jars()
                note = "Apache Kafka's jars are installed, and each is the one in kafka_jars.sha256"
            except Unavailable as exc:
                note = f"[yellow]Apache Kafka is SKIPPED, the packaged broker is used:[/] {escape(str(exc))}"
        progress.update(task, completed=1, description=note)


@app.command()
def doctor() -> None:
    """Say what the stack would run with on this machine and why, and how to get what is missing.

    Starts nothing. Exit code 1 when a part has nothing to run with.

    Example:

      bonafides lab stack doctor
    """
    from bonafides_lab.stack.kafka_jars import OLDEST_JAVA
    from bonafides_lab.stack.machine import Part, Runner, choose, look_at_machine
    from bonafides_lab.stack.node_tools import node_tools_are_installed

    machine = look_at_machine(os.environ)
    choices = [choose(part, machine, os.environ) for part in Part]
    chosen = Table(
        "part", "would run", "why not better, what to get", title="The stack on this machine", title_justify="left"
    )
    for choice in choices:
        color = {Runner.NOBODY: "red", Runner.PACKAGED: "yellow"}.get(choice.runner, "green")
        chosen.add_row(choice.part, f"[{color}]{choice.product}[/]", choice.note)
    _console.print(chosen)
    found = Table("tool", "found", title="Tools")
    found.add_row("docker engine", machine.docker_problem or "answers")
    found.add_row(f"java >= {OLDEST_JAVA}", str(machine.java.major) if machine.java else "no")
    found.add_row("mvn", "yes" if machine.has_maven else "no")
    found.add_row("Kafka's jars", "fetched" if machine.has_kafka_jars else "not yet: bonafides lab stack tools")
    found.add_row("packaged broker", machine.packaged_broker_problem or "yes")
    found.add_row("postgres", f"{machine.postgres.version} ({machine.postgres.origin})" if machine.postgres else "no")
    found.add_row("node >= 18 with npm", f"{machine.node.version} from {machine.node.origin}" if machine.node else "no")
    found.add_row("node tools", "installed" if node_tools_are_installed() else "not yet: bonafides lab stack tools")
    _console.print(found)
    if any(choice.runner is Runner.NOBODY for choice in choices):
        raise typer.Exit(1)


def _progress() -> Progress:
    return Progress(
        SpinnerColumn(finished_text="✓"), TextColumn("{task.description}"), TimeElapsedColumn(), console=_console
    )


@contextmanager
def _folder_or_temporary(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield folder.resolve()
        return
    # PostgreSQL's files may belong to another user: root may remove them all the same.
    with tempfile.TemporaryDirectory(prefix="bonafides-stack-", ignore_cleanup_errors=True) as temporary:
        os.chmod(temporary, 0o711)  # noqa: S103 - PostgreSQL's own user must pass through it
        yield Path(temporary)
