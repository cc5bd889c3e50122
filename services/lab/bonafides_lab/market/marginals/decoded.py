"""Liquidations of a market from what `bonafides ingest decode` wrote, by columns and not by objects: it is large."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from bonafides.errors import InvalidInput
from bonafides.event_files import BLOCKS_FILE, EVENTS_FILE, MARKET_FILE, read_events, read_market_points
from bonafides.types import EventType, MarketPointKind, Role

from bonafides_lab.market.marginals.sample import Integers, LiquidationSample

_PRICE_UNIT = 1e8
_DECIMALS = 3
"""Place of the decimals among the values of a reserve's configuration."""


def read_decoded(folder: Path) -> LiquidationSample:
    """The liquidations of a decoded folder, each worth the debt repaid at the price that stood before it.

    Raises:
        InvalidInput: a file that is missing or not of ingest's layout, or no liquidation in it.
    """
    next(read_events(folder), None)  # both check the file's layout
    next(read_market_points(folder), None)
    columns = ["block_number", "block_timestamp", "deployment", "wallet", "asset", "amount"]
    wanted = [("type", "==", EventType.LIQUIDATED.value), ("role", "==", Role.OWNER.value)]
    events = pq.read_table(folder / EVENTS_FILE, columns=columns, filters=wanted)
    if not events.num_rows:
        raise InvalidInput(f"{EVENTS_FILE} holds no liquidation: a longer or larger market has some")
    prices, decimals = _prices(folder)
    rows = zip(*(events.column(name).to_pylist() for name in columns), strict=True)
    usd, borrowers, timestamps = [], [], []
    numbers: dict[bytes, int] = {}
    for block, timestamp, deployment, wallet, asset, amount in rows:
        listed = (deployment, asset)
        usd.append(_value(prices.get(listed), decimals.get(listed), block, int.from_bytes(amount)))
        borrowers.append(numbers.setdefault(wallet, len(numbers)))
        timestamps.append(timestamp)
    return LiquidationSample(np.array(borrowers), np.array(timestamps), np.array(usd), _last_timestamp(folder))


type _Listed = tuple[str, bytes]
"""A deployment and an asset."""
type _PriceLine = tuple[Integers, list[float]]
"""Block numbers, rising, and the price in USD from each on."""


def _prices(folder: Path) -> tuple[dict[_Listed, _PriceLine], dict[_Listed, int]]:
    kinds = [MarketPointKind.PRICE.value, MarketPointKind.RESERVE_CONFIG.value]
    columns = ["block_number", "deployment", "kind", "asset", "values"]
    points = pq.read_table(folder / MARKET_FILE, columns=columns, filters=[("kind", "in", kinds)])
    lines: dict[_Listed, list[tuple[int, float]]] = {}
    decimals: dict[_Listed, int] = {}
    for block, deployment, kind, asset, values in zip(
        *(points.column(name).to_pylist() for name in columns), strict=True
    ):
        if kind == MarketPointKind.PRICE.value:
            lines.setdefault((deployment, asset), []).append((block, int.from_bytes(values[0]) / _PRICE_UNIT))
        else:
            decimals[deployment, asset] = int.from_bytes(values[_DECIMALS])
    priced = {
        listed: (np.array([block for block, _ in line]), [usd for _, usd in line]) for listed, line in lines.items()
    }
    return priced, decimals


def _value(line: _PriceLine | None, decimals: int | None, block: int, amount: int) -> float:
    """Dollars; NaN without a price. A price of the same block counts: feeds post before anybody liquidates."""
    if line is None or decimals is None:
        return float("nan")
    blocks, usd = line
    place = int(np.searchsorted(blocks, block, side="right")) - 1
    if place < 0 or usd[place] <= 0:
        return float("nan")
    return float(amount / 10**decimals * usd[place])


def _last_timestamp(folder: Path) -> int:
    try:
        timestamps = pq.read_table(folder / BLOCKS_FILE, columns=["timestamp"]).column("timestamp")
    except (OSError, pa.ArrowException) as exc:
        raise InvalidInput(f"{BLOCKS_FILE} cannot be read: expected what `bonafides ingest decode` writes") from exc
    if not len(timestamps):
        raise InvalidInput(f"{BLOCKS_FILE} holds no block")
    return int(timestamps[-1].as_py())
