"""What a poll read and did not commit is never written by the next one."""

from typing import Any

import pytest
from bonafides.bus import Record, TopicPartition
from bonafides.messages import EventBatch, encode
from bonafides.topics import WALLET_EVENTS, partition_of
from bonafides_scoring.handler import ScoringHandler
from bonafides_scoring.store import events

from tests.support import samples

pytestmark = pytest.mark.unit


class _Connection:
    """One poll's: all that the handler asks of it here is its transaction."""

    def __init__(self) -> None:
        self._transaction = object()

    def get_transaction(self) -> object:
        return self._transaction


class _Scorer:
    def forget_counts(self) -> None:
        """Nothing was counted."""


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, int]]:
    """Connection and number of events of each statement that adds some."""
    seen: list[tuple[object, int]] = []

    def add(connection: object, read: list[object]) -> int:
        seen.append((connection, len(read)))
        return len(read)

    monkeypatch.setattr(events, "add_events", add)
    return seen


def _handle(handler: Any, connection: Any) -> None:
    event = samples.event()
    at = TopicPartition(WALLET_EVENTS.name, partition_of(event.wallet, WALLET_EVENTS))
    handler.handle(connection, at, [Record(at, 5, encode(EventBatch((event,))))])


def _handler() -> ScoringHandler:
    chain_id = samples.event().position.block.chain_id
    return ScoringHandler(_Scorer(), frozenset({chain_id}), dead_letter_limit=1)  # type: ignore[arg-type]


def test_before_commit__poll_that_was_rolled_back_and_one_that_handled_nothing__writes_nothing(
    added: list[tuple[object, int]],
) -> None:
    handler: Any = _handler()
    _handle(handler, _Connection())  # then another partition of the poll fails

    handler.before_commit(_Connection())

    assert added == []


def test_before_commit__same_poll__writes_what_it_read(added: list[tuple[object, int]]) -> None:
    handler, connection = _handler(), _Connection()
    _handle(handler, connection)

    handler.before_commit(connection)  # type: ignore[arg-type]

    assert added == [(connection, 1)]
