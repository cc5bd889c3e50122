"""Training as an operator would do it, command by command: simulate a market, decode its logs, train, evaluate."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bonafides.errors import Unavailable

from bonafides_lab.demo.lender_environment import checkout_root

SHIPPED_MODEL = Path("services/scoring/bonafides_scoring/models/synthetic-2")


def train_synthetic_model(folder: Path, *, borrowers: int, days: int, seed: int, out: Path | None) -> None:
    """Make a model of a synthetic market. Steps whose files stand in `folder` already are not done again.

    The same arguments give the same model, byte for byte. Raises Unavailable naming the step that failed.
    """
    market = folder / f"market-{borrowers}-{days}-{seed}"
    logs, decoded = market / "logs", market / "decoded"
    if not (logs / "deployments.yaml").exists():  # the last file that the simulation writes
        size = ["--borrowers", str(borrowers), "--days", str(days), "--seed", str(seed)]
        _run(["lab", "simulate", *size, "--out", str(logs)])
    if not (decoded / "blocks.parquet").exists():
        _run(["ingest", "decode", str(logs), "--deployments", str(logs / "deployments.yaml"), "--out", str(decoded)])
    target = out or checkout_root() / SHIPPED_MODEL
    source = (
        f"A synthetic market of {borrowers:,} made-up borrowers over {days} days on real Aave V3 bytecode, seed {seed}"
    )
    arguments = ["--events", str(decoded), "--out", str(target), "--work", str(market / "work"), "--source", source]
    _run(["scoring", "train", *arguments, "--replace"])


def _run(arguments: Sequence[str]) -> None:
    command = [sys.executable, "-c", "from bonafides.command_line import main; main()", *arguments]
    if subprocess.run(command, check=False).returncode:  # noqa: S603 - our own command, on this terminal
        raise Unavailable(f"bonafides {' '.join(arguments[:2])} did not finish; its own words stand above")
