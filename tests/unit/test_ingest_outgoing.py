"""Decoded facts as records: packed, in order, each in its wallet's partition."""

from dataclasses import replace

import pytest
from bonafides.accounts import AccountFact
from bonafides.events import BoundaryMark, WalletDeadLetter
from bonafides.messages import AccountBatch, EventBatch, LogDeadLetter, MarketBatch, decode
from bonafides.testing.memory_bus import MAX_RECORD_BYTES
from bonafides.topics import MARKET, WALLET_EVENTS, partition_of
from bonafides.types import AccountKind, Address
from bonafides_ingest.outgoing import account_records, letter_records, mark_records, records_of, touched_partitions
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.protocols.aave_v3.protocol import AaveV3
from bonafides_ingest.protocols.aave_v3.state import AaveV3State
from bonafides_ingest.protocols.decoded import Decoded

from tests.support.ingest_logs import CHAIN, DEPLOYMENT, POOL, ChainOfLogs, address, block_at, encode_event

pytestmark = pytest.mark.unit


def _decoded(chain: ChainOfLogs) -> Decoded:
    return AaveV3().decode_logs(AaveV3State(DEPLOYMENT), chain.logs, 1)[1]


def test_records_of__many_events_of_one_wallet__are_packed_by_fifty_in_order() -> None:
    chain = ChainOfLogs()
    for block in range(1, 121):
        chain.emit(block, 0, POOL, abi.USER_EMODE_SET, address("alice"), 1)
    decoded = _decoded(chain)

    records = list(records_of([decoded]))

    batches = [decode(record.value) for record in records]
    assert [len(batch.events) for batch in batches if isinstance(batch, EventBatch)] == [50, 50, 20]
    assert [e for batch in batches if isinstance(batch, EventBatch) for e in batch.events] == list(decoded.events)
    assert touched_partitions(records) == {partition_of(address("alice"), WALLET_EVENTS)}


def test_records_of__many_wallets__put_each_into_its_partition_alone() -> None:
    chain = ChainOfLogs()
    for number in range(200):
        chain.emit(1 + number // 50, number, POOL, abi.USER_EMODE_SET, address(f"wallet {number}"), 1)

    records = list(records_of([_decoded(chain)]))

    for record in records:
        batch = decode(record.value)
        assert isinstance(batch, EventBatch)
        assert {partition_of(event.wallet, WALLET_EVENTS) for event in batch.events} == {record.partition}
    assert len({record.partition for record in records}) > 30


def test_records_of__market_points__go_to_the_market_in_batches() -> None:
    chain = ChainOfLogs()
    asset = chain.list_reserve(1, "WETH").asset
    for block in range(2, 302):
        chain.emit(block, 0, POOL, abi.RESERVE_DATA_UPDATED, asset, 1, 2, 3, 4, 5)

    records = [record for record in records_of([_decoded(chain)]) if record.topic == MARKET.name]

    batches = [decode(record.value) for record in records]
    assert [len(batch.points) for batch in batches if isinstance(batch, MarketBatch)] == [200, 103]
    assert {record.partition for record in records} == {0}


def test_letter_records__refused_log__goes_to_the_dead_letters_and_tells_the_wallets_partition() -> None:
    chain = ChainOfLogs()
    alice = address("alice")
    topics, payload = encode_event(abi.BORROW, (address("asset"), alice, alice, 50, 2, 0, 0))
    log = chain.emit_raw(3, 0, POOL, topics, payload[:-1])

    letter_record, told_record = list(letter_records(_decoded(chain).refused))

    letter, told = decode(letter_record.value), decode(told_record.value)
    assert letter_record.topic == "wallet-events.v1.dlq"
    assert isinstance(letter, LogDeadLetter)
    assert (letter.payload, letter.topics, letter.position) == (log.payload, log.topics, log.position)
    assert isinstance(told, WalletDeadLetter)
    assert (told.wallet, told_record.partition) == (alice, partition_of(alice, WALLET_EVENTS))


def test_mark_records__partitions_given__say_the_number_in_each() -> None:
    records = list(mark_records(CHAIN, 9, (1, 5)))

    assert [(record.topic, record.partition) for record in records] == [
        ("wallet-events.v1", 1),
        ("wallet-events.v1", 5),
    ]
    assert [decode(record.value) for record in records] == [BoundaryMark(CHAIN, 9)] * 2


def test_account_records__facts_with_many_owners__stay_below_what_a_broker_takes() -> None:
    owners = tuple(Address(number.to_bytes(20)) for number in range(1, 5_001))
    fact = AccountFact(block_at(5), 0, 0, 1, 1, "safes", address("safe"), AccountKind.SAFE, owners, 1)
    facts = [replace(fact, log_index=index) for index in range(50)]

    records = list(account_records(facts))

    assert max(len(record.value) for record in records) < MAX_RECORD_BYTES
    batches = [decode(record.value) for record in records]
    assert [fact for batch in batches if isinstance(batch, AccountBatch) for fact in batch.facts] == facts


def test_account_records__small_facts__are_packed_in_full() -> None:
    fact = AccountFact(block_at(5), None, None, 1, 1, "", address("robot"), AccountKind.CONTRACT)

    batches = [decode(record.value) for record in account_records([fact] * 51)]

    assert [len(batch.facts) for batch in batches if isinstance(batch, AccountBatch)] == [50, 1]
