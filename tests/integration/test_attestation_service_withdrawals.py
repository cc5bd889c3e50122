"""Disputes and recalls, whenever they come: what is withdrawn is never attested further, and nobody else is hit."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.attestation_service_stack import AttestationStack, make_score, wait_for
from tests.support.attestation_service_steps import publish_foreign_root, slow_stack, turns, withdraw

pytestmark = pytest.mark.integration


@pytest.fixture
def stack(tmp_path: Path, fresh_database: str, local_kafka: str) -> Iterator[AttestationStack]:
    with slow_stack(tmp_path, fresh_database, local_kafka) as made:
        yield made


def count_of(stack: AttestationStack, table: str) -> int:
    return int(str(stack.scalar(f"SELECT count(*) FROM attestation.{table}")))  # noqa: S608 names of the tests


def test_publisher__withdrawn_document_was_stranded__its_index_is_not_revoked_for_its_next_holder(
    stack: AttestationStack,
) -> None:
    scores = sorted(
        (make_score(number, stack.now(), stack.model_id, run=stack.model_id) for number in range(3)),
        key=lambda score: score.score_id,
    )
    stack.produce(scores)
    issuer = stack.start("issuer")
    wait_for(lambda: stack.batch_states() == ["queued"], "a queued batch")
    withdraw(stack, scores[2])  # index 2
    wait_for(lambda: count_of(stack, "revocations") == 1, "the revocation asked for")
    issuer.terminate()
    stack.anvil.rpc.set_automine(True)
    publish_foreign_root(stack, 1)
    publisher = stack.publisher()
    publisher.turn()
    assert stack.batch_states() == ["stuck"]

    issuer = stack.start("issuer")
    wait_for(lambda: stack.batch_states() == ["stuck", "queued"], "the two that are left, in a new batch")
    issuer.terminate()
    turns(stack, publisher, 8)

    assert stack.rows("SELECT state, first_index, size FROM attestation.batches ORDER BY id") == [
        ("stuck", 0, 3),
        ("final", 1, 2),  # index 2 is somebody else's now
    ]
    assert [stack.registry.is_revoked(index) for index in range(3)] == [False] * 3
    assert stack.rows("SELECT state FROM attestation.documents WHERE score_id = :id", id=scores[2].score_id) == [
        ("stranded",)
    ]
    assert count_of(stack, "revocations") == 0
