"""Random strategies, then greedy rounds around the best until nothing cheaper succeeds. Goes on where it stopped."""

import os
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bonafides.errors import InvalidInput
from pydantic import BaseModel, ConfigDict

from bonafides_lab.attack.moves import Strategy
from bonafides_lab.attack.outcomes import controls_of, outcomes_of_round
from bonafides_lab.attack.play import play_round
from bonafides_lab.attack.records import Record
from bonafides_lab.attack.report import Attempt, Control, CostPrices, OutcomeKind
from bonafides_lab.attack.scores import score_round
from bonafides_lab.attack.space import by_the_book, changed, random_strategy
from bonafides_lab.market.artifacts import Artifacts

PARENTS_PER_RECORD = 3
PATIENCE = 2
"""Greedy rounds without anything better after which the search ends."""
BETTER_BY = 0.02
"""A cheapest success counts as cheaper when it saves this share."""
_TRIES_PER_CHILD = 20

type Say = Callable[[str, int, int], None]
"""Called with the step's name, what is done, and what there is."""


class SearchSettings(BaseModel):
    """Everything that decides what is found. Written beside the rounds: others are not mixed with them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int
    budget_usd: float
    most_days: int
    points_wanted: int
    random_strategies: int
    children_per_round: int
    most_rounds: int
    prices: CostPrices
    model_id: str


class RoundResult(BaseModel):
    """One round as it is kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    strategies: tuple[Strategy, ...]
    attempts: tuple[Attempt, ...]
    controls: tuple[Control, ...]


@dataclass(frozen=True, slots=True)
class Searched:
    """All rounds, and why there are no more."""

    rounds: tuple[RoundResult, ...]
    stopped_because: str

    @property
    def attempts(self) -> list[Attempt]:
        return [attempt for one in self.rounds for attempt in one.attempts]

    @property
    def strategies_tried(self) -> int:
        return sum(len(one.strategies) for one in self.rounds)


def search(settings: SearchSettings, artifacts: Artifacts, model: Path, folder: Path, say: Say) -> Searched:
    """Play rounds until the search ends; rounds that the folder holds are not played again.

    Raises:
        InvalidInput: the folder holds rounds of other settings.
    """
    _claim(folder, settings)
    rounds: list[RoundResult] = []
    stale = 0
    for number in range(settings.most_rounds + 1):
        strategies = _first(settings) if number == 0 else _greedy(settings, rounds)
        if not strategies:
            return Searched(tuple(rounds), "every neighbour of the best strategies was tried")
        before = _mark(settings, rounds)
        rounds.append(_round(settings, artifacts, model, folder, number, strategies, rounds, say))
        say("rounds of search", number + 1, settings.most_rounds + 1)
        stale = 0 if number == 0 or _is_better(_mark(settings, rounds), before) else stale + 1
        if stale == PATIENCE:
            return Searched(tuple(rounds), f"{PATIENCE} greedy rounds found nothing better")
    return Searched(tuple(rounds), f"the budget of {settings.most_rounds} greedy rounds was used up")


def succeeded(attempt: Attempt, settings: SearchSettings) -> bool:
    """Whether it gained enough within the budget, whatever its kind."""
    return attempt.gain >= settings.points_wanted and attempt.usd <= settings.budget_usd


def _claim(folder: Path, settings: SearchSettings) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "settings.json"
    text = settings.model_dump_json(indent=1) + "\n"
    if path.exists() and path.read_text("utf-8") != text:
        raise InvalidInput(
            f"{folder.name} holds rounds of another model, seed or budget: name an empty folder, or remove them"
        )
    path.write_text(text, "utf-8")


def _round(
    settings: SearchSettings,
    artifacts: Artifacts,
    model: Path,
    folder: Path,
    number: int,
    strategies: Sequence[Strategy],
    rounds: Sequence[RoundResult],
    say: Say,
) -> RoundResult:
    kept = folder / f"round-{number}.json"
    if kept.exists():
        return RoundResult.model_validate_json(kept.read_bytes())
    work = folder / f"round-{number}"
    shutil.rmtree(work, ignore_errors=True)  # of a round that was interrupted
    logs = work / "logs"
    title = f"round {number}: {len(strategies)} attackers, days"
    played = play_round(
        artifacts,
        logs,
        strategies,
        seed=settings.seed,
        most_days=settings.most_days,
        progress=lambda done, of: say(title, done, of),
    )
    scores = score_round(logs, work, model, played.cut_off)
    first = sum(len(one.strategies) for one in rounds)
    result = RoundResult(
        number=number,
        strategies=tuple(strategies),
        attempts=tuple(outcomes_of_round(played, scores, settings.prices, round_number=number, first_number=first)),
        controls=tuple(controls_of(played, scores)),
    )
    unfinished = kept.with_suffix(".tmp")
    unfinished.write_text(result.model_dump_json() + "\n", "utf-8")
    os.replace(unfinished, kept)
    shutil.rmtree(work)  # megabytes of logs, which the same settings make again
    return result


def _first(settings: SearchSettings) -> list[Strategy]:
    rng = random.Random(f"attack/{settings.seed}/random")  # noqa: S311  repeatable, not secret
    books = [strategy for record in Record for strategy in by_the_book(record, settings.most_days)]
    found = [strategy for strategy in books if strategy.does_something]
    seen = set(found)
    records = list(Record)
    wanted = len(found) + settings.random_strategies
    while len(found) < wanted:
        strategy = random_strategy(rng.choice(records), settings.most_days, rng)
        if strategy not in seen and strategy.does_something:
            seen.add(strategy)
            found.append(strategy)
    return found


def _greedy(settings: SearchSettings, rounds: Sequence[RoundResult]) -> list[Strategy]:
    """Neighbours of the best strategies of each record that have not been tried."""
    rng = random.Random(f"attack/{settings.seed}/greedy/{len(rounds)}")  # noqa: S311
    strategies = [strategy for one in rounds for strategy in one.strategies]
    empty = [attempt for one in rounds for attempt in one.attempts if attempt.kind is OutcomeKind.EMPTY]
    parents: list[Attempt] = []
    for record in Record:
        of_record = [attempt for attempt in empty if attempt.record == record.value]
        parents += sorted(of_record, key=lambda attempt: _rank(attempt, settings))[:PARENTS_PER_RECORD]
    seen, children = set(strategies), list[Strategy]()
    for _ in range(_TRIES_PER_CHILD * settings.children_per_round):
        if len(children) == settings.children_per_round or not parents:
            break
        parent = rng.choice(parents)
        child = changed(strategies[parent.strategy], settings.most_days, rng, has_succeeded=succeeded(parent, settings))
        if child not in seen and child.does_something:
            seen.add(child)
            children.append(child)
    return children


def _rank(attempt: Attempt, settings: SearchSettings) -> tuple[int, float, int]:
    """Successes first, cheapest first; then what gained most."""
    if succeeded(attempt, settings):
        return 0, attempt.usd, attempt.days
    return 1, -attempt.gain, attempt.days


type _Mark = dict[Record, tuple[float, int]]
"""Per record: the cheapest success so far (infinite without one), and the largest empty gain."""


def _mark(settings: SearchSettings, rounds: Sequence[RoundResult]) -> _Mark:
    marks: _Mark = {}
    for record in Record:
        empty = [
            attempt
            for one in rounds
            for attempt in one.attempts
            if attempt.kind is OutcomeKind.EMPTY and attempt.record == record.value
        ]
        cheapest = min((one.usd for one in empty if succeeded(one, settings)), default=float("inf"))
        marks[record] = (cheapest, max((attempt.gain for attempt in empty), default=-1_000))
    return marks


def _is_better(now: _Mark, before: _Mark) -> bool:
    """Whether the cheapest success of all became cheaper or, while there is none, any record's gain larger."""
    cheapest_now = min(usd for usd, _ in now.values())
    cheapest_before = min(usd for usd, _ in before.values())
    if cheapest_now < float("inf"):
        return cheapest_now < cheapest_before * (1 - BETTER_BY)
    return any(now[record][1] > before[record][1] for record in Record)
