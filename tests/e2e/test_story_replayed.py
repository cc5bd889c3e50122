"""The log is the truth: an empty database and another number of workers come to the same bytes."""

import pytest
from bonafides_lab.demo.story import check_alive
from bonafides_lab.system.processes import Service

from tests.e2e.conftest import Story
from tests.support.world import engine_of, rows_of, until

pytestmark = pytest.mark.e2e

FINALIZED = """
    SELECT encode(score_id, 'hex') AS id, encode(receipt, 'hex') AS receipt, explanation, score, band, pd_bps, flags,
           reasons::text, coverage, as_of_time
    FROM scoring.score
    UNION ALL
    SELECT encode(result_id, 'hex'), '', reason, 0, '', 0, 0, '', coverage, as_of_time FROM scoring.unscorable
    ORDER BY id
"""


def test_replay__into_an_empty_database_with_three_workers__gives_the_same_bytes(story: Story) -> None:
    world, system = story.world, story.world.installation.system
    first = rows_of(story.database, FINALIZED)
    again, url = world.system_on(world.stack.kafka_bootstrap, "replayed")
    engine = engine_of(url)
    system.running.pop(str(Service.SCORING_WORKER)).process.terminate()  # its group has the partitions
    try:
        for replica in range(3):
            again.start(Service.SCORING_WORKER, replica=replica)
        until(lambda: len(rows_of(engine, FINALIZED)) >= len(first), "as many results", lambda: check_alive(again))
        known = {row["id"] for row in first}
        replayed = [row for row in rows_of(engine, FINALIZED) if row["id"] in known]
        workers = rows_of(engine, "SELECT count(DISTINCT partition) AS count FROM scoring.consumer_offset")
    finally:
        codes = again.stop()
        engine.dispose()
        system.start(Service.SCORING_WORKER).wait_ready()

    assert len(first) >= 40
    assert replayed == first
    assert workers[0]["count"] == 64
    assert set(codes.values()) == {0}
