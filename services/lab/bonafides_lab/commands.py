"""`bonafides lab`: try, train and test without the outside world."""

import subprocess
import sys
from pathlib import Path

import typer

from bonafides_lab.attack.commands import attack_command
from bonafides_lab.market.commands import play_command, simulate_command
from bonafides_lab.market.marginals.command import marginals_command
from bonafides_lab.stack.commands import app as stack_app

SHIPPED_MARKET_SEED = 20_261_206
"""The market of the shipped model. Chosen before anyone saw it, when grid, windows and challengers were settled: what
was tried was tried on another market (seed 7). What came out of it stands on the model card, whatever it is."""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    epilog="First: bonafides lab demo, which installs what it needs; with parts of your own choice: "
    "bonafides lab stack up.",
)
app.add_typer(stack_app, name="stack")
app.command("play")(play_command)
app.command("simulate")(simulate_command)
app.command("marginals")(marginals_command)
app.command("attack")(attack_command)


@app.command()
def demo(
    once: bool = typer.Option(False, "--once", help="End by itself after the story instead of staying up."),
    folder: Path | None = typer.Option(None, help="Data and logs; a temporary folder unless given."),
) -> None:
    """Play a lending market on real Aave V3, score everybody, attest on-chain, and verify as a lender would.

    Everything is real and local: Kafka, PostgreSQL, an EVM chain, six processes
    of ours. Nothing leaves this machine.

    Example:

      bonafides lab demo --once
    """
    from bonafides_lab.demo.story import run_demo

    run_demo(once=once, folder=folder)


@app.command()
def train(
    folder: Path = typer.Option(Path(".stack/training"), help="Where the market's logs and events are kept."),
    borrowers: int = typer.Option(2_500, min=1_000, help="People in the synthetic market."),
    days: int = typer.Option(2_700, min=365, help="Days it lasts."),
    seed: int = typer.Option(SHIPPED_MARKET_SEED, min=0, help="Names the market; the demo's is another."),
    out: Path | None = typer.Option(None, help="Folder of the bundle; the shipped one unless given."),
) -> None:
    """Train the synthetic model again: simulate a market, decode its logs, train, evaluate out of time.

    Each step keeps what it made in the folder and is skipped when it is there.

    Example:

      bonafides lab train --borrowers 3000 --out build/model
    """
    from bonafides_lab.training import train_synthetic_model

    train_synthetic_model(folder, borrowers=borrowers, days=days, seed=seed, out=out)


@app.command(
    # Options before forge's own command are ours, so that `lab forge --help` explains this one.
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "allow_interspersed_args": False},
)
def forge(context: typer.Context) -> None:
    """Run Foundry's forge on our contracts, with the pinned compiler; everything after `forge` is its own.

    Example:

      bonafides lab forge test -vv

    What forge itself can do: `bonafides lab forge help`.
    """
    from bonafides_lab.demo.lender_environment import checkout_root
    from bonafides_lab.stack.node_tools import ensure_node_tools, forge_program, tool_environment

    node = ensure_node_tools()
    done = subprocess.run(  # noqa: S603 - a program of the pinned node tools
        [str(forge_program()), *context.args],
        cwd=checkout_root() / "services" / "attestation" / "contracts",
        env=tool_environment(node),
        check=False,
    )
    sys.exit(done.returncode)
