"""A chain over JSON-RPC, with the standard library only. The node is the lender's own, or one that it trusts."""

import json
import urllib.error
import urllib.request
from http.client import HTTPException
from itertools import count
from urllib.parse import urlsplit

from bonafides.errors import InvalidInput, Unavailable
from bonafides.hashing import keccak
from bonafides.types import Address, ChainId, Digest, address_text
from bonafides.verify.chain import KeyRecord, RegistryFacts, RootRecord
from bonafides.verify.hexadecimal import format_hex, parse_hex
from bonafides.verify.strict_json import Json

MAX_ANSWER_BYTES = 1 << 20
LOOKUP_SELECTOR = keccak(b"lookup(bytes32,address,uint64)")[:4]
IS_VALID_SIGNATURE_SELECTOR = keccak(b"isValidSignature(bytes32,bytes)")[:4]  # also ERC-1271's "yes"
_LOOKUP_WORDS = 8


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A node does not send its caller elsewhere; whoever does is no node."""

    def redirect_request(self, *_args: object) -> None:
        """None makes urllib raise the redirect as an error."""


_OPENER = urllib.request.build_opener(_NoRedirects)


class _NodeRefusal(Exception):
    """The node answered with an error of its own."""


class RpcChainView:
    """`ChainView` over HTTP. Four small calls answer one verification; nothing is cached."""

    def __init__(self, url: str, timeout_s: float = 10.0) -> None:
        """
        Raises:
            InvalidInput: not an http or https address. It is not repeated, since it may hold a password.
        """
        if urlsplit(url).scheme not in ("http", "https"):
            raise InvalidInput("a node's address starts with http:// or https://")
        self._url = url
        self._timeout_s = timeout_s
        self._ids = count(1)

    def chain_id(self) -> ChainId:
        """The chain's id, asked from the node."""
        try:
            return ChainId(int(str(self._ask("eth_chainId", [])), 16))
        except _NodeRefusal as exc:
            raise Unavailable(f"the node refused to tell its chain id: {exc}") from exc
        except ValueError as exc:
            raise Unavailable("the node's chain id is no number") from exc

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
        except _NodeRefusal:
            return False
        return answer == IS_VALID_SIGNATURE_SELECTOR + bytes(28)

    def _call(self, to: Address, call: bytes, block: str) -> bytes:
        try:
            return self._call_raw(to, call, block)
        except _NodeRefusal as exc:
            raise Unavailable(f"the node refused to read the registry at its {block} block: {exc}") from exc

    def _call_raw(self, to: Address, call: bytes, block: str) -> bytes:
        answer = self._ask("eth_call", [{"to": address_text(to), "data": format_hex(call)}, block])
        try:
            return parse_hex(str(answer).lower())
        except InvalidInput as exc:
            raise Unavailable("the node's answer is not hexadecimal") from exc

    def _ask(self, method: str, parameters: list[Json]) -> Json:
        number = next(self._ids)
        question = {"jsonrpc": "2.0", "id": number, "method": method, "params": parameters}
        request = urllib.request.Request(  # noqa: S310 the scheme was checked
            self._url, json.dumps(question).encode(), {"Content-Type": "application/json"}
        )
        try:
            with _OPENER.open(request, timeout=self._timeout_s) as response:
                raw: bytes = response.read(MAX_ANSWER_BYTES + 1)
        except (urllib.error.URLError, HTTPException, OSError) as exc:
            reason = exc.reason if isinstance(exc, urllib.error.URLError) else type(exc).__name__
            raise Unavailable(f"the node does not answer: {reason}") from exc
        if len(raw) > MAX_ANSWER_BYTES:
            raise Unavailable("the node's answer is absurdly long")
        try:
            answer: Json = json.loads(raw)
        except (ValueError, RecursionError) as exc:
            raise Unavailable("the node's answer is not JSON") from exc
        if not isinstance(answer, dict) or answer.get("id") != number:
            raise Unavailable("the node answered another question")
        if (error := answer.get("error")) is not None:
            raise _NodeRefusal(str(error.get("message")) if isinstance(error, dict) else "no reason given")
        return answer.get("result")


def _words(answer: bytes) -> list[int]:
    if len(answer) != 32 * _LOOKUP_WORDS:
        raise InvalidInput(
            f"the contract at the registry's address is no registry: it answered {len(answer)} bytes, "
            f"expected {32 * _LOOKUP_WORDS}"
        )
    return [int.from_bytes(answer[at : at + 32]) for at in range(0, len(answer), 32)]


def _root_record(words: list[int]) -> RootRecord | None:
    return RootRecord(words[0], words[1], words[2], words[3]) if words[0] else None
