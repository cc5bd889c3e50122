"""Leases on a real database: one holder, taken over after its time, and never written under once lost."""

from collections.abc import Iterator

import pytest
from bonafides import database
from bonafides_attestation.leases import Lease, LostLease
from sqlalchemy import Engine, text

pytestmark = pytest.mark.integration


@pytest.fixture
def engine(fresh_database: str) -> Iterator[Engine]:
    made = database.connect(fresh_database)
    database.migrate(made, schemas=["attestation"])
    yield made
    made.dispose()


def let_it_run_out(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE attestation.leases SET expires_at = now() - interval '1 second'"))


def write_under(lease: Lease, engine: Engine) -> None:
    """Write something, then find out whether we may."""
    with database.transaction(engine) as connection:
        connection.execute(text("INSERT INTO attestation.opt_ins (wallet) VALUES ('\\x01')"))
        lease.hold(connection)


def test_take__held_by_another__waits_until_it_ran_out_or_was_released(engine: Engine) -> None:
    first, second = Lease(engine, "issuer", 60), Lease(engine, "issuer", 60)

    assert [first.take(), first.take(), second.take()] == [True, True, False]
    let_it_run_out(engine)
    assert [second.take(), first.take()] == [True, False]
    second.release()
    assert first.take()
    with engine.begin() as connection:
        assert connection.scalar(text("SELECT token FROM attestation.leases")) == 3


def test_hold__taken_over_meanwhile__raises_and_the_transaction_changes_nothing(engine: Engine) -> None:
    slow, fast = Lease(engine, "publisher", 60), Lease(engine, "publisher", 60)
    slow.take()
    let_it_run_out(engine)
    fast.take()

    with pytest.raises(LostLease):
        write_under(slow, engine)
    with pytest.raises(LostLease):
        slow.keep()

    with engine.begin() as connection:
        assert connection.scalar(text("SELECT count(*) FROM attestation.opt_ins")) == 0


def test_hold__ran_out_but_nobody_took_it__is_renewed(engine: Engine) -> None:
    slow, late = Lease(engine, "issuer", 60), Lease(engine, "issuer", 60)
    slow.take()
    let_it_run_out(engine)

    with database.transaction(engine) as connection:
        slow.hold(connection)

    assert not late.take()
