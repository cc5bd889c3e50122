"""Plays the demo's market on anvil: a simulated year of about fifty borrowers that ends now."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bonafides.errors import InvalidInput
from bonafides.types import Address

from bonafides_lab.market.actions import Verb
from bonafides_lab.market.anvil_chain import AnvilChain, anvil_under_control
from bonafides_lab.market.artifacts import Artifacts
from bonafides_lab.market.deployment import Deployment, deploy_market
from bonafides_lab.market.habits import Kind
from bonafides_lab.market.people import MarketWallet, demo_borrowers, wallets_of_market
from bonafides_lab.market.prices import Crash, PriceModel, price_path
from bonafides_lab.market.run import DAY_S, MarketRun
from bonafides_lab.market.tally import Tally

DEMO_SEED = 7
DEMO_DAYS = 365
SETUP_S = 3_600
"""The contracts are deployed this long before the first day."""
DEMO_PRICES = PriceModel(
    daily_drift=0.0,
    crashes_per_year=1.0,
    rebound=0.8,
    # Three falls that each liquidate somebody, whatever the seed draws around them.
    scheduled=(Crash(0.3, 0.28), Crash(0.6, 0.32), Crash(0.86, 0.3)),
)

type Progress = Callable[[int, int], None]
"""Called with the days done and the days in all."""


@dataclass(frozen=True, slots=True)
class PlayedMarket:
    """What was played, and where everything is."""

    seed: int
    deployment: Deployment
    wallets: tuple[MarketWallet, ...]
    transactions: Mapping[Verb, int]
    """Aave's own transactions that succeeded, by kind."""
    reverted: int
    set_up_transactions: int
    """Mints, approvals and price updates."""
    liquidated: Mapping[Address, int]
    """Liquidations per wallet."""
    end_timestamp: int
    seconds: float
    """Wall-clock time it took."""

    @property
    def aave_transactions(self) -> int:
        return sum(self.transactions.values())

    @property
    def liquidations(self) -> int:
        return sum(self.liquidated.values())

    def of_kind(self, kind: Kind) -> list[MarketWallet]:
        """The borrowers of one kind."""
        return [wallet for wallet in self.wallets if wallet.kind == kind.value]


def genesis_timestamp(end_timestamp: int, days: int = DEMO_DAYS) -> int:
    """The latest `--timestamp` to start anvil with, so that a market of `days` days fits before `end_timestamp`."""
    return end_timestamp - days * DAY_S - SETUP_S - 1


def play(
    rpc_url: str,
    artifacts: Artifacts,
    *,
    end_timestamp: int,
    seed: int = DEMO_SEED,
    days: int = DEMO_DAYS,
    progress: Progress | None = None,
) -> PlayedMarket:
    """Deploy Aave V3 on an anvil and play the market, ending with a block exactly at `end_timestamp`.

    Afterwards anvil mines by itself again; switch it to 1 s blocks with `evm_setIntervalMining`.

    Raises:
        InvalidInput: no anvil, no development chain, or a chain that is already past the market's start.
        Unavailable: nobody answers at `rpc_url`.
    """
    started = time.monotonic()
    with anvil_under_control(rpc_url) as chain:
        start = _check_room(chain, end_timestamp, days)
        path = price_path(seed, days, DEMO_PRICES)
        borrowers = demo_borrowers(seed, days)
        deployment = deploy_market(
            chain, artifacts, seed=seed, start_timestamp=start - SETUP_S, start_prices=path.days[0]
        )
        run = MarketRun(chain, deployment, borrowers, path, seed=seed, start_timestamp=start)
        run.open_market()
        for day in range(days):
            run.play_day(day)
            if progress is not None:
                progress(day + 1, days)
        run.close_market(end_timestamp)
    return _summary(run.tally, seed, deployment, wallets_of_market(seed, borrowers), end_timestamp, started)


def _check_room(chain: AnvilChain, end_timestamp: int, days: int) -> int:
    """When day 0 begins, Unix seconds."""
    if days < 1:
        raise InvalidInput(f"a market lasts at least one day, asked for {days}")
    start, latest = end_timestamp - days * DAY_S, chain.latest_timestamp()
    if latest >= start - SETUP_S:
        raise InvalidInput(
            f"the chain is at {latest}, and a market of {days} days that ends at {end_timestamp} must be deployed at "
            f"{start - SETUP_S}; start anvil with --timestamp {genesis_timestamp(end_timestamp, days)} or earlier"
        )
    return start


def _summary(
    tally: Tally,
    seed: int,
    deployment: Deployment,
    wallets: list[MarketWallet],
    end_timestamp: int,
    started: float,
) -> PlayedMarket:
    return PlayedMarket(
        seed=seed,
        deployment=deployment,
        wallets=tuple(wallets),
        transactions=dict(tally.succeeded),
        reverted=sum(tally.reverted.values()),
        set_up_transactions=tally.set_up,
        liquidated=dict(tally.liquidated),
        end_timestamp=end_timestamp,
        seconds=time.monotonic() - started,
    )
