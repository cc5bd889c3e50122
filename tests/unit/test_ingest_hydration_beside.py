"""The thread of the lane: its failure is the process's, and it ends with it."""

import threading

import pytest
from bonafides.errors import InvariantViolation, Unavailable
from bonafides.process import Stop
from bonafides_ingest.hydration.beside import Beside

pytestmark = pytest.mark.unit

PATIENCE_S = 10.0


def test_beside__fails__is_missed_and_raised_where_it_is_checked() -> None:
    def turn() -> bool:
        raise InvariantViolation("two facts that cannot both be true")

    beside = Beside("lane", turn, Stop())
    beside.start()
    beside._thread.join(PATIENCE_S)

    assert beside.missing() == "lane has ended"
    with pytest.raises(InvariantViolation, match="cannot both be true"):
        beside.check()


def test_beside__what_does_not_answer__is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bonafides.process.FIRST_DELAY_S", 0.0)
    answers, turned = iter([Unavailable("away"), None]), threading.Event()

    def turn() -> bool:
        if (error := next(answers, None)) is not None:
            raise error
        turned.set()
        return False

    beside = Beside("lane", turn, Stop())
    beside.start()

    assert turned.wait(PATIENCE_S)
    assert beside.missing() is None
    beside.check()
    beside.end()
    assert beside.missing() == "lane has ended"


def test_beside__never_started__ends_at_once() -> None:
    beside = Beside("lane", lambda: False, Stop())

    beside.end()

    assert beside.missing() == "lane has ended"
