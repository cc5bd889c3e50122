"""The chain as issuer and publisher see it: blocks, receipts, accounts and calls. Answers are checked for form only."""

from dataclasses import dataclass
from enum import StrEnum

from bonafides.errors import Unavailable
from bonafides.types import Address, ChainId, Digest, address_text
from bonafides.verify.strict_json import Json

from bonafides_attestation.publication import Receipt
from bonafides_attestation.rpc import JsonRpc, NodeRefusal


class Reverted(Exception):
    """A contract refuses a call. Stays inside this service; `data` is what it reverted with."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data.hex())
        self.data = data


@dataclass(frozen=True, slots=True)
class Head:
    """The newest block."""

    number: int
    timestamp: int
    base_fee_wei: int


@dataclass(frozen=True, slots=True)
class Log:
    """One log entry of a canonical block."""

    topics: tuple[bytes, ...]
    payload: bytes
    tx_hash: Digest
    block_number: int
    block_hash: Digest


class SendOutcome(StrEnum):
    """What a node says to a raw transaction."""

    ACCEPTED = "accepted"
    ALREADY_KNOWN = "already_known"
    NONCE_TOO_LOW = "nonce_too_low"
    UNDERPRICED = "underpriced"
    REFUSED = "refused"


class Chain:
    """One chain behind one node. Every method raises Unavailable when the node does not answer, or not with sense."""

    def __init__(self, rpc: JsonRpc) -> None:
        self._rpc = rpc

    def chain_id(self) -> ChainId:
        """As the node says."""
        return ChainId(self._number("eth_chainId"))

    def head(self) -> Head:
        """The newest block."""
        block = self._block("latest")
        if block is None:
            raise Unavailable("the node has no newest block")
        return Head(block.int("number"), block.int("timestamp"), block.int("baseFeePerGas", "0x0"))

    def finalized_number(self, depth: int | None) -> int:
        """Number of the newest final block: by the node's tag, or the head less `depth`. -1 when there is none."""
        if depth is not None:
            return self.head().number - depth
        block = self._block("finalized")
        return -1 if block is None else block.int("number")

    def block_hash(self, number: int) -> Digest | None:
        """Hash of the canonical block of this number; None when there is none."""
        block = self._block(hex(number))
        return None if block is None else block.digest("hash")

    def block_time(self, number: int) -> int:
        """Unix seconds of the canonical block of this number."""
        block = self._block(hex(number))
        if block is None:
            raise Unavailable(f"the node has no block {number} (yet, or any more)")
        return block.int("timestamp")

    def suggested_tip_wei(self) -> int:
        """The node's idea of a tip; 0 when it has none."""
        try:
            return _int(self._rpc.call("eth_maxPriorityFeePerGas"))
        except NodeRefusal:
            return 0

    def transaction_count(self, account: Address) -> int:
        """Nonce of the account's next transaction, counting mined ones only."""
        return self._number("eth_getTransactionCount", address_text(account), "latest")

    def balance_wei(self, account: Address) -> int:
        """What the account can spend."""
        return self._number("eth_getBalance", address_text(account), "latest")

    def receipt(self, tx_hash: Digest) -> Receipt | None:
        """Receipt of a mined transaction; None when no canonical block holds it."""
        found = self._ask("eth_getTransactionReceipt", "0x" + tx_hash.hex())
        if found is None:
            return None
        answer = _Answer(found)
        return Receipt(tx_hash, answer.int("blockNumber"), answer.digest("blockHash"), answer.int("status") == 1)

    def logs(self, address: Address, topics: list[bytes], from_block: int) -> list[Log]:
        """Log entries of one contract, from a block to the head, whose first topics are these."""
        question: Json = {
            "address": address_text(address),
            "topics": ["0x" + topic.hex() for topic in topics],
            "fromBlock": hex(from_block),
            "toBlock": "latest",
        }
        found = self._ask("eth_getLogs", question)
        if not isinstance(found, list):
            raise Unavailable("the node's answer to eth_getLogs is no list")
        return [_Answer(entry).log() for entry in found]

    def call(self, to: Address, call_data: bytes, sender: Address | None = None) -> bytes:
        """What a contract answers at the newest block. Raises Reverted."""
        try:
            return _bytes(self._rpc.call("eth_call", _transaction(to, call_data, sender), "latest"))
        except NodeRefusal as exc:
            raise _reverted(exc) from exc

    def estimate_gas(self, to: Address, call_data: bytes, sender: Address) -> int:
        """Gas of a transaction after the newest block, whatever waits in the pool. Raises Reverted."""
        try:
            return _int(self._rpc.call("eth_estimateGas", _transaction(to, call_data, sender), "latest"))
        except NodeRefusal as exc:
            raise _reverted(exc) from exc

    def send_raw(self, raw_tx: bytes) -> tuple[SendOutcome, str]:
        """Hand over a raw transaction; what the node said. Raises Unavailable, and then it may have been accepted."""
        try:
            self._rpc.call("eth_sendRawTransaction", "0x" + raw_tx.hex())
        except NodeRefusal as exc:
            return _send_outcome(str(exc).lower()), str(exc)
        return SendOutcome.ACCEPTED, ""

    def _block(self, tag: str) -> "_Answer | None":
        found = self._ask("eth_getBlockByNumber", tag, False)
        return None if found is None else _Answer(found)

    def _number(self, method: str, *params: Json) -> int:
        return _int(self._ask(method, *params))

    def _ask(self, method: str, *params: Json) -> Json:
        try:
            return self._rpc.call(method, *params)
        except NodeRefusal as exc:
            raise Unavailable(f"the node refused {method}: {exc}") from exc


class _Answer:
    """An object in the node's answer, read field by field."""

    def __init__(self, found: Json) -> None:
        if not isinstance(found, dict):
            raise Unavailable("the node's answer is no object")
        self._found = found

    def int(self, name: str, default: str | None = None) -> int:
        return _int(self._found.get(name, default))

    def digest(self, name: str) -> Digest:
        raw = _bytes(self._found.get(name))
        if len(raw) != 32:
            raise Unavailable(f"the node's {name} has {len(raw)} bytes, expected 32")
        return Digest(raw)

    def log(self) -> Log:
        topics = self._found.get("topics")
        if not isinstance(topics, list):
            raise Unavailable("the node's log entry has no topics")
        return Log(
            topics=tuple(_bytes(topic) for topic in topics),
            payload=_bytes(self._found.get("data")),
            tx_hash=self.digest("transactionHash"),
            block_number=self.int("blockNumber"),
            block_hash=self.digest("blockHash"),
        )


def _transaction(to: Address, call_data: bytes, sender: Address | None) -> Json:
    transaction: dict[str, Json] = {"to": address_text(to), "data": "0x" + call_data.hex()}
    if sender is not None:
        transaction["from"] = address_text(sender)
    return transaction


def _send_outcome(message: str) -> SendOutcome:
    """Nodes agree on these words, not on codes (geth, Nethermind, Reth, anvil)."""
    if "already known" in message or "already imported" in message or "alreadyknown" in message:
        return SendOutcome.ALREADY_KNOWN
    if "nonce too low" in message or "oldnonce" in message:
        return SendOutcome.NONCE_TOO_LOW
    if "underpriced" in message:
        return SendOutcome.UNDERPRICED
    return SendOutcome.REFUSED


def _reverted(exc: NodeRefusal) -> Reverted | Unavailable:
    """A refusal with revert data, or one that speaks of a revert, is the contract's; any other is the node's."""
    if exc.revert or "revert" in str(exc).lower():
        return Reverted(exc.revert)
    return Unavailable(f"the node refused a call: {exc}")


def _int(value: Json) -> int:
    try:
        return int(str(value), 16)
    except ValueError as exc:
        raise Unavailable("the node's answer is no number") from exc


def _bytes(value: Json) -> bytes:
    try:
        return bytes.fromhex(str(value).removeprefix("0x"))
    except ValueError as exc:
        raise Unavailable("the node's answer is not hexadecimal") from exc
