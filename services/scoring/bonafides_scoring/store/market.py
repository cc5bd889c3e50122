"""Market facts, boundaries and fork epochs as rows, and back. One worker writes them: the owner of `market.v1`."""

from collections.abc import Sequence
from dataclasses import dataclass

from bonafides.digests import encode_market_point
from bonafides.errors import InvariantViolation
from bonafides.events import Boundary, ForkEpoch, MarketPoint
from bonafides.hashing import sha256
from bonafides.messages import decode, encode
from bonafides.types import Address, BlockRef, ChainId, Digest, Finality, MarketPointKind
from sqlalchemy import Connection, RowMapping, and_, case, literal, not_, select
from sqlalchemy.dialects.postgresql import distinct_on, insert

from bonafides_scoring.market import KINDS_OF_CATEGORIES
from bonafides_scoring.store.copying import CopyKey, CopyRow, add_new, escaped_name, hex_or_null
from bonafides_scoring.store.events import market_column, market_of, position_of
from bonafides_scoring.store.tables import boundary as boundary_table
from bonafides_scoring.store.tables import fork_epoch, market_point


@dataclass(frozen=True, slots=True)
class LoggedBoundary:
    """A boundary and where it stands in `market.v1`, which orders the boundaries of all chains."""

    boundary: Boundary
    log_offset: int


@dataclass(frozen=True, slots=True)
class ListedEpoch:
    """A fork epoch and the first boundary that lists it."""

    epoch: ForkEpoch
    listed_by: int


def add_points(connection: Connection, read: Sequence[tuple[int, MarketPoint]]) -> int:
    """Add copies with the offsets they were read at; returns how many were new.

    Raises InvariantViolation when a copy of the same precedence says something else.
    """
    copies: dict[CopyKey, CopyRow] = {}
    for offset, point in read:
        key = (point.id, point.fork_epoch, point.decoder_version)
        content = sha256(encode_market_point(point))
        if key in copies:
            _check_same(copies[key][0], content, key[0])
            continue
        copies[key] = (content, _line_of(point, key[0], content, offset))
    return len(add_new(connection, market_point, _COLUMNS, copies, _check_same))


def add_boundary(connection: Connection, offset: int, boundary: Boundary) -> bool:
    """Add a boundary and the fork epochs it lists; returns whether it was new.

    Raises InvariantViolation when the number is taken by another boundary, or an epoch by another fork block.
    """
    record = encode(boundary)
    chain_id = boundary.block.chain_id
    values = {
        "chain_id": chain_id,
        "number": boundary.number,
        "block_number": boundary.block.number,
        "finality": boundary.finality.value,
        "is_scoring": boundary.is_scoring,
        "record": record,
        "log_offset": offset,
    }
    statement = insert(boundary_table).values(**values).on_conflict_do_nothing(index_elements=["chain_id", "number"])
    if connection.execute(statement.returning(boundary_table.c.number)).first() is None:
        kept = connection.scalar(
            select(boundary_table.c.record).where(
                boundary_table.c.chain_id == chain_id, boundary_table.c.number == boundary.number
            )
        )
        if kept is None or bytes(kept) != record:
            raise InvariantViolation(
                f"boundary {boundary.number} of chain {chain_id} was given twice with different content: two writers "
                "hold its lease, or the ingest database was set back; nothing may be scored before that is cleared up"
            )
        return False
    if not boundary.fork_epochs:
        return True
    for epoch in boundary.fork_epochs:
        connection.execute(
            insert(fork_epoch)
            .values(chain_id=chain_id, epoch=epoch.epoch, fork_block=epoch.fork_block, boundary_number=boundary.number)
            .on_conflict_do_nothing()
        )
    listed = {epoch.epoch: epoch.fork_block for epoch in boundary.fork_epochs}
    for kept_epoch in epochs_until(connection, chain_id, boundary.number):
        if listed.get(kept_epoch.epoch, kept_epoch.fork_block) != kept_epoch.fork_block:
            raise InvariantViolation(f"fork epoch {kept_epoch.epoch} of chain {chain_id} has two fork blocks")
    return True


def boundary_of(connection: Connection, chain_id: ChainId, number: int) -> LoggedBoundary | None:
    """Boundary `number` of a chain; None while the market has not brought it."""
    table = boundary_table
    row = connection.execute(select(table).where(table.c.chain_id == chain_id, table.c.number == number)).mappings()
    return _logged(row.first())


def scoring_between(connection: Connection, chain_id: ChainId, after: int, until: int) -> list[LoggedBoundary]:
    """Finalized scoring boundaries of a chain with numbers in (after, until], ascending."""
    table = boundary_table
    rows = connection.execute(
        select(table)
        .where(
            table.c.chain_id == chain_id,
            table.c.number > after,
            table.c.number <= until,
            table.c.is_scoring,
            table.c.finality == Finality.FINALIZED.value,
        )
        .order_by(table.c.number)
    ).mappings()
    return [_logged_of(row) for row in rows]


def first_final_at(connection: Connection, block: BlockRef) -> LoggedBoundary | None:
    """The first finalized boundary of a chain at or above a block; None while the market has not come so far."""
    table = boundary_table
    rows = connection.execute(
        select(table)
        .where(
            table.c.chain_id == block.chain_id,
            table.c.finality == Finality.FINALIZED.value,
            table.c.block_number >= block.number,
        )
        .order_by(table.c.number)
        .limit(1)
    ).mappings()
    return _logged(rows.first())


def is_final_later(connection: Connection, boundary: Boundary) -> bool:
    """Whether a later boundary that the market has brought already says that so high a block is final."""
    table = boundary_table
    found = connection.scalar(
        select(table.c.number)
        .where(
            table.c.chain_id == boundary.block.chain_id,
            table.c.number > boundary.number,
            table.c.finality == Finality.FINALIZED.value,
            table.c.block_number >= boundary.block.number,
        )
        .limit(1)
    )
    return found is not None


def newest_finalized(
    connection: Connection, chain_id: ChainId, *, below_offset: int, up_to_number: int = 2**62
) -> LoggedBoundary | None:
    """The newest finalized boundary of a chain as it was known below an offset of `market.v1`."""
    table = boundary_table
    rows = connection.execute(
        select(table)
        .where(
            table.c.chain_id == chain_id,
            table.c.finality == Finality.FINALIZED.value,
            table.c.log_offset < below_offset,
            table.c.number <= up_to_number,
        )
        .order_by(table.c.block_number.desc(), table.c.number.desc())
        .limit(1)
    ).mappings()
    return _logged(rows.first())


def epochs_until(connection: Connection, chain_id: ChainId, number: int) -> tuple[ForkEpoch, ...]:
    """Every epoch that boundaries up to this number listed. A void event stays void after its fork is final."""
    return tuple(listed.epoch for listed in epochs_listed(connection, chain_id, number))


def epochs_listed(connection: Connection, chain_id: ChainId, number: int) -> tuple[ListedEpoch, ...]:
    """The same with the boundaries that listed them first, ascending by epoch."""
    table = fork_epoch
    rows = connection.execute(
        select(table.c.epoch, table.c.fork_block, table.c.boundary_number)
        .where(table.c.chain_id == chain_id, table.c.boundary_number <= number)
        .order_by(table.c.epoch)
    )
    return tuple(ListedEpoch(ForkEpoch(row.epoch, row.fork_block), row.boundary_number) for row in rows)


def latest_points(
    connection: Connection, block: BlockRef, *, below_offset: int, epochs: tuple[ForkEpoch, ...]
) -> list[MarketPoint]:
    """The last point of every kind at a block, as it was known below an offset of `market.v1`."""
    table = market_point
    copies = (
        select(table)
        .ext(distinct_on(table.c.id))
        .where(
            table.c.chain_id == block.chain_id,
            table.c.block_number <= block.number,
            table.c.log_offset < below_offset,
            *(
                not_(and_(table.c.fork_epoch < epoch.epoch, table.c.block_number >= epoch.fork_block))
                for epoch in epochs
            ),
        )
        .order_by(table.c.id, table.c.fork_epoch.desc(), table.c.decoder_version.desc())
        .subquery()
    )
    of_category = copies.c.kind.in_([kind.value for kind in KINDS_OF_CATEGORIES])
    category = case((of_category, copies.c.category), else_=literal(0))
    order = (copies.c.block_number, copies.c.tx_index, copies.c.log_index, copies.c.sub_index)
    keys = (copies.c.deployment, copies.c.market, copies.c.kind, copies.c.asset, category)
    rows = connection.execute(
        select(copies).ext(distinct_on(*keys)).order_by(*keys, *(column.desc() for column in order))
    ).mappings()
    return [point_of(row) for row in rows]


def point_of(row: RowMapping) -> MarketPoint:
    """The market fact that a row holds."""
    return MarketPoint(
        position=position_of(row),
        sub_index=row["sub_index"],
        fork_epoch=row["fork_epoch"],
        decoder_version=row["decoder_version"],
        deployment=row["deployment"],
        kind=MarketPointKind(row["kind"]),
        asset=Address(bytes(row["asset"])),
        category=row["category"],
        values=tuple(int(value) for value in row["values"]),
        market=market_of(row),
    )


_COLUMNS = (
    *("id", "fork_epoch", "decoder_version"),
    *("chain_id", "block_number", "block_hash", "block_timestamp", "tx_hash", "tx_index", "log_index"),
    *("sub_index", "deployment", "kind", "asset", "category", "values", "market", "content", "log_offset"),
)
"""In the order of `_line_of`."""


def _line_of(point: MarketPoint, point_id: Digest, content: bytes, offset: int) -> str:
    """The row as a line of COPY's text format."""
    position = point.position
    block = position.block
    return (
        f"\\\\x{point_id.hex()}\t{point.fork_epoch}\t{point.decoder_version}\t"
        f"{block.chain_id}\t{block.number}\t\\\\x{block.hash.hex()}\t{block.timestamp}\t"
        f"\\\\x{position.tx_hash.hex()}\t{position.tx_index}\t{position.log_index}\t"
        f"{point.sub_index}\t{escaped_name(point.deployment)}\t{point.kind}\t\\\\x{point.asset.hex()}\t"
        f"{point.category}\t{{{','.join(map(str, point.values))}}}\t{hex_or_null(market_column(point.market))}\t"
        f"\\\\x{content.hex()}\t{offset}\n"
    )


def _logged(row: RowMapping | None) -> LoggedBoundary | None:
    return None if row is None else _logged_of(row)


def _logged_of(row: RowMapping) -> LoggedBoundary:
    boundary = decode(bytes(row["record"]))
    if not isinstance(boundary, Boundary):
        raise InvariantViolation(f"row {row['number']} of scoring.boundary holds a {type(boundary).__name__}")
    return LoggedBoundary(boundary, row["log_offset"])


def _check_same(kept: bytes, seen: bytes, point_id: Digest) -> None:
    if kept != seen:
        raise InvariantViolation(
            f"two copies of market point {point_id.hex()} with the same fork epoch and decoder version say different "
            "things: one of two indexers is wrong; find out which before anything is scored from them"
        )
