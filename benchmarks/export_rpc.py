"""export_rpc.*: `bonafides ingest export` beside ethereum-etl's log export: both as commands, on one node and range.

ours         the logs of the market's contracts by `eth_getLogs`, each block's header ─► Parquet
ethereum-etl each block with its transactions, the receipt of each ─► all their logs as CSV
"""

import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bonafides.errors import InvariantViolation, MissingTool, Unavailable
from bonafides.json_rpc import JsonRpc, quantity
from bonafides.types import address_text
from bonafides_ingest.sources.parquet import open_log_folder

from benchmarks import ethereum_etl
from benchmarks.backfill_rpc import QUIET, recorded_nodes
from benchmarks.harness import FEWEST_RUNS, Baseline, Better, Result, interleaved, median_ratio
from benchmarks.simulator import CHAIN

BLOCKS = 10_000
"""The chain's last so many."""


def measure(runs: int = FEWEST_RUNS, say: Callable[[str], None] = print) -> list[Result]:
    """The result, or nothing but a word of why where ethereum-etl's environment cannot be built.

    Raises InvariantViolation when the two wrote different logs.
    """
    try:
        command = ethereum_etl.ensure_ethereum_etl()
    except MissingTool as exc:
        say(f"SKIPPED export_rpc.vs_ethereum_etl: {exc}")
        return []
    with TemporaryDirectory(prefix="bonafides-bench-") as raw, recorded_nodes(QUIET, Path(raw)) as nodes:
        folder = Path(raw)
        rpc = JsonRpc(nodes.bare_url, 30.0)
        last = quantity(rpc.call("eth_blockNumber"))
        rpc.close()
        first = last - BLOCKS + 1
        addresses = sorted(nodes.contracts)

        def ours(number: int) -> None:
            out = folder / f"ours-{number}"
            named = [part for address in addresses for part in ("--address", address)]
            blocks = ["--from-block", str(first), "--to-block", str(last)]
            _export([*blocks, *named, "--out", str(out)], nodes.bare_url)

        def theirs(number: int) -> None:
            out = folder / f"theirs-{number}"
            out.mkdir()
            ethereum_etl.export_logs(command, nodes.bare_url, first, last, out)

        sides: dict[str, Callable[[int], None]] = {"ours": ours, "theirs": theirs}
        for side in sides.values():  # not timed: the first start of a command compiles its modules
            side(-1)
        logs = _check(folder / "ours--1", folder / "theirs--1" / "logs.csv")
        seconds = interleaved(sides, range(runs))
    speed = {name: statistics.median(logs / taken for taken in seconds[name]) for name in sides}
    note = (
        f"{logs:,} logs of the last {BLOCKS:,} blocks of {nodes.chain}, both as commands from start to end; ours: "
        f"{speed['ours']:,.0f} logs/s into Parquet with every block's header; ethereum-etl: "
        f"{ethereum_etl.WORKERS} workers, batches of {ethereum_etl.BATCH_SIZE}, every transaction's receipt into CSV; "
        "the logs were compared"
    )
    baseline = Baseline(ethereum_etl.NAME, ethereum_etl.locked_version(), speed["theirs"])
    ratio = median_ratio(seconds["theirs"], seconds["ours"])
    return [Result("export_rpc.vs_ethereum_etl", ratio, "ratio", Better.HIGHER, runs, note, baseline)]


def _check(ours: Path, theirs: Path) -> int:
    """How many logs both have."""
    mine = {
        (
            log.position.block.number,
            log.position.log_index,
            address_text(log.address),
            "0x" + log.payload.hex(),
            tuple("0x" + topic.hex() for topic in log.topics),
        )
        for stretch in open_log_folder(ours).read_logs()
        for log in stretch
    }
    other = set(ethereum_etl.read_exported(theirs))
    if mine != other or not mine:
        raise InvariantViolation(
            f"{len(mine - other)} logs only we have and {len(other - mine)} only {ethereum_etl.NAME}"
        )
    return len(mine)


def _export(arguments: Sequence[str], node_url: str) -> None:
    values = {
        "environment": "development",
        "chain_id": str(CHAIN),
        "rpc_url": node_url,
        "database_url": "postgresql://nobody@127.0.0.1/none",  # asked for by the settings, not by an export
        "kafka_bootstrap": "127.0.0.1:1",
    }
    settings = {f"BONAFIDES_INGEST_{name}".upper(): value for name, value in values.items()}
    command = [sys.executable, "-c", "from bonafides.command_line import main; main()", "ingest", "export", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | settings)
    if done.returncode:
        raise Unavailable(f"bonafides ingest export failed: {done.stderr.strip()[-1_000:]}")
