"""Laws of `bonafides scoring predict`, for any small made-up world: what a row's bytes may depend on."""

import csv
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from bonafides_scoring.backtest.predict import Status, predict_files
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.backtest_data import DAY, START, all_events, all_prices, event, made_labels, wallet, write_world

pytestmark = pytest.mark.unit

Event = dict[str, object]
EVENTS, PRICES, LABELS = all_events(), all_prices(), made_labels()
DRAWN = settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

moments = st.integers(START + 60 * DAY, START + 200 * DAY)
asked_rows = st.lists(st.tuples(st.integers(0, 27).map(wallet), moments), min_size=1, max_size=8, unique=True)
new_events = st.builds(
    event,
    st.integers(0, 30),
    moments,
    amount=st.one_of(st.none(), st.floats(0, 1e9)),
    collateral_amount=st.one_of(st.none(), st.floats(0, 1e6)),
    collateral_symbol=st.sampled_from(["WETH", "ODD", "NEVERHEARD"]),
    action=st.sampled_from(["liquidationcall", "hard_liquidation", "soft_liq_episode", "deposit"]),
)


def answers(
    asked: Sequence[tuple[str, int]],
    events: Sequence[Event] = EVENTS,
    prices: Sequence[Event] = PRICES,
    labels: Sequence[tuple[str, int, int]] = LABELS,
) -> list[dict[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        world = write_world(Path(folder), events=events, prices=prices, labels=labels, asked=asked)
        out = Path(folder) / "p.csv"
        predict_files(world.events, world.prices, world.labels, world.cutoffs, out)
        return list(csv.DictReader(out.read_text("utf-8").splitlines()))


def other_ids(events: Sequence[Event]) -> list[Event]:
    return [row | {"event_id": f"new-{place}"} for place, row in enumerate(events)]


@DRAWN
@given(asked_rows)
def test_predict__any_cut_offs__one_row_each_in_order_with_a_status_and_a_number_only_if_ok(
    asked: list[tuple[str, int]],
) -> None:
    found = answers(asked)

    assert [(row["wallet"], int(row["cutoff_ts"])) for row in found] == asked
    for row in found:
        assert (0 < float(row["p"]) < 1) if Status(row["status"]) is Status.OK else row["p"] == ""


@DRAWN
@given(asked_rows, st.lists(new_events, min_size=1, max_size=8), st.integers(0, 7))
def test_predict__events_from_a_cut_off_on_are_appended__its_row_keeps_its_bytes(
    asked: list[tuple[str, int]], more: list[Event], which: int
) -> None:
    who, cutoff = asked[which % len(asked)]
    later = [row | {"timestamp": max(int(str(row["timestamp"])), cutoff)} for row in more]
    later.append(event(1, cutoff, wallet=who))  # exactly at the cut-off, and the wallet's own

    before, after = answers(asked), answers(asked, events=[*EVENTS, *other_ids(later)])

    known = [place for place, (_, when) in enumerate(asked) if when <= cutoff]
    assert [before[place] for place in known] == [after[place] for place in known]


@DRAWN
@given(asked_rows, st.floats(1e-6, 1e6))
def test_predict__prices_of_a_cut_offs_day_and_later_change__its_row_keeps_its_bytes(
    asked: list[tuple[str, int]], factor: float
) -> None:
    middle = sorted(cutoff for _, cutoff in asked)[len(asked) // 2]
    first_changed = (middle - START) // DAY  # the prices' days count from START
    prices = [
        row | ({"close_usd": float(str(row["close_usd"])) * factor} if place % 220 >= first_changed else {})
        for place, row in enumerate(PRICES)
    ]

    before, after = answers(asked), answers(asked, prices=prices)

    known = [place for place, (_, cutoff) in enumerate(asked) if cutoff <= middle]
    assert [before[place] for place in known] == [after[place] for place in known]


@DRAWN
@given(asked_rows, st.randoms(use_true_random=False))
def test_predict__labels_whose_window_ended_later_change_or_go__no_byte_changes(
    asked: list[tuple[str, int]], random: Random
) -> None:
    by = min(cutoff for _, cutoff in asked)
    ended = [row for row in LABELS if row[1] + 30 * DAY <= by]
    later = [(who, when, random.randint(0, 1)) for who, when, _ in LABELS[len(ended) :] if random.random() < 0.5]

    assert answers(asked) == answers(asked, labels=[*ended, *later])


@DRAWN
@given(asked_rows, st.randoms(use_true_random=False))
def test_predict__rows_of_every_file_shuffled__each_row_keeps_its_bytes(
    asked: list[tuple[str, int]], random: Random
) -> None:
    events, prices, labels, turned = list(EVENTS), list(PRICES), list(LABELS), list(asked)
    for rows in (events, prices, labels, turned):
        random.shuffle(rows)

    found = answers(turned, events, prices, labels)

    same = answers(asked)
    assert found == [same[asked.index(row)] for row in turned]
