"""When a boundary is due, and what it says."""

import pytest
from bonafides.events import BlockRange, DeploymentCoverage, ForkEpoch
from bonafides.types import Finality
from bonafides_ingest.boundaries import (
    ALL_PARTITIONS,
    BoundaryPace,
    BoundaryPlan,
    SentBoundaries,
    Told,
    build_boundary,
    coverage_of,
    plan_boundary,
    plan_head_boundary,
)

from tests.support.ingest_logs import CHAIN, DEPLOYMENT, block_at

pytestmark = pytest.mark.unit

PACE = BoundaryPace(boundary_interval_s=30, scoring_interval_s=300)
SCORED = Told(block_number=50, to_all_at=1000.0, scored_at=1000.0, scored_block=50)


def test_plan_boundary__backfill__tells_all_once_an_interval_and_never_scores() -> None:
    sent = Told(block_number=10, to_all_at=1000.0)

    early = plan_boundary(sent, PACE, tip=20, is_complete=False, pending_partitions=[3], now=1029.0)
    due = plan_boundary(sent, PACE, tip=20, is_complete=False, pending_partitions=[3], now=1030.0)

    assert early is None
    assert due == BoundaryPlan(is_scoring=False, is_to_all=True, partitions=ALL_PARTITIONS)


def test_plan_boundary__first_complete_one__scores_everybody_at_once() -> None:
    sent = Told(block_number=10, to_all_at=1000.0)

    plan = plan_boundary(sent, PACE, tip=20, is_complete=True, pending_partitions=[], now=1001.0)

    assert plan == BoundaryPlan(is_scoring=True, is_to_all=True, partitions=ALL_PARTITIONS)


def test_plan_boundary__complete_and_events_came__tells_their_partitions_at_once() -> None:
    plan = plan_boundary(SCORED, PACE, tip=51, is_complete=True, pending_partitions=[9, 3, 9], now=1001.0)

    assert plan == BoundaryPlan(is_scoring=False, is_to_all=False, partitions=(3, 9))


def test_plan_boundary__blocks_without_events__wait_for_the_interval() -> None:
    def plan_at(now: float) -> BoundaryPlan | None:
        return plan_boundary(SCORED, PACE, tip=60, is_complete=True, pending_partitions=[], now=now)

    assert plan_at(1029.0) is None
    assert plan_at(1030.0) == BoundaryPlan(is_scoring=False, is_to_all=True, partitions=ALL_PARTITIONS)
    assert plan_at(1300.0) == BoundaryPlan(is_scoring=True, is_to_all=True, partitions=ALL_PARTITIONS)


def test_plan_boundary__no_new_block__makes_none_however_long() -> None:
    assert plan_boundary(SCORED, PACE, tip=50, is_complete=True, pending_partitions=[], now=99_999.0) is None


def test_build_boundary__numbers_on_and_lists_the_epochs_since_the_one_before() -> None:
    plan = BoundaryPlan(is_scoring=True, is_to_all=True, partitions=ALL_PARTITIONS)
    epochs = [ForkEpoch(9, 58), ForkEpoch(8, 51), ForkEpoch(7, 50)]

    sent = SentBoundaries(number=7, epoch=7, final=SCORED)

    boundary = build_boundary(sent, plan, block_at(60), Finality.FINALIZED, epochs, ())

    assert (boundary.number, boundary.block, boundary.finality) == (8, block_at(60), Finality.FINALIZED)
    assert boundary.fork_epochs == (ForkEpoch(8, 51), ForkEpoch(9, 58))


def test_build_boundary__epoch_below_the_final_one_that_no_boundary_listed__is_listed() -> None:
    plan = BoundaryPlan(is_scoring=False, is_to_all=False, partitions=(1,))
    sent = SentBoundaries(number=7, epoch=7, final=SCORED)

    boundary = build_boundary(sent, plan, block_at(60), Finality.HEAD, [ForkEpoch(7, 50), ForkEpoch(8, 40)], ())

    assert boundary.finality is Finality.HEAD
    assert boundary.fork_epochs == (ForkEpoch(8, 40),)


def test_plan_head_boundary__events_or_a_reorg__tell_their_partitions_at_once() -> None:
    told = Told(block_number=60, to_all_at=1000.0, scored_at=1000.0, scored_block=60)

    plan = plan_head_boundary(told, PACE, top=58, is_complete=True, pending_partitions=[9, 3], now=1001.0)

    assert plan == BoundaryPlan(is_scoring=False, is_to_all=False, partitions=(3, 9))


def test_plan_head_boundary__blocks_without_events__wait_for_the_intervals() -> None:
    told = Told(block_number=60, to_all_at=1000.0, scored_at=1000.0, scored_block=60)

    def plan_at(now: float, top: int = 61, is_complete: bool = True) -> BoundaryPlan | None:
        return plan_head_boundary(told, PACE, top=top, is_complete=is_complete, pending_partitions=[], now=now)

    assert plan_at(1029.0) is None
    assert plan_at(1030.0) == BoundaryPlan(is_scoring=False, is_to_all=True, partitions=ALL_PARTITIONS)
    assert plan_at(1300.0) == BoundaryPlan(is_scoring=True, is_to_all=True, partitions=ALL_PARTITIONS)
    assert plan_at(1300.0, is_complete=False) == BoundaryPlan(False, True, ALL_PARTITIONS)
    assert plan_at(9_999.0, top=60) is None


def test_coverage_of__a_gap_and_unknown_dead_letters__are_said() -> None:
    done = {DEPLOYMENT.id: (BlockRange(1, 10), BlockRange(13, 40))}

    coverage = coverage_of([DEPLOYMENT], 4, done, {DEPLOYMENT.id: 2}, tip=40)

    assert coverage == (DeploymentCoverage(DEPLOYMENT.id, CHAIN, 4, 1, 40, (BlockRange(11, 12),), 2),)
