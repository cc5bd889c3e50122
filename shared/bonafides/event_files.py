"""Decoded events, market points and blocks as Parquet files: what `bonafides ingest decode` writes and training reads.

A folder holds `events.parquet`, `market.parquet` and `blocks.parquet`, each in canonical order (chain, block, tx_index,
log_index, sub_index; market points of one log then by deployment, market and asset). 256-bit integers are 32 bytes
big-endian (two's complement where they may be negative), since Parquet has no such number and a float would lose wei.
Rows are written and read in groups, so that memory stays bounded whatever a file's size. pyarrow is imported at first
use: it comes with the `lab` extra.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Self

from bonafides.digests import encode_int256, encode_uint256
from bonafides.errors import InvalidInput, MissingTool
from bonafides.events import LendingEvent, MarketPoint, Position
from bonafides.types import Address, BlockRef, ChainId, Digest, EventType, MarketPointKind, Protocol, Role

EVENTS_FILE = "events.parquet"
MARKET_FILE = "market.parquet"
BLOCKS_FILE = "blocks.parquet"
ROWS_PER_GROUP = 20_000  # about 10 MB of events in memory
_VERSION = b"2"
_VERSION_KEY = b"bonafides.event_files"

type Row = dict[str, Any]  # a row as pyarrow gives and takes it; only the file modules of this package see it


@dataclass(frozen=True, slots=True)
class Layout[T]:
    """How one kind of row stands in its file."""

    name: str
    columns: tuple[tuple[str, str], ...]
    """Column name and kind, in file order; a trailing `?` allows null."""
    to_row: Callable[[T], Row]
    from_row: Callable[[Row], T]


class RowWriter[T]:
    """Writes one file. Under its name it appears only when complete: until `close` it is `<name>.partial`."""

    def __init__(self, path: Path, layout: Layout[T]) -> None:
        self._pyarrow = _pyarrow()
        self._path, self._layout = path, layout
        self._partial = path.with_name(f"{path.name}.partial")
        self._schema = _schema(self._pyarrow, layout)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = self._pyarrow.parquet.ParquetWriter(self._partial, self._schema, compression="zstd")
        self._rows: list[Row] = []

    def write(self, values: Iterable[T]) -> None:
        """Add rows after those before."""
        for value in values:
            self._rows.append(self._layout.to_row(value))
            if len(self._rows) >= ROWS_PER_GROUP:
                self._flush()

    def close(self) -> None:
        """Finish the file and give it its name."""
        self._flush()
        self._writer.close()
        self._partial.replace(self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self._writer.close()
            self._partial.unlink(missing_ok=True)

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(self._pyarrow.Table.from_pylist(self._rows, self._schema))
            self._rows.clear()


def events_writer(folder: Path) -> RowWriter[LendingEvent]:
    """Writer of a folder's `events.parquet`."""
    return RowWriter(folder / EVENTS_FILE, EVENTS)


def market_writer(folder: Path) -> RowWriter[MarketPoint]:
    """Writer of a folder's `market.parquet`."""
    return RowWriter(folder / MARKET_FILE, MARKET)


def blocks_writer(folder: Path) -> RowWriter[BlockRef]:
    """Writer of a folder's `blocks.parquet`."""
    return RowWriter(folder / BLOCKS_FILE, BLOCKS)


def read_events(folder: Path) -> Iterator[LendingEvent]:
    """The events of a folder, in file order. Raises InvalidInput for a file that is missing or not ours."""
    return read_rows(folder / EVENTS_FILE, EVENTS)


def read_market_points(folder: Path) -> Iterator[MarketPoint]:
    """The market points of a folder, in file order. Raises InvalidInput."""
    return read_rows(folder / MARKET_FILE, MARKET)


def read_blocks(folder: Path) -> Iterator[BlockRef]:
    """The blocks of a folder, in file order. Raises InvalidInput."""
    return read_rows(folder / BLOCKS_FILE, BLOCKS)


def read_rows[T](path: Path, layout: Layout[T]) -> Iterator[T]:
    """The rows of one file. Raises InvalidInput for one that is missing or not ours."""
    with open_rows(path, layout) as file:
        for batch in file.iter_batches(ROWS_PER_GROUP):
            for row in batch.to_pylist():
                yield layout.from_row(row)


def open_rows(path: Path, layout: Layout[Any]) -> Any:
    """The file as pyarrow's `ParquetFile`, for those that read columns. Raises InvalidInput as `read_rows` does."""
    pyarrow = _pyarrow()
    try:
        file = pyarrow.parquet.ParquetFile(path)
    except (OSError, pyarrow.ArrowException) as exc:
        raise InvalidInput(f"{path.name} cannot be read: expected what `bonafides ingest decode` writes") from exc
    found, expected = file.schema_arrow, _schema(pyarrow, layout)
    reason = _difference(found, expected)
    if reason is None and (found.metadata or {}).get(_VERSION_KEY) != _VERSION:
        reason = "it was written by another version"
    if reason is not None:
        file.close()
        raise InvalidInput(
            f"{path.name} is no {layout.name} file of layout {_VERSION.decode()}, {reason}: decode it again"
        )
    return file


def _difference(found: Any, expected: Any) -> str | None:
    for field in expected:
        place = found.get_field_index(field.name)
        if place < 0:
            return f"column {field.name} is missing"
        if found.field(place).type != field.type:
            return f"column {field.name} is {found.field(place).type} and not {field.type}"
    return None if found.equals(expected) else "its columns are others or stand in another order"


def _pyarrow() -> ModuleType:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as exc:
        raise MissingTool("Parquet files need pyarrow: pip install 'bonafides[lab]'") from exc
    else:
        return pyarrow  # type: ignore[no-any-return]  # pyarrow has no types


def _schema(pyarrow: ModuleType, layout: Layout[Any]) -> Any:
    kinds = {
        "u16": pyarrow.uint16(),
        "u32": pyarrow.uint32(),
        "u64": pyarrow.uint64(),
        "word": pyarrow.dictionary(pyarrow.int32(), pyarrow.string()),
        "address": pyarrow.binary(20),
        "bytes32": pyarrow.binary(32),
        "bytes32s": pyarrow.list_(pyarrow.binary(32)),
        "addresses": pyarrow.list_(pyarrow.binary(20)),
    }
    fields = [
        pyarrow.field(name, kinds[kind.removesuffix("?")], nullable=kind.endswith("?")) for name, kind in layout.columns
    ]
    return pyarrow.schema(fields, metadata={_VERSION_KEY: _VERSION})


_PLACE = (
    ("chain_id", "u64"),
    ("block_number", "u64"),
    ("block_hash", "bytes32"),
    ("block_timestamp", "u64"),
    ("tx_hash", "bytes32"),
    ("tx_index", "u32"),
    ("log_index", "u32"),
    ("sub_index", "u16"),
    ("fork_epoch", "u64"),
    ("decoder_version", "u32"),
)


def _place_row(value: LendingEvent | MarketPoint) -> Row:
    position, block = value.position, value.position.block
    return {
        "chain_id": block.chain_id,
        "block_number": block.number,
        "block_hash": block.hash,
        "block_timestamp": block.timestamp,
        "tx_hash": position.tx_hash,
        "tx_index": position.tx_index,
        "log_index": position.log_index,
        "sub_index": value.sub_index,
        "fork_epoch": value.fork_epoch,
        "decoder_version": value.decoder_version,
    }


def _position(row: Row) -> Position:
    block = BlockRef(ChainId(row["chain_id"]), row["block_number"], Digest(row["block_hash"]), row["block_timestamp"])
    return Position(block, Digest(row["tx_hash"]), row["tx_index"], row["log_index"])


def _event_row(event: LendingEvent) -> Row:
    return _place_row(event) | {
        "protocol": event.protocol.value,
        "deployment": event.deployment,
        "type": event.type.value,
        "role": event.role.value,
        "wallet": event.wallet,
        "counterparty": event.counterparty,
        "asset": event.asset,
        "amount": encode_uint256(event.amount),
        "second_asset": event.second_asset,
        "second_amount": encode_uint256(event.second_amount),
        "scaled_delta": encode_int256(event.scaled_delta),
        "index_ray": encode_uint256(event.index_ray),
        "market": event.market,
    }


def _event(row: Row) -> LendingEvent:
    return LendingEvent(
        position=_position(row),
        sub_index=row["sub_index"],
        fork_epoch=row["fork_epoch"],
        decoder_version=row["decoder_version"],
        protocol=Protocol(row["protocol"]),
        deployment=row["deployment"],
        type=EventType(row["type"]),
        role=Role(row["role"]),
        wallet=Address(row["wallet"]),
        counterparty=row["counterparty"] and Address(row["counterparty"]),
        asset=Address(row["asset"]),
        amount=int.from_bytes(row["amount"]),
        second_asset=row["second_asset"] and Address(row["second_asset"]),
        second_amount=int.from_bytes(row["second_amount"]),
        scaled_delta=int.from_bytes(row["scaled_delta"], signed=True),
        index_ray=int.from_bytes(row["index_ray"]),
        market=Digest(row["market"]),
    )


def _point_row(point: MarketPoint) -> Row:
    return _place_row(point) | {
        "deployment": point.deployment,
        "kind": point.kind.value,
        "asset": point.asset,
        "category": point.category,
        "values": [encode_int256(value) for value in point.values],
        "market": point.market,
    }


def _point(row: Row) -> MarketPoint:
    return MarketPoint(
        position=_position(row),
        sub_index=row["sub_index"],
        fork_epoch=row["fork_epoch"],
        decoder_version=row["decoder_version"],
        deployment=row["deployment"],
        kind=MarketPointKind(row["kind"]),
        asset=Address(row["asset"]),
        category=row["category"],
        values=tuple(int.from_bytes(value, signed=True) for value in row["values"]),
        market=Digest(row["market"]),
    )


EVENTS = Layout(
    "events",
    (
        *_PLACE,
        ("protocol", "word"),
        ("deployment", "word"),
        ("type", "word"),
        ("role", "word"),
        ("wallet", "address"),
        ("counterparty", "address?"),
        ("asset", "address"),
        ("amount", "bytes32"),
        ("second_asset", "address?"),
        ("second_amount", "bytes32"),
        ("scaled_delta", "bytes32"),
        ("index_ray", "bytes32"),
        ("market", "bytes32"),
    ),
    _event_row,
    _event,
)
MARKET = Layout(
    "market",
    (
        *_PLACE,
        ("deployment", "word"),
        ("kind", "word"),
        ("asset", "address"),
        ("category", "u16"),
        ("values", "bytes32s"),
        ("market", "bytes32"),
    ),
    _point_row,
    _point,
)
BLOCKS = Layout(
    "blocks",
    (("chain_id", "u64"), ("number", "u64"), ("hash", "bytes32"), ("timestamp", "u64")),
    lambda block: {
        "chain_id": block.chain_id,
        "number": block.number,
        "hash": block.hash,
        "timestamp": block.timestamp,
    },
    lambda row: BlockRef(ChainId(row["chain_id"]), row["number"], Digest(row["hash"]), row["timestamp"]),
)
