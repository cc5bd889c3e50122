"""Real liquidations of Aave V2 on Ethereum, from a file of compiled events; or the aggregates of one read before."""

import json
import math
from importlib.resources import files
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from bonafides.errors import InvalidInput

from bonafides_lab.market.marginals.bounds import Measure
from bonafides_lab.market.marginals.measures import Marginals
from bonafides_lab.market.marginals.sample import LiquidationSample

PROTOCOL, CHAIN, ACTION = "aave_v2", "ethereum", "liquidationcall"
_COLUMNS = ("event_id", "protocol", "chain", "action", "wallet", "timestamp", "amount_usd")
_AGGREGATES = "real_aave_v2.json"


def read_real(path: Path) -> LiquidationSample:
    """The Aave V2 liquidations of the file; other rows are passed over.

    A liquidation without a value in dollars counts, but has no size.

    Raises:
        InvalidInput: a file that cannot be read, a missing column, a wrong type, no such liquidation, or one without a
            wallet or a time, with a negative size, or that stands there twice; with the file and the row (the first
            is 0).
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as exc:
        raise InvalidInput(f"{path.name} cannot be read: expected a Parquet file of events") from exc
    absent = [column for column in _COLUMNS if column not in table.column_names]
    if absent:
        raise InvalidInput(f"{path.name} has no column {', '.join(absent)}: expected {', '.join(_COLUMNS)}")
    _check_types(path, table.schema)
    seen: set[object] = set()
    numbers: dict[str, int] = {}
    borrowers, timestamps, usd = [], [], []
    rows = zip(*(table.column(column).to_pylist() for column in _COLUMNS), strict=True)
    for row, (event_id, protocol, chain, action, wallet, timestamp, amount) in enumerate(rows):
        if (protocol, chain, action) != (PROTOCOL, CHAIN, ACTION):
            continue
        if not wallet or timestamp is None:
            raise InvalidInput(f"{path.name}, row {row}: a liquidation needs a wallet and a timestamp, one is missing")
        if event_id in seen:
            raise InvalidInput(f"{path.name}, row {row}: this event_id stands in an earlier row already")
        if amount is not None and amount < 0:
            raise InvalidInput(f"{path.name}, row {row}: amount_usd is {amount}, expected a number from 0 up")
        seen.add(event_id)
        borrowers.append(numbers.setdefault(wallet, len(numbers)))
        timestamps.append(timestamp)
        usd.append(math.nan if amount is None else amount)
    if not timestamps:
        raise InvalidInput(f"{path.name} holds no row of {PROTOCOL}, {CHAIN}, {ACTION}")
    return LiquidationSample(np.array(borrowers), np.array(timestamps), np.array(usd, dtype=float), max(timestamps))


def _check_types(path: Path, schema: pa.Schema) -> None:
    checks = {"wallet": pa.types.is_string, "timestamp": pa.types.is_integer, "amount_usd": pa.types.is_floating}
    for column, is_right in checks.items():
        kind = schema.field(column).type
        if not is_right(kind) and not (column == "wallet" and pa.types.is_large_string(kind)):
            raise InvalidInput(f"{path.name}: column {column} is {kind}, which is not what a file of events has there")


def real_aggregates() -> Marginals:
    """The marginals of the real events, as measured once by this code; the events themselves are not shipped."""
    return marginals_from_json(files(__package__).joinpath(_AGGREGATES).read_text("utf-8"))


def marginals_to_json(marginals: Marginals) -> str:
    """As text that `marginals_from_json` reads back."""
    return json.dumps(marginals_fields(marginals), indent=1) + "\n"


def marginals_fields(marginals: Marginals) -> dict[str, int | dict[str, float] | list[float]]:
    """All numbers, by name, rounded to what they are good for."""
    return {
        "liquidations": marginals.liquidations,
        "liquidated_borrowers": marginals.liquidated_borrowers,
        "window_days": marginals.window_days,
        "windows": marginals.windows,
        "unpriced": marginals.unpriced,
        "values": {measure.value: _rounded(value) for measure, value in marginals.values.items()},
        "counts_share": [_rounded(share) for share in marginals.counts_share],
        "size_share": [_rounded(share) for share in marginals.size_share],
        "reliquidated_share": [_rounded(share) for share in marginals.reliquidated_share],
        "worst_days_share": [_rounded(share) for share in marginals.worst_days_share],
    }


def marginals_from_json(text: str) -> Marginals:
    """What `marginals_to_json` wrote."""
    read = json.loads(text)
    return Marginals(
        liquidations=read["liquidations"],
        liquidated_borrowers=read["liquidated_borrowers"],
        window_days=read["window_days"],
        windows=read["windows"],
        unpriced=read["unpriced"],
        values={Measure(name): value for name, value in read["values"].items()},
        counts_share=tuple(read["counts_share"]),
        size_share=tuple(read["size_share"]),
        reliquidated_share=tuple(read["reliquidated_share"]),
        worst_days_share=tuple(read["worst_days_share"]),
    )


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
