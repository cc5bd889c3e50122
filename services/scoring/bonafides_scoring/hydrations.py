"""The answer about a wallet whose history was read on demand, before the scan has come as far.

```
Hydrated(wallet, block) ─► fold to its block ─► a finalized answer stands? ─ yes ─► that one stays
                                                       └─ no ─► provisional: flagged where its coverage has gaps
```
It is never issued and has no receipt. Which market facts are there when the record is read is a matter of luck between
two topics, so nothing that must come out the same twice may rest on it: the scan's first complete boundary makes the
finalized answer, from the same events.
"""

from dataclasses import replace

from bonafides.digests import event_set_digest
from bonafides.events import Boundary, Hydrated
from bonafides.types import AsOf, BlockRef, ChainId, Finality, ScoreFlag
from sqlalchemy import Connection

from bonafides_scoring.knowledge import (
    dead_letters_by_wallet,
    histories_at,
    states_by_wallet,
    unreadable_records,
    view_at,
)
from bonafides_scoring.market import MarketView, market_view
from bonafides_scoring.model import ModelBundle
from bonafides_scoring.scorer import ScoreRequest, score_subject
from bonafides_scoring.store import market, provisional, results
from bonafides_scoring.store.market import LoggedBoundary
from bonafides_scoring.store.progress import Progress
from bonafides_scoring.store.provisional import Origin
from bonafides_scoring.store.results import Circumstances

ALL_OFFSETS = 2**62


def answer_hydrated(
    connection: Connection,
    bundle: ModelBundle,
    chain_ids: tuple[ChainId, ...],
    partition: int,
    offset: int,
    hydrated: Hydrated,
    after: Progress,
) -> bool:
    """Set the wallet's provisional answer as of its own block; returns whether there was one to set.

    There is none while another chain has no finalized boundary, and none is needed where a finalized answer stands.
    """
    wallet, block = hydrated.wallet, hydrated.block
    if results.last_bases(connection, [wallet]):
        return False
    seen = market.first_final_at(connection, block)
    others = _others(connection, chain_ids, block.chain_id)
    if others is None:
        return False
    own = LoggedBoundary(
        Boundary(after.number, block, Finality.FINALIZED, False, (), hydrated.coverage),
        ALL_OFFSETS if seen is None else seen.log_offset,
    )
    boundaries = tuple(sorted((own, *others), key=lambda one: one.boundary.block.chain_id))
    as_of = AsOf(tuple(one.boundary.block for one in boundaries))
    history = histories_at(connection, [wallet], boundaries, offset).get(wallet, [])
    letters = dead_letters_by_wallet(connection, [wallet], boundaries, offset).get(wallet, 0)
    coverage = tuple(row for one in boundaries for row in one.boundary.coverage)
    result = score_subject(
        ScoreRequest(
            wallets=(wallet,),
            states=states_by_wallet(connection, [wallet], boundaries, offset).get(wallet, ()),
            views=tuple(_view(connection, one, own, seen) for one in boundaries),
            as_of=as_of,
            coverage=coverage,
            event_set_digest=event_set_digest(history),
            wallet_dead_letters=letters
            + unreadable_records(connection, partition, event_offset=offset, market_offset=own.log_offset),
            flags=_flags(hydrated, block),
        ),
        bundle,
    )
    at = Circumstances(
        partition=partition,
        chain_id=block.chain_id,
        boundary_number=after.number,
        market_offset=own.log_offset,
        event_offset=offset,
        model_class=bundle.model_class,
        model_name=bundle.manifest.name,
        outcome=bundle.manifest.outcome,
        horizon_days=bundle.manifest.scale.horizon_days,
    )
    provisional.set_provisional(
        connection, [(wallet, result)], coverage, at, origin=Origin.HYDRATION, block_number=block.number
    )
    return True


def _others(connection: Connection, chain_ids: tuple[ChainId, ...], own: ChainId) -> tuple[LoggedBoundary, ...] | None:
    """The newest finalized boundary of each other chain; None when one has none."""
    found = [
        market.newest_finalized(connection, chain_id, below_offset=ALL_OFFSETS)
        for chain_id in chain_ids
        if chain_id != own
    ]
    known = tuple(one for one in found if one is not None)
    return known if len(known) == len(found) else None


def _view(connection: Connection, one: LoggedBoundary, own: LoggedBoundary, seen: LoggedBoundary | None) -> MarketView:
    """The market at a block; of the wallet's own chain only where a boundary says that all of it is there: older prices
    may not pass for those of the block."""
    if one is not own:
        return view_at(connection, one, one.log_offset)
    if seen is None:
        return market_view((), own.boundary.block)
    as_seen = LoggedBoundary(replace(seen.boundary, block=own.boundary.block), seen.log_offset)
    return view_at(connection, as_seen, seen.log_offset)


def _flags(hydrated: Hydrated, block: BlockRef) -> ScoreFlag:
    is_whole = all(not row.gaps and row.complete_to >= block.number for row in hydrated.coverage)
    return ScoreFlag.NONE if is_whole else ScoreFlag.PARTIAL_COVERAGE
