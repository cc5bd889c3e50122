"""Steps that several tests of issuer and publisher take."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bonafides.errors import Unavailable
from bonafides.hashing import keccak
from bonafides.messages import ScoreIssued, ScoreWithdrawn, WithdrawalKind, encode
from bonafides.topics import SCORES_ISSUED, partition_of
from bonafides.types import Digest, address_text
from bonafides_attestation.publisher import Publisher
from bonafides_attestation.registry import publish_call
from bonafides_lab.stack.anvil import AnvilOptions, LocalAnvil

from tests.support.attestation_service_stack import AttestationStack, make_score, wait_for


@contextmanager
def slow_stack(folder: Path, database_url: str, kafka_bootstrap: str) -> Iterator[AttestationStack]:
    """A stack whose chain mines only when told to."""
    anvil = LocalAnvil(folder / "anvil", AnvilOptions(automine=True))
    anvil.start()
    made = AttestationStack(folder / "service", database_url, kafka_bootstrap, anvil)
    anvil.rpc.set_automine(False)
    try:
        yield made
    finally:
        made.close()
        anvil.close()


def queue_batch(stack: AttestationStack, members: int = 3, run: bytes = b"") -> None:
    """Let an issuer sign a batch, and end it."""
    run += stack.model_id
    before = len(stack.batch_states())
    stack.produce([make_score(number, stack.now(), stack.model_id, run=run) for number in range(members)])
    issuer = stack.start("issuer")
    wait_for(lambda: stack.batch_states()[before:] == ["queued"], "a queued batch")
    issuer.terminate()


def publish_as_the_publisher(stack: AttestationStack, root: Digest, count: int, epoch: int = 1) -> None:
    """A root that comes from elsewhere, sent with the publisher's account: a thief, or a second publisher."""
    account = address_text(stack.deployment.publisher)
    stack.anvil.rpc.call("anvil_impersonateAccount", account)
    call = publish_call(root, count, epoch)
    stack.anvil.rpc.call(
        "eth_sendTransaction",
        {"from": account, "to": address_text(stack.deployment.registry), "data": "0x" + call.hex()},
    )


def publish_foreign_root(stack: AttestationStack, count: int) -> None:
    """A root that is none of ours."""
    publish_as_the_publisher(stack, Digest(keccak(b"foreign root")), count)


def withdraw(stack: AttestationStack, score: ScoreIssued, kind: WithdrawalKind = WithdrawalKind.RECALL) -> None:
    """Put the withdrawal of a score on `scores-issued.v1`."""
    message = ScoreWithdrawn(score.score_id, score.wallets, kind, "of the tests")
    stack.produce_raw([(partition_of(score.wallets[0], SCORES_ISSUED), encode(message))])


def turns(stack: AttestationStack, publisher: Publisher, count: int) -> set[str]:
    """Some turns with blocks between them; what the publisher had to wait for."""
    waited_for: set[str] = set()
    for _ in range(count):
        try:
            publisher.turn()
        except Unavailable as exc:
            waited_for.add(str(exc))
        stack.anvil.rpc.mine(4)
    return waited_for
