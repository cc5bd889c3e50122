"""What the scoring worker does with facts about accounts: it keeps them, and no score changes."""

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest
from bonafides.accounts import AccountFact
from bonafides.errors import InvariantViolation
from bonafides.messages import AccountBatch, DeadLetter, Message, ScoreIssued, decode, encode
from bonafides.testing.memory_bus import MemoryBroker, MemoryProducer
from bonafides.topics import SCORES_ISSUED, WALLET_EVENTS, dead_letter_topic, partition_of
from bonafides.types import AccountKind
from bonafides_scoring.store.accounts import account_fact, fact_of
from bonafides_scoring.store.tables import unreadable_record
from sqlalchemy import Engine

from tests.support.scoring_logs import LoggedMarket, careful_borrower, produce, wallet
from tests.support.scoring_service import (
    memory_broker,
    memory_worker,
    migrated,
    run_until_idle,
    table_rows,
    throwaway_database,
)

pytestmark = pytest.mark.integration

ALICE = wallet("alice")
AT_ALICE = partition_of(ALICE, WALLET_EVENTS)
NEIGHBOUR = next(one for one in (wallet(f"n{n}") for n in range(999)) if partition_of(one, WALLET_EVENTS) == AT_ALICE)


@pytest.fixture
def engine(fresh_database: str) -> Iterator[Engine]:
    with migrated(fresh_database) as made:
        yield made


@pytest.fixture
def broker() -> MemoryBroker:
    return memory_broker()


def _safe(market: LoggedMarket, **changes: object) -> AccountFact:
    """The neighbour is a Safe of Alice's."""
    fact = AccountFact(market.block, 0, 7, 1, 1, "safes", NEIGHBOUR, AccountKind.SAFE, (ALICE,), 1)
    return replace(fact, **changes)  # type: ignore[arg-type]


def _code(safe: AccountFact) -> AccountFact:
    """What the code at Alice's address says, at the end of the block."""
    return replace(
        safe,
        account=ALICE,
        tx_index=None,
        log_index=None,
        source="",
        kind=AccountKind.EXTERNALLY_OWNED,
        owners=(),
        threshold=0,
    )


def _put(broker: MemoryBroker, *facts: AccountFact, partition: int = AT_ALICE) -> None:
    producer = MemoryProducer(broker)
    producer.send(WALLET_EVENTS.name, partition, encode(AccountBatch(facts)))
    producer.flush()


def _stored(engine: Engine) -> list[AccountFact]:
    found = [fact_of(row) for row in table_rows(engine, account_fact)]
    return sorted(found, key=lambda fact: (fact.precedence, fact.id))


def _sent(broker: MemoryBroker, topic: str) -> list[Message]:
    return [decode(raw) for at in broker.partitions(topic) for raw in broker.logs[at]]


def _buried(broker: MemoryBroker) -> list[DeadLetter]:
    return [m for m in _sent(broker, dead_letter_topic(WALLET_EVENTS).name) if isinstance(m, DeadLetter)]


def _issued(broker: MemoryBroker) -> list[ScoreIssued]:
    return [message for message in _sent(broker, SCORES_ISSUED.name) if isinstance(message, ScoreIssued)]


def test_worker__facts_delivered_twice__stand_once(engine: Engine, broker: MemoryBroker) -> None:
    market = LoggedMarket()
    safe = _safe(market)
    code = _code(safe)
    newer = replace(safe, fork_epoch=2)
    for _ in range(2):
        _put(broker, safe, code, newer)
    _put(broker, safe)

    run_until_idle(memory_worker(broker, engine))

    assert _stored(engine) == sorted((safe, code, newer), key=lambda fact: (fact.precedence, fact.id))
    assert {row["log_offset"] for row in table_rows(engine, account_fact)} == {0}


def test_worker__same_precedence_says_something_else__stops(engine: Engine, broker: MemoryBroker) -> None:
    safe = _safe(LoggedMarket())
    _put(broker, safe)
    worker = memory_worker(broker, engine)
    run_until_idle(worker)
    _put(broker, replace(safe, owners=(NEIGHBOUR,)))

    with pytest.raises(InvariantViolation, match="account fact"):
        run_until_idle(worker)


def test_worker__bad_and_misplaced_facts__are_buried_and_hide_no_history(engine: Engine, broker: MemoryBroker) -> None:
    market = LoggedMarket()
    careful_borrower(market, ALICE)
    safe = _safe(market)
    bad = replace(safe, kind=cast("AccountKind", SimpleNamespace(value="robot")))
    elsewhere = next(a for a in (wallet(f"e{n}") for n in range(999)) if partition_of(a, WALLET_EVENTS) != AT_ALICE)
    misplaced = replace(safe, account=elsewhere)
    _put(broker, bad, safe, misplaced)
    market.boundary(is_scoring=True)
    produce(market.log, MemoryProducer(broker))

    run_until_idle(memory_worker(broker, engine))

    assert _stored(engine) == [safe]
    assert sorted(letter.original for letter in _buried(broker)) == sorted(
        encode(AccountBatch((fact,))) for fact in (bad, misplaced)
    )
    assert table_rows(engine, unreadable_record) == []
    assert [score.wallets for score in _issued(broker)] == [(ALICE,)]


def test_worker__with_and_without_facts__scores_are_the_same(local_postgres: str) -> None:
    answers = []
    for has_facts in (False, True):
        broker, market = memory_broker(), LoggedMarket()
        careful_borrower(market, ALICE)
        if has_facts:
            safe = _safe(market)
            _put(broker, safe, _code(safe))
        market.boundary(is_scoring=True)
        produce(market.log, MemoryProducer(broker))
        with throwaway_database(local_postgres) as url, migrated(url) as engine:
            run_until_idle(memory_worker(broker, engine))
            assert len(_stored(engine)) == 2 * has_facts
        answers += _issued(broker)

    assert len(answers) == 2
    assert answers[0] == answers[1]
