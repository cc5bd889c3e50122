"""From all rounds of a search to the report. Pure."""

from collections.abc import Callable, Sequence

from bonafides_lab.attack.moves import HONEST
from bonafides_lab.attack.report import AttackReport, Attempt, FamilySummary, OutcomeKind, Trial
from bonafides_lab.attack.search import Searched, SearchSettings, succeeded

LIMITS = (
    "Synthetic: the wallets, the prices and the model's training data are made up; the contracts are Aave V3's own.",
    "A search finds what it tries. The number is an upper bound of the true cost: a cheaper way may exist.",
    "Wallets are not linked yet: a lender sees the one that is shown. The best of the attacker's wallets counts, and "
    "leaving a bad record behind on another wallet is an empty act here.",
    "Parked positions are not counted: the debt sits on another wallet of the attacker, and the wallet that is shown "
    "owes less or nothing. A score at the reference position is flagged as such.",
    "Gas, the price of ether and the yield of locked money are stated, not measured. On a rollup gas costs next to "
    "nothing: see the cheapest success without gas.",
    "Trades are not in the action set; losses from moves of prices are in no cost.",
)


def report_of(searched: Searched, settings: SearchSettings, model: str) -> AttackReport:
    """What the search found. The settled number is that of the cheapest empty success, or none."""
    attempts = searched.attempts
    winners = [attempt for attempt in attempts if succeeded(attempt, settings)]
    of_kind = {kind: [attempt for attempt in winners if attempt.kind is kind] for kind in OutcomeKind}
    empty = [attempt for attempt in attempts if attempt.kind is OutcomeKind.EMPTY]
    cheapest = {kind: _least(found, _price) for kind, found in of_kind.items()}
    best = cheapest[OutcomeKind.EMPTY]
    return AttackReport(
        model=model,
        model_id=settings.model_id,
        seed=settings.seed,
        budget_usd=settings.budget_usd,
        most_days=settings.most_days,
        points_wanted=settings.points_wanted,
        strategies_tried=searched.strategies_tried,
        rounds=len(searched.rounds),
        stopped_because=searched.stopped_because,
        successes={kind: len(found) for kind, found in of_kind.items()},
        usd_for_points=None if best is None else best.usd,
        days_for_points=None if best is None else best.days,
        cheapest=cheapest,
        quickest_empty=_least(of_kind[OutcomeKind.EMPTY], lambda attempt: (attempt.days, attempt.usd)),
        cheapest_empty_without_gas=_least(
            of_kind[OutcomeKind.EMPTY], lambda attempt: (attempt.usd - attempt.cost.gas, attempt.days)
        ),
        best_empty_gain=_least(empty, lambda attempt: (-attempt.gain, attempt.usd)),
        families=_families(empty, settings),
        controls=searched.rounds[0].controls if searched.rounds else (),
        prices=settings.prices,
        trials=tuple(Trial(**{name: getattr(attempt, name) for name in Trial.model_fields}) for attempt in attempts),
        conclusion=f"{_conclusion(best, empty, searched, settings, model)} {_parked(cheapest[OutcomeKind.PARKED])}",
        limits=LIMITS,
    )


def _price(attempt: Attempt) -> tuple[float, float]:
    return attempt.usd, attempt.days


def _least(attempts: Sequence[Attempt], key: Callable[[Attempt], tuple[float, float]]) -> Attempt | None:
    return min(attempts, key=key, default=None)


def _families(empty: Sequence[Attempt], settings: SearchSettings) -> tuple[FamilySummary, ...]:
    summaries = []
    honest = {trick.value for trick in HONEST}  # on a record without debt even these change nothing
    for family in dict.fromkeys(attempt.family for attempt in empty if attempt.family not in honest):
        own = [attempt for attempt in empty if attempt.family == family]
        best = min(own, key=lambda attempt: (-attempt.gain, attempt.usd))
        prices = [attempt.usd for attempt in own if succeeded(attempt, settings)]
        summaries.append(
            FamilySummary(
                family=family,
                tried=len(own),
                best_gain=best.gain,
                best_gain_usd=best.usd,
                cheapest_usd=min(prices, default=None),
            )
        )
    return tuple(sorted(summaries, key=lambda summary: -(summary.best_gain or 0)))


def _parked(parked: Attempt | None) -> str:
    """What it costs with the debt on another wallet of the attacker: said beside, since somebody owes it for real."""
    if parked is None:
        return "With the debt parked on another wallet: none found either."
    return (
        f"With the debt parked on another wallet, which owes it for real: +{parked.gain} points for "
        f"${parked.usd:,.2f} in {parked.days} day{'' if parked.days == 1 else 's'}."
    )


def _conclusion(
    best: Attempt | None, empty: Sequence[Attempt], searched: Searched, settings: SearchSettings, model: str
) -> str:
    tried = (
        f"{searched.strategies_tried:,} strategies (seed {settings.seed}), budget ${settings.budget_usd:,.0f}, "
        f"{settings.most_days} days"
    )
    if best is not None:
        return (
            f"{model}, synthetic: the cheapest way to +{settings.points_wanted} points by acts that change nothing "
            f"costs ${best.usd:,.2f} and takes {best.days} day{'' if best.days == 1 else 's'}, among {tried}."
        )
    most = min(empty, key=lambda attempt: (-attempt.gain, attempt.usd), default=None)
    beside = "" if most is None else f" The best gain was {most.gain} points for ${most.usd:,.2f}."
    return (
        f"{model}, synthetic: no acts that change nothing gained {settings.points_wanted} points: none found within "
        f"{tried}.{beside}"
    )
