"""The faults of a seed: the same ones every time, and all main kinds in a short run."""

import pytest

from tests.faults.schedule import DEEPEST_REORG, MAIN_KINDS, Kind, draw_faults

pytestmark = pytest.mark.unit

INGEST_POINTS, WORKER_POINTS = ["ingest.b", "ingest.a"], ["worker.a"]


def test_schedule__same_seed__is_the_same_and_a_longer_run_begins_like_a_shorter_one() -> None:
    long = draw_faults(7, 100, INGEST_POINTS, WORKER_POINTS)

    again, short = (draw_faults(7, runs, list(reversed(INGEST_POINTS)), WORKER_POINTS) for runs in (100, 20))

    assert again == long
    assert [(fault.kind, fault.number) for fault in short] == [(fault.kind, fault.number) for fault in long[:20]]
    assert short == long[:20]
    assert [fault.number for fault in long] == list(range(1, 101))


def test_schedule__other_seeds__are_other_schedules() -> None:
    kinds = {tuple(fault.kind for fault in draw_faults(seed, 30, INGEST_POINTS, WORKER_POINTS)) for seed in range(10)}

    assert len(kinds) == 10


@pytest.mark.parametrize("seed", range(5))
def test_schedule__short_run__has_every_main_kind_and_a_long_one_has_all(seed: int) -> None:
    short = draw_faults(seed, len(MAIN_KINDS), INGEST_POINTS, WORKER_POINTS)
    long = draw_faults(seed, 60, INGEST_POINTS, WORKER_POINTS)

    assert {fault.kind for fault in short} == set(MAIN_KINDS)
    assert {fault.kind for fault in long} == set(Kind)
    assert all(1 <= fault.depth <= DEEPEST_REORG for fault in long)
    assert {fault.point for fault in long if fault.kind is Kind.INGEST_CRASH} <= set(INGEST_POINTS)
    assert all(fault.point for fault in long if fault.kind in (Kind.INGEST_CRASH, Kind.WORKER_CRASH))
