"""A process that stands still inside a transaction holds nothing up for ever.

Found by stopping the holder of a chain's lease (SIGSTOP) between two statements: its row lock stayed, and no other
replica could take over for as long as it was frozen.
"""

import time
from collections.abc import Iterator

import pytest
from bonafides import database
from bonafides.errors import Unavailable
from sqlalchemy import Engine, text

pytestmark = pytest.mark.integration

PATIENCE_S = 0.5


@pytest.fixture
def frozen(fresh_database: str) -> Iterator[Engine]:
    """Of the process that will stand still."""
    engine = database.connect(fresh_database, idle_in_transaction_s=PATIENCE_S)
    yield engine
    engine.dispose()


@pytest.fixture
def other(fresh_database: str) -> Iterator[Engine]:
    """Of the one that wants to take over."""
    engine = database.connect(fresh_database)
    with database.transaction(engine) as connection:
        connection.execute(text("CREATE TABLE lease AS SELECT 'nobody' AS holder"))
    yield engine
    engine.dispose()


def test_transaction__holder_of_a_row_stands_still__the_row_is_free_again_and_nothing_of_it_stays(
    frozen: Engine, other: Engine
) -> None:
    held = frozen.connect()
    held.execute(text("UPDATE lease SET holder = 'frozen'"))

    began = time.monotonic()
    with database.transaction(other) as connection:  # waits for the row, ten seconds at most
        seen = connection.scalar(text("UPDATE lease SET holder = holder || ', other' RETURNING holder"))
    waited_s = time.monotonic() - began

    held.invalidate()
    assert seen == "nobody, other"
    assert PATIENCE_S / 2 < waited_s < 10


def _stand_still(engine: Engine) -> None:
    with database.transaction(engine) as connection:
        connection.execute(text("SELECT 1"))
        time.sleep(3 * PATIENCE_S)
        connection.execute(text("SELECT 1"))


def test_transaction__goes_on_after_standing_still__is_unavailable_and_the_next_one_works(frozen: Engine) -> None:
    with pytest.raises(Unavailable):
        _stand_still(frozen)

    database.check(frozen)


def test_connect__unless_told_otherwise__a_session_that_stands_still_is_ended(other: Engine) -> None:
    with database.transaction(other) as connection:
        told = connection.scalar(text("SHOW idle_in_transaction_session_timeout"))

    assert told == f"{database.IDLE_IN_TRANSACTION_S:.0f}s"
