"""Roots that come from elsewhere with the publisher's account: a thief, or a second publisher by mistake."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
from bonafides.consumer import OffsetConsumer
from bonafides.database import transaction
from bonafides.kafka_bus import KafkaBusProducer, KafkaConnection
from bonafides.outbox import Outbox
from bonafides.types import Digest, ModelClass
from bonafides_attestation.chain import Chain, Head
from bonafides_attestation.issuer import BatchRules, Issuer
from bonafides_attestation.keys import open_keystore
from bonafides_attestation.leases import Lease
from bonafides_attestation.policy import IssuingRules
from bonafides_attestation.publisher_store import mark_stuck
from bonafides_attestation.registry import Registry
from bonafides_attestation.results import keep_result
from bonafides_attestation.signer import Attester, KeySigner
from bonafides_attestation.tables import issuer_outbox

from tests.support.attestation_service_stack import AttestationStack, make_score, wait_for
from tests.support.attestation_service_steps import (
    publish_as_the_publisher,
    publish_foreign_root,
    queue_batch,
    slow_stack,
    turns,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def stack(tmp_path: Path, fresh_database: str, local_kafka: str) -> Iterator[AttestationStack]:
    with slow_stack(tmp_path, fresh_database, local_kafka) as made:
        yield made


def issue_until(stack: AttestationStack, states: list[str]) -> None:
    """Let an issuer work until the batches stand like this, and end it."""
    issuer = stack.start("issuer")
    wait_for(lambda: stack.batch_states() == states, f"{states}")
    issuer.terminate()


def test_publisher__foreign_root_is_reorged_away__what_stood_behind_it_is_issued_again(
    stack: AttestationStack,
) -> None:
    queue_batch(stack)
    stack.anvil.rpc.mine(3)
    publish_foreign_root(stack, 5)
    stack.anvil.rpc.mine()
    publisher = stack.publisher()
    publisher.turn()
    issue_until(stack, ["stuck", "queued"])

    stack.anvil.rpc.reorg(1)
    stack.anvil.rpc.call("anvil_dropAllTransactions")
    assert stack.registry.next_index() == 0
    waited_for = turns(stack, publisher, 4)
    assert stack.batch_states() == ["stuck", "stuck"]
    issue_until(stack, ["stuck", "stuck", "queued"])
    turns(stack, publisher, 5)

    assert stack.rows("SELECT state, first_index, size FROM attestation.batches ORDER BY id") == [
        ("stuck", 0, 3),
        ("stuck", 5, 3),
        ("final", 0, 3),
    ]
    assert stack.documents_final() == 3
    assert len(waited_for) == 1  # until the head of that time was final, and not longer


def publish_our_root(stack: AttestationStack, count: int) -> None:
    root = stack.scalar("SELECT root FROM attestation.batches")
    assert isinstance(root, bytes)
    publish_as_the_publisher(stack, Digest(root), count)
    stack.anvil.rpc.mine()


def test_publisher__our_root_was_published_with_too_high_a_count__is_adopted_and_nothing_is_issued_again(
    stack: AttestationStack,
) -> None:
    queue_batch(stack)
    publish_our_root(stack, 4)
    publisher = stack.publisher()

    turns(stack, publisher, 4)

    assert stack.batch_states() == ["final"]
    assert stack.documents_final() == 3
    assert len(stack.published_roots()) == 1


def test_publisher__our_root_was_published_with_too_low_a_count__what_it_covers_is_revoked_and_all_issued_again(
    stack: AttestationStack,
) -> None:
    queue_batch(stack)
    publish_our_root(stack, 2)
    publisher = stack.publisher()

    waited_for = turns(stack, publisher, 3)
    issue_until(stack, ["stuck", "queued"])
    turns(stack, publisher, 10)

    assert len(waited_for) == 1  # for the block to be final
    assert stack.rows("SELECT state, first_index, size FROM attestation.batches ORDER BY id") == [
        ("stuck", 0, 3),
        ("final", 2, 3),
    ]
    assert [stack.registry.is_revoked(index) for index in range(5)] == [True, True, False, False, False]
    assert stack.documents_final() == 3


class NothingToConsume:
    """The consumer of an issuer that gets no message."""

    def turn(self) -> bool:
        return False


class ChainWithAnEvent(Chain):
    """A chain during whose first look at the head something happens."""

    def __init__(self, chain: Chain, event: Callable[[], object]) -> None:
        super().__init__(chain._rpc)
        self._events = [event]

    def head(self) -> Head:
        while self._events:
            self._events.pop()()
        return super().head()


def test_issuer__batch_in_flight_is_stranded_while_the_next_is_closed__closes_none_behind_it(
    stack: AttestationStack,
) -> None:
    queue_batch(stack)
    score = make_score(9, stack.now(), stack.model_id, run=stack.model_id)
    with transaction(stack.engine) as connection:
        keep_result(connection, score)

    def strand() -> None:
        with transaction(stack.engine) as connection:
            mark_stuck(connection, stack.domain, 1, "a foreign root came")

    secret = open_keystore(stack.folder / "attester.json", stack.folder / "password", "ATTESTER")
    engine = stack.role_engine("issuer")
    producer = KafkaBusProducer(KafkaConnection(stack.kafka_bootstrap), "tests")
    issuer = Issuer(
        consumer=cast("OffsetConsumer", NothingToConsume()),
        engine=engine,
        lease=Lease(engine, "issuer/in this test", 30),
        registry=Registry(ChainWithAnEvent(Chain(stack.rpc), strand), stack.domain),
        attester=Attester(
            KeySigner(secret), IssuingRules(stack.domain, {stack.model_id: ModelClass.SYNTHETIC}, 86_400)
        ),
        batch_rules=BatchRules(max_size=10, max_age_s=0, max_in_flight=4, for_all=True),
        outbox=Outbox(engine, issuer_outbox, producer),
    )

    issuer.turn()
    assert stack.batch_states() == ["stuck"]
    issuer.turn()

    assert stack.rows("SELECT state, first_index, size FROM attestation.batches ORDER BY id DESC LIMIT 1") == [
        ("queued", 0, 4)
    ]
    producer.close()
    engine.dispose()
