"""What the log holds against what the receipts say, on a chain that forked."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from bonafides.events import BlockRange, BoundaryMark, ForkEpoch, LendingEvent
from bonafides.messages import EventBatch, decode, encode
from bonafides.testing.memory_bus import MemoryAdmin, MemoryBroker, MemoryConsumer
from bonafides.topics import MARKET, WALLET_EVENTS
from bonafides.types import EventType
from bonafides_ingest.auditing.events import EventDifference, FactDecoder, LoggedFacts, ReceiptSource, compare_facts
from bonafides_ingest.auditing.receipts import NodeReceipts
from bonafides_ingest.sources.node_reader import NodeReader
from bonafides_ingest.sources.rpc import RpcSource

from tests.support.forking_market import MARKETS, Act, ActKind
from tests.support.forking_system import ForkDatabase, ForkSystem, fork_database, rows
from tests.support.ingest_logs import CHAIN

pytestmark = pytest.mark.integration

DEPLOYMENT = MARKETS[0].deployment
WANTED = BlockRange(4, 10)
_nonces = count(4_000_000)


@pytest.fixture(scope="module")
def stored(local_postgres: str) -> Iterator[ForkDatabase]:
    with fork_database(local_postgres) as made:
        yield made


def _block(number: int) -> tuple[Act, ...]:
    return (
        Act(ActKind.SUPPLY, next(_nonces), number % 3, 100 + number),
        Act(ActKind.BORROW, next(_nonces), number % 3, 10),
        Act(ActKind.PRICE, next(_nonces), 0, number),
    )


@pytest.fixture
def system(stored: ForkDatabase) -> Iterator[ForkSystem]:
    """Read live to block 9, then blocks 7 to 9 were replaced; settled."""
    made = ForkSystem(stored, is_scoring=False)
    made.chain.extend(*(_block(number) for number in range(2, 10)))
    made.chain.finalize(5)
    made.run()
    made.chain.replace(6, *(_block(number) for number in range(7, 12)))
    made.run()
    made.settle()
    yield made
    made.close()


def _audit(system: ForkSystem) -> EventDifference:
    source = RpcSource(system.node, CHAIN, window_blocks=4, bloom_check_blocks=50)
    receipts = ReceiptSource(source, NodeReceipts(NodeReader(system.node, CHAIN)), WANTED.first)
    decoded = FactDecoder(receipts, system.replica(0).feeds).facts_of(DEPLOYMENT, WANTED)
    opened = rows(system.stored.owner, "SELECT epoch, fork_block FROM ingest.fork_epoch")
    epochs = tuple(ForkEpoch(int(str(row["epoch"])), int(str(row["fork_block"]))) for row in opened)
    broker = MemoryBroker(logs=system.broker.logs)  # the system's own deals out the partitions of its wallets alone
    consumer, admin = MemoryConsumer(broker, "audit"), MemoryAdmin(broker)
    logged = LoggedFacts(consumer, admin, CHAIN, WANTED, frozenset({DEPLOYMENT.id}), epochs).read()
    return compare_facts(decoded, logged)


def _lose(system: ForkSystem, is_lost: Callable[[LendingEvent], bool]) -> None:
    for at in system.broker.partitions(WALLET_EVENTS.name):
        log = system.broker.logs[at]
        for number, value in enumerate(log):
            if isinstance(batch := decode(value), EventBatch):
                kept = tuple(event for event in batch.events if not is_lost(event))
                log[number] = encode(EventBatch(kept)) if kept else encode(BoundaryMark(CHAIN, 1))


def test_audit_of_events__a_chain_that_forked__the_log_holds_just_the_truth(system: ForkSystem) -> None:
    found = _audit(system)

    assert (found.missing, found.invented) == ((), ())
    assert found.compared > 7 * 5


def test_audit_of_events__the_events_of_a_log_are_lost__names_their_places(system: ForkSystem) -> None:
    _lose(system, lambda event: (event.position.block.number, event.type) == (8, EventType.DEBT_BALANCE))

    found = _audit(system)

    assert [(place.block, place.kind) for place in found.missing] == [(8, "debt_balance")]
    assert found.invented == ()


def test_audit_of_events__a_point_of_no_log__is_invented(system: ForkSystem) -> None:
    (at,) = system.broker.partitions(MARKET.name)
    before = _audit(system)
    system.chain.replace_even_final(8, *(() for _ in range(4)))  # the node shows other blocks than were read
    after = _audit(system)

    assert before.invented == ()
    assert {place.block for place in after.invented} == {9, 10}
    assert system.broker.logs[at]
