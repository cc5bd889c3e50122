"""The JSON-RPC adapter and nodes that misbehave: always Unavailable, never an answer."""

import pytest
from bonafides.errors import InvalidInput, Unavailable
from bonafides.hashing import keccak
from bonafides.types import Address, Digest
from bonafides.verify.rpc import MAX_ANSWER_BYTES, RpcChainView

from tests.support.http_node import fixed, http_node

pytestmark = pytest.mark.integration

WALLET, DIGEST = Address(bytes(19) + b"\x01"), Digest(keccak(b"digest"))


def result(value: str) -> bytes:
    return b'{"jsonrpc":"2.0","id":{id},"result":"' + value.encode() + b'"}'


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 200),
        (b"<html>", 200),
        (b"[]", 200),
        (b'{"id":99,"result":"0x1"}', 200),
        (b'{"id":{id},"error":{"code":-32000,"message":"busy"}}', 200),
        (b'{"id":{id},"result":"many"}', 200),
        (b'{"id":{id},"result":null}', 200),
        (b" " * (MAX_ANSWER_BYTES + 1), 200),
        (b"{}", 500),
        (b"", 302),
    ],
)
def test_chain_id__no_proper_answer__is_unavailable(body: bytes, status: int) -> None:
    with http_node(fixed(body, status)) as node, pytest.raises(Unavailable):
        RpcChainView(node.url, timeout_s=5).chain_id()


def test_chain_id__proper_answer__is_read() -> None:
    with http_node(fixed(result("0x7a69"))) as node:
        assert RpcChainView(node.url, timeout_s=5).chain_id() == 31337


@pytest.mark.parametrize("words", [7, 9])
def test_registry_facts__another_contract__is_the_lenders_mistake(words: int) -> None:
    with http_node(fixed(result("0x" + "00" * 32 * words))) as node, pytest.raises(InvalidInput, match="no registry"):
        RpcChainView(node.url, timeout_s=5).registry_facts(WALLET, DIGEST, WALLET, 0)


def test_registry_facts__all_zero__knows_nothing() -> None:
    with http_node(fixed(result("0x" + "00" * 256))) as node:
        facts = RpcChainView(node.url, timeout_s=5).registry_facts(WALLET, DIGEST, WALLET, 0)

    assert (facts.root, facts.root_at_head, facts.key, facts.revoked) == (None, None, None, False)


@pytest.mark.parametrize(
    ("body", "is_valid"),
    [
        (result("0x1626ba7e" + "00" * 28), True),
        (result("0x1626ba7e"), False),
        (result("0xffffffff" + "00" * 28), False),
        (result("0x" + "00" * 31 + "01"), False),
        (result("0x"), False),
        (b'{"id":{id},"error":{"code":3,"message":"execution reverted"}}', False),
    ],
)
def test_is_valid_signature__what_a_wallet_answers__only_the_magic_is_yes(body: bytes, is_valid: bool) -> None:
    with http_node(fixed(body)) as node:
        assert RpcChainView(node.url, timeout_s=5).is_valid_signature(WALLET, DIGEST, bytes(65)) is is_valid


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"id":{id},"error":{"code":-32005,"message":"limit exceeded"}}', 200),
        (b'{"id":{id},"error":{"code":-32000,"message":"header not found"}}', 200),
        (b'{"id":{id},"error":{"code":3,"message":"execution reverted"}}', 429),
    ],
)
def test_is_valid_signature__the_node_says_no_and_not_the_wallet__is_unavailable(body: bytes, status: int) -> None:
    with http_node(fixed(body, status)) as node, pytest.raises(Unavailable):
        RpcChainView(node.url, timeout_s=5).is_valid_signature(WALLET, DIGEST, bytes(65))


def test_chain_view__another_scheme__is_refused() -> None:
    with pytest.raises(InvalidInput, match="http://"):
        RpcChainView("file:///etc/passwd")
