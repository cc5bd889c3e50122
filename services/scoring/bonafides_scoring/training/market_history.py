"""The market of every moment: all points of a training market, answered as of a block without reading them again.

    market.parquet ──► points.arrow    the rows as they are, mapped into memory: only what is asked for is read
                   └─► lines.arrow     per fact that points replace: block numbers, ascending, and their rows

A market of years has millions of points, at a kilobyte each as Python objects. The two files are made once, and any
process may open them.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from bonafides.errors import InvalidInput
from bonafides.event_files import MARKET, MARKET_FILE, open_rows
from bonafides.events import MarketPoint
from bonafides.types import ZERO_ADDRESS, Address, BlockRef, Digest, MarketPointKind

from bonafides_scoring.market import KINDS_OF_CATEGORIES, MarketKey, MarketView, market_key, view_of_latest
from bonafides_scoring.training.panels.blocks import BlockTable, check_blocks
from bonafides_scoring.training.panels.panel import Ints

POINTS_FILE, LINES_FILE = "points.arrow", "lines.arrow"
VIEWS_KEPT = 1_024
"""Moments of the grid come again with every wallet; those of returning wallets seldom do."""
POINTS_KEPT = 16_384
ROWS_AT_ONCE = 65_536
KEY = ("deployment", "kind", "asset", "category", "market")
ORDER = ("block_number", "tx_index", "log_index", "sub_index")

type Line = tuple[Ints, Ints]
"""Block numbers of what was said of one fact, ascending, and the places of these points."""


class MarketHistory:
    """Points of one chain, by what they replace, in canonical order."""

    def __init__(self, lines: dict[MarketKey, Line], point_at: Callable[[int], MarketPoint]) -> None:
        self._lines = lines
        self._point_at = lru_cache(maxsize=POINTS_KEPT)(point_at)
        self.view = lru_cache(maxsize=VIEWS_KEPT)(self._view)
        """The market as of a block, inclusive."""

    @classmethod
    def of(cls, points: Iterable[MarketPoint]) -> "MarketHistory":
        """Of points that fit into memory, in any order."""
        known = sorted(points, key=lambda point: point.order)
        places: dict[MarketKey, list[int]] = {}
        for place, point in enumerate(known):
            places.setdefault(market_key(point), []).append(place)
        lines = {
            key: (np.array([known[place].order[0] for place in own], dtype=np.int64), np.array(own, dtype=np.int64))
            for key, own in places.items()
        }
        return cls(lines, known.__getitem__)

    @classmethod
    def opened(cls, folder: Path) -> "MarketHistory":
        """Of the files that `index_market` made."""
        points = pa.ipc.open_file(pa.memory_map(str(folder / POINTS_FILE))).read_all()
        index = pl.read_ipc(folder / LINES_FILE)
        lines: dict[MarketKey, Line] = {}
        for (deployment, kind, asset, category, market), own in index.group_by(KEY, maintain_order=True):
            key = MarketKey(
                str(deployment),
                MarketPointKind(str(kind)),
                _address(asset),
                int(str(category)),
                _digest(market),
            )
            lines[key] = (own["block_number"].to_numpy().astype(np.int64), own["row"].to_numpy().astype(np.int64))
        return cls(lines, lambda row: MARKET.from_row(points.slice(row, 1).to_pylist()[0]))

    def _view(self, block: BlockRef) -> MarketView:
        latest: dict[MarketKey, MarketPoint] = {}
        for key, (numbers, places) in self._lines.items():
            place = int(np.searchsorted(numbers, block.number, side="right"))
            if place:
                latest[key] = self._point_at(int(places[place - 1]))
        return view_of_latest(latest, block)


def index_market(events_dir: Path, blocks: BlockTable, folder: Path) -> None:
    """Make the files that `MarketHistory.opened` reads from a decoded folder's `market.parquet`.

    Raises:
        InvalidInput: a file that is not ours; a point of a block, a time or a chain that `blocks.parquet` does not
            hold, or one that stands there twice: named by its row.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plain = pa.schema(
        pa.field(field.name, pa.string() if pa.types.is_dictionary(field.type) else field.type)
        for field in _schema_of(events_dir)
    )
    with (
        open_rows(events_dir / MARKET_FILE, MARKET) as file,
        pa.ipc.new_file(str(folder / POINTS_FILE), plain) as writer,
    ):
        done = 0
        for batch in file.iter_batches(ROWS_AT_ONCE):
            check_blocks(MARKET_FILE, batch, blocks, done)
            done += len(batch)
            writer.write_table(pa.Table.from_batches([batch]).cast(plain))
    _write_lines(folder)


def _write_lines(folder: Path) -> None:
    table = pa.ipc.open_file(pa.memory_map(str(folder / POINTS_FILE))).read_all().select([*KEY, *ORDER])
    frame = pl.DataFrame(pl.from_arrow(table)).with_row_index("row")
    has_category = pl.col("kind").is_in([kind.value for kind in KINDS_OF_CATEGORIES])
    is_config = pl.col("kind") == MarketPointKind.EMODE_CONFIG.value
    frame = frame.with_columns(
        category=pl.when(has_category).then(pl.col("category")).otherwise(0),
        asset=pl.when(is_config).then(pl.lit(ZERO_ADDRESS)).otherwise(pl.col("asset")),
    ).sort([*KEY, *ORDER])
    same = frame.select(
        pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in (*KEY, *ORDER)).alias("same")
    )
    repeated = same["same"].fill_null(value=False).arg_true()
    if len(repeated):
        second = int(repeated[0])
        first, other = sorted((int(frame["row"][second - 1]), int(frame["row"][second])))
        raise InvalidInput(f"{MARKET_FILE}, row {other}: the same fact of the same log as row {first}")
    frame.select([*KEY, "block_number", "row"]).write_ipc(folder / LINES_FILE)


def _schema_of(events_dir: Path) -> pa.Schema:
    with open_rows(events_dir / MARKET_FILE, MARKET) as file:
        schema: pa.Schema = file.schema_arrow
        return schema


def _address(raw: object) -> Address:
    return Address(raw if isinstance(raw, bytes) else b"")


def _digest(raw: object) -> Digest:
    return Digest(raw if isinstance(raw, bytes) else b"")
