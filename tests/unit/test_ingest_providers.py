"""Several providers of one chain: who is asked, what becomes of one that fails, and what all must agree about."""

from contextlib import suppress
from typing import Any

import pytest
from bonafides.errors import InvalidInput, InvalidSettings, InvariantViolation, Unavailable
from bonafides.events import BlockRange
from bonafides.json_rpc import AnswerTooLong, NodeLied, NodeRefused
from bonafides_ingest import metrics
from bonafides_ingest.chain import BlockGone
from bonafides_ingest.final_blocks import conflict
from bonafides_ingest.sources.providers.agreement import FRESH_S, LOOK_EVERY_S
from bonafides_ingest.sources.providers.breaker import FAILURES
from bonafides_ingest.sources.providers.choosing import STAYS_S, TIMES_GONE
from bonafides_ingest.sources.providers.endpoints import Endpoint, endpoints_in
from bonafides_ingest.sources.providers.provider import FIRST_BENCH_S, FIRST_UNSEEN_S, NEVER, Height
from bonafides_ingest.sources.providers.refusals import RangeRefused, RateLimited
from structlog.testing import capture_logs

from tests.support.ingest_logs import POOL, block_at
from tests.support.ingest_providers import STUCK_AFTER_S, WATCHED, World, world

pytestmark = pytest.mark.unit

DOWN = Unavailable("the node does not answer")
QUOTA = NodeRefused("eth_getLogs", 429, "Too Many Requests")
LOGS = [5, 20, 21]


def _state(name: str) -> str:
    (state,) = [s for s in metrics.PROVIDER_STATES if metrics.PROVIDER_STATE.labels(name, s)._value.get()]
    return state


def _errors(name: str, kind: str) -> float:
    return float(metrics.PROVIDER_ERRORS.labels(name, kind)._value.get())


def _looked(*names: str, **options: Any) -> World:
    """A world whose providers were all looked at."""
    made = world(*names, **options)
    made.providers.tips()
    made.asked()
    return made


def _left_out(truth: Any, _: Any) -> Any:
    return truth[1:]


def test_fetch__all_healthy__asks_the_first_alone() -> None:
    w = _looked("a", "b")

    assert w.read(1, 50) == LOGS
    assert w.asked()["b"] == 0


@pytest.mark.parametrize(
    "failure",
    [
        DOWN,
        QUOTA,
        NodeRefused("eth_getLogs", -32601, "no such method"),
        AnswerTooLong("too long"),
        NodeLied("nonsense"),
    ],
)
def test_fetch__first_fails__the_next_answers(failure: Exception) -> None:
    w = _looked("a", "b")
    w.nodes["a"].failure = failure

    assert w.read(1, 50) == LOGS


def test_fetch__all_fail__says_what_each_did() -> None:
    w = _looked("a", "b")
    w.nodes["a"].failure = w.nodes["b"].failure = DOWN

    with pytest.raises(Unavailable, match=r"a: Unavailable: .*; b: Unavailable: "):
        w.read(1, 50)


def test_fetch__single_provider_fails__raises_its_own_error() -> None:
    w = _looked("a")
    w.nodes["a"].lies["eth_getLogs"] = lambda *_: _refuse()

    with pytest.raises(RangeRefused):
        w.read(1, 1)


def _refuse() -> Any:
    raise NodeRefused("eth_getLogs", -32005, "query returned more than 10000 results")


def test_fetch__first_fails_again_and_again__is_not_asked_until_its_pause_is_over_and_then_once() -> None:
    w = _looked("a", "b")
    w.nodes["a"].failure = DOWN
    for _ in range(FAILURES):
        w.read(1, 50)
    w.asked()

    w.read(1, 50)
    assert w.asked()["a"] == 0

    w.clock.move(1.0)
    w.read(1, 50)
    w.read(1, 50)
    assert w.asked()["a"] == 1  # the probe


@pytest.mark.parametrize(("names", "most"), [(("silent", "b"), 30), (("silent",), 180)])
def test_fetch__first_is_gone_for_an_hour__is_tried_the_less_often_where_there_is_another(
    names: tuple[str, ...], most: int
) -> None:
    w = _looked(*names)
    w.nodes["silent"].failure = DOWN

    for _ in range(360):
        w.clock.move(10.0)
        with suppress(Unavailable):
            w.providers.block(1)

    assert most // 3 < w.asked()["silent"] < most


def test_fetch__first_is_back__is_asked_again() -> None:
    w = _looked("a", "b")
    w.nodes["a"].failure = DOWN
    for _ in range(FAILURES):
        w.read(1, 50)
    w.nodes["a"].failure = None
    w.clock.move(1.0)

    w.read(1, 50)
    w.asked()
    w.read(1, 50)

    assert w.asked()["b"] == 0


def test_fetch__one_is_caught_lying__is_benched_for_long_named_and_counted() -> None:
    w = _looked("liar-a", "b")
    before = _errors("liar-a", "NodeLied")
    w.nodes["liar-a"].lies["eth_getLogs"] = _left_out

    assert w.read(1, 50) == LOGS
    w.asked()
    w.clock.move(FIRST_BENCH_S - 1)
    w.providers.tips()

    assert w.asked()["liar-a"] == 0
    assert _state("liar-a") == "benched"
    assert _errors("liar-a", "NodeLied") - before == 1
    w.clock.move(LOOK_EVERY_S)
    w.providers.tips()
    assert w.asked()["liar-a"] > 0


def test_fetch__single_provider_lies__is_counted_and_asked_again() -> None:
    w = _looked("lone")
    w.nodes["lone"].lies["eth_getLogs"] = _left_out
    with pytest.raises(NodeLied):
        w.read(1, 50)

    w.nodes["lone"].lies.clear()

    assert w.read(1, 50) == LOGS


def test_fetch__all_are_benched_or_open__says_who_and_when_the_next_is_tried() -> None:
    w = _looked("a", "b")
    w.nodes["a"].lies["eth_getLogs"] = w.nodes["b"].lies["eth_getLogs"] = _left_out
    with pytest.raises(Unavailable):
        w.read(1, 50)
    w.asked()

    with pytest.raises(Unavailable, match=r"a benched, b benched; the next in 1800 s"):
        w.read(1, 50)

    assert w.asked() == {"a": 0, "b": 0}


def test_fetch__quota_of_the_only_one__is_waited_for_as_long_as_it_says_and_nothing_is_split() -> None:
    w = _looked("a")
    answers = iter([NodeRefused("eth_getLogs", 429, "Too Many Requests", retry_after_s=3.0)])
    sizes: list[int] = []

    def limited(truth: Any, params: list[Any]) -> Any:
        sizes.append(int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) + 1)
        for failure in answers:
            raise failure
        return truth

    w.nodes["a"].lies["eth_getLogs"] = limited

    assert w.read(1, 50) == LOGS
    assert w.clock.slept == [3.0]
    assert set(sizes) == {50}


def test_fetch__quota_that_lasts__backs_off_further_each_time_and_says_for_how_long() -> None:
    w = _looked("a")
    w.nodes["a"].failure = QUOTA
    with pytest.raises(RateLimited):
        w.read(1, 50)

    assert w.clock.slept == [1.0, 2.0]
    w.clock.move(1.0)
    with pytest.raises(RateLimited, match="a resting; the next in 8 s") as caught:
        w.read(1, 50)
    assert caught.value.retry_after_s == 8.0


def test_fetch__requests_per_second_of_the_first_used_up__asks_the_second() -> None:
    class Used:
        def wait(self) -> float:
            return 0.5

    w = _looked("a", "b", meters={"a": Used()})

    assert w.read(1, 50) == LOGS
    assert w.asked()["a"] == 0


def test_fetch__range_above_what_the_first_has_finalized__is_asked_of_one_that_has_it() -> None:
    w = _looked("a", "b")
    w.nodes["a"].chain.head, w.nodes["b"].chain.head = 50, 60

    assert w.read(51, 60) == []
    assert "eth_getLogs" not in w.nodes["a"].calls


def test_fetch__nobody_has_finalized_the_range__is_unavailable() -> None:
    w = _looked("a", "b")

    with pytest.raises(Unavailable, match="has finalized block 50, asked was 60"):
        w.read(51, 60)


def test_finalized__of_several__is_the_lowest_of_those_that_move() -> None:
    w = world("a", "b", "c")
    w.nodes["b"].chain.head = 40

    assert w.providers.finalized() == 40


def test_finalized__lower_one_comes_late__never_goes_back() -> None:
    w = world("a", "b")
    w.nodes["b"].failure = DOWN
    assert w.providers.finalized() == 50

    w.nodes["b"].failure, w.nodes["b"].chain.head = None, 40
    w.clock.move(LOOK_EVERY_S)

    assert w.providers.finalized() == 50


def _advance(w: World, seconds: float, **blocks: int) -> None:
    """Time goes by, with a look now and then, and these chains grow by so many blocks each time."""
    for _ in range(int(seconds / LOOK_EVERY_S)):
        w.clock.move(LOOK_EVERY_S)
        for name, grown in blocks.items():
            w.nodes[name].chain.head += grown
        w.providers.tips()


def test_finalized__one_is_stuck_while_the_other_moves__is_passed_over() -> None:
    w = _looked("stuck-a", "b")

    _advance(w, 3 * STUCK_AFTER_S, b=10)
    w.asked()
    final = w.providers.finalized()

    assert final > 100
    assert _state("stuck-a") == "behind"
    assert w.read(1, final) == LOGS
    assert "eth_getLogs" not in w.nodes["stuck-a"].calls


def test_finalized__stuck_one_moves_again__counts_again() -> None:
    w = _looked("stuck-a", "b")
    _advance(w, 3 * STUCK_AFTER_S, b=10)

    w.nodes["stuck-a"].chain.head = w.nodes["b"].chain.head
    _advance(w, 2 * STUCK_AFTER_S, b=1, **{"stuck-a": 1})

    assert _state("stuck-a") == "ok"


@pytest.mark.parametrize("names", [("honest", "eager"), ("eager", "honest")])
@pytest.mark.parametrize("blocks_a_look", [1, 0])
def test_finalized__one_calls_its_head_final__decides_nothing_however_long_the_other_stands_there(
    names: tuple[str, str], blocks_a_look: int
) -> None:
    w = world(*names)
    honest, eager = w.nodes["honest"], w.nodes["eager"]
    eager.live_blocks, eager.chain.head = 0, 52
    w.providers.tips()

    for _ in range(40):
        w.clock.move(LOOK_EVERY_S)
        eager.chain.head += 1  # a block; the honest one finalizes none of them, or one each time
        honest.chain.head += blocks_a_look
        honest.live_blocks += 1 - blocks_a_look

        assert w.providers.tips().finalized <= honest.chain.head
    assert _state("honest") == "ok"


def _far_ahead(truth: Any, params: list[Any]) -> Any:
    return truth | {"number": hex(10**9), "hash": "0x" + "33" * 32} if params[0] in ("finalized", "latest") else truth


@pytest.mark.parametrize("names", [("honest", "liar"), ("liar", "honest")])
def test_tips__one_claims_a_head_far_ahead__is_not_believed_and_the_other_decides(names: tuple[str, str]) -> None:
    w = world(*names)
    w.nodes["liar"].lies["eth_getBlockByNumber"] = _far_ahead
    w.providers.tips()

    for _ in range(20):
        _advance(w, LOOK_EVERY_S, honest=1)
        tips, honest = w.providers.tips(), w.nodes["honest"].chain.head
        assert (tips.finalized, tips.head.ref.number) == (honest, honest + 2)
    assert _state("honest") == "ok"


def test_tips__one_was_far_ahead_by_mistake__is_believed_again_and_the_mistake_forgotten() -> None:
    w = _looked("a", "b")
    w.nodes["b"].lies["eth_getBlockByNumber"] = _far_ahead
    _advance(w, 2 * LOOK_EVERY_S, a=1, b=1)

    w.nodes["b"].lies.clear()
    _advance(w, 4 * STUCK_AFTER_S, a=1, b=1)

    assert (_state("a"), _state("b")) == ("ok", "ok")
    assert w.providers.finalized() == w.nodes["b"].chain.head


def test_tips__head_of_the_first_is_below_what_is_final__is_asked_of_the_second() -> None:
    w = _looked("a", "b")
    w.nodes["a"].lies["eth_getBlockByNumber"] = lambda truth, params: (
        w.nodes["a"]._header(45) if params[0] in ("finalized", "latest") else truth
    )

    for _ in range(10):
        w.clock.move(LOOK_EVERY_S)
        assert w.providers.tips().head.ref.number == 52


def _finalized_of(name: str) -> float:
    return float(metrics.PROVIDER_FINALIZED_BLOCK.labels(name)._value.get())


@pytest.mark.parametrize("names", [("moves", "frozen"), ("frozen", "moves")])
def test_finalized__one_stands_while_its_head_moves__holds_it_and_is_named(names: tuple[str, str]) -> None:
    w = _looked(*names)
    moves, frozen = w.nodes["moves"], w.nodes["frozen"]

    with capture_logs() as lines:
        for _ in range(int(2 * FRESH_S / LOOK_EVERY_S)):
            w.clock.move(LOOK_EVERY_S)
            moves.chain.head += 1
            frozen.live_blocks += 1
            assert w.providers.tips().finalized == 50

    assert (_state("moves"), _state("frozen")) == ("ok", "behind")
    assert (_finalized_of("moves"), _finalized_of("frozen")) == (moves.chain.head, 50)
    named = [line for line in lines if line["event"].startswith("provider holds finality back")]
    assert [(line["provider"], line["block"]) for line in named] == [("frozen", 50)]

    frozen.chain.head = moves.chain.head
    _advance(w, 2 * LOOK_EVERY_S)
    assert _state("frozen") == "ok"


def test_finalized__nobodys_rises_for_long__nobody_is_named() -> None:
    w = _looked("a", "b")
    w.nodes["b"].chain.head = 60

    for _ in range(int(2 * FRESH_S / LOOK_EVERY_S)):
        w.clock.move(LOOK_EVERY_S)
        for node in w.nodes.values():
            node.live_blocks += 1
        w.providers.tips()

    assert (_state("a"), _state("b")) == ("ok", "ok")


def test_finalized__quiet_chain__nobody_is_stuck() -> None:
    w = _looked("a", "b")

    _advance(w, 10 * STUCK_AFTER_S)

    assert (_state("a"), _state("b")) == ("ok", "ok")


def test_tips__first_fails_at_the_head__stays_with_the_second_for_a_while() -> None:
    w = _looked("a", "b")
    w.nodes["a"].failure = DOWN
    w.providers.tips()
    w.nodes["a"].failure = None
    w.asked()

    w.providers.headers(BlockRange(51, 52))
    assert w.asked() == {"a": 0, "b": 1}

    w.clock.move(STAYS_S)
    w.providers.headers(BlockRange(51, 52))
    assert w.asked() == {"a": 1, "b": 0}


def test_logs_of__after_tips__is_asked_of_the_same_provider_whose_requests_per_second_are_used_up() -> None:
    class Used:
        def wait(self) -> float:
            return 0.5

    w = _looked("a", "b", meters={"a": Used()})

    headers = w.providers.headers(BlockRange(51, 52))
    w.providers.logs_of(headers, WATCHED)

    assert w.asked()["b"] == 0


def test_headers__block_gone__is_said_at_once_and_no_fault() -> None:
    w = _looked("a", "b")
    w.nodes["a"].lies["eth_getBlockByNumber"] = lambda *_: None

    for _ in range(TIMES_GONE):
        with pytest.raises(BlockGone):
            w.providers.headers(BlockRange(51, 52))

    assert w.asked()["b"] == 0


def _forked(truth: Any, params: list[Any]) -> Any:
    """Another final block 50 than everybody's."""
    is_it = truth is not None and truth["number"] == hex(50) and params[0] != "latest"
    return truth | {"hash": "0x" + "11" * 32} if is_it else truth


def test_tips__two_disagree_about_a_final_block__nothing_is_read_and_both_are_named_and_counted() -> None:
    w = world("true", "forged")
    w.nodes["forged"].lies["eth_getBlockByNumber"] = _forked

    with pytest.raises(Unavailable, match="providers true and forged disagree about final block 50"):
        w.providers.tips()
    for call in (
        w.providers.tips,
        lambda: w.read(1, 30),
        lambda: w.providers.block(3),
        lambda: w.providers.headers(BlockRange(51, 52)),
        lambda: w.providers.rpc.call("eth_chainId"),
    ):
        with pytest.raises(Unavailable, match="disagree"):
            call()
    for name in ("true", "forged"):
        assert metrics.PROVIDER_DISPUTES.labels(name)._value.get() == 1


def test_tips__they_agree_again__goes_on() -> None:
    w = world("true", "forged")
    w.nodes["forged"].lies["eth_getBlockByNumber"] = _forked
    with pytest.raises(Unavailable, match="disagree"):
        w.providers.tips()

    w.nodes["forged"].lies.clear()
    w.clock.move(LOOK_EVERY_S)

    assert w.read(1, 50) == LOGS


def test_tips__one_of_a_dispute_does_not_answer_any_more__nothing_is_read() -> None:
    w = world("true", "forged")
    w.nodes["forged"].lies["eth_getBlockByNumber"] = _forked
    with pytest.raises(Unavailable, match="disagree"):
        w.providers.tips()

    w.nodes["forged"].failure = DOWN
    w.clock.move(10 * LOOK_EVERY_S)

    with pytest.raises(Unavailable, match="disagree"):
        w.read(1, 50)


def test_tips__one_that_was_down_comes_back_with_another_chain__is_found_out() -> None:
    w = world("true", "forged")
    w.nodes["forged"].failure = DOWN
    assert w.providers.tips().finalized == 50
    w.nodes["forged"].failure = None
    w.nodes["forged"].lies["eth_getBlockByNumber"] = _forked
    w.clock.move(FIRST_UNSEEN_S)

    with pytest.raises(Unavailable, match="disagree"):
        w.providers.tips()


def test_fetch__one_says_that_a_final_block_was_replaced_and_another_does_not__they_disagree() -> None:
    w = _looked("forged", "true")
    w.nodes["forged"].lies["eth_getBlockByNumber"] = lambda truth, params: (
        truth | {"hash": "0x" + "22" * 32} if truth["number"] == hex(10) else truth
    )

    with pytest.raises(Unavailable, match="providers forged and true disagree about final block 10"):
        w.providers.fetch(BlockRange(11, 30), WATCHED, block_at(10))


def test_fetch__all_say_that_a_final_block_was_replaced__stops_and_pages() -> None:
    w = _looked("a", "b")

    with pytest.raises(InvariantViolation, match="block 10 was read as finalized"):
        w.providers.fetch(BlockRange(11, 30), WATCHED, block_at(10, branch="other"))


def test_fetch__one_says_that_a_final_block_was_replaced_and_the_other_rests__waits_for_its_word() -> None:
    w = _looked("true", "forged")
    w.nodes["forged"].lies["eth_getBlockByNumber"] = _other_block_10
    w.nodes["true"].failure = QUOTA

    with (
        capture_logs() as lines,
        pytest.raises(Unavailable, match="nothing is read before these are heard, too: true"),
    ):
        w.providers.fetch(BlockRange(11, 30), WATCHED, block_at(10))
    assert ("error", ["true"]) in [(line["log_level"], line.get("providers")) for line in lines]
    assert metrics.CONFLICTS_UNJUDGED.labels("true")._value.get() == 1


def test_confirm_conflict__all_have_the_block_again__is_no_conflict() -> None:
    with pytest.raises(Unavailable, match="all have it again"):
        _looked("a", "b").providers.confirm_conflict(block_at(10))


def test_confirm_conflict__of_a_single_provider__its_word_is_all_there_is() -> None:
    _looked("only").providers.confirm_conflict(block_at(10))


def test_conflict__first_shows_another_final_block_and_the_second_does_not__they_disagree() -> None:
    w = _looked("forged", "true")
    w.nodes["forged"].lies["eth_getBlockByNumber"] = _other_block_10

    with pytest.raises(Unavailable, match="providers forged and true disagree about final block 10"):
        raise conflict(w.providers, block_at(10))


def test_conflict__all_show_another_final_block__is_one() -> None:
    with pytest.raises(InvariantViolation, match="block 10 was read as finalized"):
        raise conflict(_looked("a", "b").providers, block_at(10, branch="other"))


def _other_block_10(truth: Any, _: Any) -> Any:
    return truth | {"hash": "0x" + "22" * 32} if truth and truth["number"] == hex(10) else truth


def test_tips__standby_does_not_answer__is_looked_at_less_and_less_often() -> None:
    w = _looked("a", "silent")
    w.nodes["silent"].failure = DOWN

    _advance(w, 3_600)

    assert w.asked()["silent"] < 15  # 240 looks would be due
    w.nodes["silent"].failure = None
    _advance(w, 600)
    assert _state("silent") == "ok"


def test_check_chain__one_is_on_another__refuses_to_start_and_names_it() -> None:
    w = world("a", "b")
    w.nodes["b"].chain_id = 5

    with pytest.raises(InvalidSettings, match="provider b: the node is on chain 5"):
        w.providers.check_chain()


def test_check_chain__one_does_not_answer__starts_with_the_other() -> None:
    w = world("a", "b")
    w.nodes["a"].failure = DOWN

    w.providers.check_chain()

    w.nodes["b"].failure = DOWN
    with pytest.raises(Unavailable):
        w.providers.check_chain()


def test_rpc__first_forgot_the_state__asks_the_second() -> None:
    w = _looked("pruned", "archive")
    w.nodes["pruned"].failure = NodeRefused("eth_call", -32000, "missing trie node")
    w.nodes["archive"].lies["eth_chainId"] = lambda *_: "0xabc"

    assert w.providers.rpc.batch([("eth_chainId", [])]) == ["0xabc"]
    assert w.providers.rpc.call("eth_chainId") == "0xabc"


def test_rpc__all_refuse__is_refused_as_the_first_one_did() -> None:
    w = _looked("a", "b")
    w.nodes["a"].failure = NodeRefused("eth_call", -32000, "missing trie node")
    w.nodes["b"].failure = NodeRefused("eth_call", -32000, "header not found")

    with pytest.raises(NodeRefused) as caught:
        w.providers.rpc.call("eth_call")

    assert caught.value.message == "missing trie node"


def test_rpc__first_refuses_and_the_other_is_down__is_unavailable_and_no_refusal() -> None:
    w = _looked("pruned", "archive")
    w.nodes["pruned"].failure = NodeRefused("eth_call", -32000, "missing trie node")
    w.nodes["archive"].failure = DOWN

    with pytest.raises(Unavailable):
        w.providers.rpc.call("eth_call")


def test_rpc__a_contract_reverts__is_its_answer() -> None:
    w = _looked("a", "b")
    w.nodes["a"].failure = NodeRefused("eth_call", 3, "execution reverted")

    with pytest.raises(NodeRefused, match="eth_call"):
        w.providers.rpc.call("eth_call")

    assert w.asked()["b"] == 0


def test_last_log_before__first_is_down__is_looked_for_at_the_second() -> None:
    w = _looked("a", "b")
    w.nodes["a"].failure = DOWN

    log = w.providers.last_log_before(POOL, w.chain.logs[0].topics[0], 1, 20)

    assert log is not None
    assert log.position.block.number == 5


def test_close__any__closes_all() -> None:
    w = world("a", "b")

    w.providers.close()

    assert all(node.is_closed for node in w.nodes.values())


def test_endpoints_in__urls_with_and_without_names__are_named_by_it_or_by_their_place() -> None:
    found = endpoints_in("http://localhost:8545\n  main_1=https://a.example/key?u=x=http://y https://b.example/\n")

    assert found == (
        Endpoint("provider1", "http://localhost:8545"),
        Endpoint("main_1", "https://a.example/key?u=x=http://y"),
        Endpoint("provider3", "https://b.example/"),
    )
    assert "key" not in repr(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" \n", "no URL"),
        ("http://a.example ftp://a-secret-key", "provider 2: .* malformed"),
        ("a=http://a.example a=http://b.example", "two providers are called a"),
        ("provider2=http://a.example http://b.example", "two providers are called provider2"),
        ("a b=http://a-secret-key", "malformed"),
    ],
)
def test_endpoints_in__wrong__is_refused_without_repeating_it(text: str, expected: str) -> None:
    with pytest.raises(InvalidInput, match=expected) as caught:
        endpoints_in(text)

    assert "a-secret-key" not in str(caught.value)


def _far_head(truth: Any, params: list[Any]) -> Any:
    return truth | {"number": hex(10**9), "hash": "0x" + "33" * 32} if params[0] == "latest" else truth


@pytest.mark.parametrize("names", [("honest", "liar"), ("liar", "honest")])
def test_tips__one_claims_only_a_head_far_ahead__the_other_is_not_called_stuck(names: tuple[str, str]) -> None:
    w = world(*names)
    w.nodes["liar"].lies["eth_getBlockByNumber"] = _far_head

    for _ in range(20):
        w.clock.move(LOOK_EVERY_S)
        assert w.providers.tips().head.ref.number == 52

    assert _state("honest") == "ok"


def test_finalized__three_at_the_first_look__the_third_counts_already() -> None:
    w = world("a", "b", "c")
    w.nodes["c"].chain.head = 40

    assert w.providers.finalized() == 40


def test_confirm_conflict__one_lags_below_the_block__its_word_is_not_heard() -> None:
    w = _looked("a", "lags")
    lags = w.nodes["lags"]
    lags.chain.head, lags.live_blocks = 5, 20
    w.providers._choice.providers[1].finalized = -1
    for node in w.nodes.values():
        node.lies["eth_getBlockByNumber"] = _other_block_10

    with pytest.raises(Unavailable, match="heard"):
        w.providers.confirm_conflict(block_at(10))


def test_finalized__one_was_last_heard_long_ago__does_not_count() -> None:
    w = _looked("a", "gone")
    w.nodes["gone"].failure = DOWN

    _advance(w, FRESH_S - LOOK_EVERY_S, a=1)
    assert w.providers.finalized() == 50

    _advance(w, 2 * LOOK_EVERY_S, a=1)
    assert w.providers.finalized() == w.nodes["a"].chain.head


def test_finalized__the_lowest_is_benched__does_not_count() -> None:
    w = world("a", "liar")
    w.nodes["liar"].chain.head = 40
    assert w.providers.finalized() == 40
    liar = w.providers._choice.providers[1]

    liar.bench(w.clock.now(), "a lie")

    assert w.providers.finalized() == 50


def test_tips__the_highest_is_benched__the_others_stand_below_nobody() -> None:
    w = _looked("a", "b", "liar")
    w.nodes["liar"].chain.head = 400
    _advance(w, 3 * LOOK_EVERY_S, a=1, b=1)
    w.providers._choice.providers[2].bench(w.clock.now(), "a lie")

    _advance(w, LOOK_EVERY_S, a=1, b=1)  # the last block for long
    _advance(w, 3 * STUCK_AFTER_S)

    assert _state("a") == "ok"


def test_height__goes_down__is_where_it_was_seen_last() -> None:
    height = Height()
    height.saw(100)
    height.compare(200, 5.0)

    height.saw(90)

    assert (height.number, height.passed_at) == (90, NEVER)
