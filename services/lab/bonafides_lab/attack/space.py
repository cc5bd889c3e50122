"""The strategies that are tried: one by the book for each family, random ones, and changes of those that did well."""

import random
from collections.abc import Iterator
from dataclasses import replace

from bonafides_lab.attack.moves import ALL_BPS, HELD, HONEST, NEEDS_DEBT, OF_ALL, Home, Move, Strategy, Trick
from bonafides_lab.attack.records import Record

MOST_MOVES = 3
MOST_WALLETS = 4
MOST_TIMES = 20
"""Of one trick: each day counts once, and the search adds a second move where more would help."""
_TRICKS = tuple(trick for trick in Trick if trick not in HONEST)
_SHARES_BPS = (5, 100, 250, 500, 1_000, 2_000, 5_000)
_SEEDS_BPS = (0, 0, 200, 1_000, 3_000)
_HOLDS = (1, 2, 4, 8, 15)


def by_the_book(record: Record, most_days: int) -> Iterator[Strategy]:
    """Each family once, played as well as it plainly can be: so that none is missed by chance."""
    for trick in Trick:
        yield fitted(Strategy(record, most_days, (_plain(trick, most_days),)))
    soon, late = most_days // 3, max(0, most_days - 2)
    care = Move(Trick.WASH, 0, min(MOST_TIMES, most_days - 1), 1, 0, 250, in_reverse=True)
    yield Strategy(record, most_days, (), Home.HIDE, move_day=0)
    yield Strategy(record, 2, (), Home.HIDE, move_day=0)
    yield Strategy(record, most_days, (care,), Home.HIDE, move_day=late, seed_bps=1_000)
    yield Strategy(record, most_days, (), Home.SPLIT, wallets=2, move_day=0)
    yield Strategy(record, most_days, (care,), Home.SPLIT, wallets=3, move_day=soon)
    yield Strategy(record, 2, (), Home.SPLIT, wallets=2, move_day=0)


def _plain(trick: Trick, most_days: int) -> Move:
    hold = {Trick.HELD_WASH: 2, Trick.REPAY_AND_REOPEN: 1}.get(trick, 0)
    every = 8 if trick is Trick.REPAY_AND_REOPEN else max(1, hold + 1)  # a loan counts after a week
    times = 1 if trick in HONEST else max(1, min(MOST_TIMES, (most_days - hold) // every))
    share = {Trick.DUST: 5, Trick.PAY_DOWN: 5_000, Trick.ADD_COLLATERAL: 5_000}.get(trick, 500)
    return Move(trick, 0, times, every, hold, share, in_reverse=trick is Trick.WASH)


def random_strategy(record: Record, most_days: int, rng: random.Random) -> Strategy:
    """Anything of the action set, the honest acts aside: what they do needs no search."""
    days = rng.randint(2, most_days)
    moves = tuple(_random_move(days, rng) for _ in range(rng.randint(1, MOST_MOVES)))
    home = rng.choices((Home.STAY, Home.HIDE, Home.SPLIT), (0.6, 0.25, 0.15))[0]
    return fitted(
        Strategy(
            record,
            days,
            moves,
            home,
            wallets=rng.randint(2, MOST_WALLETS) if home is Home.SPLIT else 1,
            move_day=0 if home is Home.STAY else rng.randrange(days),
            seed_bps=rng.choice(_SEEDS_BPS) if home is Home.HIDE else 0,
        )
    )


def _random_move(days: int, rng: random.Random) -> Move:
    trick = rng.choice(_TRICKS)
    return Move(
        trick,
        first_day=rng.randrange(days),
        times=rng.randint(1, MOST_TIMES),
        every_days=rng.choice((1, 1, 2, 3, 5, 8)),
        hold_days=rng.choice(_HOLDS) if trick in HELD and rng.random() < 0.7 else 0,
        share_bps=rng.choice(_SHARES_BPS),
        in_reverse=rng.random() < 0.5,
        by_companion=rng.random() < 0.25,
    )


def changed(strategy: Strategy, most_days: int, rng: random.Random, *, has_succeeded: bool) -> Strategy:
    """A neighbour: cheaper when the strategy succeeds (less, smaller, shorter), else anything near it."""
    steps = [_drop_move, _fewer_times, _smaller_share, _shorter_hold, _shorter_campaign, _no_detour]
    if not has_succeeded:
        steps += [_add_move, _redraw_move, _longer_campaign, _more_times, _other_home, _add_move, _redraw_move]
    step = rng.choice(steps)
    return fitted(step(strategy, most_days, rng))


def fitted(strategy: Strategy) -> Strategy:
    """The same strategy without what cannot happen: acts at or after the as-of block, holds of tricks without one,
    repayments of a debt that is not there, and days before the first act."""
    last = strategy.days - 1
    move_day = min(strategy.move_day, last)
    owes = strategy.record is not Record.DEBT_FREE
    moves = [_fitted_move(move, last) for move in strategy.moves if owes or move.trick not in NEEDS_DEBT]
    starts = [move.first_day for move in moves]
    if strategy.home is not Home.STAY:
        starts.append(0 if strategy.seed_bps else move_day)
    unused = min(starts, default=0)
    return replace(
        strategy,
        days=strategy.days - unused,
        moves=tuple(replace(move, first_day=move.first_day - unused) for move in moves),
        move_day=move_day - unused if strategy.home is not Home.STAY else 0,
    )


def _fitted_move(move: Move, last: int) -> Move:
    hold = min(move.hold_days, last) if move.trick in HELD else 0
    # The next time begins after the one before it has ended.
    every = max(1, move.every_days, hold + 1)
    first = min(move.first_day, last - hold)
    times = 1 if move.trick in HONEST else max(1, min(move.times, MOST_TIMES, (last - hold - first) // every + 1))
    share = ALL_BPS if move.trick in OF_ALL else max(1, move.share_bps)
    return replace(
        move, first_day=first, times=times, every_days=every if times > 1 else 1, hold_days=hold, share_bps=share
    )


def _drop_move(strategy: Strategy, most_days: int, rng: random.Random) -> Strategy:
    if not strategy.moves:
        return _shorter_campaign(strategy, most_days, rng)
    place = rng.randrange(len(strategy.moves))
    return replace(strategy, moves=strategy.moves[:place] + strategy.moves[place + 1 :])


def _one(strategy: Strategy, rng: random.Random) -> tuple[int, Move] | None:
    if not strategy.moves:
        return None
    place = rng.randrange(len(strategy.moves))
    return place, strategy.moves[place]


def _put(strategy: Strategy, place: int, move: Move) -> Strategy:
    return replace(strategy, moves=(*strategy.moves[:place], move, *strategy.moves[place + 1 :]))


def _fewer_times(strategy: Strategy, most_days: int, rng: random.Random) -> Strategy:
    chosen = _one(strategy, rng)
    if chosen is None:
        return _shorter_campaign(strategy, most_days, rng)
    place, move = chosen
    return _put(
        strategy, place, replace(move, times=max(1, move.times - rng.choice((1, 1, 2, max(1, move.times // 2)))))
    )


def _more_times(strategy: Strategy, most_days: int, rng: random.Random) -> Strategy:
    chosen = _one(strategy, rng)
    if chosen is None:
        return _add_move(strategy, most_days, rng)
    place, move = chosen
    return _put(strategy, place, replace(move, times=2 * move.times))


def _smaller_share(strategy: Strategy, most_days: int, rng: random.Random) -> Strategy:
    chosen = _one(strategy, rng)
    if chosen is None:
        return _shorter_campaign(strategy, most_days, rng)
    place, move = chosen
    return _put(strategy, place, replace(move, share_bps=max(1, move.share_bps // 2)))


def _shorter_hold(strategy: Strategy, most_days: int, rng: random.Random) -> Strategy:
    chosen = _one(strategy, rng)
    if chosen is None:
        return _shorter_campaign(strategy, most_days, rng)
    place, move = chosen
    return _put(strategy, place, replace(move, hold_days=move.hold_days // 2, every_days=max(1, move.every_days - 1)))


def _shorter_campaign(strategy: Strategy, most_days: int, rng: random.Random) -> Strategy:
    del most_days
    days = max(1, strategy.days - rng.choice((1, 2, 5, max(1, strategy.days // 3))))
    return replace(strategy, days=days, move_day=strategy.move_day * days // strategy.days)


def _longer_campaign(strategy: Strategy, most_days: int, rng: random.Random) -> Strategy:
    return replace(strategy, days=min(most_days, strategy.days + rng.choice((5, 10, 30))))


def _no_detour(strategy: Strategy, most_days: int, rng: random.Random) -> Strategy:
    if strategy.seed_bps and rng.random() < 0.5:
        return replace(strategy, seed_bps=strategy.seed_bps // 2)
    if strategy.home is Home.SPLIT and strategy.wallets > 2:
        return replace(strategy, wallets=strategy.wallets - 1)
    if strategy.home is not Home.STAY and rng.random() < 0.5:
        return replace(strategy, home=Home.STAY, wallets=1, move_day=0, seed_bps=0)
    return _shorter_campaign(strategy, most_days, rng)


def _add_move(strategy: Strategy, most_days: int, rng: random.Random) -> Strategy:
    del most_days
    return replace(strategy, moves=(*strategy.moves, _random_move(strategy.days, rng))[-MOST_MOVES - 1 :])


def _redraw_move(strategy: Strategy, most_days: int, rng: random.Random) -> Strategy:
    chosen = _one(strategy, rng)
    if chosen is None:
        return _add_move(strategy, most_days, rng)
    return _put(strategy, chosen[0], _random_move(strategy.days, rng))


def _other_home(strategy: Strategy, most_days: int, rng: random.Random) -> Strategy:
    drawn = random_strategy(strategy.record, most_days, rng)
    return replace(
        strategy,
        home=drawn.home,
        wallets=drawn.wallets,
        move_day=min(drawn.move_day, strategy.days - 1),
        seed_bps=drawn.seed_bps,
    )
