"""ethereum-etl's log export, in an environment of its own: its pins (web3 5, eth-abi 2) need Python 3.10.

It asks for every block with its transactions, then for the receipt of each transaction, and writes their logs as CSV:
https://ethereum-etl.readthedocs.io/en/latest/commands/#export_receipts_and_logs
"""

import csv
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bonafides.errors import MissingTool, Unavailable

NAME = "ethereum-etl"
ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements" / "ethereum-etl.lock"
ENVIRONMENT = ROOT / ".venv-ethereum-etl"
PYTHON = (3, 10)
"""parsimonious 0.8, which its eth-abi wants, needs `inspect.getargspec`, which 3.11 took away."""
BATCH_SIZE = 100
WORKERS = 2
"""As many as the machine has cores; its own default of 5 was slower here."""

type EtlLog = tuple[int, int, str, str, tuple[str, ...]]
"""Block, log index, address, data, topics."""


def ensure_ethereum_etl() -> Path:
    """The command `ethereumetl`, its environment built when the lock changed. Raises MissingTool with the reason."""
    command = ENVIRONMENT / "bin" / "ethereumetl"
    stamp, wanted = ENVIRONMENT / ".lock-stamp", hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        _run([str(_find_python()), "-m", "venv", "--clear", str(ENVIRONMENT)])
        install = [str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        _run([*install, "--no-deps", "--require-hashes", "-r", str(LOCK)])  # the lock is whole
        _run([str(command), "--version"])
        stamp.write_text(wanted)
    return command


def locked_version() -> str:
    """The version that the lock names."""
    for line in LOCK.read_text("utf-8").splitlines():
        if line.startswith(f"{NAME}=="):
            return line.removeprefix(f"{NAME}==").split()[0]
    raise MissingTool(f"{LOCK.name} does not name {NAME}")


def export_logs(command: Path, node_url: str, first: int, last: int, folder: Path) -> Path:
    """Export the logs of a range as its documentation says; returns the CSV file. Raises Unavailable when it fails."""
    transactions, hashes, logs = folder / "transactions.csv", folder / "hashes.txt", folder / "logs.csv"
    node = ["-p", node_url, "-b", str(BATCH_SIZE), "-w", str(WORKERS)]
    steps: tuple[list[str | Path], ...] = (
        [
            "export_blocks_and_transactions",
            "-s",
            str(first),
            "-e",
            str(last),
            *node,
            "--transactions-output",
            transactions,
        ],
        ["extract_csv_column", "-i", transactions, "-c", "hash", "-o", hashes],
        ["export_receipts_and_logs", "-t", hashes, *node, "--logs-output", logs],
    )
    for step in steps:
        done = subprocess.run(
            [command, *step], capture_output=True, text=True, check=False, env=os.environ | {"PYTHONWARNINGS": "ignore"}
        )
        if done.returncode:
            raise Unavailable(f"{NAME} {step[0]} failed: {done.stderr.strip()[-1_000:]}")
    return logs


def read_exported(logs: Path) -> Iterator[EtlLog]:
    """What it wrote."""
    with logs.open(newline="") as file:
        for row in csv.DictReader(file):
            topics = tuple(row["topics"].split(",")) if row["topics"] else ()
            yield (int(row["block_number"]), int(row["log_index"]), row["address"], row["data"], topics)


def _find_python() -> Path:
    """A Python of the version, run before it is believed: one on PATH may be a shim for a version it cannot run."""
    name = f"python{PYTHON[0]}.{PYTHON[1]}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    uv = Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share")) / "uv" / "python"
    on_path = shutil.which(name)
    candidates = [Path(on_path)] if on_path else []
    candidates += [*pyenv.glob(f"versions/{PYTHON[0]}.{PYTHON[1]}.*/bin/{name}"), *uv.glob(f"*/bin/{name}")]
    candidates += [Path("/usr/local/bin") / name, *Path("/opt").glob(f"*/bin/{name}")]
    for candidate in candidates:
        check = f"import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != {PYTHON})"
        if (
            candidate.exists()
            and not subprocess.run([candidate, "-c", check], capture_output=True, check=False).returncode
        ):
            return candidate
    raise MissingTool(f"{NAME} needs Python {PYTHON[0]}.{PYTHON[1]} with the venv module, and none was found")


def _run(argv: list[str]) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MissingTool(f"{NAME}: {Path(argv[0]).name} {' '.join(argv[1:4])} failed: {done.stderr.strip()[-1_000:]}")


if __name__ == "__main__":
    sys.stdout.write(f"{ensure_ethereum_etl()}\n")
