"""Market facts on a real PostgreSQL: each is kept under its own identity."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from bonafides.database import transaction
from bonafides.errors import InvariantViolation
from bonafides.types import MarketPointKind
from bonafides_scoring.store.market import add_points, latest_points
from sqlalchemy import Engine

from tests.support.scoring_core_story import START, market_points
from tests.support.scoring_core_story import block_ref as block
from tests.support.scoring_core_story import point as market_point
from tests.support.scoring_service import migrated

pytestmark = pytest.mark.integration


@pytest.fixture
def engine(fresh_database: str) -> Iterator[Engine]:
    with migrated(fresh_database) as made:
        yield made


def test_add_points__one_answer_of_a_feed_that_two_deployments_share__keeps_the_fact_of_each(engine: Engine) -> None:
    (price, *_) = (point for point in market_points() if point.kind is MarketPointKind.PRICE)
    shared = replace(price, deployment="aave-v3-other")

    with transaction(engine) as connection:
        assert add_points(connection, [(0, price)]) == 1
        assert add_points(connection, [(1, shared)]) == 1
        known = latest_points(connection, block(60, START), below_offset=2, epochs=())

    assert sorted(known, key=lambda point: point.canonical_order) == sorted(
        [price, shared], key=lambda point: point.canonical_order
    )


def test_add_points__same_fact_with_another_value__stops(engine: Engine) -> None:
    (price, *_) = (point for point in market_points() if point.kind is MarketPointKind.PRICE)

    with transaction(engine) as connection:
        add_points(connection, [(0, price)])
        with pytest.raises(InvariantViolation, match="say different things"):
            add_points(connection, [(1, replace(price, values=(1,)))])


def test_latest_points__an_asset_in_two_emodes__keeps_the_newest_of_each(engine: Engine) -> None:
    asset, kind = market_points()[0].asset, MarketPointKind.EMODE_ASSET
    joined, other, left = (
        market_point(kind, asset, (is_member,), block=block(2, START), log_index=index, category=category)
        for index, (category, is_member) in enumerate(((1, 1), (2, 1), (1, 0)))
    )

    with transaction(engine) as connection:
        assert add_points(connection, list(enumerate([joined, other, left]))) == 3
        known = latest_points(connection, block(60, START), below_offset=3, epochs=())

    assert sorted(known, key=lambda point: point.canonical_order) == [other, left]
