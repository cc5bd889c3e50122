"""A change of the attester key while a batch is open."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bonafides.hashing import keccak
from bonafides.types import address_text
from bonafides_attestation.keys import new_keystore

from tests.support.attestation_service_stack import (
    DEVELOPMENT_ACCOUNT,
    PASSWORD,
    AttestationStack,
    make_score,
    wait_for,
)
from tests.support.attestation_service_steps import slow_stack

pytestmark = pytest.mark.integration

SIGKILL = -9
A_LONG_LIFE_S = 10**8


@pytest.fixture
def stack(tmp_path: Path, fresh_database: str, local_kafka: str) -> Iterator[AttestationStack]:
    with slow_stack(tmp_path, fresh_database, local_kafka) as made:
        yield made


def test_issuer__new_key_whose_life_begins_after_the_documents__signs_none_of_them(stack: AttestationStack) -> None:
    scores = [make_score(number, stack.now(), stack.model_id, run=stack.model_id) for number in range(2)]
    stack.produce(scores)
    assert stack.start("issuer", crash_at="issuer.before_sign").wait(60) == SIGKILL
    second = new_keystore(stack.folder / "second.json", PASSWORD, scrypt_n=2**12)
    valid_from = stack.now() + 3_600
    call = keccak(b"addAttester(address,uint64,uint64)")[:4] + b"".join(
        (bytes(12) + second, valid_from.to_bytes(32), (valid_from + A_LONG_LIFE_S).to_bytes(32))
    )
    admin = {"from": address_text(DEVELOPMENT_ACCOUNT), "to": address_text(stack.deployment.registry)}
    stack.anvil.rpc.call("eth_sendTransaction", {**admin, "data": "0x" + call.hex()})
    stack.anvil.rpc.mine()
    assert stack.registry.key_record(second) is not None

    issuer = stack.start("issuer", attester_keystore_file=str(stack.folder / "second.json"))
    wait_for(lambda: stack.batch_states() == ["queued"], "the batch handed over")
    issuer.terminate()

    assert (
        stack.rows("SELECT state, refusal, signature FROM attestation.documents")
        == [("tombstone", "key_not_valid", None)] * 2
    )
    assert stack.rows(
        "SELECT DISTINCT state, reason FROM attestation.results WHERE score_id = ANY(:ids)",
        ids=[score.score_id for score in scores],
    ) == [("refused", "key_not_valid")]
