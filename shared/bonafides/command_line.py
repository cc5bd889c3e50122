"""`bonafides`: one command for the whole system.

Subcommands are found by the entry points `bonafides.commands`, so that the base install stays small and `--help` shows
everything all the same. An entry point is a Typer app, or a function that is the command itself. The modules they live
in import what an extra brings only inside their functions; a missing one says which extra to install.
"""

import sys
from collections.abc import Sequence
from importlib.metadata import entry_points

import typer
from rich.console import Console

from bonafides import __version__
from bonafides.errors import BonafidesError, InvalidInput

SUMMARIES = {
    "ingest": "Read wallet histories from an EVM chain into Kafka.",
    "scoring": "Turn wallet histories into credit scores with exact explanations.",
    "attestation": "Sign scores and publish their hashes on-chain.",
    "verify": "Check a score document, with nothing of ours running.",
    "lab": "Try, train and test without the outside world: local stack, synthetic market, demo.",
    "operate": "Migrate databases and create topics.",
}
_EXTRAS = {"ingest": "ingest", "scoring": "scoring", "attestation": "attestation", "lab": "lab", "operate": "service"}


def _print_version(asked: bool) -> None:
    if asked:
        Console().print(f"bonafides {__version__}", highlight=False)
        raise typer.Exit


def _root(
    version: bool = typer.Option(False, "--version", help="Print the version.", callback=_print_version, is_eager=True),
) -> None:
    """Credit scores for DeFi wallets that a lender can verify instead of trust."""


def _not_asked() -> None:
    """Stands in the list of commands for one that this run does not need."""


def build_app(arguments: Sequence[str]) -> typer.Typer:
    """The command with its subcommands. Only the one that the arguments name is imported; the rest is listed."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        epilog="First: bonafides lab demo, which plays the whole story on this machine. Each command explains itself: "
        "bonafides COMMAND --help",
    )
    app.callback()(_root)
    found = {entry.name: entry for entry in entry_points(group="bonafides.commands")}
    asked = next((word for word in arguments if not word.startswith("-")), None)
    for name, summary in SUMMARIES.items():
        if name not in found:
            continue
        entry = found[name].load() if name == asked else _not_asked
        if entry is _not_asked:
            app.command(name, help=summary)(entry)
        elif isinstance(entry, typer.Typer):
            app.add_typer(entry, name=name, help=summary, no_args_is_help=True)
        else:
            app.command(name, no_args_is_help=True)(entry)
    return app


def main() -> None:
    """Entry point of the `bonafides` command: errors raised on purpose show their text, never a stack trace."""
    console = Console(stderr=True, highlight=False)
    try:
        build_app(sys.argv[1:])()
    except BonafidesError as exc:
        console.print(f"[bold red]{type(exc).__name__}[/]", end=": ")
        console.print(str(exc), markup=False)
        sys.exit(2 if isinstance(exc, InvalidInput) else 1)
    except ModuleNotFoundError as exc:
        if (exc.name or "bonafides").startswith("bonafides"):
            raise
        extra = next((_EXTRAS[word] for word in sys.argv[1:] if word in _EXTRAS), "service")
        console.print(f"this command needs the module {exc.name}, which is not installed.", markup=False)
        console.print(f"Install it with: pip install 'bonafides[{extra}]'", markup=False)
        sys.exit(2)
