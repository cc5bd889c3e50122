"""The result file `attack.json`: what was tried, what succeeded, what it cost. Other tools read it.

    {"format": "bonafides/manipulation-cost/1", "is_synthetic": true, "model": "synthetic-2",
     "model_id": "<64 hexadecimal digits>", "seed": 7,
     "budget_usd": 500.0, "most_days": 90, "points_wanted": 50,
     "strategies_tried": 420, "rounds": 5, "stopped_because": "…",
     "successes": {"empty": 3, "parked": 10, "changed": 4},
     "usd_for_points": 41.7 or null, "days_for_points": 12 or null,
     "cheapest": {"empty": Attempt or null, "parked": …, "changed": …}, "quickest_empty": Attempt or null,
     "cheapest_empty_without_gas": Attempt or null,
     "best_empty_gain": Attempt or null,
     "families": [{"family": "wash", "tried": 40, "best_gain": 12, "cheapest_usd": null}, …],
     "controls": [{"record": "liquidated", …, "score": 540}, …],
     "prices": {"gas_gwei": 2.0, "ether_usd": 3000.0, "capital_bps_per_year": 500},
     "trials": [{"round": 0, "record": …, "family": …, "kind": "empty", "gain": 3, "usd": 12.5, "days": 20}, …],
     "conclusion": "two sentences", "limits": ["…"]}

`usd_for_points` is null when nothing within the budget succeeded: then no number exists, and `conclusion` says what was
tried. It never counts a parked or a changed position.
"""

import os
from enum import StrEnum
from pathlib import Path

from bonafides.errors import InvalidInput
from pydantic import BaseModel, ConfigDict, ValidationError

FORMAT = "bonafides/manipulation-cost/1"
REPORT_FILE = "attack.json"


class OutcomeKind(StrEnum):
    """What an attacker's position is at the as-of block, beside that of the twin who did nothing."""

    EMPTY = "empty"
    """The same: the wallets together hold and owe what the twin does, and the wallet shown is as leveraged. Only such
    a gain is a manipulation of the score."""
    PARKED = "parked"
    """Together the same, but the wallet shown is less leveraged: the debt sits on another wallet, unlinked."""
    CHANGED = "changed"
    """Another position, such as a smaller debt: a real improvement while it lasts."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CostParts(_Frozen):
    """Dollars. Losses from moves of prices are in none: assets are counted in units against the twin's."""

    interest: float
    """Interest paid less earned, flash loans' premia and liquidators' bonuses, from the chain's own balances."""
    gas: float
    capital: float
    """What the own money that was locked would have earned elsewhere."""

    @property
    def total(self) -> float:
        """All of it; below 0 only when locked money earned more in the market than elsewhere."""
        return self.interest + self.gas + self.capital


class Attempt(_Frozen):
    """One strategy as it was played."""

    strategy: int
    """Number of the strategy, from 0, in the order tried."""
    round: int
    record: str
    family: str
    kind: OutcomeKind
    actions: tuple[str, ...]
    """What the attacker does, in words, in order."""
    score: int
    control_score: int
    gain: int
    """`score` less `control_score`."""
    pd_bps: int
    control_pd_bps: int
    usd: float
    cost: CostParts
    days: int
    """From the first act to the as-of block."""
    transactions: int
    cash_usd: float
    """Own money needed at the worst moment, if only for one block."""
    is_linked_gain: bool
    """Whether the score shown is that of another wallet than the one with the record."""


class Trial(_Frozen):
    """One point of the plot of cost against gain."""

    strategy: int
    round: int
    record: str
    family: str
    kind: OutcomeKind
    gain: int
    usd: float
    days: int


class FamilySummary(_Frozen):
    """The strategies of one family, empty outcomes alone: one trick, `mixed` ones, or what the position moves to."""

    family: str
    tried: int
    best_gain: int | None
    """None when none of them was scored with an empty outcome."""
    best_gain_usd: float | None
    cheapest_usd: float | None
    """Of those that gained enough within the budget."""


class Control(_Frozen):
    """The untouched twin of all attackers with one base record, at the as-of block."""

    record: str
    words: str
    score: int
    pd_bps: int
    collateral_usd: float
    debt_usd: float
    health_factor: float | None


class CostPrices(_Frozen):
    """What turns gas and locked money into dollars. Stated, not measured."""

    gas_gwei: float
    ether_usd: float
    capital_bps_per_year: int


class AttackReport(_Frozen):
    """Everything that the file holds."""

    format: str = FORMAT
    is_synthetic: bool = True
    model: str
    """Name in the model's manifest."""
    model_id: str
    """SHA-256 of the manifest, in hexadecimal: a name may be given again."""
    seed: int
    budget_usd: float
    most_days: int
    points_wanted: int
    strategies_tried: int
    rounds: int
    stopped_because: str
    successes: dict[OutcomeKind, int]
    usd_for_points: float | None
    days_for_points: int | None
    cheapest: dict[OutcomeKind, Attempt | None]
    quickest_empty: Attempt | None
    cheapest_empty_without_gas: Attempt | None
    """As on a rollup, where gas costs next to nothing."""
    best_empty_gain: Attempt | None
    families: tuple[FamilySummary, ...]
    controls: tuple[Control, ...]
    prices: CostPrices
    trials: tuple[Trial, ...]
    conclusion: str
    limits: tuple[str, ...]


def write_report(report: AttackReport, folder: Path) -> Path:
    """Write `attack.json` into the folder; it appears when it is whole."""
    path = folder / REPORT_FILE
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(report.model_dump_json(indent=1) + "\n", "utf-8")
    os.replace(unfinished, path)
    return path


def read_report(path: Path) -> AttackReport:
    """Read it back.

    Raises:
        InvalidInput: the file is missing or not of this format.
    """
    try:
        report = AttackReport.model_validate_json(path.read_bytes())
    except OSError as exc:
        raise InvalidInput(f"no manipulation report at {path.name}: {exc.strerror}") from exc
    except ValidationError as exc:
        raise InvalidInput(f"{path.name} is no manipulation report: {exc.errors()[0]['msg']}") from exc
    if report.format != FORMAT:
        raise InvalidInput(f"{path.name} is of format {report.format}, expected {FORMAT}")
    return report
