"""Kill issuer and publisher at every named point, start them again, and count: nothing lost, nothing doubled."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bonafides.crashpoints import CRASH_POINTS
from bonafides_lab.stack.anvil import AnvilOptions, LocalAnvil

from tests.support.attestation_service_stack import AttestationStack, make_score, wait_for

pytestmark = pytest.mark.integration

ISSUER_POINTS = (
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
