"""How a process lives: backoff, stop, exit codes; and what the probes answer."""

import pytest
from bonafides import crashpoints
from bonafides.errors import InvalidInput, InvalidMessage, InvalidSettings, InvariantViolation, Unavailable
from bonafides.observability import ProbeServer, Pseudonyms
from bonafides.process import (
    EXIT_INVARIANT,
    EXIT_SETTINGS,
    EXIT_USAGE,
    StopAsked,
    backoff_delay,
    exit_with,
    retry,
    run_loop,
    start,
)
from bonafides.types import Address
from prometheus_client import CollectorRegistry, Counter

from tests.support.kernel_stop import NoWait

pytestmark = pytest.mark.unit


def test_backoff_delay__attempts_grow__doubles_up_to_the_longest() -> None:
    assert [backoff_delay(attempt) for attempt in (1, 2, 3, 4)] == [0.5, 1.0, 2.0, 4.0]
    assert backoff_delay(100) == 30.0


def test_retry__unavailable_twice__waits_longer_and_then_answers() -> None:
    stop, answers = NoWait(), iter([Unavailable("down"), Unavailable("down"), "up"])

    def action() -> str:
        answer = next(answers)
        if isinstance(answer, Unavailable):
            raise answer
        return str(answer)

    beats: list[int] = []

    assert retry(action, stop, "the broker", beat=lambda: beats.append(1)) == "up"
    assert stop.waits == [0.5, 1.0]
    assert len(beats) == 3


def test_retry__asked_to_stop_while_waiting__tries_no_more() -> None:
    stop, attempts = NoWait(), []

    def action() -> None:
        attempts.append(1)
        stop.ask()
        raise Unavailable("down")

    with pytest.raises(StopAsked, match="the broker"):
        retry(action, stop, "the broker", beat=lambda: None)
    assert len(attempts) == 1


def test_retry__another_error__is_not_tried_again() -> None:
    def action() -> None:
        raise InvalidMessage("never right")

    with pytest.raises(InvalidMessage):
        retry(action, NoWait(), "x", beat=lambda: None)


def test_run_loop__unavailable_then_work_then_stop__beats_and_ends() -> None:
    stop, beats = NoWait(), []
    turns = iter(["down", "busy", "idle"])

    def turn() -> bool:
        match next(turns):
            case "down":
                raise Unavailable("down")
            case "busy":
                return True
            case _:
                stop.ask()
                return False

    run_loop(turn, stop, idle_s=9.0, beat=lambda: beats.append(1))

    assert stop.waits == [0.5, 9.0]
    assert len(beats) == 3


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidSettings("x"), EXIT_SETTINGS),
        (InvariantViolation("x"), EXIT_INVARIANT),
        (InvalidInput("x"), EXIT_USAGE),
        (Unavailable("x"), 1),
        (None, 0),
    ],
)
def test_exit_with__each_fate__has_its_code_and_no_stack_trace(
    error: Exception | None, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def main() -> None:
        if error:
            raise error

    with pytest.raises(SystemExit) as ended:
        exit_with(main)

    assert ended.value.code == code
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["worker", "api"]])
def test_start__no_process_of_that_name__says_which_there_are_and_ends_with_2(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["python", *arguments])

    with pytest.raises(SystemExit) as ended:
        start("bonafides_sample", {"worker": lambda: None, "api": lambda: None})

    assert ended.value.code == EXIT_USAGE
    assert capsys.readouterr().err == "usage: python -m bonafides_sample worker|api\n"


def test_start__process_without_a_name__takes_no_argument(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[str] = []
    codes = []
    for arguments in ([], ["nonsense"]):
        monkeypatch.setattr("sys.argv", ["python", *arguments])
        with pytest.raises(SystemExit) as ended:
            start("bonafides_sample", {"": lambda: ran.append("it")})
        codes.append(ended.value.code)

    assert (codes, ran) == ([0, EXIT_USAGE], ["it"])
    assert capsys.readouterr().err == "usage: python -m bonafides_sample\n"


def _probe(now: list[float], ready: list[str | None]) -> ProbeServer:
    registry = CollectorRegistry()
    Counter("sample_events", "Sample.", registry=registry)
    return ProbeServer("127.0.0.1", 0, [lambda: ready[0]], now=lambda: now[0], registry=registry)


def test_probes__loop_stuck__healthz_answers_503() -> None:
    now = [0.0]
    probe = _probe(now, [None])

    assert probe.answer("/healthz")[0] == 200
    now[0] = 121.0
    assert probe.answer("/healthz")[0] == 503
    probe.beat()
    assert probe.answer("/healthz")[0] == 200


def test_probes__something_missing_or_draining__readyz_says_what() -> None:
    ready: list[str | None] = ["no database"]
    probe = _probe([0.0], ready)

    assert probe.answer("/readyz") == (503, "text/plain", b"no database")
    ready[0] = None
    assert probe.answer("/readyz")[0] == 200
    probe.drain()
    assert probe.answer("/readyz")[0] == 503
    assert b"sample_events_total 0.0" in probe.answer("/metrics")[2]
    assert probe.answer("/wallets/0x12")[0] == 404


def test_pseudonyms__one_wallet__is_stable_under_one_key_and_differs_under_another() -> None:
    wallet = Address(b"\x01" * 20)

    assert Pseudonyms(b"k").of(wallet) == Pseudonyms(b"k").of(wallet)
    assert Pseudonyms(b"k").of(wallet) != Pseudonyms(b"other").of(wallet)
    assert wallet.hex() not in Pseudonyms(b"k").of(wallet)


def test_crash_points__armed__kills_this_process_at_that_point_only(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[int] = []
    monkeypatch.setattr("os.kill", lambda _, number: killed.append(number))

    crashpoints.arm("worker.after_poll")
    try:
        crashpoints.reach("worker.before_commit")
        assert killed == []
        crashpoints.reach("worker.after_poll")
        assert killed == [9]
    finally:
        crashpoints.arm(None)
