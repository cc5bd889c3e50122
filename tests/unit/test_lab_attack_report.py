"""From what was played to the report: kinds of outcomes, costs, the settled number, the file and the figure."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
from bonafides.errors import InvalidInput, InvariantViolation
from bonafides.types import Address
from bonafides_lab.attack.commands import model_name
from bonafides_lab.attack.figure import figure_svg, page_html
from bonafides_lab.attack.moves import Home, Move, Strategy, Trick
from bonafides_lab.attack.outcomes import cost_of, kind_of, outcomes_of_round
from bonafides_lab.attack.play import Held, Played, RoundPlayed, TwinPlayed
from bonafides_lab.attack.records import Record
from bonafides_lab.attack.report import (
    AttackReport,
    Attempt,
    CostParts,
    CostPrices,
    OutcomeKind,
    read_report,
    write_report,
)
from bonafides_lab.attack.scores import Score, read_scores
from bonafides_lab.attack.search import RoundResult, Searched, SearchSettings
from bonafides_lab.attack.summary import report_of

pytestmark = pytest.mark.unit

TWIN, OLD, FRESH = (Address(bytes([number]) * 20) for number in (1, 2, 3))
PRICES = CostPrices(gas_gwei=2.0, ether_usd=3_000.0, capital_bps_per_year=500)
SETTINGS = SearchSettings(
    seed=7,
    budget_usd=100.0,
    most_days=90,
    points_wanted=50,
    random_strategies=0,
    children_per_round=1,
    most_rounds=0,
    prices=PRICES,
    model_id="00",
)
WASH = Strategy(Record.RISKY, 10, (Move(Trick.WASH, 0, 1, 1, 0, 500),))
TWIN_HELD = Held(TWIN, 10_000.0, 6_000.0)


def played(*held: Held, strategy: Strategy = WASH) -> RoundPlayed:
    one = Played(strategy, held, 1.5, 1_000_000, 73_000.0, 500.0, 2, 0)
    return RoundPlayed((one,), {Record.RISKY: TwinPlayed(TWIN_HELD, 1.38)}, 1, 0)


def attempt(kind: OutcomeKind, gain: int, usd: float, *, days: int = 10, gas: float = 0.0, number: int = 0) -> Attempt:
    return Attempt(
        strategy=number,
        round=0,
        record="risky",
        family="wash",
        kind=kind,
        actions=("wash",),
        score=500 + gain,
        control_score=500,
        gain=gain,
        pd_bps=100,
        control_pd_bps=200,
        usd=usd,
        cost=CostParts(interest=usd - gas, gas=gas, capital=0.0),
        days=days,
        transactions=2,
        cash_usd=0.0,
        is_linked_gain=False,
    )


def report(*attempts: Attempt) -> AttackReport:
    rounds = RoundResult(number=0, strategies=(WASH,) * len(attempts), attempts=attempts, controls=())
    return report_of(Searched((rounds,), "it was enough"), SETTINGS, "synthetic-0")


@pytest.mark.parametrize(
    ("wallets", "shown", "kind"),
    [
        ([Held(OLD, 10_020.0, 6_020.0)], 0, OutcomeKind.EMPTY),  # a fifth of a per cent off
        ([Held(OLD, 10_000.0, 5_000.0)], 0, OutcomeKind.CHANGED),
        ([Held(OLD, 11_000.0, 6_000.0)], 0, OutcomeKind.CHANGED),
        ([Held(OLD, 0.0, 0.0), Held(FRESH, 10_000.0, 6_000.0)], 1, OutcomeKind.EMPTY),
        ([Held(OLD, 0.0, 0.0), Held(FRESH, 10_000.0, 6_000.0)], 0, OutcomeKind.PARKED),
        ([Held(OLD, 5_000.0, 3_000.0), Held(FRESH, 5_000.0, 3_000.0)], 1, OutcomeKind.EMPTY),
        ([Held(OLD, 5_000.0, 4_000.0), Held(FRESH, 5_000.0, 2_000.0)], 1, OutcomeKind.PARKED),
    ],
)
def test_kind__by_what_the_wallets_hold(wallets: list[Held], shown: int, kind: OutcomeKind) -> None:
    assert kind_of(wallets[shown], wallets, TWIN_HELD) is kind


def test_cost__a_million_gas_and_two_hundred_dollars_for_a_year__by_hand() -> None:
    cost = cost_of(played(Held(OLD, 1.0, 0.0)).played[0], PRICES)

    # 1e6 gas * 2e-9 ETH * $3,000 = $6; 73,000 dollar-days = $200 for a year, at 5 % $10.
    assert (cost.interest, cost.gas, cost.capital, cost.total) == (1.5, 6.0, 10.0, 17.5)


def test_outcomes__two_wallets__the_best_of_each_kind_counts() -> None:
    strategy = Strategy(Record.RISKY, 5, (), Home.SPLIT, wallets=2)
    both = played(Held(OLD, 5_000.0, 3_000.0), Held(FRESH, 5_000.0, 3_000.0), strategy=strategy)
    scores = {TWIN: Score(500, 300), OLD: Score(510, 290), FRESH: Score(560, 100)}

    (found,) = outcomes_of_round(both, scores, PRICES, round_number=1, first_number=40)

    assert (found.strategy, found.gain, found.kind, found.is_linked_gain) == (40, 60, OutcomeKind.EMPTY, True)


def test_outcomes__fresh_wallet_without_history__is_no_outcome() -> None:
    hidden = played(Held(OLD, 0.0, 0.0), Held(FRESH, 10_000.0, 6_000.0))

    found = outcomes_of_round(
        hidden, {TWIN: Score(500, 300), OLD: Score(600, 100)}, PRICES, round_number=0, first_number=0
    )

    assert [one.kind for one in found] == [OutcomeKind.PARKED]


def test_outcomes__twin_without_a_score__stops() -> None:
    with pytest.raises(InvariantViolation, match="twin"):
        outcomes_of_round(played(Held(OLD, 1.0, 0.0)), {}, PRICES, round_number=0, first_number=0)


def test_report__a_cheaper_parked_success__does_not_settle_the_number() -> None:
    made = report(
        attempt(OutcomeKind.PARKED, 90, 5.0), attempt(OutcomeKind.EMPTY, 55, 40.0), attempt(OutcomeKind.EMPTY, 50, 30.0)
    )

    assert (made.usd_for_points, made.days_for_points) == (30.0, 10)
    assert made.successes == {OutcomeKind.EMPTY: 2, OutcomeKind.PARKED: 1, OutcomeKind.CHANGED: 0}


def test_report__nothing_succeeds__has_no_number_and_says_what_was_tried() -> None:
    made = report(attempt(OutcomeKind.EMPTY, 49, 20.0), attempt(OutcomeKind.EMPTY, 80, 100.01))

    assert made.usd_for_points is None
    assert "none found within 2 strategies" in made.conclusion
    assert "budget $100" in made.conclusion
    assert "The best gain was 80 points for $100.01" in made.conclusion
    assert made.conclusion.endswith("With the debt parked on another wallet: none found either.")


def test_summary__debt_parked_elsewhere__stands_beside_with_its_price() -> None:
    made = report(attempt(OutcomeKind.EMPTY, 60, 10.0), attempt(OutcomeKind.PARKED, 70, 12.0))

    assert "+50 points by acts that change nothing costs $10.00" in made.conclusion
    assert made.conclusion.endswith("on another wallet, which owes it for real: +70 points for $12.00 in 10 days.")


def test_report__without_gas__another_strategy_may_be_cheapest() -> None:
    made = report(
        attempt(OutcomeKind.EMPTY, 60, 30.0, gas=5.0), attempt(OutcomeKind.EMPTY, 60, 40.0, gas=39.0, number=1)
    )

    assert made.cheapest_empty_without_gas is not None
    assert made.cheapest_empty_without_gas.strategy == 1


def test_report__written_and_read__is_the_same(tmp_path: Path) -> None:
    made = report(attempt(OutcomeKind.EMPTY, 55, 40.0))

    assert read_report(write_report(made, tmp_path)) == made


@pytest.mark.parametrize("text", ["{}", "not json", '{"format": "bonafides/manipulation-cost/2"}'])
def test_read_report__another_file__is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "attack.json"
    path.write_text(text)

    with pytest.raises(InvalidInput, match=r"attack\.json"):
        read_report(path)


def test_figure__three_trials__has_a_mark_for_each_and_a_ring_around_the_cheapest() -> None:
    made = report(*(attempt(kind, 60, 10.0) for kind in OutcomeKind))

    drawn = ElementTree.fromstring(figure_svg(made))  # noqa: S314  our own text

    marks = [element.get("class", "") for element in drawn.iter() if "trial" in element.get("class", "")]
    assert sorted(marks) == ["trial changed", "trial empty", "trial parked"]
    assert len([element for element in drawn.iter() if element.get("class") == "chosen"]) == 1


def test_page__names_the_data_synthetic_and_tells_the_cheapest_strategy() -> None:
    text = page_html(report(attempt(OutcomeKind.EMPTY, 60, 10.0)))

    assert text.startswith("<!doctype html>")
    assert "main{max-width" in text
    assert "synthetic" in text
    assert "<li>wash</li>" in text


def test_scores__row_without_a_score__is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(
        "wallet,score,pd_bps,margin,unscorable,flags\n"
        f"0x{OLD.hex()},640,150,-3.5,,\n"
        f"0x{FRESH.hex()},,,,no_credit_history,\n"
    )

    assert read_scores(path) == {OLD: Score(640, 150)}


@pytest.mark.parametrize(
    ("text", "said"),
    [("wallet,points\n", "no column score"), (f"wallet,score,pd_bps\n0x{OLD.hex()},good,1\n", "line 2")],
)
def test_scores__not_as_announced__are_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(text)

    with pytest.raises(InvalidInput, match=said):
        read_scores(path)


def test_model_name__folder_without_manifest__is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"manifest\.json"):
        model_name(tmp_path)
