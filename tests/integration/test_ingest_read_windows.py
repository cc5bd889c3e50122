"""What each window read, kept in a real PostgreSQL."""

from collections.abc import Iterator

import pytest
from bonafides import database
from bonafides.events import BlockRange
from bonafides_ingest.lease import add_chain
from bonafides_ingest.log_digest import LogFilter, LogSet
from bonafides_ingest.read_windows import MERGED_BLOCKS, ReadLogs, put_read_windows, windows_in
from sqlalchemy import Engine

from tests.support.ingest_logs import CHAIN, address
from tests.support.scoring_service import as_role

pytestmark = pytest.mark.integration

NARROW = LogFilter(frozenset({address("token")}))
WIDE = LogFilter(frozenset({address("token"), address("pool")}))
ALL = BlockRange(0, 10**9)


@pytest.fixture
def engine(fresh_database: str) -> Iterator[Engine]:
    owner = database.connect(fresh_database)
    database.migrate(owner, schemas=["ingest"])
    owner.dispose()
    with as_role(fresh_database, "bonafides_ingest") as engine:
        with database.transaction(engine) as connection:
            add_chain(connection, CHAIN)
        yield engine


def _put(engine: Engine, first: int, last: int, wanted: LogFilter = NARROW, count: int = 1, *names: str) -> None:
    read = {name: ReadLogs(wanted, LogSet(count, count * 2**250)) for name in names or ("aave",)}
    with database.transaction(engine) as connection:
        put_read_windows(connection, CHAIN, BlockRange(first, last), read)


def _windows(engine: Engine, wanted: BlockRange = ALL) -> list[tuple[str, int, int, int]]:
    found = windows_in(engine, CHAIN, wanted)
    return [(one.deployment, one.blocks.first, one.blocks.last, one.read.logs.count) for one in found]


def test_windows__small_ones_that_adjoin__grow_together_and_their_logs_add_up(engine: Engine) -> None:
    for number in range(100, 100 + MERGED_BLOCKS + 1):
        _put(engine, number, number)

    assert _windows(engine) == [
        ("aave", 100, 99 + MERGED_BLOCKS, MERGED_BLOCKS),
        ("aave", 100 + MERGED_BLOCKS, 100 + MERGED_BLOCKS, 1),
    ]
    (merged, _) = windows_in(engine, CHAIN, ALL)
    assert merged.read.logs == LogSet(MERGED_BLOCKS, MERGED_BLOCKS * 2**250 % 2**256)


def test_windows__other_contracts_or_a_hole_between__stay_apart(engine: Engine) -> None:
    _put(engine, 1, 10)
    _put(engine, 11, 20, WIDE)
    _put(engine, 22, 30, WIDE)

    assert _windows(engine) == [("aave", 1, 10, 1), ("aave", 11, 20, 1), ("aave", 22, 30, 1)]
    assert [one.read.filter for one in windows_in(engine, CHAIN, ALL)] == [NARROW, WIDE, WIDE]


def test_windows__several_deployments_at_once__each_has_its_own(engine: Engine) -> None:
    _put(engine, 1, 10, NARROW, 3, "aave", "spark")

    _put(engine, 11, 20, NARROW, 4, "spark")

    assert _windows(engine) == [("aave", 1, 10, 3), ("spark", 1, 20, 7)]


def test_windows__read_again_from_the_first_block__replace_those_from_before(engine: Engine) -> None:
    _put(engine, 1, 10, NARROW, 5)
    _put(engine, 11, 2_000, NARROW, 5)

    _put(engine, 1, 6, WIDE, 7)
    _put(engine, 7, 3_000, NARROW, 7)

    assert _windows(engine) == [("aave", 1, 6, 7), ("aave", 7, 3_000, 7)]


def test_windows__a_range_is_asked_for__those_that_share_a_block_come_whole(engine: Engine) -> None:
    for first in (1, 2_001, 4_001):
        _put(engine, first, first + 1_999)

    assert _windows(engine, BlockRange(2_000, 2_001)) == [("aave", 1, 2_000, 1), ("aave", 2_001, 4_000, 1)]
