"""What rows of log files must be before anything reads them: of the right types, in range, in the order of a chain."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from bonafides.errors import InvalidInput
from bonafides.events import BlockRange
from bonafides.ranges import MAX_I63, MAX_U32
from bonafides.types import ChainId

_MOST = {
    "block_number": MAX_I63,
    "transaction_index": MAX_U32,
    "log_index": MAX_U32,
    "timestamp": MAX_I63,
    "chain_id": MAX_I63,
}
"""The columns of whole numbers, and how large one may be; the others hold bytes."""
_HINTS = {
    "block_hash": "run cryo with --include-columns block_hash",
    "chain_id": "run cryo with --include-columns chain_id",
}


@dataclass(frozen=True, slots=True)
class RowPlace:
    """Where a row stands."""

    block: int
    log_index: int
    """0 of a block."""
    rising: int
    """What never falls: the transaction's index inside of a block, or the time from block to block."""


def check_columns(path: Path, schema: pa.Schema, columns: Sequence[str]) -> None:
    """Raise InvalidInput unless each column is there, with a type that says what it means."""
    for name in columns:
        if name not in schema.names:
            raise InvalidInput(f"{path.name} has no column {name}: {_HINTS.get(name, 'export it with cryo')}")
        kind = schema.field(name).type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            raise InvalidInput(f"{path.name}: {name} is text; run cryo without --hex")
        if name in _MOST and not pa.types.is_integer(kind):
            raise InvalidInput(
                f"{path.name}: {name} is of type {kind}, expected whole numbers"
                f"{' of seconds' if name == 'timestamp' else ''}: export it with cryo"
            )
        if name not in _MOST and not _is_bytes(kind):
            raise InvalidInput(f"{path.name}: {name} is of type {kind}, expected bytes: export it with cryo")


def _is_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    tests = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
    return any(is_kind(kind) for is_kind in tests)


def plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same rows with bytes as Arrow can compare them: neither by a dictionary nor as views."""
    fields = [
        field.with_type(pa.binary())
        if pa.types.is_dictionary(field.type) or pa.types.is_binary_view(field.type)
        else field
        for field in batch.schema
    ]
    schema = pa.schema(fields)
    return batch if schema == batch.schema else batch.cast(schema)


def check_rows(
    path: Path, named: BlockRange, chain_id: ChainId, batch: pa.RecordBatch, before: RowPlace | None
) -> RowPlace:
    """Raise InvalidInput unless the rows go on in order, of the chain and of the blocks that the file's name says.

    Returns the place of the last.
    """
    names = batch.schema.names
    for name in names:
        if batch.column(name).null_count and not name.startswith("topic"):
            raise InvalidInput(f"{path.name} has rows without {name}: export it again")
    for name, most in _MOST.items():
        if name in names:
            _check_range(path, name, batch.column(name), most)
    if not pc.all(pc.equal(batch.column("chain_id"), chain_id)).as_py():
        raise InvalidInput(f"{path.name} has rows of another chain than {chain_id}: keep one chain to a folder")
    return _check_order(path, named, batch, before)


def _check_range(path: Path, name: str, column: pa.Array, most: int) -> None:
    found = pc.min_max(column).as_py()
    if found["min"] < 0 or found["max"] > most:
        seen = found["min"] if found["min"] < 0 else found["max"]
        raise InvalidInput(f"{path.name}: {name} is {seen} in a row, expected 0 to {most}: export it again")


def _check_order(path: Path, named: BlockRange, batch: pa.RecordBatch, before: RowPlace | None) -> RowPlace:
    numbers = batch.column("block_number")
    is_logs = "log_index" in batch.schema.names
    indexes = batch.column("log_index") if is_logs else None
    rising = batch.column("transaction_index" if is_logs else "timestamp")
    same_block = pc.equal(numbers[:-1], numbers[1:])
    not_after = pc.greater_equal(indexes[:-1], indexes[1:]) if indexes is not None else True
    is_late = pc.or_(pc.greater(numbers[:-1], numbers[1:]), pc.and_(same_block, not_after))
    first, last = (
        RowPlace(numbers[at].as_py(), indexes[at].as_py() if indexes is not None else 0, rising[at].as_py())
        for at in (0, -1)
    )
    if pc.any(is_late).as_py() or (before and (first.block, first.log_index) <= (before.block, before.log_index)):
        raise InvalidInput(f"the rows of {path.name} are out of order: sort them by block_number, then log_index")
    falls = pc.greater(rising[:-1], rising[1:])
    is_bound = before is not None and (not is_logs or before.block == first.block)
    if pc.any(pc.and_(falls, same_block) if is_logs else falls).as_py() or (
        before is not None and is_bound and first.rising < before.rising
    ):
        said = "transaction_index falls inside of a block" if is_logs else "timestamp falls from a block to the next"
        raise InvalidInput(f"{path.name}: {said}, which no chain has: export it again")
    if first.block < named.first or last.block > named.last:
        raise InvalidInput(
            f"{path.name} holds rows of blocks {first.block}–{last.block}, its name says {named.first}–{named.last}: "
            "export it again"
        )
    return last
