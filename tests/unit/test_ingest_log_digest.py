"""The digest of a set of logs, which the audit compares."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from bonafides.events import Position
from bonafides.types import Address, Digest
from bonafides_ingest.chain import Log
from bonafides_ingest.log_digest import LogFilter, LogSet, digest_of
from hypothesis import given
from hypothesis import strategies as st

from tests.support.ingest_logs import block_at

pytestmark = pytest.mark.unit

TOKEN, OTHER = Address(b"\x11" * 20), Address(b"\x22" * 20)
TOPIC, ANOTHER_TOPIC = Digest(b"\x01" * 32), Digest(b"\x02" * 32)


def a_log(block: int, index: int, contract: Address = TOKEN) -> Log:
    return Log(Position(block_at(block), Digest(b"\x05" * 32), 1, index), contract, (TOPIC,), b"\x07" * 32)


LOGS = tuple(a_log(block, index) for block in range(5) for index in range(3))


@given(st.permutations(LOGS), st.integers(0, len(LOGS)))
def test_digest_of__any_order_and_cut__adds_up_to_the_whole(shuffled: list[Log], cut: int) -> None:
    assert digest_of(shuffled[:cut]) + digest_of(shuffled[cut:]) == digest_of(LOGS)


CHANGES: dict[str, Callable[[Log], Log]] = {
    "another branch": lambda log: replace(
        log, position=replace(log.position, block=block_at(log.position.block.number, "fork"))
    ),
    "another place in its block": lambda log: replace(log, position=replace(log.position, log_index=77)),
    "another transaction": lambda log: replace(log, position=replace(log.position, tx_hash=Digest(b"\x06" * 32))),
    "another contract": lambda log: replace(log, address=OTHER),
    "another topic": lambda log: replace(log, topics=(ANOTHER_TOPIC,)),
    "a topic that became data": lambda log: replace(log, topics=(), payload=TOPIC + log.payload),
    "other data": lambda log: replace(log, payload=b"\x08" * 32),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_digest_of__one_log_is_another__is_another_set_of_the_same_count(change: Callable[[Log], Log]) -> None:
    true, changed = digest_of(LOGS), digest_of((*LOGS[:-1], change(LOGS[-1])))

    assert (changed.count == true.count, changed.digest == true.digest) == (True, False)


def test_digest_of__a_log_twice__is_not_the_set_without_it() -> None:
    assert len({digest_of(LOGS), digest_of((*LOGS, LOGS[0])), digest_of(LOGS[1:]), LogSet()}) == 4


def test_log_set__as_it_is_stored__is_the_same_again() -> None:
    for logs in (LOGS, LOGS[:1], ()):
        there = digest_of(logs)

        assert LogSet.from_bytes(there.count, there.to_bytes()) == there


def test_filter__contracts_and_topics_of_anybody__counts_those_alone() -> None:
    foreign = a_log(1, 9, OTHER)

    assert LogFilter(frozenset({TOKEN})).read((*LOGS, foreign)) == digest_of(LOGS)
    assert LogFilter(frozenset({OTHER})).read((*LOGS, foreign)) == digest_of([foreign])
    assert LogFilter(frozenset(), frozenset({TOPIC})).read((*LOGS, foreign)) == digest_of((*LOGS, foreign))


def test_filter__its_key__does_not_follow_the_order_and_tells_contracts_from_topics() -> None:
    one = LogFilter(frozenset({TOKEN, OTHER}))

    assert one.key == LogFilter(frozenset({OTHER, TOKEN})).key
    assert (
        len({one.key, LogFilter(frozenset({TOKEN})).key, LogFilter(frozenset({TOKEN, OTHER}), frozenset({TOPIC})).key})
        == 3
    )
