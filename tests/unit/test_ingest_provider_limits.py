"""How often a provider is asked: its bucket, its breaker, its pauses."""

import json
from collections.abc import Callable

import pytest
from bonafides.errors import Unavailable
from bonafides.json_rpc import NodeRefused
from bonafides_ingest import metrics
from bonafides_ingest.sources.providers.breaker import FAILURES, LONGEST_PAUSE_S, Backoff, Breaker
from bonafides_ingest.sources.providers.bucket import TokenBucket
from bonafides_ingest.sources.providers.metered_rpc import MOST_WAIT_S, MeteredRpc
from bonafides_ingest.sources.providers.refusals import RateLimited
from hypothesis import given
from hypothesis import strategies as st

from tests.support.ingest_providers import HandClock

pytestmark = pytest.mark.unit


def test_bucket__burst_used_up__has_more_as_time_goes_by() -> None:
    bucket = TokenBucket(per_second=10, burst=20, now=100.0)

    bucket.take(20, 100.0)

    assert bucket.wait_for(1, 100.0) == pytest.approx(0.1)
    assert bucket.wait_for(5, 100.3) == pytest.approx(0.2)
    assert bucket.wait_for(5, 100.5) == 0


def test_bucket__batch_larger_than_it_holds__is_sent_when_it_is_full_and_paid_for_after() -> None:
    bucket = TokenBucket(per_second=10, burst=20, now=0.0)

    assert bucket.wait_for(100, 0.0) == 0
    bucket.take(100, 0.0)

    assert bucket.wait_for(1, 0.0) == pytest.approx(8.1)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 50)), max_size=60))
def test_bucket__waited_for_each_time__never_gives_more_than_burst_and_rate(steps: list[tuple[float, int]]) -> None:
    bucket, now, taken = TokenBucket(per_second=10, burst=20, now=0.0), 0.0, 0
    for pause, tokens in steps:
        now += pause
        now += bucket.wait_for(tokens, now)
        bucket.take(tokens, now)
        taken += tokens

        # The last batch may be in debt, and what it owes is waited for before the next.
        assert taken <= 20 + 10 * (now + bucket.wait_for(20, now)) + 1e-6


def test_bucket__clock_that_goes_back__takes_nothing_away() -> None:
    bucket = TokenBucket(per_second=10, burst=20, now=50.0)

    bucket.take(10, 40.0)

    assert bucket.wait_for(10, 40.0) == 0


def test_backoff__asked_again_and_again__doubles_up_to_the_longest_until_it_is_reset() -> None:
    backoff = Backoff(1, 5)

    assert [backoff.next() for _ in range(4)] == [1, 2, 4, 5]
    backoff.reset()
    assert backoff.next() == 1


def _failed(times: int, now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(times):
        breaker.failed(now)
    return breaker


def test_breaker__fewer_failures_than_it_takes__stays_closed() -> None:
    assert _failed(FAILURES - 1).wait(0.0) == 0


def test_breaker__failures_with_an_answer_between__stays_closed() -> None:
    breaker = _failed(FAILURES - 1)

    breaker.answered()
    breaker.failed(0.0)

    assert breaker.wait(0.0) == 0


def test_breaker__enough_failures__opens_and_lets_one_probe_through_after_the_pause() -> None:
    breaker = _failed(FAILURES)
    assert breaker.wait(0.4) == pytest.approx(0.6)
    assert breaker.wait(1.0) == 0

    breaker.begin(1.0)

    assert breaker.wait(1.0) == LONGEST_PAUSE_S  # nobody else while the probe is out


def test_breaker__probe_fails__waits_twice_as_long_each_time_up_to_the_longest() -> None:
    breaker, now, pauses = _failed(FAILURES), 0.0, []
    for _ in range(8):
        pauses.append(breaker.wait(now))
        now += pauses[-1]
        breaker.begin(now)
        breaker.failed(now)

    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]


def test_breaker__probe_answered__closes_and_forgets_the_pauses() -> None:
    breaker = _failed(FAILURES)
    breaker.begin(1.0)
    breaker.failed(1.0)
    breaker.begin(3.0)

    breaker.answered()

    assert breaker.wait(3.0) == 0
    for _ in range(FAILURES):
        breaker.failed(3.0)
    assert breaker.wait(3.0) == 1


def _metered(clock: HandClock, answer: Callable[[int], object] = lambda _: "0x1", rate: float = 10) -> MeteredRpc:
    def exchange(body: bytes) -> tuple[int, bytes]:
        asked = json.loads(body)
        made = [
            {"id": call["id"], **_said(answer(call["id"]))} for call in (asked if isinstance(asked, list) else [asked])
        ]
        return 200, json.dumps(made if isinstance(asked, list) else made[0]).encode()

    return MeteredRpc(
        "http://node.invalid",
        1,
        name="metered",
        batch_size=20,
        max_answer_bytes=1000,
        bucket=TokenBucket(rate, 20, clock.now()),
        clock=clock,
        exchange=exchange,
    )


def _said(answer: object) -> dict[str, object]:
    return {"error": answer} if isinstance(answer, dict) else {"result": answer}


def test_metered_rpc__more_calls_than_the_bucket_holds__waits_between_batches_and_counts_each_call() -> None:
    clock = HandClock()
    metrics.begin_provider("metered")
    before = metrics.PROVIDER_REQUESTS.labels("metered")._value.get()

    answers = _metered(clock).batch([("eth_chainId", [])] * 50)

    assert len(answers) == 50
    assert clock.slept == pytest.approx([2.0, 1.0])
    assert metrics.PROVIDER_REQUESTS.labels("metered")._value.get() - before == 50


def test_metered_rpc__bucket_that_takes_too_long__is_rate_limited_and_says_for_how_long() -> None:
    clock = HandClock()
    rpc = _metered(clock, rate=1)
    rpc.batch([("eth_chainId", [])] * 20)

    with pytest.raises(RateLimited) as caught:
        rpc.batch([("eth_chainId", [])] * 10)

    assert caught.value.retry_after_s == pytest.approx(10)
    assert MOST_WAIT_S < 10
    assert clock.slept == []
    assert rpc.wait() == pytest.approx(1)


@pytest.mark.parametrize(
    ("error", "kind", "counted"),
    [
        ({"code": 429, "message": "Too Many Requests"}, "RateLimited", 1),
        ({"code": -32602, "message": "range 20 exceeds limit of 10"}, "RangeRefused", 1),
        ({"code": 3, "message": "execution reverted"}, "CallRefused", 0),
    ],
)
def test_metered_rpc__refusal__is_counted_under_its_class_unless_a_contract_said_no(
    error: dict[str, object], kind: str, counted: int
) -> None:
    metrics.begin_provider("metered")
    before = metrics.PROVIDER_ERRORS.labels("metered", kind)._value.get()

    with pytest.raises(NodeRefused):
        _metered(HandClock(), lambda _: error).call("eth_call")

    assert metrics.PROVIDER_ERRORS.labels("metered", kind)._value.get() - before == counted


def test_metered_rpc__no_answer__is_counted() -> None:
    metrics.begin_provider("metered")
    before = metrics.PROVIDER_ERRORS.labels("metered", "Unavailable")._value.get()
    rpc = MeteredRpc(
        "http://node.invalid",
        1,
        name="metered",
        batch_size=20,
        max_answer_bytes=1000,
        bucket=None,
        clock=HandClock(),
        exchange=lambda _: (500, b"no"),
    )

    with pytest.raises(Unavailable):
        rpc.call("eth_chainId")

    assert metrics.PROVIDER_ERRORS.labels("metered", "Unavailable")._value.get() - before == 1
