"""Kill issuer and publisher at every named point, start them again, and count: nothing lost, nothing doubled."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bonafides.crashpoints import CRASH_POINTS
from bonafides.types import AttestationStatus, Digest, ModelClass, VerificationStatus
from bonafides.verify.holder import DealsWith
from bonafides.verify.verifier import verify
from bonafides_attestation.deployment import trust_file
from bonafides_attestation.document import present, read_holder_file
from bonafides_lab.stack.anvil import AnvilOptions, LocalAnvil

from tests.support.attestation_service_stack import (
    AttestationStack,
    free_port,
    http_get,
    make_score,
    wait_for,
)

pytestmark = pytest.mark.integration

ISSUER_POINTS = (
    "issuer.after_poll",
    "issuer.before_commit",
    "issuer.after_commit",
    "issuer.before_sign",
    "issuer.after_sign",
    "issuer.after_hand_over",
    "outbox.after_produce",
    "outbox.after_commit",
)
PUBLISHER_POINTS = (
    "publisher.before_store",
    "publisher.before_send",
    "publisher.after_send",
    "publisher.after_receipt",
    "publisher.before_final",
    "publisher.after_final",
    "outbox.after_produce",
)
SIGKILL = -9


@pytest.fixture
def stack(tmp_path: Path, fresh_database: str, local_kafka: str) -> Iterator[AttestationStack]:
    anvil = LocalAnvil(tmp_path / "anvil", AnvilOptions(block_time_s=1))
    anvil.start()
    made = AttestationStack(tmp_path / "service", fresh_database, local_kafka, anvil)
    yield made
    made.close()
    anvil.close()


def test_crash_points__of_issuer_and_publisher__are_all_killed_here() -> None:
    named = {point for point in CRASH_POINTS if point.startswith(("issuer.", "publisher."))}

    assert named <= {*ISSUER_POINTS, *PUBLISHER_POINTS}


def test_issuer_and_publisher__killed_at_every_point__publish_each_score_once(stack: AttestationStack) -> None:
    scores = [make_score(number, stack.now(), stack.model_id, run=stack.model_id) for number in range(6)]
    stack.produce(scores)

    for point in ISSUER_POINTS:
        assert stack.start("issuer", crash_at=point).wait(60) == SIGKILL, point
    for point in PUBLISHER_POINTS:
        assert stack.start("publisher", crash_at=point).wait(60) == SIGKILL, point
    stack.start("publisher")
    issuer = stack.start("issuer")
    wait_for(lambda: stack.documents_final() == len(scores), "all documents final")

    assert len(stack.published_roots()) == 1
    assert stack.rows("SELECT state, first_index, size FROM attestation.batches") == [("final", 0, 6)]
    assert stack.rows("SELECT score_id FROM attestation.documents ORDER BY score_id") == [
        (score.score_id,) for score in sorted(scores, key=lambda score: score.score_id)
    ]
    assert stack.rows("SELECT revocation_index FROM attestation.leaf_hashes ORDER BY position") == [
        (index,) for index in range(6)
    ]
    for score in scores:
        said = [change.status.value for change in stack.statuses(score.score_id)]
        assert list(dict.fromkeys(said)) == ["built", "queued", "sent", "mined", "final"]

    more = [make_score(number, stack.now(), stack.model_id, run=b"more" + stack.model_id) for number in range(2)]
    stack.produce(more)
    wait_for(lambda: stack.documents_final() == 8, "the next batch, after all this")
    assert stack.rows("SELECT first_index, size, epoch FROM attestation.batches ORDER BY id") == [(0, 6, 1), (6, 2, 2)]
    issuer.terminate()
    assert issuer.exit_code() == 0


def test_issuer__model_disallowed_between_closing_and_signing__leaves_tombstones_and_the_rest_verifies(
    stack: AttestationStack,
) -> None:
    other_model = Digest(bytes(reversed(stack.model_id)))
    kept = make_score(1, stack.now(), stack.model_id, run=stack.model_id)
    recalled = make_score(2, stack.now(), other_model, run=stack.model_id)
    both = f"0x{stack.model_id.hex()}=synthetic,0x{other_model.hex()}=synthetic"
    stack.produce([kept, recalled])

    # The crash is before the signatures: by then the batch and its indexes are in the database.
    assert stack.start("issuer", allowed_models=both, crash_at="issuer.before_sign").wait(60) == SIGKILL
    port = free_port()
    for process in ("issuer", "publisher"):
        stack.start(process)
    stack.start("api", consent_mode="open", api_port=str(port))
    wait_for(lambda: stack.batch_states() == ["final"], "the final batch")

    assert set(stack.rows("SELECT score_id, state FROM attestation.documents")) == {
        (kept.score_id, "signed"),
        (recalled.score_id, "tombstone"),
    }
    assert stack.scalar("SELECT size FROM attestation.batches") == 2
    assert stack.statuses(recalled.score_id)[-1].status is AttestationStatus.TOMBSTONE
    attestation_id = stack.scalar("SELECT attestation_id FROM attestation.documents WHERE state = 'signed'")
    assert isinstance(attestation_id, bytes)
    file = read_holder_file(http_get(f"http://127.0.0.1:{port}/v1/attestations/0x{attestation_id.hex()}")[2])
    trust = trust_file(stack.deployment, "Tests", {stack.model_id: ModelClass.SYNTHETIC})
    shown = present(file, ["band"], kept.wallets[0])
    answer = verify(shown, trust, DealsWith(kept.wallets[0]), stack.now(), stack.chain_view)
    assert answer.status is VerificationStatus.VALID, answer.detail


def test_service__node_restarted_with_its_state__goes_on(tmp_path: Path, fresh_database: str, local_kafka: str) -> None:
    anvil = LocalAnvil(tmp_path / "anvil", AnvilOptions(block_time_s=1, keeps_state=True))
    anvil.start()
    stack = AttestationStack(tmp_path / "service", fresh_database, local_kafka, anvil)
    try:
        issuer, publisher = stack.start("issuer"), stack.start("publisher")
        first = make_score(1, stack.now(), stack.model_id, run=stack.model_id)
        stack.produce([first])
        wait_for(lambda: stack.documents_final() == 1, "a first final document")

        second = make_score(2, stack.now(), stack.model_id, run=stack.model_id)
        anvil.stop()
        stack.produce([second])
        wait_for(lambda: "unavailable, waiting" in issuer.tail() and "unavailable, waiting" in publisher.tail(), "logs")
        anvil.start()
        wait_for(lambda: stack.documents_final() == 2, "the second one, after the node came back")

        assert issuer.is_running()
        assert publisher.is_running()
        assert len(stack.published_roots()) == 2
        assert "Traceback" not in stack.logs()
    finally:
        stack.close()
        anvil.close()
