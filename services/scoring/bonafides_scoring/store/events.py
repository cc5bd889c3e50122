"""Events of wallets as rows, and back. A copy is added once and never changed."""

from collections.abc import Iterable, Mapping, Sequence

from bonafides.digests import encode_event
from bonafides.errors import InvariantViolation
from bonafides.events import ForkEpoch, Hydrated, LendingEvent, Position, WalletDeadLetter, is_void
from bonafides.hashing import sha256
from bonafides.messages import encode
from bonafides.types import ZERO_DIGEST, Address, BlockRef, ChainId, Digest, EventType, Protocol, Role
from sqlalchemy import BigInteger, Connection, RowMapping, and_, func, literal, not_, or_, select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on, insert

from bonafides_scoring.store.copying import CopyKey, CopyRow, add_new, escaped_name, hex_or_null
from bonafides_scoring.store.states import asked_stretches, distrust, distrust_wallets
from bonafides_scoring.store.tables import event as event_table
from bonafides_scoring.store.tables import hydration, wallet_dead_letter

WHOLE_LOG = -1
"""In place of a sub-index: no event of the log could be read."""


type ReadEvent = tuple[int, int, LendingEvent]
"""The partition and the offset that an event was read at, and the event."""


def add_events(connection: Connection, read: Sequence[ReadEvent]) -> int:
    """Add copies with the offsets they were read at; returns how many were new.

    Raises InvariantViolation when a copy of the same precedence says something else.
    """
    copies: dict[CopyKey, CopyRow] = {}
    found: dict[CopyKey, tuple[int, LendingEvent]] = {}
    for partition, offset, event in read:
        key = (event.id, event.fork_epoch, event.decoder_version)
        content = sha256(encode_event(event))
        if key in copies:
            _check_same(copies[key][0], content, key[0])
            continue
        copies[key] = (content, _line_of(event, key[0], partition, content, offset))
        found[key] = (partition, event)
    if not copies:
        return 0
    new = add_new(connection, event_table, _COLUMNS, copies, _check_same)
    _mark_unfolded(connection, [found[key] for key in new])
    return len(new)


def events_known(
    connection: Connection,
    above: Mapping[Address, int],
    chain_id: ChainId,
    *,
    to_block: int,
    below_offset: int | Mapping[Address, int],
    epochs: tuple[ForkEpoch, ...],
) -> dict[Address, list[LendingEvent]]:
    """Events of blocks above each wallet's own and up to `to_block`, as they were known below an offset: one for all,
    or one for each wallet, since each partition counts its own.

    In canonical order per wallet. Of several copies the highest (fork epoch, decoder version) counts; what the epochs
    made void is left out.
    """
    table = event_table
    below = below_offset if isinstance(below_offset, Mapping) else dict.fromkeys(above, below_offset)
    asked = asked_stretches(above, below)
    rows = connection.execute(
        select(table)
        .ext(distinct_on(table.c.id))
        .join(asked, asked.c.wallet == table.c.wallet)
        .where(
            table.c.chain_id == chain_id,
            table.c.block_number > asked.c.block,
            table.c.block_number <= to_block,
            table.c.log_offset < asked.c.below,
        )
        .order_by(table.c.id, table.c.fork_epoch.desc(), table.c.decoder_version.desc())
    ).mappings()
    found: dict[Address, list[LendingEvent]] = {}
    for row in rows:
        if not is_void(row["block_number"], row["fork_epoch"], epochs):
            found.setdefault(Address(bytes(row["wallet"])), []).append(event_of(row))
    for events in found.values():
        events.sort(key=lambda one: one.order)
    return found


def events_page(
    connection: Connection,
    wallet: Address,
    chain_id: ChainId,
    *,
    to_block: int,
    epochs: tuple[ForkEpoch, ...],
    after: tuple[int, int, int, int] | None,
    limit: int,
) -> list[LendingEvent]:
    """The next events of a wallet up to a block, as all that is known now has them: at most `limit`, above `after`."""
    table, other = event_table, event_table.alias("other")
    order = (table.c.block_number, table.c.tx_index, table.c.log_index, table.c.sub_index)
    precedence, better = (
        tuple_(table.c.fork_epoch, table.c.decoder_version),
        tuple_(other.c.fork_epoch, other.c.decoder_version),
    )
    query = (
        select(table)
        .where(
            table.c.wallet == wallet,
            table.c.chain_id == chain_id,
            table.c.block_number <= to_block,
            ~select(other.c.id).where(other.c.id == table.c.id, better > precedence).exists(),
            *(not_(and_(table.c.fork_epoch < one.epoch, table.c.block_number >= one.fork_block)) for one in epochs),
        )
        .order_by(*order)
        .limit(limit)
    )
    if after is not None:
        # The block alone is what the index serves.
        query = query.where(
            table.c.block_number >= after[0], tuple_(*order) > tuple_(*(literal(part, BigInteger) for part in after))
        )
    return [event_of(row) for row in connection.execute(query).mappings()]


def add_dead_letter(
    connection: Connection, partition: int, offset: int, letter: WalletDeadLetter, sub_index: int = WHOLE_LOG
) -> None:
    """Remember that a log of this wallet could not be read, or only one event of that log."""
    block = letter.position.block
    connection.execute(
        insert(wallet_dead_letter)
        .values(
            wallet=letter.wallet,
            chain_id=block.chain_id,
            block_hash=block.hash,
            log_index=letter.position.log_index,
            sub_index=sub_index,
            block_number=block.number,
            deployment=letter.deployment,
            reason=letter.reason,
            log_offset=offset,
        )
        .on_conflict_do_nothing()
    )
    distrust(connection, partition, block.chain_id, {letter.wallet: block.number})


def dead_letters_known(
    connection: Connection, wallets: Iterable[Address], chain_id: ChainId, *, to_block: int, below_offset: int
) -> dict[Address, int]:
    """Dead letters per wallet that nothing has mended: no event stands where one, or the whole log, was not read."""
    letters, table = wallet_dead_letter, event_table
    mended = (
        select(table.c.id)
        .where(
            table.c.wallet == letters.c.wallet,
            table.c.chain_id == letters.c.chain_id,
            table.c.block_hash == letters.c.block_hash,
            table.c.log_index == letters.c.log_index,
            or_(letters.c.sub_index == WHOLE_LOG, table.c.sub_index == letters.c.sub_index),
            table.c.log_offset < below_offset,
        )
        .exists()
    )
    rows = connection.execute(
        select(letters.c.wallet, func.count().label("letters"))
        .where(
            letters.c.wallet.in_(list(wallets)),
            letters.c.chain_id == chain_id,
            letters.c.block_number <= to_block,
            letters.c.log_offset < below_offset,
            ~mended,
        )
        .group_by(letters.c.wallet)
    )
    return {Address(row.wallet): row.letters for row in rows}


def add_hydration(connection: Connection, offset: int, hydrated: Hydrated) -> None:
    """Remember that a wallet's history was read on demand."""
    block = hydrated.block
    connection.execute(
        insert(hydration)
        .values(
            wallet=hydrated.wallet,
            chain_id=block.chain_id,
            block_number=block.number,
            block_hash=block.hash,
            block_timestamp=block.timestamp,
            record=encode(hydrated),
            log_offset=offset,
        )
        .on_conflict_do_nothing()
    )


def position_of(row: RowMapping) -> Position:
    """The place in a chain that a row names."""
    block = BlockRef(
        ChainId(row["chain_id"]), row["block_number"], Digest(bytes(row["block_hash"])), row["block_timestamp"]
    )
    return Position(block, Digest(bytes(row["tx_hash"])), row["tx_index"], row["log_index"])


def event_of(row: RowMapping) -> LendingEvent:
    """The event that a row holds."""
    return LendingEvent(
        position=position_of(row),
        sub_index=row["sub_index"],
        fork_epoch=row["fork_epoch"],
        decoder_version=row["decoder_version"],
        protocol=Protocol(row["protocol"]),
        deployment=row["deployment"],
        type=EventType(row["type"]),
        role=Role(row["role"]),
        wallet=Address(bytes(row["wallet"])),
        counterparty=_address(row["counterparty"]),
        asset=Address(bytes(row["asset"])),
        amount=int(row["amount"]),
        second_asset=_address(row["second_asset"]),
        second_amount=int(row["second_amount"]),
        scaled_delta=int(row["scaled_delta"]),
        index_ray=int(row["index_ray"]),
        market=market_of(row),
    )


def market_of(row: RowMapping) -> Digest:
    """The isolated market that a row names."""
    return ZERO_DIGEST if row["market"] is None else Digest(bytes(row["market"]))


def market_column(market: Digest) -> Digest | None:
    """As it stands in a row."""
    return None if market == ZERO_DIGEST else market


def _address(raw: bytes | None) -> Address | None:
    return None if raw is None else Address(bytes(raw))


_COLUMNS = (
    *("id", "fork_epoch", "decoder_version", "wallet", "partition"),
    *("chain_id", "block_number", "block_hash", "block_timestamp", "tx_hash", "tx_index", "log_index"),
    *("sub_index", "protocol", "deployment", "type", "role", "counterparty", "asset", "amount"),
    *("second_asset", "second_amount", "scaled_delta", "index_ray", "market", "content", "log_offset"),
)
"""In the order of `_line_of`."""


def _line_of(event: LendingEvent, event_id: Digest, partition: int, content: bytes, offset: int) -> str:
    """The row as a line of COPY's text format."""
    position = event.position
    block = position.block
    return (
        f"\\\\x{event_id.hex()}\t{event.fork_epoch}\t{event.decoder_version}\t\\\\x{event.wallet.hex()}\t{partition}\t"
        f"{block.chain_id}\t{block.number}\t\\\\x{block.hash.hex()}\t{block.timestamp}\t"
        f"\\\\x{position.tx_hash.hex()}\t{position.tx_index}\t{position.log_index}\t"
        f"{event.sub_index}\t{event.protocol}\t{escaped_name(event.deployment)}\t{event.type}\t"
        f"{event.role}\t{hex_or_null(event.counterparty)}\t\\\\x{event.asset.hex()}\t{event.amount}\t"
        f"{hex_or_null(event.second_asset)}\t{event.second_amount}\t{event.scaled_delta}\t{event.index_ray}\t"
        f"{hex_or_null(market_column(event.market))}\t\\\\x{content.hex()}\t{offset}\n"
    )


def _check_same(kept: bytes, seen: bytes, event_id: Digest) -> None:
    if kept != seen:
        raise InvariantViolation(
            f"two copies of event {event_id.hex()} with the same fork epoch and decoder version say different things: "
            "one of two indexers is wrong; find out which before anything is scored from them"
        )


def _mark_unfolded(connection: Connection, new: Iterable[tuple[int, LendingEvent]]) -> None:
    first: dict[ChainId, dict[Address, tuple[int, int]]] = {}
    for partition, event in new:
        block = event.position.block
        wallets = first.setdefault(block.chain_id, {})
        known = wallets.get(event.wallet)
        if known is None or block.number < known[1]:
            wallets[event.wallet] = (partition, block.number)
    for chain_id, wallets in first.items():
        distrust_wallets(connection, chain_id, wallets)
