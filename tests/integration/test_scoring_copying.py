"""Rows that come by the ten thousand, on a real PostgreSQL: each stands once and says what was sent."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from bonafides.database import transaction
from bonafides.errors import InvariantViolation
from bonafides.events import LendingEvent
from bonafides.types import Address, Digest
from bonafides_scoring.store.events import ReadEvent, add_events, events_known
from bonafides_scoring.store.market import add_points
from bonafides_scoring.store.tables import market_point, unfolded
from sqlalchemy import Engine, func, select

from tests.support.samples import CHAIN, WALLET, debt_set, event, liquidation, price, stable_debt_set
from tests.support.scoring_service import migrated

pytestmark = pytest.mark.integration
PARTITION = 3
ANY_BLOCK = 10**9


@pytest.fixture
def engine(fresh_database: str) -> Iterator[Engine]:
    with migrated(fresh_database) as made:
        yield made


def _read(sent: Sequence[LendingEvent]) -> list[ReadEvent]:
    return [(PARTITION, offset, one) for offset, one in enumerate(sent)]


def _stored(engine: Engine, wallet: Address = WALLET) -> list[LendingEvent]:
    with transaction(engine) as connection:
        found = events_known(connection, {wallet: -1}, CHAIN, to_block=ANY_BLOCK, below_offset=ANY_BLOCK, epochs=())
    return found.get(wallet, [])


def test_add_points__thirty_thousand_in_one_poll__are_all_kept(engine: Engine) -> None:
    points = [price(number) for number in range(30_000)]

    with transaction(engine) as connection:
        added = add_points(connection, list(enumerate(points)))
        counted = connection.scalar(select(func.count()).select_from(market_point))

    assert (added, counted) == (30_000, 30_000)


def test_add_events__every_field_filled_in__reads_back_as_it_was(engine: Engine) -> None:
    whole = replace(liquidation(), market=Digest(b"\x07" * 32), scaled_delta=-(2**255), amount=2**256 - 1)
    sent = [whole, replace(debt_set(), wallet=whole.wallet), replace(stable_debt_set(), wallet=whole.wallet)]

    with transaction(engine) as connection:
        add_events(connection, _read(sent))

    assert _stored(engine, whole.wallet) == sorted(sent, key=lambda one: one.order)


@pytest.mark.parametrize("deployment", ["a\tb", "a\nb", "a\\b", "\\N", "\\.", "a\rb", "ünï"])
def test_add_events__text_that_means_something_to_copy__reads_back_as_it_was(engine: Engine, deployment: str) -> None:
    sent = replace(event(), deployment=deployment)

    with transaction(engine) as connection:
        add_events(connection, _read([sent]))

    assert _stored(engine) == [sent]


def test_add_events__some_were_read_before__adds_the_others_and_distrusts_their_wallets_alone(engine: Engine) -> None:
    other = Address(b"\x42" * 20)
    first = [event(number) for number in range(100, 110)]
    later = [event(number, wallet=other) for number in range(200, 203)]

    with transaction(engine) as connection:
        assert add_events(connection, _read(first)) == 10
        connection.execute(unfolded.delete())
    with transaction(engine) as connection:
        added = add_events(connection, _read([*first, *later, *later]))
        distrusted = {bytes(row.wallet): row.first_block for row in connection.execute(select(unfolded))}

    assert added == 3
    assert distrusted == {other: 200}
    assert _stored(engine) == first


def test_add_events__read_before_with_another_content__stops_and_changes_nothing(engine: Engine) -> None:
    with transaction(engine) as connection:
        add_events(connection, _read([event()]))

    with pytest.raises(InvariantViolation, match="say different things"), transaction(engine) as connection:
        add_events(connection, _read([event(101), replace(event(), amount=1)]))

    assert _stored(engine) == [event()]


def test_add_events__one_batch_with_two_contents_of_one_event__stops(engine: Engine) -> None:
    with pytest.raises(InvariantViolation, match="say different things"), transaction(engine) as connection:
        add_events(connection, _read([event(), replace(event(), amount=1)]))


def test_add_events__row_that_the_database_refuses__is_named_without_its_content(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    impossible = replace(event(), fork_epoch=2**63)  # one more than the column holds

    with (
        caplog.at_level(logging.DEBUG),
        pytest.raises(InvariantViolation) as refused,
        transaction(engine) as connection,
    ):
        add_events(connection, _read([impossible]))

    assert "OutOfRange" in str(refused.value)
    assert WALLET.hex() not in f"{refused.value}{refused.value.__cause__}{caplog.text}"
