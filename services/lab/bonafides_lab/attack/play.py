"""Plays one round: all its attackers at once in one market, each beside the twin of his record.

```
 day 0 ───── base records, a crash, liquidations ───── 120 ─── campaigns, each ending with the last day ─── as-of block
```
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bonafides.types import Address

from bonafides_lab.attack.attacker import Amounts, Attacker, Turn, amounts_of
from bonafides_lab.attack.campaign import has_companion, plan_campaign, wallets_needed
from bonafides_lab.attack.moves import Strategy
from bonafides_lab.attack.records import HISTORY_DAYS, POSITION_USD, RECORDS, BaseAct, BaseVerb, Record
from bonafides_lab.attack.stage import MOST_PER_BLOCK, PURSE_USD, TRADED, Stage, Tx
from bonafides_lab.market import methods
from bonafides_lab.market.artifacts import Artifacts
from bonafides_lab.market.calldata import MAX_UINT256
from bonafides_lab.market.reserves import RESERVES, USDC, WETH
from bonafides_lab.market.wallets import wallet_of

type Progress = Callable[[int, int], None]
"""Called with the days done and the days in all."""


@dataclass(frozen=True, slots=True)
class Held:
    """What one wallet holds in the market at the as-of block, in dollars."""

    wallet: Address
    collateral_usd: float
    debt_usd: float


@dataclass(frozen=True, slots=True)
class Played:
    """What one strategy came to on the chain; its score is asked for later."""

    strategy: Strategy
    held: tuple[Held, ...]
    interest_usd: float
    gas: int
    locked_usd_days: float
    cash_usd: float
    transactions: int
    reverted: int


@dataclass(frozen=True, slots=True)
class TwinPlayed:
    """The untouched twin of a record."""

    held: Held
    health_factor: float | None


@dataclass(frozen=True, slots=True)
class RoundPlayed:
    """A round on the chain, and the cut-off that names its as-of block."""

    played: tuple[Played, ...]
    twins: Mapping[Record, TwinPlayed]
    cut_off: int
    liquidations: int


@dataclass(slots=True)
class _Purse:
    """Own money outside the market, against the day before the campaign."""

    start: list[int]
    since_day: int
    locked_usd: float = 0.0
    signed_usd: float = 0.0


class _Round:
    def __init__(self, stage: Stage, strategies: Sequence[Strategy], seed: int, most_days: int) -> None:
        self.stage = stage
        self.days = HISTORY_DAYS + most_days
        self.twins = {record: wallet_of(seed, f"twin/{record.value}") for record in Record}
        self.attackers = [_attacker(seed, number, strategy) for number, strategy in enumerate(strategies)]
        wallets = [*self.twins.values(), *(wallet for one in self.attackers for wallet in one.all_wallets)]
        self.given = stage.give_purses(wallets, PURSE_USD)
        self._purses: dict[int, _Purse] = {}
        self._tokens = [stage.deployment.reserves[place].token for place in TRADED]

    def play_day(self, day: int) -> None:
        self.stage.begin_day(day)
        for record, base in RECORDS.items():
            for act in base.acts:
                if act.day == day:
                    self._play_base(record, act)
        self._play_campaigns(day)

    def _play_base(self, record: Record, act: BaseAct) -> None:
        """The same for everyone of a record, by the twin's amount."""
        stage, twin = self.stage, self.twins[record]
        players = [twin, *(one.wallets[0] for one in self.attackers if one.strategy.record is record)]
        standing = stage.book.standing(twin, stage.quotes)
        usd = standing.liquidation_capacity_usd / act.health_factor if act.health_factor else 0.0
        pool, weth, usdc = stage.deployment.pool, *(stage.deployment.reserves[place].token for place in (WETH, USDC))
        rate = methods.VARIABLE_RATE
        txs = []
        for wallet in players:
            match act.verb:
                case BaseVerb.SUPPLY:
                    units = stage.quotes.base_units(WETH, POSITION_USD)
                    place, calldata = WETH, methods.SUPPLY(weth, units, wallet, 0)
                case BaseVerb.BORROW_TO:
                    units = stage.quotes.base_units(USDC, usd - standing.total_debt_usd)
                    place, calldata = USDC, methods.BORROW(usdc, units, rate, 0, wallet)
                case BaseVerb.REPAY_ALL:
                    place, calldata = USDC, methods.REPAY(usdc, MAX_UINT256, rate, wallet)
            txs.append(Tx(wallet, pool, calldata, ((wallet, place),)))
        stage.mine(txs)

    def _play_campaigns(self, day: int) -> None:
        stage = self.stage
        acting = [(one, one.plan.get(day - (self.days - one.strategy.days), ())) for one in self.attackers]
        acting = [(one, ops) for one, ops in acting if ops]
        together: list[tuple[Attacker, Turn]] = []
        sent: list[Tx] = []
        for one, ops in acting:
            purse = self._purses.get(one.number)
            if purse is None:
                purse = self._purses[one.number] = _Purse(self._idle(one), day)
            twin = amounts_of(stage, self.twins[one.strategy.record])
            turn = Turn(stage, one, twin, {wallet: amounts_of(stage, wallet) for wallet in one.wallets})
            for op in ops:
                turn.take(op)
            one.least_cash_usd = min(one.least_cash_usd, purse.signed_usd + turn.least_cash_usd)
            if sent and len(sent) + len(turn.txs) > MOST_PER_BLOCK:
                self._mine(together, sent)
                together, sent = [], []
            together.append((one, turn))
            sent += turn.txs
        if sent:
            self._mine(together, sent)
        for one, _ in acting:
            self._count_locked(one, day)

    def _mine(self, together: Sequence[tuple[Attacker, Turn]], txs: Sequence[Tx]) -> None:
        done = iter(self.stage.mine_together(txs))
        for one, turn in together:
            one.reverted += sum(not next(done) for _ in turn.txs)

    def _idle(self, one: Attacker) -> list[int]:
        """Tokens outside the market, all wallets together, per reserve of `TRADED`."""
        found = self.stage.token_balances(one.all_wallets, self._tokens)
        return [sum(found[place :: len(TRADED)]) for place in range(len(TRADED))]

    def _count_locked(self, one: Attacker, day: int) -> None:
        """Own money that is in the market from now on; borrowed money in hand earns the attacker nothing here."""
        purse = self._purses[one.number]
        one.locked_usd_days += purse.locked_usd * (day - purse.since_day)
        now = self._idle(one)
        purse.since_day = day
        purse.signed_usd = sum(
            (units - before) / 10 ** RESERVES[place].decimals * self.stage.price_usd(place)
            for units, before, place in zip(now, purse.start, TRADED, strict=True)
        )
        purse.locked_usd = max(0.0, -purse.signed_usd)

    def finish(self) -> RoundPlayed:
        """Close the market and read what everyone holds."""
        cut_off = self.stage.close(self.days)
        for one in self.attackers:
            if one.number in self._purses:
                self._count_locked(one, self.days)
        nets = {record: self._net_units([wallet]) for record, wallet in self.twins.items()}
        played = []
        for one in self.attackers:
            own = self._net_units(one.all_wallets)
            lost = [twin - mine for twin, mine in zip(nets[one.strategy.record], own, strict=True)]
            played.append(
                Played(
                    strategy=one.strategy,
                    held=tuple(self._held(wallet) for wallet in one.wallets),
                    interest_usd=sum(
                        units / 10 ** RESERVES[place].decimals * self.stage.price_usd(place)
                        for units, place in zip(lost, TRADED, strict=True)
                    ),
                    gas=one.gas,
                    locked_usd_days=one.locked_usd_days,
                    cash_usd=-one.least_cash_usd,
                    transactions=one.transactions,
                    reverted=one.reverted,
                )
            )
        twins = {record: TwinPlayed(self._held(wallet), self._health(wallet)) for record, wallet in self.twins.items()}
        return RoundPlayed(tuple(played), twins, cut_off, self.stage.liquidations)

    def _net_units(self, wallets: Sequence[Address]) -> list[int]:
        """What the wallets own, in the market and out of it, less what they owe and what they were given."""
        reserves = [self.stage.deployment.reserves[place] for place in TRADED]
        tokens = [
            token for reserve in reserves for token in (reserve.token, reserve.a_token, reserve.variable_debt_token)
        ]
        found = self.stage.token_balances(wallets, tokens)
        nets = []
        for place, given in enumerate(self.given):
            idle, supplied, owed = (sum(found[3 * place + part :: len(tokens)]) for part in range(3))
            nets.append(idle + supplied - owed - given * len(wallets))
        return nets

    def _held(self, wallet: Address) -> Held:
        amounts: Amounts = amounts_of(self.stage, wallet)
        return Held(
            wallet,
            amounts.supply / 10**18 * self.stage.price_usd(WETH),
            amounts.debt / 10**6 * self.stage.price_usd(USDC),
        )

    def _health(self, wallet: Address) -> float | None:
        standing = self.stage.book.standing(wallet, self.stage.quotes)
        return standing.health_factor if standing.total_debt_usd > 1 else None


def _attacker(seed: int, number: int, strategy: Strategy) -> Attacker:
    return Attacker(
        number=number,
        strategy=strategy,
        wallets=tuple(wallet_of(seed, f"attacker/{number}/{wallet}") for wallet in range(wallets_needed(strategy))),
        companion=wallet_of(seed, f"helper/{number}") if has_companion(strategy) else None,
        plan=plan_campaign(strategy, twin_owes=strategy.record is not Record.DEBT_FREE),
    )


def play_round(
    artifacts: Artifacts,
    logs: Path,
    strategies: Sequence[Strategy],
    *,
    seed: int,
    most_days: int,
    progress: Progress | None = None,
) -> RoundPlayed:
    """Play every strategy to the same as-of block, and leave the market's logs in the folder `logs`."""
    whole = HISTORY_DAYS + most_days
    one_round = _Round(Stage(artifacts, logs, seed=seed, days=whole), strategies, seed, most_days)
    for day in range(whole):
        one_round.play_day(day)
        if progress is not None:
            progress(day + 1, whole)
    return one_round.finish()
