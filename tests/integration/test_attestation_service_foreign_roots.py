"""Roots that come from elsewhere with the publisher's account: a thief, or a second publisher by mistake."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bonafides.types import Digest

from tests.support.attestation_service_stack import AttestationStack, wait_for
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
