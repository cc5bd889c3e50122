"""The flow: scores that add up, and reasons why there is none."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from bonafides.errors import InvariantViolation
from bonafides.events import BlockRange
from bonafides.messages import encode
from bonafides.types import (
    Address,
    ChainId,
    EventType,
    MarketPointKind,
    ModelClass,
    Protocol,
    ScoreFlag,
    UnscorableReason,
    band_of,
)
from bonafides_scoring.fold import empty_state
from bonafides_scoring.market import market_view
from bonafides_scoring.receipt import encode_receipt
from bonafides_scoring.scorer import (
    Scored,
    ScoreRequest,
    Unscorable,
    lowest_health_factor_bps,
    score_subject,
    score_subjects,
)

from tests.support.scoring_core_requests import borrower_story, coverage_of, request_of, shipped_bundle
from tests.support.scoring_core_story import CHAIN, DOLLAR, ETHER, OTHER, USDC, WETH, Story, market_points

pytestmark = pytest.mark.unit


def scored(request: ScoreRequest) -> Scored:
    result = score_subject(request, shipped_bundle())
    assert isinstance(result, Scored)
    return result


def unscorable(request: ScoreRequest) -> Unscorable:
    result = score_subject(request, shipped_bundle())
    assert isinstance(result, Unscorable)
    return result


def test_score_subject__a_borrower__gets_a_score_that_adds_up() -> None:
    result = scored(request_of(borrower_story()))

    explanation = result.explanation
    assert (
        result.score == explanation.base_points + sum(line.points for line in explanation.families) + explanation.clip
    )
    assert result.score == result.receipt.score
    assert (result.score_id, result.band) == (result.receipt.digest, band_of(result.score))
    assert 1 <= result.pd_bps <= 9_999
    assert result.model_class is ModelClass.SYNTHETIC
    assert result.flags == ScoreFlag.THIN_FILE  # two credit actions


def test_score_subject__same_request_twice__gives_the_same_bytes() -> None:
    one, other = scored(request_of(borrower_story())), scored(request_of(borrower_story()))

    assert encode_receipt(one.receipt) == encode_receipt(other.receipt)
    assert encode(one.message()) == encode(other.message())


def test_score_subjects__in_a_batch__gives_the_bytes_of_one_by_one() -> None:
    requests = [request_of(borrower_story(ether=ether, debt_usd=debt)) for ether in (1, 2, 5) for debt in (300, 1_500)]
    requests.insert(2, request_of(Story().supply(WETH, ETHER, first=True)))

    batch = score_subjects(requests, shipped_bundle())

    assert batch == [score_subject(request, shipped_bundle()) for request in requests]
    assert isinstance(batch[2], Unscorable)


def test_score_subject__price_falls__lowers_the_score() -> None:
    story = borrower_story()

    assert scored(request_of(story, weth_usd=1_000.0)).score < scored(request_of(story)).score


def test_score_subject__everything_repaid__is_scored_at_the_reference_position() -> None:
    story = Story().supply(WETH, ETHER, first=True).borrow(USDC, 500 * DOLLAR).wait(70).repay(USDC, 500 * DOLLAR)

    assert ScoreFlag.REFERENCE_POSITION in scored(request_of(story)).flags


def test_score_subject__borrowed_on_comet__is_unscorable_since_no_log_tells_the_debt() -> None:
    story = borrower_story()
    story.open().add(EventType.BORROWED, USDC, 50 * DOLLAR, protocol=Protocol.COMPOUND_V3)
    story.wait(30).open().add(EventType.REPAID, USDC, 51 * DOLLAR, protocol=Protocol.COMPOUND_V3)

    assert unscorable(request_of(story)).reason is UnscorableReason.POSITION_UNKNOWN


def test_score_subject__wei_of_collateral_given_on_comet__changes_nothing() -> None:
    story = borrower_story()
    before = scored(request_of(story)).score
    story.open().add(EventType.SUPPLIED, WETH, 1, counterparty=OTHER, protocol=Protocol.COMPOUND_V3)
    story.add(EventType.SUPPLY_BALANCE, WETH, 1, delta=1, protocol=Protocol.COMPOUND_V3)

    assert scored(request_of(story)).score == before


def test_score_subject__never_borrowed__is_unscorable() -> None:
    result = unscorable(request_of(Story().supply(WETH, ETHER, first=True)))

    assert result.reason is UnscorableReason.NO_CREDIT_HISTORY
    assert result.message().result_id == result.result_id


@pytest.mark.parametrize(
    "spoil",
    [
        lambda request: replace(request, coverage=coverage_of(request.as_of, BlockRange(50, 60))),
        lambda request: replace(
            request,
            coverage=tuple(replace(row, complete_to=row.complete_to - 1) for row in request.coverage),
        ),
        lambda request: replace(request, coverage=()),
        lambda request: replace(request, wallet_dead_letters=1),
    ],
    ids=["gap", "behind", "not covered", "dead letter"],
)
def test_score_subject__something_was_not_read__is_unscorable(spoil: Callable[[ScoreRequest], ScoreRequest]) -> None:
    result = unscorable(spoil(request_of(borrower_story())))

    assert result.reason is UnscorableReason.HISTORY_INCOMPLETE


def test_score_subject__gap_after_the_as_of_block__does_not_matter() -> None:
    request = request_of(borrower_story())
    later = BlockRange(request.as_of.blocks[0].number + 1, request.as_of.blocks[0].number + 9)

    assert scored(replace(request, coverage=coverage_of(request.as_of, later))).score > 0


def test_score_subject__ledger_below_nothing__is_unscorable() -> None:
    story = Story().borrow(USDC, 100 * DOLLAR).withdraw(WETH, ETHER)

    assert unscorable(request_of(story)).reason is UnscorableReason.HISTORY_INCOMPLETE


def test_score_subject__debt_without_a_price__is_unscorable() -> None:
    request = request_of(borrower_story())
    points = [known for known in market_points() if (known.kind, known.asset) != (MarketPointKind.PRICE, USDC)]

    result = unscorable(replace(request, views=(market_view(points, request.as_of.blocks[0]),)))

    assert result.reason is UnscorableReason.PRICE_UNKNOWN


def test_score_subject__repaid_and_its_collateral_without_a_price__needs_none() -> None:
    story = Story().supply(WETH, ETHER, first=True).borrow(USDC, 500 * DOLLAR).wait(70).repay(USDC, 500 * DOLLAR)
    request = request_of(story)
    points = [known for known in market_points() if (known.kind, known.asset) != (MarketPointKind.PRICE, WETH)]

    result = scored(replace(request, views=(market_view(points, request.as_of.blocks[0]),)))

    assert ScoreFlag.REFERENCE_POSITION in result.flags


def test_score_subject__borrowed_lately_without_a_price__is_unscorable() -> None:
    # Leaving it out would say that the debt never rose, and that nothing went in circles.
    story = Story().supply(WETH, ETHER, first=True).borrow(USDC, 500 * DOLLAR).wait(20).repay(USDC, 500 * DOLLAR)

    assert unscorable(_without_price_of_dollars(request_of(story))).reason is UnscorableReason.PRICE_UNKNOWN


@pytest.mark.parametrize("kind", [None, EventType.LIQUIDATED, EventType.BAD_DEBT])
def test_score_subject__debt_of_long_ago_without_a_price__scores_the_same_as_with_one(kind: EventType | None) -> None:
    # What is over counts by days and times, and what it was worth is in no feature.
    story = Story().supply(WETH, ETHER, first=True).borrow(USDC, 500 * DOLLAR).wait(70)
    if kind is not None:
        story.open().add(kind, USDC, 100 * DOLLAR, counterparty=OTHER)
    story.repay(USDC, 500 * DOLLAR)

    assert scored(_without_price_of_dollars(request_of(story))).score == scored(request_of(story)).score


def test_score_subject__repaid_by_a_stranger_without_a_price__needs_none() -> None:
    # Where two transfers can look like a repayment, a stranger could bring it about.
    story = Story().borrow(WETH, ETHER).wait(70).repay(WETH, ETHER).open()
    story.add(EventType.REPAID, USDC, DOLLAR, counterparty=OTHER)

    assert scored(_without_price_of_dollars(request_of(story))).score > 0


def _without_price_of_dollars(request: ScoreRequest) -> ScoreRequest:
    points = [known for known in market_points() if (known.kind, known.asset) != (MarketPointKind.PRICE, USDC)]
    return replace(request, views=(market_view(points, request.as_of.blocks[0]),))


def test_score_subject__result_ids__differ_by_reason_and_as_of() -> None:
    story = Story().supply(WETH, ETHER, first=True)
    early = unscorable(request_of(story))
    late = unscorable(request_of(story.wait(1)))
    gap = unscorable(replace(request_of(story), wallet_dead_letters=1))

    assert len({early.result_id, late.result_id, gap.result_id}) == 3


@pytest.mark.parametrize(
    "spoil",
    [
        lambda request: replace(request, wallets=()),
        lambda request: replace(request, wallets=(OTHER,)),
        lambda request: replace(request, wallets=(OTHER, request.wallets[0])),
        lambda request: replace(request, states=(*request.states, *request.states)),
        lambda request: replace(request, states=(empty_state(Address(b"\x77" * 20), CHAIN),)),
        lambda request: replace(request, states=(empty_state(request.wallets[0], ChainId(5)), *request.states)),
        lambda request: replace(request, flags=ScoreFlag.THIN_FILE),
    ],
    ids=["nobody", "stranger", "unsorted", "twice", "other state", "other chain", "flag"],
)
def test_score_subject__request_that_contradicts_itself__stops(spoil: Callable[[ScoreRequest], ScoreRequest]) -> None:
    with pytest.raises(InvariantViolation):
        score_subject(spoil(request_of(borrower_story())), shipped_bundle())


def test_score_subject__two_wallets__are_one_subject() -> None:
    alone = request_of(borrower_story())
    second = borrower_story(ether=9, debt_usd=200)
    second.wallet = OTHER
    second.events = [replace(event, wallet=OTHER) for event in second.events]
    partner = request_of(second)
    both = replace(alone, wallets=(alone.wallets[0], OTHER), states=partner.states + alone.states)

    result = scored(both)

    assert result.receipt.wallets == (alone.wallets[0], OTHER)
    assert result.features.values != scored(alone).features.values
    assert result == scored(replace(both, states=alone.states + partner.states))


def test_score_subject__callers_flags__are_kept() -> None:
    request = replace(request_of(borrower_story()), flags=ScoreFlag.PARTIAL_COVERAGE | ScoreFlag.DISPUTED)

    assert scored(request).flags == ScoreFlag.PARTIAL_COVERAGE | ScoreFlag.DISPUTED | ScoreFlag.THIN_FILE


def test_lowest_health_factor__open_and_closed_position__is_bps_or_none() -> None:
    open_, closed = request_of(borrower_story()), request_of(Story().supply(WETH, ETHER, first=True))

    assert lowest_health_factor_bps(open_.states, open_.views) == 24_592  # 4,000 · .83 / 1,350 = 2.4592…
    assert lowest_health_factor_bps(closed.states, closed.views) is None
