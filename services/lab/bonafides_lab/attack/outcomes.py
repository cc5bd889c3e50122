"""What a strategy achieved and cost: the wallet that would be shown, its position beside the twin's. Pure."""

from collections.abc import Mapping, Sequence

from bonafides.errors import InvariantViolation
from bonafides.types import Address

from bonafides_lab.attack.gas import gas_usd
from bonafides_lab.attack.play import Held, Played, RoundPlayed
from bonafides_lab.attack.records import RECORDS
from bonafides_lab.attack.report import Attempt, Control, CostParts, CostPrices, OutcomeKind
from bonafides_lab.attack.scores import Score

SAME_WITHIN = 0.005
"""Of the twin's collateral: the wallets together may hold or owe this much more or less, and still count as equal."""
LEVERAGE_WITHIN = 0.01
"""Relative: how much less leveraged the wallet shown may be, and still count as equal."""
DAYS_PER_YEAR = 365


def outcomes_of_round(
    played: RoundPlayed,
    scores: Mapping[Address, Score],
    prices: CostPrices,
    *,
    round_number: int,
    first_number: int,
) -> list[Attempt]:
    """Of each strategy and kind the best wallet that was scored; a strategy none of whose wallets was has none.

    Raises:
        InvariantViolation: a twin has no score, so that there is nothing to compare with.
    """
    found = []
    for place, one in enumerate(played.played):
        twin = played.twins[one.strategy.record]
        control = scores.get(twin.held.wallet)
        if control is None:
            raise InvariantViolation(f"the untouched twin of the record {one.strategy.record} was not scored")
        best: dict[OutcomeKind, tuple[Score, int]] = {}
        for number, held in enumerate(one.held):
            score = scores.get(held.wallet)
            if score is None:
                continue
            kind = kind_of(held, one.held, twin.held)
            if kind not in best or score.points > best[kind][0].points:
                best[kind] = (score, number)
        for kind, (score, number) in best.items():
            cost = cost_of(one, prices)
            found.append(
                Attempt(
                    strategy=first_number + place,
                    round=round_number,
                    record=one.strategy.record.value,
                    family=one.strategy.family,
                    kind=kind,
                    actions=one.strategy.words,
                    score=score.points,
                    control_score=control.points,
                    gain=score.points - control.points,
                    pd_bps=score.pd_bps,
                    control_pd_bps=control.pd_bps,
                    usd=cost.total,
                    cost=cost,
                    days=one.strategy.days,
                    transactions=one.transactions,
                    cash_usd=one.cash_usd,
                    is_linked_gain=number != 0,
                )
            )
    return found


def kind_of(shown: Held, wallets: Sequence[Held], twin: Held) -> OutcomeKind:
    """How the position compares with the twin's, all wallets together and the one that is shown."""
    slack = SAME_WITHIN * twin.collateral_usd
    collateral = sum(held.collateral_usd for held in wallets)
    debt = sum(held.debt_usd for held in wallets)
    if abs(collateral - twin.collateral_usd) > slack or abs(debt - twin.debt_usd) > slack:
        return OutcomeKind.CHANGED
    if leverage(shown) < leverage(twin) * (1 - LEVERAGE_WITHIN):
        return OutcomeKind.PARKED
    return OutcomeKind.EMPTY


def leverage(held: Held) -> float:
    """Debt over collateral; 0 without debt beyond dust."""
    if held.debt_usd < 1:
        return 0.0
    return held.debt_usd / held.collateral_usd if held.collateral_usd > 0 else float("inf")


def cost_of(one: Played, prices: CostPrices) -> CostParts:
    """Dollars: to the tenth of a cent, so that the file reads."""
    yearly = prices.capital_bps_per_year / 10_000
    return CostParts(
        interest=round(one.interest_usd, 3) + 0.0,  # no minus before a zero
        gas=round(gas_usd(one.gas, prices.gas_gwei, prices.ether_usd), 3),
        capital=round(one.locked_usd_days * yearly / DAYS_PER_YEAR, 3),
    )


def controls_of(played: RoundPlayed, scores: Mapping[Address, Score]) -> list[Control]:
    """The twins as they stand at the as-of block."""
    return [
        Control(
            record=record.value,
            words=RECORDS[record].words,
            score=scores[twin.held.wallet].points,
            pd_bps=scores[twin.held.wallet].pd_bps,
            collateral_usd=round(twin.held.collateral_usd, 2),
            debt_usd=round(twin.held.debt_usd, 2),
            health_factor=None if twin.health_factor is None else round(twin.health_factor, 4),
        )
        for record, twin in played.twins.items()
        if twin.held.wallet in scores
    ]
