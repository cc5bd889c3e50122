"""How many blocks are asked for at once: more while answers are quick, fewer when they are slow or refused."""

import pytest
from bonafides.events import BlockRange
from bonafides_ingest.sources.providers.pace import FORGET_AFTER, MOST_LOGS, Pace
from bonafides_ingest.sources.providers.refusals import Hint
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.unit


def _of(blocks: int, first: int = 1_000) -> BlockRange:
    return BlockRange(first, first + blocks - 1)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.5, 4_000), (2.0, 2_500), (5.0, 2_000), (11.0, 1_500), (31.0, 1_000)],
)
def test_answered__in_so_many_seconds__grows_holds_or_shrinks(seconds: float, expected: int) -> None:
    pace = Pace(2_000, 100_000)

    pace.answered(_of(2_000), seconds, logs=10)

    assert pace.blocks == expected


def test_answered__quickly_again_and_again__grows_past_the_start_up_to_the_most() -> None:
    pace = Pace(2_000, 10_000)

    sizes = []
    for _ in range(4):
        pace.answered(_of(pace.blocks), 0.1, logs=0)
        sizes.append(pace.blocks)

    assert sizes == [4_000, 8_000, 10_000, 10_000]


@pytest.mark.parametrize(("seconds", "expected"), [(0.1, 2_000), (11.0, 75), (31.0, 50)])
def test_answered__shorter_range_than_allowed__never_grows_but_shrinks_when_slow(seconds: float, expected: int) -> None:
    pace = Pace(2_000, 100_000)

    pace.answered(_of(100), seconds, logs=0)

    assert pace.blocks == expected


def test_answered__dense_blocks__holds_no_more_logs_than_memory_allows() -> None:
    pace = Pace(2_000, 100_000)

    pace.answered(_of(2_000), 0.1, logs=2 * MOST_LOGS)

    assert pace.blocks == 1_000


def test_refused__without_a_hint__halves_down_to_one_block() -> None:
    pace = Pace(8, 100)

    sizes = []
    for _ in range(4):
        pace.refused(_of(pace.blocks), None)
        sizes.append(pace.blocks)

    assert sizes == [4, 2, 1, 1]


def test_refused__hint_of_a_smaller_range__asks_for_just_that_many() -> None:
    pace = Pace(2_000, 100_000)

    pace.refused(_of(2_000), Hint(784, 1_000))

    assert pace.blocks == 784


@pytest.mark.parametrize("hint", [Hint(8_085, 1_000), Hint(10_000), Hint(453_627, 1_000)])
def test_refused__hint_as_large_as_the_request_or_larger__halves(hint: Hint) -> None:
    pace = Pace(8_085, 100_000)

    pace.refused(_of(8_085), hint)

    assert pace.blocks == 4_042


def test_refused__what_the_hint_named_is_refused_too__halves_whatever_it_names_now() -> None:
    pace = Pace(2_000, 100_000)
    pace.refused(_of(2_000), Hint(784, 1_000))

    pace.refused(_of(784), Hint(783, 1_000))

    assert pace.blocks == 392


def test_refused__hint_after_an_answer__is_believed_again() -> None:
    pace = Pace(2_000, 100_000)
    pace.refused(_of(2_000), Hint(1_000))
    pace.answered(_of(1_000), 5.0, logs=0)

    pace.refused(_of(1_000), Hint(900, 1_000))

    assert pace.blocks == 900


def test_answered__after_a_told_limit__stays_at_it_and_tries_more_in_time() -> None:
    pace = Pace(2_000, 100_000)
    pace.refused(_of(2_000), Hint(1_000))

    sizes = []
    for _ in range(FORGET_AFTER):
        sizes.append(pace.blocks)
        pace.answered(_of(pace.blocks), 0.1, logs=0)

    assert set(sizes) == {1_000}
    assert pace.blocks == 2_000


def _ask(pace: Pace, limit: int, windows: int) -> tuple[list[int], int]:
    """Sizes that were answered, and how many requests were refused, by a quick provider with a limit that it hides."""
    answered: list[int] = []
    refused = 0
    while len(answered) < windows:
        if pace.blocks > limit:
            refused += 1
            pace.refused(_of(pace.blocks), None)
        else:
            answered.append(pace.blocks)
            pace.answered(_of(pace.blocks), 0.1, logs=0)
    return answered, refused


@given(st.integers(1, 90_000), st.integers(1, 10_000))
def test_pace__limit_that_nobody_tells__comes_near_it_at_the_price_of_few_refusals(limit: int, start: int) -> None:
    answered, refused = _ask(Pace(start, 100_000), limit, windows=60)

    assert max(answered[20:]) >= limit * 15 // 16 - 1
    assert refused <= 40
    assert sum(answered[20:]) >= limit * 40 * 2 // 3


@given(st.lists(st.tuples(st.sampled_from("aru"), st.floats(0, 100), st.integers(0, 10**6)), max_size=60))
def test_pace__whatever_happens__stays_between_one_and_the_most(steps: list[tuple[str, float, int]]) -> None:
    pace = Pace(500, 5_000)

    for what, seconds, number in steps:
        before = pace.blocks
        match what:
            case "a":
                pace.answered(_of(pace.blocks), seconds, number)
            case "r":
                pace.refused(_of(pace.blocks), Hint(number) if number % 2 else None)
                assert pace.blocks < before or before == 1
            case _:
                pace.unanswered(_of(pace.blocks), seconds)
        assert 1 <= pace.blocks <= 5_000


@pytest.mark.parametrize(("seconds", "expected"), [(20.0, 1_000), (0.01, 2_000)])
def test_unanswered__for_long__halves_and_a_closed_door_does_not(seconds: float, expected: int) -> None:
    pace = Pace(2_000, 100_000)

    pace.unanswered(_of(2_000), seconds)

    assert pace.blocks == expected
