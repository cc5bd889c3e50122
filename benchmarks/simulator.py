"""simulator.tx_per_s: a market of over a million logs, played and written as Parquet; the backfills read its files."""

import resource
from collections.abc import Iterator
from pathlib import Path

from bonafides.types import ChainId
from bonafides_ingest.chain import Log
from bonafides_ingest.sources.parquet import open_log_folder
from bonafides_lab.market.artifacts import AAVE_SOURCE, Artifacts
from bonafides_lab.market.simulate import DEPLOYMENTS_FILE, simulate
from bonafides_lab.stack.node_tools import aave_artifacts_folder
from rich.console import Console
from rich.progress import Progress

from benchmarks.harness import Better, Result

BORROWERS, DAYS, SEED = 12_000, 400, 7
"""Give 294,000 Aave transactions and 1.25 million logs."""
CHAIN = ChainId(31337)


def simulate_market(out: Path, result_id: str = "simulator.tx_per_s") -> Result:
    """Play the market into an empty folder, and say how fast that was under the id asked for."""
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("simulating the market", total=DAYS)
        market = simulate(
            Artifacts(aave_artifacts_folder() / "contracts"),
            out,
            borrowers=BORROWERS,
            days=DAYS,
            seed=SEED,
            chain_id=CHAIN,
            progress=lambda done, _: bar.update(task, completed=done),
        )
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    note = (
        f"{market.aave_transactions:,} Aave transactions that succeeded ({AAVE_SOURCE}), {market.reverted:,} reverted, "
        f"{market.set_up_transactions:,} of set-up not counted; {market.logs:,} logs written in {market.seconds:.0f} s "
        f"of wall clock, deployment and Parquet included; peak of this process {peak_mb:,.0f} MB"
    )
    return Result(result_id, market.transactions_per_second, "tx/s", Better.HIGHER, 1, note)


def registry_of(market: Path) -> Path:
    """The deployments registry beside a market's files."""
    return market / DEPLOYMENTS_FILE


def logs_with(market: Path, topics: frozenset[bytes], most: int) -> Iterator[Log]:
    """The first logs of a market with one of these signatures."""
    found = 0
    for stretch in open_log_folder(market).read_logs():
        for log in stretch:
            if log.topics[0] in topics:
                yield log
                found += 1
                if found == most:
                    return
