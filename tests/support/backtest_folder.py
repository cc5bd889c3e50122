"""A folder as `scoring backtest` wants it, made up and small: both tasks, on dates that are tested."""

from pathlib import Path

import polars as pl

from tests.support.backtest_data import DAY, World, all_events, all_prices, event, made_labels, wallet, write_csv

SHIFT = 170
"""Days from the made-up world's January to the second half of 2021, where the tested cut-offs of Aave begin."""
SOFT = range(100, 112)
"""Numbers of the wallets in soft liquidation."""


def write_folder(folder: Path) -> World:
    """Write the four files; in the world given back, `cutoffs` are Curve's labels."""
    folder.mkdir(parents=True)
    world = World(*(folder / name for name in NAMES))
    soft = [event(number, WHEN + day * DAY, action="soft_liq_episode") for number in SOFT for day in (50, 80)]
    moved = [row | {"timestamp": int(str(row["timestamp"])) + SHIFT * DAY} for row in all_events()]
    pl.DataFrame([*moved, *soft], infer_schema_length=None).write_parquet(world.events)
    pl.DataFrame(all_prices()).write_parquet(world.prices)
    header = ("wallet", "cutoff_ts", "label_30d")
    write_csv(world.labels, header, [(who, when + SHIFT * DAY, outcome) for who, when, outcome in made_labels()])
    curve = [(wallet(number), WHEN + day * DAY, number % 2) for day in (60, 90) for number in SOFT]
    write_csv(world.cutoffs, header, curve)
    return world


NAMES = ("events.parquet", "prices_daily.parquet", "labels_aave_H30.csv", "labels_curve_H30.csv")
WHEN = min(int(str(row["timestamp"])) for row in all_events()) // DAY * DAY + SHIFT * DAY
