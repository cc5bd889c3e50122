"""A made-up world of liquidations: twenty-four wallets, five cut-offs, one asset whose price falls and comes back."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

DAY = 86_400
START = int(datetime(2021, 1, 1, tzinfo=UTC).timestamp())
CUTOFFS = tuple(START + day * DAY for day in (60, 74, 88, 102, 116))
ASKED = START + 150 * DAY


@dataclass(frozen=True, slots=True)
class World:
    """The four files."""

    events: Path
    prices: Path
    labels: Path
    cutoffs: Path


def wallet(number: int) -> str:
    """A made-up address."""
    return f"0x{number:040x}"


def event(number: int, when: int, **changes: object) -> dict[str, object]:
    """A liquidation of 1,000 USDC against ether."""
    return {
        "event_id": f"e{number}-{when}",
        "wallet": wallet(number),
        "timestamp": when,
        "action": "liquidationcall",
        "asset_symbol": "USDC",
        "amount": 1_000.0,
        "amount_usd": 1_000.0,
        "collateral_symbol": "WETH",
        "collateral_amount": 0.7,
        "extra": None,
    } | changes


def all_events() -> list[dict[str, object]]:
    """Wallet n is liquidated on day 10 + n, then every 5 + 3·n days until day 200; from 12 on it had pledged ODD."""
    found = []
    for number in range(24):
        for day in range(10 + number, 200, 5 + 3 * number):
            collateral = "WETH" if number < 12 else "ODD"
            found.append(event(number, START + day * DAY + 3_600 * number, collateral_symbol=collateral))
    return found


def all_prices() -> list[dict[str, object]]:
    """Ether between 1,300 and 1,500, to and fro; ODD falls by a hundredth a day, and its borrowers live with it."""
    days = [datetime(2021, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(220)]
    ether = [("WETH", day, 1_500.0 - 10 * abs(place % 40 - 20)) for place, day in enumerate(days)]
    odd = [("ODD", day, 1_500.0 * 0.99**place) for place, day in enumerate(days)]
    return [
        {"date": day.date().isoformat(), "symbol": symbol, "close_usd": close} for symbol, day, close in ether + odd
    ]


def made_labels() -> list[tuple[str, int, int]]:
    """Wallet, cut-off and outcome, of those liquidated before; not what followed in the events, but easy to learn."""
    return [
        (wallet(number), cutoff, int(number < 12 or (number < 18 and number % 2 == 0)))
        for cutoff in CUTOFFS
        for number in range(24)
        if START + (10 + number) * DAY + 3_600 * number < cutoff
    ]


def write_world(
    folder: Path,
    *,
    events: Sequence[dict[str, object]] | None = None,
    prices: Sequence[dict[str, object]] | None = None,
    labels: Sequence[tuple[str, int, int]] | None = None,
    asked: Sequence[tuple[str, int]] | None = None,
) -> World:
    """Write the four files, as made up or as given."""
    folder.mkdir(parents=True, exist_ok=True)
    events = all_events() if events is None else events
    labels = made_labels() if labels is None else labels
    asked = [(wallet(number), ASKED) for number in range(26)] if asked is None else asked
    world = World(folder / "e.parquet", folder / "p.parquet", folder / "l.csv", folder / "c.csv")
    pl.DataFrame(list(events), infer_schema_length=None).write_parquet(world.events)
    pl.DataFrame(list(all_prices() if prices is None else prices)).write_parquet(world.prices)
    write_csv(world.labels, ("wallet", "cutoff_ts", "label_30d"), labels)
    write_csv(world.cutoffs, ("wallet", "cutoff_ts"), asked)
    return world


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A CSV file as the task has them."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
