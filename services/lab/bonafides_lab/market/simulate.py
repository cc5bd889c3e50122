"""Plays a market of thousands in this process and writes its logs as files, for training and for ingest at scale."""

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bonafides.errors import InvalidInput
from bonafides.types import DEVELOPMENT_CHAINS, ChainId

from bonafides_lab.market.actions import Verb
from bonafides_lab.market.artifacts import AAVE_SOURCE, Artifacts
from bonafides_lab.market.conditions import ROUGH
from bonafides_lab.market.cryo_files import CryoFiles
from bonafides_lab.market.deployment import Deployment, deploy_market, deployments_yaml
from bonafides_lab.market.market_prices import MarketPrices
from bonafides_lab.market.people import mixed_borrowers
from bonafides_lab.market.pyrevm_chain import PyrevmChain
from bonafides_lab.market.run import DAY_S, MOST_ACTIONS_PER_BLOCK, MarketRun
from bonafides_lab.market.tally import Tally

DEFAULT_BORROWERS = 1_000
DEFAULT_DAYS = 540
"""Long enough for a year of history before the last cut-offs of an out-of-time test."""
DEFAULT_SEED = 2024
"""Not the demo's: its wallets are other people."""
SETUP_S = 3_600
START_TIMESTAMP = 1_672_531_200
"""2023-01-01 00:00 UTC. Fixed, so that a seed names a market to the byte."""
TRAINING_CHAIN = ChainId(31337)
TRAINING_PRICES = MarketPrices()

DEPLOYMENTS_FILE = "deployments.yaml"
SUMMARY_FILE = "simulation.json"


@dataclass(frozen=True, slots=True)
class SimulatedMarket:
    """What was played and written. It holds counts, and nothing about any one borrower's habits."""

    folder: Path
    deployment: Deployment
    seed: int
    borrowers: int
    days: int
    transactions: Mapping[Verb, int]
    """Aave's own transactions that succeeded, by kind."""
    reverted: int
    set_up_transactions: int
    liquidated_wallets: int
    liquidated_share_in_30_days: float
    """Of wallets with open debt at a 30th day, the share liquidated before the next."""
    wallets_with_debt: int
    """Wallets that owe something at the end."""
    wallets_with_bad_debt: int
    """Of these, those whose collateral is gone."""
    logs: int
    blocks: int
    seconds: float
    """Wall-clock time of playing and writing, the deployment included."""

    @property
    def aave_transactions(self) -> int:
        return sum(self.transactions.values())

    @property
    def transactions_per_second(self) -> float:
        """Aave transactions per second of the whole run."""
        return self.aave_transactions / self.seconds


def simulate(
    artifacts: Artifacts,
    out: Path,
    *,
    borrowers: int = DEFAULT_BORROWERS,
    days: int = DEFAULT_DAYS,
    seed: int = DEFAULT_SEED,
    chain_id: ChainId = TRAINING_CHAIN,
    actions_per_block: int = MOST_ACTIONS_PER_BLOCK,
    prices: MarketPrices = TRAINING_PRICES,
    progress: Callable[[int, int], None] | None = None,
) -> SimulatedMarket:
    """Play a market and write it into the folder `out`: Parquet in cryo's layout, the deployments registry beside it.

    `prices` are the calibrated model's unless given. The same arguments give the same files, byte for byte, with the
    same pyarrow. A block of borrowers holds about `actions_per_block` transactions, 1 gives each borrower's a block of
    their own. `progress` is called with the days done and the days in all. Until all is written it stands in a hidden
    folder beside `out`; a run that was ended leaves nothing that could be taken for a market.

    Raises:
        InvalidInput: a count below 1, a chain that is no development chain, or a folder that holds Parquet already.
    """
    if days < 1:
        raise InvalidInput(f"a market lasts at least one day, asked for {days}")
    if chain_id not in DEVELOPMENT_CHAINS:
        raise InvalidInput(f"a synthetic market lives on a development chain, asked for chain {chain_id}")
    started = time.monotonic()
    path = prices.path(seed, days)
    people = mixed_borrowers(seed, borrowers, days)
    CryoFiles(out, chain_id).prepare()  # refuses a folder in use before the work is done
    unfinished = out.with_name(f".{out.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was ended; a market begins anew
    files = CryoFiles(unfinished, chain_id)
    files.prepare()
    chain = PyrevmChain(chain_id, seed=seed, sink=files)
    deployment = deploy_market(
        chain, artifacts, seed=seed, start_timestamp=START_TIMESTAMP - SETUP_S, start_prices=path.days[0]
    )
    files.keep_logs_of(deployment.logging_contracts)
    run = MarketRun(
        chain,
        deployment,
        people,
        path,
        seed=seed,
        start_timestamp=START_TIMESTAMP,
        actions_per_block=actions_per_block,
        conditions=ROUGH,
    )
    run.open_market()
    for day in range(days):
        run.play_day(day)
        if progress is not None:
            progress(day + 1, days)
    run.close_market(START_TIMESTAMP + days * DAY_S)
    files.finish()
    market = _summary(run, files, out, deployment, seed, borrowers, days, time.monotonic() - started)
    _write_summary(market, prices, unfinished)
    (unfinished / DEPLOYMENTS_FILE).write_text(deployments_yaml(deployment), "utf-8")
    _publish(unfinished, out)
    return market


def _publish(unfinished: Path, out: Path) -> None:
    """Give the files their place, the registry last: where it stands, the market is whole."""
    for path in sorted(unfinished.iterdir(), key=lambda path: (path.name == DEPLOYMENTS_FILE, path.name)):
        path.replace(out / path.name)
    unfinished.rmdir()


def _summary(
    run: MarketRun,
    files: CryoFiles,
    out: Path,
    deployment: Deployment,
    seed: int,
    borrowers: int,
    days: int,
    seconds: float,
) -> SimulatedMarket:
    tally: Tally = run.tally
    return SimulatedMarket(
        folder=out,
        deployment=deployment,
        seed=seed,
        borrowers=borrowers,
        days=days,
        transactions=dict(sorted(tally.succeeded.items())),
        reverted=sum(tally.reverted.values()),
        set_up_transactions=tally.set_up,
        liquidated_wallets=len(tally.liquidated),
        liquidated_share_in_30_days=tally.liquidated_share_in_30_days,
        wallets_with_debt=len(run.book.indebted_wallets()),
        wallets_with_bad_debt=run.wallets_with_bad_debt(),
        logs=files.written_logs,
        blocks=files.written_blocks,
        seconds=seconds,
    )


def _write_summary(market: SimulatedMarket, prices: MarketPrices, folder: Path) -> None:
    """What was asked for, and counts; no time, so that a repetition writes the same bytes."""
    asked = {"source": prices.source.value}
    if prices.series is not None:
        asked["sha256"] = prices.series.sha256
    summary = {
        "source": AAVE_SOURCE,
        "chain_id": int(market.deployment.chain_id),
        "seed": market.seed,
        "borrowers": market.borrowers,
        "days": market.days,
        "prices": asked,
        "transactions": dict(market.transactions),
        "reverted": market.reverted,
        "liquidated_wallets": market.liquidated_wallets,
        "wallets_with_debt": market.wallets_with_debt,
        "wallets_with_bad_debt": market.wallets_with_bad_debt,
        "logs": market.logs,
        "blocks": market.blocks,
    }
    (folder / SUMMARY_FILE).write_text(json.dumps(summary, indent=1) + "\n", "utf-8")
