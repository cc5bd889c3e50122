"""The chain as issuer and publisher see it: blocks, receipts, accounts and calls. Answers are checked for form only."""

from dataclasses import dataclass
from enum import StrEnum

from bonafides.errors import Unavailable
from bonafides.json_rpc import JsonRpc, NodeLied, NodeRefused, items, member, octets, quantity
from bonafides.types import Address, ChainId, Digest, Json, address_text

from bonafides_attestation.publication import Receipt


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
        base_fee = block.get("baseFeePerGas", "0x0")  # none before London
        return Head(quantity(member(block, "number")), quantity(member(block, "timestamp")), quantity(base_fee))

    def finalized_number(self, depth: int | None) -> int:
        """Number of the newest final block: by the node's tag, or the head less `depth`. -1 when there is none."""
        if depth is not None:
            return self.head().number - depth
        block = self._block("finalized")
        return -1 if block is None else quantity(member(block, "number"))

    def block_hash(self, number: int) -> Digest | None:
        """Hash of the canonical block of this number; None when there is none."""
        block = self._block(hex(number))
        return None if block is None else _digest(block, "hash")

    def block_time(self, number: int) -> int:
        """Unix seconds of the canonical block of this number."""
        block = self._block(hex(number))
        if block is None:
            raise Unavailable(f"the node has no block {number} (yet, or any more)")
        return quantity(member(block, "timestamp"))

    def suggested_tip_wei(self) -> int:
        """The node's idea of a tip; 0 when it has none."""
        try:
            return quantity(self._rpc.call("eth_maxPriorityFeePerGas"))
        except NodeRefused:
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
        number, succeeded = quantity(member(found, "blockNumber")), quantity(member(found, "status")) == 1
        return Receipt(tx_hash, number, _digest(found, "blockHash"), succeeded)

    def logs(self, address: Address, topics: list[bytes], from_block: int) -> list[Log]:
        """Log entries of one contract, from a block to the head, whose first topics are these."""
        question: Json = {
            "address": address_text(address),
            "topics": ["0x" + topic.hex() for topic in topics],
            "fromBlock": hex(from_block),
            "toBlock": "latest",
        }
        return [_read_log(entry) for entry in items(self._ask("eth_getLogs", question))]

    def call(self, to: Address, call_data: bytes, sender: Address | None = None, at: int | None = None) -> bytes:
        """What a contract answers at the newest block, or after the block `at`. Raises Reverted."""
        block = "latest" if at is None else hex(at)
        try:
            return octets(self._rpc.call("eth_call", _transaction(to, call_data, sender), block))
        except NodeRefused as exc:
            raise _reverted(exc) from exc

    def estimate_gas(self, to: Address, call_data: bytes, sender: Address) -> int:
        """Gas of a transaction after the newest block, whatever waits in the pool. Raises Reverted."""
        try:
            return quantity(self._rpc.call("eth_estimateGas", _transaction(to, call_data, sender), "latest"))
        except NodeRefused as exc:
            raise _reverted(exc) from exc

    def send_raw(self, raw_tx: bytes) -> tuple[SendOutcome, str]:
        """Hand over a raw transaction; what the node said. Raises Unavailable, and then it may have been accepted."""
        try:
            self._rpc.call("eth_sendRawTransaction", "0x" + raw_tx.hex())
        except NodeRefused as exc:
            return _send_outcome(exc.message.lower()), str(exc)
        return SendOutcome.ACCEPTED, ""

    def _block(self, tag: str) -> dict[str, Json] | None:
        found = self._ask("eth_getBlockByNumber", tag, False)
        if found is not None and not isinstance(found, dict):
            raise NodeLied("the node sent no object where a block belongs")
        return found

    def _number(self, method: str, *params: Json) -> int:
        return quantity(self._ask(method, *params))

    def _ask(self, method: str, *params: Json) -> Json:
        try:
            return self._rpc.call(method, *params)
        except NodeRefused as exc:
            raise Unavailable(str(exc)) from exc


def _read_log(entry: Json) -> Log:
    return Log(
        topics=tuple(octets(topic) for topic in items(member(entry, "topics"))),
        payload=octets(member(entry, "data")),
        tx_hash=_digest(entry, "transactionHash"),
        block_number=quantity(member(entry, "blockNumber")),
        block_hash=_digest(entry, "blockHash"),
    )


def _digest(found: Json, name: str) -> Digest:
    return Digest(octets(member(found, name), 32))


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
    if "underpriced" in message or "less than block base fee" in message:
        return SendOutcome.UNDERPRICED
    return SendOutcome.REFUSED


def _reverted(exc: NodeRefused) -> Reverted | Unavailable:
    return Reverted(exc.revert) if exc.is_revert else Unavailable(str(exc))
