"""The publisher against a chain that misbehaves, step by step; and what its database role may not touch."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from bonafides.errors import Unavailable
from bonafides.hashing import keccak
from bonafides.messages import ScoreWithdrawn, WithdrawalKind, encode
from bonafides.types import AttestationStatus, ChainId, Digest, address_text
from bonafides.verify.typed_data import Domain
from bonafides_attestation.api_store import list_attestations
from bonafides_attestation.chain import Chain
from bonafides_attestation.commands import app
from bonafides_attestation.deployment import Deployment
from bonafides_attestation.keys import read_keystore_address
from bonafides_attestation.leases import Lease
from bonafides_attestation.records import unpack_wallets
from bonafides_attestation.registry import Registry
from bonafides_attestation.tables import metadata
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from typer.testing import CliRunner

from tests.support.attestation_service_stack import DEVELOPMENT_ACCOUNT, AttestationStack, wait_for
from tests.support.attestation_service_steps import (
    publish_as_the_publisher,
    publish_foreign_root,
    queue_batch,
    slow_stack,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def stack(tmp_path: Path, fresh_database: str, local_kafka: str) -> Iterator[AttestationStack]:
    with slow_stack(tmp_path, fresh_database, local_kafka) as made:
        yield made


def listed_status(stack: AttestationStack, score_id: Digest) -> AttestationStatus:
    """What attestation-api says about the one attestation of a score."""
    engine = stack.role_engine("api")
    with engine.begin() as connection:
        (listed,) = list_attestations(connection, score_id)
    engine.dispose()
    return listed.status


def test_publisher__transaction_stays_in_the_pool__is_replaced_at_the_same_nonce_with_higher_fees(
    stack: AttestationStack,
) -> None:
    queue_batch(stack)
    publisher = stack.publisher(bump_after_blocks=0)

    publisher.turn()
    publisher.turn()
    stack.anvil.rpc.mine()
    publisher.turn()
    stack.anvil.rpc.mine(4)
    publisher.turn()

    attempts = stack.rows("SELECT nonce, max_fee_wei, tip_wei FROM attestation.attempts ORDER BY id")
    assert [nonce for nonce, _, _ in attempts] == [0, 0]
    for place in (1, 2):
        assert int(str(attempts[1][place])) * 1000 >= int(str(attempts[0][place])) * 1125
    assert stack.batch_states() == ["final"]
    assert len(stack.published_roots()) == 1


def test_publisher__block_of_the_root_is_reorged_away__sends_the_same_bytes_again(stack: AttestationStack) -> None:
    queue_batch(stack)
    publisher = stack.publisher()
    publisher.turn()
    stack.anvil.rpc.mine()
    publisher.turn()
    assert stack.batch_states() == ["mined"]

    stack.anvil.rpc.reorg(1)
    stack.anvil.rpc.mine()
    assert stack.published_roots() == []
    publisher.turn()
    assert stack.batch_states() == ["sent"]
    publisher.turn()
    stack.anvil.rpc.mine(5)
    publisher.turn()
    publisher.turn()

    assert stack.batch_states() == ["final"]
    assert len(stack.published_roots()) == 1
    assert len(stack.rows("SELECT id FROM attestation.attempts")) == 1


def test_publisher__foreign_root_took_the_indexes__batches_are_stuck_and_their_scores_issued_again(
    stack: AttestationStack,
) -> None:
    queue_batch(stack, run=b"first")
    queue_batch(stack, run=b"second")
    stack.anvil.rpc.set_automine(True)
    publish_foreign_root(stack, 5)
    publisher = stack.publisher()

    publisher.turn()
    assert stack.batch_states() == ["stuck", "stuck"]
    issuer = stack.start("issuer")
    wait_for(lambda: stack.batch_states()[2:] == ["queued"], "the scores in a new batch")
    issuer.terminate()
    publisher.turn()
    publisher.turn()
    stack.anvil.rpc.mine(4)
    publisher.turn()

    assert stack.rows("SELECT state, first_index, size, epoch FROM attestation.batches ORDER BY id DESC LIMIT 1") == [
        ("final", 5, 6, 2)
    ]
    live = stack.rows("SELECT count(*), count(DISTINCT score_id) FROM attestation.documents WHERE state = 'signed'")
    assert live == [(6, 6)]
    assert stack.documents_final() == 6


def test_publisher__nonce_taken_by_another_transaction__begins_again_with_the_next(stack: AttestationStack) -> None:
    queue_batch(stack)
    publisher = stack.publisher()
    publisher.turn()
    tx_hash = stack.rows("SELECT tx_hash FROM attestation.attempts")[0][0]
    assert isinstance(tx_hash, bytes)
    stack.anvil.rpc.call("anvil_dropTransaction", "0x" + tx_hash.hex())
    account = address_text(stack.deployment.publisher)
    stack.anvil.rpc.call("anvil_impersonateAccount", account)
    stack.anvil.rpc.call("eth_sendTransaction", {"from": account, "to": address_text(DEVELOPMENT_ACCOUNT)})
    stack.anvil.rpc.mine()

    publisher.turn()
    assert stack.batch_states() == ["queued"]
    publisher.turn()
    stack.anvil.rpc.mine(5)
    publisher.turn()
    publisher.turn()

    assert stack.batch_states() == ["final"]
    assert stack.rows("SELECT nonce FROM attestation.attempts ORDER BY id") == [(0,), (1,)]
    assert len(stack.published_roots()) == 1


def test_publisher__root_is_on_chain_before_it_sends__adopts_it(stack: AttestationStack) -> None:
    queue_batch(stack)
    stack.anvil.rpc.set_automine(True)
    root = stack.scalar("SELECT root FROM attestation.batches")
    assert isinstance(root, bytes)
    publish_as_the_publisher(stack, Digest(root), 3)
    publisher = stack.publisher()

    publisher.turn()
    stack.anvil.rpc.mine(4)
    publisher.turn()

    assert stack.batch_states() == ["final"]
    assert stack.rows("SELECT id FROM attestation.attempts") == []
    assert len(stack.published_roots()) == 1


def test_publisher__registry_paused_or_too_poor__waits_and_sends_nothing(stack: AttestationStack) -> None:
    queue_batch(stack)
    publisher = stack.publisher()
    account = address_text(stack.deployment.publisher)
    stack.anvil.rpc.call("anvil_setBalance", account, "0x1")

    with pytest.raises(Unavailable, match="balance"):
        publisher.turn()
    stack.anvil.rpc.call("anvil_setBalance", account, hex(10**18))
    guardian = {"from": address_text(DEVELOPMENT_ACCOUNT), "to": address_text(stack.deployment.registry)}
    stack.anvil.rpc.call("eth_sendTransaction", {**guardian, "data": "0x" + keccak(b"pause()")[:4].hex()})
    stack.anvil.rpc.mine()
    with pytest.raises(Unavailable, match="paused"):
        publisher.turn()

    assert stack.batch_states() == ["queued"]
    assert stack.rows("SELECT id FROM attestation.attempts") == []


def test_publisher__a_withdrawn_score__its_index_is_revoked_on_chain(stack: AttestationStack) -> None:
    queue_batch(stack)
    publisher = stack.publisher()
    stack.anvil.rpc.set_automine(True)
    publisher.turn()
    publisher.turn()
    stack.anvil.rpc.mine(4)
    publisher.turn()
    assert stack.batch_states() == ["final"]
    score_id = stack.scalar("SELECT score_id FROM attestation.leaf_hashes WHERE revocation_index = 1")
    assert isinstance(score_id, bytes)

    packed = stack.scalar("SELECT wallets FROM attestation.documents WHERE score_id = :id", id=score_id)
    assert isinstance(packed, bytes)
    message = ScoreWithdrawn(Digest(score_id), unpack_wallets(packed), WithdrawalKind.RECALL, "wrong model")
    stack.produce_raw([(0, encode(message))])
    issuer = stack.start("issuer")
    wait_for(lambda: stack.scalar("SELECT count(*) FROM attestation.revocations") == 1, "the revocation asked for")
    issuer.terminate()
    assert listed_status(stack, Digest(score_id)) is AttestationStatus.FINAL  # as chain and verifier still say

    publisher.turn()
    publisher.turn()
    stack.anvil.rpc.mine(4)
    publisher.turn()
    publisher.turn()

    assert listed_status(stack, Digest(score_id)) is AttestationStatus.REVOKED

    assert [stack.registry.is_revoked(index) for index in range(3)] == [False, True, False]
    assert stack.rows("SELECT state FROM attestation.revocation_runs") == [("final",)]
    assert stack.statuses(Digest(score_id))[-1].status is AttestationStatus.REVOKED


def test_deploy_registry_command__paid_by_a_keystore__writes_a_deployment_that_stands(
    stack: AttestationStack, tmp_path: Path
) -> None:
    stack.anvil.rpc.set_automine(True)
    out, password = tmp_path / "deployment.json", stack.folder / "password"
    payer = stack.folder / "publisher.json"  # any funded key will do
    options = ["--attester", str(stack.folder / "attester.json"), "--publisher", str(payer), "--out", str(out)]
    paid_by = ["--deployer-keystore", str(payer), "--deployer-password-file", str(password), "--admin-delay-s", "3600"]

    result = CliRunner().invoke(app, ["deploy-registry", "--rpc-url", stack.anvil.address, *options, *paid_by])

    assert result.exit_code == 0, result.output
    made = Deployment.model_validate_json(out.read_text())
    registry = Registry(Chain(stack.rpc), Domain(ChainId(made.chain_id), made.registry))
    registry.check_deployment()
    key = registry.key_record(stack.deployment.attester)
    assert key is not None
    assert (key.valid_from, key.revoked_at) == (0, 0)
    assert registry.state().publisher == read_keystore_address(payer) == made.admin
    again = CliRunner().invoke(app, ["deploy-registry", "--rpc-url", stack.anvil.address, *options, *paid_by])
    assert "never overwritten" in str(again.exception)


def test_role_publisher__reads_seeds_documents_or_results__is_denied(stack: AttestationStack) -> None:
    engine = stack.role_engine("publisher")

    for table in (
        "seeds", "documents", "results", "withdrawals", "opt_ins", "audit", "consumer_offset", "issuer_outbox"
    ):  # fmt: skip
        with pytest.raises(ProgrammingError, match="permission denied"), engine.begin() as connection:
            connection.execute(text(f"SELECT * FROM attestation.{table}"))  # noqa: S608 a constant above
    for change in ("size = 1", "first_index = 7", "root = '\\x00'"):
        with pytest.raises(ProgrammingError, match="permission denied"), engine.begin() as connection:
            connection.execute(text(f"UPDATE attestation.batches SET {change}"))  # noqa: S608 a constant above
    with pytest.raises(ProgrammingError, match="permission denied"), engine.begin() as connection:
        connection.execute(text("UPDATE attestation.leaf_hashes SET position = 1"))
    engine.dispose()


@pytest.mark.parametrize(("role", "other"), [("publisher", "issuer"), ("issuer", "publisher")])
def test_roles__lease_or_outbox_of_the_other_process__are_out_of_reach(
    stack: AttestationStack, role: str, other: str
) -> None:
    theirs, ours = Lease(stack.engine, f"{other}/1/00", 60), Lease(stack.role_engine(role), f"{role}/1/00", 60)
    assert theirs.take()
    assert ours.take()

    with ours.engine.begin() as connection:
        assert connection.scalars(text("SELECT name FROM attestation.leases")).all() == [ours.name]
        assert connection.execute(text("UPDATE attestation.leases SET holder = 'thief'")).rowcount == 1
    with pytest.raises(ProgrammingError, match="row-level security"), ours.engine.begin() as connection:
        connection.execute(text(f"INSERT INTO attestation.leases VALUES ('{other}/2', 'thief', 1, now())"))  # noqa: S608
    for statement in ("SELECT * FROM {}", "UPDATE {} SET topic = 'x'"):
        with pytest.raises(ProgrammingError, match="permission denied"), ours.engine.begin() as connection:
            connection.execute(text(statement.format(f"attestation.{other}_outbox")))

    assert theirs.take()
    ours.engine.dispose()


def test_role_api__changes_documents_or_the_audit_log__is_denied(stack: AttestationStack) -> None:
    engine = stack.role_engine("api")

    for statement in (
        "UPDATE attestation.documents SET state = 'erased'",
        "DELETE FROM attestation.seeds",
        "SELECT * FROM attestation.audit",
        "DELETE FROM attestation.audit",
        "INSERT INTO attestation.batches DEFAULT VALUES",
    ):
        with pytest.raises(ProgrammingError, match="permission denied"), engine.begin() as connection:
            connection.execute(text(statement))
    engine.dispose()


def test_migrations__at_head__agree_with_the_tables(stack: AttestationStack) -> None:
    with stack.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_schemas": True,
                "include_name": lambda name, kind, _: name == "attestation" if kind == "schema" else True,
                "version_table_schema": "attestation",
            },
        )

        assert compare_metadata(context, metadata) == []
