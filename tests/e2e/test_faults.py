"""Faults of every main kind to ingest, worker, broker and database under load: nothing is lost and nothing doubled.

A short run of `make faults`. Afterwards its tables are spoilt in every way that the checker must notice.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from bonafides.errors import MissingTool

from tests.faults.checker import Report
from tests.faults.run import Outcome, check_in, run_faults
from tests.faults.schedule import MAIN_KINDS
from tests.faults.world import World, faulty_world

pytestmark = pytest.mark.e2e

SEED, DAYS = 20261123, 30
WORDS = {
    # One of the history of which there is no other copy: it counts.
    "ONE_EVENT": "(SELECT min(ctid::text)::tid FROM scoring.event WHERE id = (SELECT id FROM scoring.event"
    " WHERE type = 'debt_balance' GROUP BY id HAVING count(*) = 1 ORDER BY min(block_number), id LIMIT 1))",
    "EVENT_COLUMNS": "tx_hash, wallet, partition, chain_id, block_number, block_timestamp, tx_index, log_index,"
    " sub_index, protocol, deployment, type, role, counterparty, asset, amount, second_asset, second_amount,"
    " scaled_delta, index_ray, market, content, log_offset, fork_epoch, decoder_version",
    "SCORE_COLUMNS": "wallets, partition, as_of, as_of_time, chain_id, boundary_number, event_offset, market_offset,"
    " model_id, model_class, coverage, event_set_digest, made_at, score, band, pd_bps, flags, reasons, receipt,"
    " explanation, code_version",
}
"""What stands for longer texts in the statements below."""


@dataclass(frozen=True)
class Survived:
    """A world after its faults."""

    world: World
    outcome: Outcome


@pytest.fixture(scope="module")
def survived() -> Iterator[Survived]:
    with tempfile.TemporaryDirectory(prefix="bonafides-faults-", ignore_cleanup_errors=True) as folder:
        try:
            with faulty_world(Path(folder), SEED, DAYS) as world:
                yield Survived(world, run_faults(world, SEED, len(MAIN_KINDS)))
        except MissingTool as exc:
            pytest.skip(f"SKIPPED, no faults: {exc}")


@contextmanager
def spoilt(world: World, statement: str) -> Iterator[Report]:
    """What the checker says of tables that somebody has changed; the change does not stay."""
    for word, text in WORDS.items():
        statement = statement.replace(word, text)
    with psycopg.connect(world.database.address) as connection:
        connection.execute("SET LOCAL session_replication_role = replica")  # without the triggers that refuse changes
        done = connection.execute(statement.encode())
        assert done.rowcount == 1, statement
        yield check_in(connection, world)
        connection.rollback()


def test_faults__of_every_main_kind__lose_nothing_and_double_nothing(survived: Survived) -> None:
    outcome = survived.outcome

    assert outcome.stuck == []
    assert outcome.surprises == []
    assert set(outcome.injected) == set(MAIN_KINDS)
    assert outcome.report is not None
    assert {name: count for name, count in outcome.report.faults.items() if count} == {}
    assert outcome.report.expected > 1_000
    assert outcome.report.results > 0


def test_checker__deleted_row__is_lost(survived: Survived) -> None:
    statement = "DELETE FROM scoring.event WHERE ctid = ONE_EVENT"

    with spoilt(survived.world, statement) as report:
        assert (report.lost, report.sums_wrong) == (1, 1)
        assert (report.doubled, report.invented, report.altered) == (0, 0, 0)


def test_checker__row_twice_under_another_id__is_doubled(survived: Survived) -> None:
    statement = (
        "INSERT INTO scoring.event (id, block_hash, EVENT_COLUMNS)"
        " SELECT sha256(id), block_hash, EVENT_COLUMNS FROM scoring.event WHERE ctid = ONE_EVENT"
    )

    with spoilt(survived.world, statement) as report:
        assert (report.doubled, report.sums_wrong) == (1, 1)
        assert (report.lost, report.invented, report.altered) == (0, 0, 0)


@pytest.mark.parametrize(
    ("statement", "wrong_sums"),
    [
        ("UPDATE scoring.event SET amount = amount + 1 WHERE ctid = ONE_EVENT", 0),
        ("UPDATE scoring.event SET scaled_delta = scaled_delta + 1 WHERE ctid = ONE_EVENT", 1),
    ],
)
def test_checker__number_that_is_another_one__is_altered(survived: Survived, statement: str, wrong_sums: int) -> None:
    with spoilt(survived.world, statement) as report:
        assert (report.altered, report.sums_wrong) == (1, wrong_sums)
        assert (report.lost, report.doubled, report.invented) == (0, 0, 0)


def test_checker__copy_of_a_block_that_was_left__is_invented(survived: Survived) -> None:
    statement = (
        "INSERT INTO scoring.event (id, block_hash, EVENT_COLUMNS)"
        " SELECT sha256(id), sha256(block_hash), EVENT_COLUMNS FROM scoring.event WHERE ctid = ONE_EVENT"
    )

    with spoilt(survived.world, statement) as report:
        assert (report.invented, report.sums_wrong) == (1, 1)
        assert (report.lost, report.doubled, report.altered) == (0, 0, 0)


def test_checker__range_that_was_never_read__is_a_gap(survived: Survived) -> None:
    statement = (
        "UPDATE ingest.done_range SET last_block = last_block - 1 WHERE last_block ="
        " (SELECT max(last_block) FROM ingest.done_range)"
    )

    with spoilt(survived.world, statement) as report:
        assert report.blocks_not_read == 1


def test_checker__score_made_twice_at_one_boundary__is_told(survived: Survived) -> None:
    statement = (
        "INSERT INTO scoring.score (score_id, SCORE_COLUMNS)"
        " SELECT sha256(score_id), SCORE_COLUMNS FROM scoring.score LIMIT 1"
    )

    with spoilt(survived.world, statement) as report:
        assert report.scored_twice == 1
