"""The attestation service on a real broker, database and chain: from a score message to a document that verifies."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from bonafides.messages import DeadLetter
from bonafides.topics import SCORES_ISSUED
from bonafides.types import AttestationStatus, ChainId, ModelClass, VerificationStatus, address_text
from bonafides.verify.holder import DealsWith
from bonafides.verify.verifier import verify
from bonafides_attestation.deployment import trust_file
from bonafides_attestation.document import present, read_holder_file
from bonafides_attestation.tables import opt_ins
from bonafides_lab.stack.anvil import AnvilOptions, LocalAnvil

from tests.support.attestation_service_stack import (
    AttestationStack,
    free_port,
    http_get,
    http_post,
    make_score,
    wait_for,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def stack(tmp_path: Path, fresh_database: str, local_kafka: str) -> Iterator[AttestationStack]:
    anvil = LocalAnvil(tmp_path / "anvil", AnvilOptions(block_time_s=1))
    anvil.start()
    made = AttestationStack(tmp_path / "service", fresh_database, local_kafka, anvil)
    yield made
    made.close()
    anvil.close()


def test_service__scores_and_a_poisoned_message__end_as_final_documents_that_verify(stack: AttestationStack) -> None:
    scores = [make_score(number, stack.now(), stack.model_id, run=stack.model_id) for number in range(5)]
    port = free_port()
    stack.produce_raw([(0, b"poison of " + stack.model_id)])
    stack.produce(scores)
    stack.produce(scores[:2])  # delivered twice

    stack.start("issuer")
    stack.start("publisher")
    stack.start("api", consent_mode="open", api_port=str(port))
    wait_for(lambda: stack.documents_final() == 5, "five final documents")

    shown = scores[3]
    listed = json.loads(http_get(f"http://127.0.0.1:{port}/v1/attestations?score_id=0x{shown.score_id.hex()}")[2])
    attestation_id = listed["attestations"][0]["attestationId"]
    code, headers, body = http_get(f"http://127.0.0.1:{port}/v1/attestations/{attestation_id}")
    assert (code, headers["bonafides-consent-mode"], headers["cache-control"]) == (200, "open", "no-store")
    wallet = shown.wallets[0]
    trust = trust_file(stack.deployment, "Tests", {stack.model_id: ModelClass.SYNTHETIC})
    presentation = present(read_holder_file(body), ["score", "scoreGte600"], wallet)
    verified = verify(presentation.to_json(), trust, DealsWith(wallet), stack.now(), stack.chain_view)
    assert verified.status is VerificationStatus.VALID, verified.detail
    assert verified.claims is not None
    assert verified.claims.disclosed["score"] == shown.score
    assert verified.claims.issued_at == verified.claims.valid_from == shown.as_of.time

    _, _, made = http_post(
        f"http://127.0.0.1:{port}/v1/attestations/{attestation_id}/presentations",
        {"leaves": ["scoreGte600"], "wallet": address_text(wallet)},
    )
    again = verify(made, trust, DealsWith(wallet), stack.now(), stack.chain_view)
    assert again.status is VerificationStatus.VALID, again.detail

    wait_for(lambda: stack.statuses(shown.score_id)[-1].status is AttestationStatus.FINAL, "the final status")
    assert [change.status.value for change in stack.statuses(shown.score_id)] == [
        "built", "queued", "sent", "mined", "final",
    ]  # fmt: skip
    letters = [m for _, m in stack.read_topic(SCORES_ISSUED.dead_letters) if isinstance(m, DeadLetter)]
    assert sum(letter.original == b"poison of " + stack.model_id for letter in letters) == 1
    assert listed["attestations"][0]["status"] == "final"
    assert stack.scalar("SELECT count(*) FROM attestation.audit") == 3
    for secret in (wallet.hex(), shown.score_id.hex(), attestation_id[2:], "keystore of the tests"):
        assert secret not in stack.logs().lower()


def test_api__bad_requests_and_required_consent__are_problems_and_audited(stack: AttestationStack) -> None:
    port = free_port()
    api = stack.start("api", consent_mode="required", api_port=str(port))
    base = f"http://127.0.0.1:{port}/v1/attestations"
    api.wait_until(lambda: _answers(base), "the API", 30)

    refused, malformed, unknown_route = http_get(f"{base}/0x{'ab' * 32}"), http_get(f"{base}/1"), http_get(base + "x")

    assert (refused[0], json.loads(refused[2])["type"]) == (403, "urn:bonafides:error:ConsentMissing")
    assert refused[1]["content-type"] == "application/problem+json"
    assert (malformed[0], json.loads(malformed[2])["type"]) == (422, "urn:bonafides:error:InvalidInput")
    assert (unknown_route[0], unknown_route[1]["x-content-type-options"]) == (404, "nosniff")
    assert stack.rows("SELECT route, http_status, consent_mode FROM attestation.audit") == [
        ("/v1/attestations/{attestation_id}", 403, "required")
    ]
    api.terminate()
    assert api.exit_code() == 0


def test_api__unknown_attestation_in_open_mode__is_404(stack: AttestationStack) -> None:
    port = free_port()
    api = stack.start("api", consent_mode="open", api_port=str(port))
    base = f"http://127.0.0.1:{port}/v1/attestations"
    api.wait_until(lambda: _answers(base), "the API", 30)

    code, headers, body = http_get(f"{base}/0x{'ab' * 32}")

    kind = json.loads(body)["type"]
    assert (code, kind, headers["bonafides-consent-mode"]) == (404, "urn:bonafides:error:NotFound", "open")


@pytest.mark.parametrize("point", ["api.before_audit", "api.after_audit"])
def test_api__killed_around_the_audit_row__gives_nothing_away_unlogged(stack: AttestationStack, point: str) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/v1/attestations/0x{'ab' * 32}"
    api = stack.start("api", consent_mode="open", api_port=str(port), crash_at=point)
    api.wait_until(lambda: _answers(f"http://127.0.0.1:{port}/openapi.json"), "the API", 30)

    with pytest.raises(OSError, match=r"."):
        http_get(url)

    assert api.wait(10) == -9
    assert stack.scalar("SELECT count(*) FROM attestation.audit") == (1 if point == "api.after_audit" else 0)


def test_processes__wrong_chain_id__refuse_to_start(stack: AttestationStack) -> None:
    for name in ("issuer", "publisher"):
        process = stack.start(name, chain_id="1337")

        assert process.wait(30) == 78
        assert "the node serves chain 31337" in process.tail()
        assert "Traceback" not in process.tail()


def test_processes__unreachable_node_broker_or_database__wait_and_say_so(stack: AttestationStack) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    waiting = [
        stack.start("publisher", rpc_url=f"http://{nowhere}"),
        stack.start("issuer", kafka_bootstrap=nowhere),
        stack.start("api", database_url=f"postgresql://bonafides_attestation_api@{nowhere}/x"),
    ]

    for process in waiting:
        process.wait_until(lambda p=process: '"event": "waiting"' in p.tail(), "a log line", 40)  # type: ignore[misc]
        assert "Traceback" not in process.tail()
        process.terminate()
        assert process.exit_code() == 0


def test_issuer__synthetic_model_on_a_chain_that_is_not_listed__is_refused_with_a_status(
    tmp_path: Path, fresh_database: str, local_kafka: str
) -> None:
    anvil = LocalAnvil(tmp_path / "anvil", AnvilOptions(block_time_s=1, chain_id=424242))
    anvil.start()
    stack = AttestationStack(tmp_path / "service", fresh_database, local_kafka, anvil)
    try:
        synthetic = make_score(1, stack.now(), stack.model_id, chain_id=ChainId(424242), run=stack.model_id)
        stack.produce([synthetic])

        named = stack.start("issuer")
        assert named.wait(30) == 78  # it may not even be configured there
        stack.start("issuer", allowed_models=f"0x{stack.model_id.hex()}=real")

        wait_for(lambda: bool(stack.statuses(synthetic.score_id)), "a status")
        assert [change.status for change in stack.statuses(synthetic.score_id)] == [AttestationStatus.REFUSED]
        assert stack.rows(
            "SELECT state, reason FROM attestation.results WHERE score_id = :id", id=synthetic.score_id
        ) == [("refused", "synthetic_on_live_chain")]
        assert stack.scalar("SELECT count(*) FROM attestation.documents") == 0
    finally:
        stack.close()
        anvil.close()


def test_issuer__issue_for_opted_in__waits_for_the_opt_in(stack: AttestationStack) -> None:
    asked, silent = (make_score(number, stack.now(), stack.model_id, run=stack.model_id) for number in (1, 2))
    stack.produce([asked, silent])
    with stack.role_engine("api").begin() as connection:
        connection.execute(opt_ins.insert().values(wallet=asked.wallets[0]))

    stack.start("issuer", issue_for="opted_in")

    wait_for(lambda: bool(stack.statuses(asked.score_id)), "a status of the one that asked")
    assert stack.rows("SELECT score_id FROM attestation.documents") == [(asked.score_id,)]
    assert stack.scalar("SELECT state FROM attestation.results WHERE score_id = :id", id=silent.score_id) == "waiting"


def _answers(url: str) -> bool:
    try:
        return http_get(url)[0] > 0
    except OSError:
        return False
