"""From a strategy to what is done on which day: levels to bring balances to, relative to the twin's. Pure.

    level 10,000 of debt = the twin owes this much on that day          SUPPLY likewise, of his collateral

A twin who owes nothing has a reference debt instead, a share of his collateral, so that a wash has a size.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from bonafides_lab.attack.moves import ALL_BPS, Home, Move, Strategy, Trick


class OpKind(StrEnum):
    """What is brought to a level, or done in one go."""

    DEBT = "debt"
    SUPPLY = "supply"
    ONE_TRANSACTION = "one_transaction"
    FLASH_LOAN = "flash_loan"
    RESTORE_SUPPLY = "restore_supply"
    """To the level, unless it is there within a hair."""
    RESTORE_DEBT = "restore_debt"


@dataclass(frozen=True, slots=True)
class Op:
    """One step of one wallet."""

    kind: OpKind
    wallet: int
    """Place among the attacker's wallets; 0 has the record."""
    level_bps: int
    by_companion: bool = False


@dataclass(slots=True)
class _Levels:
    """Where one wallet's balances belong."""

    debt: int
    supply: int


def wallets_needed(strategy: Strategy) -> int:
    """How many wallets hold a position at some time, the companion that only pays not counted."""
    match strategy.home:
        case Home.STAY:
            return 1
        case Home.HIDE:
            return 2
        case Home.SPLIT:
            return strategy.wallets
        case _:
            assert_never(strategy.home)


def has_companion(strategy: Strategy) -> bool:
    """Whether a second wallet pays for anything."""
    return any(move.by_companion for move in strategy.moves)


def plan_campaign(strategy: Strategy, *, twin_owes: bool) -> Mapping[int, tuple[Op, ...]]:
    """The steps of each day of the campaign; days without any are absent. In a day they stand in order."""
    return _Planner(strategy, twin_owes).plan()


class _Planner:
    def __init__(self, strategy: Strategy, twin_owes: bool) -> None:
        self._strategy = strategy
        self._whole = _Levels(ALL_BPS if twin_owes else 0, ALL_BPS)
        self._homes = [_Levels(0, 0) for _ in range(wallets_needed(strategy))]
        self._homes[0] = _Levels(self._whole.debt, self._whole.supply)
        self._dust: dict[int, int] = defaultdict(int)

    def plan(self) -> Mapping[int, tuple[Op, ...]]:
        strategy = self._strategy
        last = strategy.days - 1
        steps: dict[int, list[Op]] = {}
        backs: dict[int, list[tuple[Move, int]]] = defaultdict(list)
        for day in range(strategy.days):
            ops = list(self._arrive(day))
            for move, wallet in backs.pop(day, []):
                ops.append(self._back(move, wallet))
            for move in strategy.moves:
                if not _begins(move, day):
                    continue
                wallet = self._actor(day)
                ops += self._forth(move, wallet)
                if move.hold_days:
                    backs[day + move.hold_days].append((move, wallet))
            if day == last:
                for wallet, home in enumerate(self._homes):
                    ops.append(Op(OpKind.RESTORE_SUPPLY, wallet, home.supply))
                    ops.append(Op(OpKind.RESTORE_DEBT, wallet, home.debt))
            if ops:
                steps[day] = ops
        return {day: tuple(ops) for day, ops in steps.items()}

    def _actor(self, day: int) -> int:
        """Tricks are played on the wallet that will be shown, once it has something to play with."""
        strategy = self._strategy
        has_moved = day >= strategy.move_day or (strategy.home is Home.HIDE and strategy.seed_bps > 0)
        return 1 if strategy.home is not Home.STAY and has_moved else 0

    def _arrive(self, day: int) -> Iterator[Op]:
        """What the position's move asks for on this day."""
        strategy, whole = self._strategy, self._whole
        if strategy.home is Home.HIDE:
            if day == 0 and strategy.seed_bps and strategy.move_day > 0:
                yield from self._settle(1, strategy.seed_bps)
            if day == strategy.move_day:
                yield from self._leave(0)
                yield from self._settle(1, ALL_BPS)
        elif strategy.home is Home.SPLIT and day == strategy.move_day:
            part = ALL_BPS // strategy.wallets
            self._homes[0] = _Levels(whole.debt * part // ALL_BPS, whole.supply * part // ALL_BPS)
            yield Op(OpKind.DEBT, 0, self._homes[0].debt)
            yield Op(OpKind.SUPPLY, 0, self._homes[0].supply)
            for wallet in range(1, strategy.wallets):
                yield from self._settle(wallet, part)

    def _settle(self, wallet: int, share_bps: int) -> Iterator[Op]:
        home = _Levels(self._whole.debt * share_bps // ALL_BPS, self._whole.supply * share_bps // ALL_BPS)
        self._homes[wallet] = home
        yield Op(OpKind.SUPPLY, wallet, home.supply)
        yield Op(OpKind.DEBT, wallet, home.debt)

    def _leave(self, wallet: int) -> Iterator[Op]:
        self._homes[wallet] = _Levels(0, 0)
        yield Op(OpKind.DEBT, wallet, 0)
        yield Op(OpKind.SUPPLY, wallet, 0)

    def _forth(self, move: Move, wallet: int) -> list[Op]:
        home, paid = self._homes[wallet], move.by_companion
        # Who owes nothing washes a debt of the size that his collateral would carry.
        size = (home.debt or home.supply) * move.share_bps // ALL_BPS
        goes_down = move.in_reverse and home.debt > 0
        match move.trick:
            case Trick.WASH | Trick.HELD_WASH:
                away = Op(OpKind.DEBT, wallet, home.debt - size if goes_down else home.debt + size, goes_down and paid)
            case Trick.REPAY_AND_REOPEN:
                away = Op(OpKind.DEBT, wallet, 0 if home.debt else home.supply, paid and home.debt > 0)
            case Trick.TOP_UP:
                size = home.supply * move.share_bps // ALL_BPS
                level = home.supply - size if move.in_reverse else home.supply + size
                away = Op(OpKind.SUPPLY, wallet, level, paid and not move.in_reverse)
            case Trick.DUST:
                self._dust[wallet] += home.debt * move.share_bps // ALL_BPS
                return [Op(OpKind.DEBT, wallet, max(0, home.debt - self._dust[wallet]), paid)] if home.debt else []
            case Trick.ONE_TRANSACTION:
                return [Op(OpKind.ONE_TRANSACTION, wallet, size)]
            case Trick.FLASH_LOAN:
                return [Op(OpKind.FLASH_LOAN, wallet, home.debt)] if home.debt else []
            case Trick.PAY_DOWN:
                home.debt -= home.debt * move.share_bps // ALL_BPS
                return [Op(OpKind.DEBT, wallet, home.debt, paid)]
            case Trick.ADD_COLLATERAL:
                home.supply += home.supply * move.share_bps // ALL_BPS
                return [Op(OpKind.SUPPLY, wallet, home.supply, paid)]
            case _:
                assert_never(move.trick)
        return [away] if move.hold_days else [away, self._back(move, wallet)]

    def _back(self, move: Move, wallet: int) -> Op:
        home, paid = self._homes[wallet], move.by_companion
        self._dust.pop(wallet, None)
        if move.trick is Trick.TOP_UP:
            return Op(OpKind.SUPPLY, wallet, home.supply, paid and move.in_reverse)
        return Op(OpKind.DEBT, wallet, home.debt, paid)


def _begins(move: Move, day: int) -> bool:
    since = day - move.first_day
    return since >= 0 and since % move.every_days == 0 and since // move.every_days < move.times
