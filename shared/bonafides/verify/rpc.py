"""A chain over JSON-RPC, with the standard library only. The node is the lender's own, or one that it trusts."""

from bonafides.errors import InvalidInput, Unavailable
from bonafides.hashing import keccak
from bonafides.json_rpc import JsonRpc, NodeRefused, octets, quantity
from bonafides.types import Address, ChainId, Digest, address_text
from bonafides.verify.chain import KeyRecord, RegistryFacts, RootRecord
from bonafides.verify.hexadecimal import format_hex

MAX_ANSWER_BYTES = 1 << 20
LOOKUP_SELECTOR = keccak(b"lookup(bytes32,address,uint64)")[:4]
IS_VALID_SIGNATURE_SELECTOR = keccak(b"isValidSignature(bytes32,bytes)")[:4]  # also ERC-1271's "yes"
_LOOKUP_WORDS = 8


class RpcChainView:
    """`ChainView` over HTTP. Four small calls answer one verification; nothing is cached."""

    def __init__(self, url: str, timeout_s: float = 10.0) -> None:
        """
        Raises:
            InvalidInput: not an http or https address. It is not repeated, since it may hold a password.
        """
        self._rpc = JsonRpc(url, timeout_s, max_answer_bytes=MAX_ANSWER_BYTES)

    def chain_id(self) -> ChainId:
        """The chain's id, asked from the node."""
        try:
            return ChainId(quantity(self._rpc.call("eth_chainId")))
        except NodeRefused as exc:
            raise Unavailable(f"the node does not tell its chain id: {exc}") from exc

    def registry_facts(self, registry: Address, root: Digest, attester: Address, index: int) -> RegistryFacts:
        """Ask the registry twice: the root at the finalized block, keys and revocations at the newest."""
        call = LOOKUP_SELECTOR + root + bytes(12) + attester + index.to_bytes(32)
        newest = self._call(registry, call, "latest")
        if not newest:
            raise InvalidInput("there is no contract at the registry's address on this chain")
        final = self._call(registry, call, "finalized")
        words = _words(newest)
        return RegistryFacts(
            root=_root_record(_words(final)) if final else None,
            root_at_head=_root_record(words),
            key=KeyRecord(words[4], words[5], words[6]) if words[5] else None,
            revoked=words[7] != 0,
        )

    def is_valid_signature(self, wallet: Address, digest: Digest, signature: bytes) -> bool:
        """ERC-1271 at the newest block; a contract that reverts says no."""
        padded = signature + bytes(-len(signature) % 32)
        call = IS_VALID_SIGNATURE_SELECTOR + digest + (64).to_bytes(32) + len(signature).to_bytes(32) + padded
        try:
            answer = self._call_raw(wallet, call, "latest")
        except NodeRefused as exc:
            if exc.is_revert:
                return False
            raise Unavailable(f"the node does not ask the wallet: {exc}") from exc
        return answer == IS_VALID_SIGNATURE_SELECTOR + bytes(28)

    def _call(self, to: Address, call: bytes, block: str) -> bytes:
        try:
            return self._call_raw(to, call, block)
        except NodeRefused as exc:
            raise Unavailable(f"the node does not read the registry at its {block} block: {exc}") from exc

    def _call_raw(self, to: Address, call: bytes, block: str) -> bytes:
        return octets(self._rpc.call("eth_call", {"to": address_text(to), "data": format_hex(call)}, block))


def _words(answer: bytes) -> list[int]:
    if len(answer) != 32 * _LOOKUP_WORDS:
        raise InvalidInput(
            f"the contract at the registry's address is no registry: it answered {len(answer)} bytes, "
            f"expected {32 * _LOOKUP_WORDS}"
        )
    return [int.from_bytes(answer[at : at + 32]) for at in range(0, len(answer), 32)]


def _root_record(words: list[int]) -> RootRecord | None:
    return RootRecord(words[0], words[1], words[2], words[3]) if words[0] else None
