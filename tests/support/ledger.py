"""What our Postgres says that each wallet holds and owes, at a block, interest included."""

from collections.abc import Sequence

from bonafides.database import transaction
from bonafides.types import Address, ChainId
from bonafides_scoring.market import balances, market_key, view_of_latest
from bonafides_scoring.state_codec import decode_state
from bonafides_scoring.store.market import boundary_of, epochs_until, latest_points
from sqlalchemy import Engine, text

CHAIN = ChainId(31337)

type Balance = tuple[int, int]
"""(supply, debt), smallest units of the token."""


def ledger_balances(
    engine: Engine, wallets: Sequence[Address], block_number: int
) -> dict[tuple[Address, Address], Balance]:
    """Balances by (wallet, underlying token), from the folded snapshots and the market at a boundary's block."""
    with transaction(engine) as connection:
        query = "SELECT number FROM scoring.boundary WHERE chain_id = :chain AND block_number = :block ORDER BY number"
        number = connection.scalar(text(query), {"chain": CHAIN, "block": block_number})
        logged = boundary_of(connection, CHAIN, number or 0)
        assert logged is not None, f"no boundary at block {block_number}"
        epochs = epochs_until(connection, CHAIN, logged.boundary.number)
        block = logged.boundary.block
        points = latest_points(connection, block, below_offset=logged.log_offset, epochs=epochs)
        view = view_of_latest({market_key(point): point for point in points}, block)
        snapshots = connection.execute(
            text(
                "SELECT DISTINCT ON (wallet) wallet, state FROM scoring.wallet_snapshot "
                "WHERE wallet = ANY(:wallets) AND block_number <= :block ORDER BY wallet, block_number DESC"
            ),
            {"wallets": list(wallets), "block": block_number},
        ).all()
    return {
        (Address(bytes(row.wallet)), key.asset): balances(asset, view.reserves[key])
        for row in snapshots
        for key, asset in decode_state(bytes(row.state)).assets
    }
