"""Disputes and recalls, whenever they come: what is withdrawn is never attested further, and nobody else is hit."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bonafides.messages import ScoreIssued, WithdrawalKind
from bonafides_attestation.tables import withdrawals
from sqlalchemy import text

from tests.support.attestation_service_stack import AttestationStack, make_score, wait_for
from tests.support.attestation_service_steps import publish_foreign_root, slow_stack, turns, withdraw

pytestmark = pytest.mark.integration

SIGKILL = -9


@pytest.fixture
def stack(tmp_path: Path, fresh_database: str, local_kafka: str) -> Iterator[AttestationStack]:
    with slow_stack(tmp_path, fresh_database, local_kafka) as made:
        yield made


def has(stack: AttestationStack, table: str, score: ScoreIssued) -> bool:
    """The topic is shared with other tests: what counts is the row of this score."""
    question = f"SELECT count(*) FROM attestation.{table} WHERE score_id = :id"  # noqa: S608 names of the tests
    return stack.scalar(question, id=score.score_id) == 1


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


def test_issuer__score_withdrawn_after_its_batch_was_closed__is_a_tombstone_and_the_others_are_signed(
    stack: AttestationStack,
) -> None:
    kept, disputed = (make_score(number, stack.now(), stack.model_id, run=stack.model_id) for number in range(2))
    stack.produce([kept, disputed])
    assert stack.start("issuer", crash_at="issuer.before_sign").wait(60) == SIGKILL
    # Another process holds the lease, so that this one consumes and signs nothing.
    with stack.engine.begin() as connection:
        connection.execute(text("UPDATE attestation.leases SET holder = 'other', expires_at = now() + '1 hour'"))
    withdraw(stack, disputed, WithdrawalKind.DISPUTE)
    issuer = stack.start("issuer")
    wait_for(lambda: has(stack, "withdrawals", disputed), "the dispute taken in")
    assert stack.batch_states() == ["built"]

    with stack.engine.begin() as connection:
        connection.execute(text("UPDATE attestation.leases SET expires_at = now()"))
    wait_for(lambda: stack.batch_states() == ["queued"], "the signed batch")
    issuer.terminate()

    assert set(stack.rows("SELECT score_id, state, refusal FROM attestation.documents")) == {
        (kept.score_id, "signed", None),
        (disputed.score_id, "tombstone", "withdrawn"),
    }
    assert stack.scalar("SELECT state FROM attestation.results WHERE score_id = :id", id=disputed.score_id) == (
        "withdrawn"
    )
    assert count_of(stack, "revocations") == 0


def test_issuer__withdrawal_comes_before_its_score__the_score_is_never_attested(stack: AttestationStack) -> None:
    recalled, other = (make_score(number, stack.now(), stack.model_id, run=stack.model_id) for number in range(2))
    withdraw(stack, recalled)
    issuer = stack.start("issuer")
    wait_for(lambda: has(stack, "withdrawals", recalled), "the recall taken in")

    stack.produce([recalled])
    wait_for(lambda: has(stack, "results", recalled), "the score taken in")
    stack.produce([other])
    wait_for(lambda: stack.batch_states() == ["queued"], "a batch")
    issuer.terminate()

    assert stack.rows("SELECT score_id FROM attestation.documents") == [(other.score_id,)]
    assert stack.scalar("SELECT state FROM attestation.results WHERE score_id = :id", id=recalled.score_id) == (
        "withdrawn"
    )


def test_issuer__withdrawal_that_no_transaction_of_the_score_saw__is_found_when_the_batch_is_closed(
    stack: AttestationStack,
) -> None:
    recalled, other = (make_score(number, stack.now(), stack.model_id, run=stack.model_id) for number in range(2))
    issuer = stack.start("issuer", batch_max_age_s="3600")
    stack.produce([recalled, other])
    wait_for(lambda: has(stack, "results", recalled) and has(stack, "results", other), "the scores taken in")
    issuer.terminate()
    # Two issuers at the same moment: one commits the score, the other the withdrawal, and neither sees the other's.
    with stack.engine.begin() as connection:
        connection.execute(withdrawals.insert().values(score_id=recalled.score_id, kind="recall"))

    issuer = stack.start("issuer")
    wait_for(lambda: stack.batch_states() == ["queued"], "a batch")
    issuer.terminate()

    assert stack.rows("SELECT score_id FROM attestation.documents") == [(other.score_id,)]
