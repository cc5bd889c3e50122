"""Rows of log files as logs in their blocks. What is wrong with a row is found in Arrow, before it becomes objects."""

from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc
from bonafides.errors import InvalidInput
from bonafides.events import Position
from bonafides.quick import quick
from bonafides.types import BlockRef, Digest

from bonafides_ingest.chain import Log

_WIDTHS = {
    "block_hash": 32,
    "transaction_hash": 32,
    "address": 20,
    "topic0": 32,
    "topic1": 32,
    "topic2": 32,
    "topic3": 32,
}
_make_log, _make_position = quick(Log), quick(Position)
_PLACE = ("block_number", "block_hash", "transaction_hash", "transaction_index", "log_index")
_CONTENT = ("address", "topic0", "topic1", "topic2", "topic3", "data")


def logs_of(batch: pa.RecordBatch, blocks: Mapping[int, BlockRef]) -> Iterator[Log]:
    """The logs of a batch of rows, in their order. `blocks` are those of the blocks files, by number.

    Raises InvalidInput for a hash or address of the wrong length, and for a block that is another one in `blocks`.
    """
    _check_form(batch)
    block: BlockRef | None = None
    columns = [batch.column(name).to_pylist() for name in (*_PLACE, *_CONTENT)]
    for number, block_hash, tx_hash, tx_index, log_index, address, topic0, topic1, topic2, topic3, payload in zip(
        *columns, strict=True
    ):
        if block is None or block.number != number:
            block = blocks.get(number)
        if block is None or block.hash != block_hash:
            raise InvalidInput(
                f"block {number} of the logs has another hash in the blocks files, or is missing in the blocks files: "
                "export both again for the same range"
            )
        topics: tuple[Digest, ...]
        if topic3 is not None:
            topics = (topic0, topic1, topic2, topic3)
        elif topic2 is not None:
            topics = (topic0, topic1, topic2)
        elif topic1 is not None:
            topics = (topic0, topic1)
        else:
            topics = () if topic0 is None else (topic0,)
        yield _make_log(_make_position(block, tx_hash, tx_index, log_index), address, topics, payload)


def _check_form(batch: pa.RecordBatch) -> None:
    for name, width in _WIDTHS.items():
        wrong = pc.not_equal(pc.binary_length(batch.column(name)), width)
        if pc.any(wrong).as_py():
            raise InvalidInput(f"the files hold a {name} that is not {width} bytes long: export them with cryo")
    for one, other in (("topic0", "topic1"), ("topic1", "topic2"), ("topic2", "topic3")):
        if pc.any(pc.and_(pc.is_null(batch.column(one)), pc.is_valid(batch.column(other)))).as_py():
            raise InvalidInput(f"the files hold a log with {other} and without {one}: export them with cryo")
