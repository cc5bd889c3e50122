"""A node is not trusted: an answer without sense is as no answer, and words decide what became of a transaction."""

import pytest
from bonafides.errors import InvalidSettings, Unavailable
from bonafides.hashing import keccak
from bonafides.json_rpc import JsonRpc, NodeRefused
from bonafides.types import Digest, Json
from bonafides.verify.typed_data import domain_separator
from bonafides_attestation.chain import Chain, Reverted, SendOutcome
from bonafides_attestation.registry import Registry, error_name

from tests.support.attestation_service_samples import DOMAIN, SIGNER

pytestmark = pytest.mark.unit

HASH = Digest(keccak(b"something"))


class _Node(JsonRpc):
    """Answers each method with what it was given; an error is raised."""

    def __init__(self, **answers: Json | NodeRefused) -> None:
        super().__init__("http://127.0.0.1:1", 1)
        self.answers = answers

    def call(self, method: str, *params: Json) -> Json:
        answer = self.answers[method]
        if isinstance(answer, NodeRefused):
            raise answer
        return answer


@pytest.mark.parametrize("answer", [None, "0x", "much", [], {"number": "0x1"}, {"number": None, "timestamp": "0x1"}])
def test_head__answer_without_sense__is_unavailable(answer: Json) -> None:
    with pytest.raises(Unavailable):
        Chain(_Node(eth_getBlockByNumber=answer)).head()


@pytest.mark.parametrize("answer", ["0x1", {"blockNumber": "0x1", "blockHash": "0x12", "status": "0x1"}, {}])
def test_receipt__answer_without_sense__is_unavailable(answer: Json) -> None:
    with pytest.raises(Unavailable):
        Chain(_Node(eth_getTransactionReceipt=answer)).receipt(HASH)


def test_receipt__reverted_transaction__did_not_succeed() -> None:
    answer: Json = {"blockNumber": "0x10", "blockHash": "0x" + HASH.hex(), "status": "0x0"}

    found = Chain(_Node(eth_getTransactionReceipt=answer)).receipt(HASH)

    assert found is not None
    assert (found.block_number, found.succeeded) == (16, False)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("already known", SendOutcome.ALREADY_KNOWN),
        ("transaction already imported", SendOutcome.ALREADY_KNOWN),
        ("nonce too low: next nonce 3, tx nonce 2", SendOutcome.NONCE_TOO_LOW),
        ("replacement transaction underpriced", SendOutcome.UNDERPRICED),
        ("max fee per gas less than block base fee: address 0x…, maxFeePerGas: 1", SendOutcome.UNDERPRICED),
        ("insufficient funds for gas * price + value", SendOutcome.REFUSED),
    ],
)
def test_send_raw__words_of_the_node__name_the_outcome(message: str, expected: SendOutcome) -> None:
    assert (
        Chain(_Node(eth_sendRawTransaction=NodeRefused("eth_sendRawTransaction", -32000, message))).send_raw(b"raw")[0]
        is expected
    )


def test_call__refusals__are_the_contracts_only_when_it_reverted() -> None:
    paused = NodeRefused("eth_call", 3, "execution reverted", keccak(b"RegistryPaused()")[:4])

    with pytest.raises(Reverted) as caught:
        Chain(_Node(eth_call=paused)).call(DOMAIN.registry, b"")
    assert error_name(caught.value) == "RegistryPaused"
    with pytest.raises(Unavailable):
        Chain(_Node(eth_call=NodeRefused("eth_call", -32000, "header not found"))).call(DOMAIN.registry, b"")


def test_check_deployment__other_chain_or_other_contract__is_refused() -> None:
    right = "0x" + domain_separator(DOMAIN).hex()
    reverted = NodeRefused("eth_call", 3, "reverted")
    refused: list[tuple[str, Json | NodeRefused]] = [
        ("0x1", right), ("0x7a69", "0x"), ("0x7a69", "0x" + bytes(32).hex()), ("0x7a69", reverted)
    ]  # fmt: skip

    for chain_id, answer in refused:
        with pytest.raises(InvalidSettings):
            Registry(Chain(_Node(eth_chainId=chain_id, eth_call=answer)), DOMAIN).check_deployment()
    Registry(Chain(_Node(eth_chainId="0x7a69", eth_call=right)), DOMAIN).check_deployment()


def test_registry__contract_is_gone__is_unavailable() -> None:
    registry = Registry(Chain(_Node(eth_call="0x")), DOMAIN)

    for ask in (registry.state, registry.next_index, lambda: registry.root_record(HASH)):
        with pytest.raises(Unavailable):
            ask()


def test_key_record__never_added__is_none() -> None:
    assert Registry(Chain(_Node(eth_call="0x" + bytes(96).hex())), DOMAIN).key_record(SIGNER.address) is None
