"""What each wallet went through, and who belongs to the population at a cut-off.

    re-liquidation:  a liquidation in [cut-off - 180 d, cut-off)
    soft:            in soft liquidation at some time in [cut-off - 45 d, cut-off), or hard-liquidated in that time,
                     which soft liquidation precedes; the outcome is a hard liquidation

The end of a soft episode is known only once it is over: seen from a cut-off inside it, it lasts until that cut-off.
So are its amounts, which are means over the whole of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from bonafides.errors import InvalidInput

from bonafides_scoring.backtest.episodes import episode_end
from bonafides_scoring.backtest.tables import Ints, Rows

DAY = 86_400
HORIZON = 30 * DAY


class Task(StrEnum):
    """Which question the labels ask."""

    RELIQUIDATION = "reliquidation"
    SOFT = "soft_liquidation"


ACTIONS = {
    Task.RELIQUIDATION: ("liquidationcall", "liquidation"),
    Task.SOFT: ("soft_liq_episode", "hard_liquidation"),
}
LOOK_BACK = {Task.RELIQUIDATION: 180 * DAY, Task.SOFT: 45 * DAY}


@dataclass(frozen=True, slots=True)
class History:
    """Events of one wallet in the order of time."""

    times: Ints
    soft_ends: Ints
    """End of a soft episode; -1 for other events."""
    debts: tuple[str, ...]
    collaterals: tuple[str, ...]
    amounts: npt.NDArray[np.float64]
    """Debt repaid, in units of the debt asset; NaN where unknown."""
    amounts_usd: npt.NDArray[np.float64]
    seized: npt.NDArray[np.float64]
    """Collateral seized, in its own units."""

    def before(self, cutoff: int) -> int:
        """How many events lie strictly before a cut-off."""
        return int(np.searchsorted(self.times, cutoff, side="left"))

    def seen_from(self, cutoff: int) -> "History":
        """The same without the amounts of episodes that end at the cut-off or later: not known yet."""
        going_on = self.soft_ends >= cutoff
        if not going_on.any():
            return self
        return replace(
            self,
            amounts=np.where(going_on, np.nan, self.amounts),
            amounts_usd=np.where(going_on, np.nan, self.amounts_usd),
            seized=np.where(going_on, np.nan, self.seized),
        )


@dataclass(frozen=True, slots=True)
class Histories:
    """All wallets of one task."""

    task: Task
    by_wallet: Mapping[str, History]
    times: Ints
    """Of all events, in order."""
    wallets: npt.NDArray[np.int64]
    """Number of the wallet of each of these events."""

    @classmethod
    def of(cls, events: pl.DataFrame, task: Task) -> "Histories":
        """From `read_events`."""
        frame = events.filter(pl.col("action").is_in(ACTIONS[task]))
        codes = frame["wallet"].cast(pl.Categorical).to_physical().to_numpy().astype(np.int64)
        parts = frame.partition_by("wallet", as_dict=True, maintain_order=True)
        return cls(
            task,
            {str(key[0]): _history(part) for key, part in parts.items()},
            frame["timestamp"].to_numpy().astype(np.int64),
            codes,
        )

    def belongs(self, wallet: str, cutoff: int) -> bool:
        """Is the wallet in the population at the cut-off?"""
        history = self.by_wallet.get(wallet.lower())
        if history is None or not (count := history.before(cutoff)):
            return False
        since = cutoff - LOOK_BACK[self.task]
        match self.task:
            case Task.RELIQUIDATION:
                return bool(history.times[count - 1] >= since)
            case Task.SOFT:
                seen_until = np.minimum(np.maximum(history.soft_ends, history.times)[:count], cutoff)
                return bool((seen_until >= since).any())

    def members(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """`belongs` for each row."""
        pairs = zip(rows.wallets, rows.cutoffs, strict=True)
        return np.array([self.belongs(wallet, int(cutoff)) for wallet, cutoff in pairs], dtype=bool)


def populations(events: pl.DataFrame) -> tuple[Histories, ...]:
    """The histories of every task."""
    return tuple(Histories.of(events, task) for task in Task)


def pick_task(events: pl.DataFrame, labels: Rows, path: Path = Path("labels")) -> Histories:
    """Histories of the task whose population holds labelled rows; re-liquidation if none does.

    A row of both populations fits either task: the one that holds more rows is taken.

    Raises:
        InvalidInput: the labels, of the file `path`, ask two questions: some rows are in one population only, some in
            the other only.
    """
    both = populations(events)
    inside = [histories.members(labels) for histories in both]
    alone = [np.flatnonzero(one & ~other) for one, other in (inside, inside[::-1])]
    if all(len(rows) for rows in alone):
        seen = " and ".join(
            f"{_line(labels, int(rows[0]))} is in the population of {histories.task.value} only"
            for histories, rows in zip(both, alone, strict=True)
        )
        raise InvalidInput(f"{path}: {seen}; expected the labels of one task in one file")
    return both[int(np.argmax([mask.sum() for mask in inside]))]


def _line(labels: Rows, place: int) -> str:
    return f"row {place if labels.lines is None else labels.lines[place]}"


def _history(part: pl.DataFrame) -> History:
    soft = part["action"].to_list()
    ends = [
        episode_end(extra, start) if action == "soft_liq_episode" else -1
        for action, extra, start in zip(soft, part["extra"].to_list(), part["timestamp"].to_list(), strict=True)
    ]
    return History(
        part["timestamp"].to_numpy().astype(np.int64),
        np.array(ends, dtype=np.int64),
        tuple(part["asset_symbol"].fill_null("").to_list()),
        tuple(part["collateral_symbol"].fill_null("").to_list()),
        part["amount"].fill_null(np.nan).to_numpy(),
        part["amount_usd"].fill_null(np.nan).to_numpy(),
        part["collateral_amount"].fill_null(np.nan).to_numpy(),
    )
