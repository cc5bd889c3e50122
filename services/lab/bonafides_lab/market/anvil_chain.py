"""Anvil, driven block by block over JSON-RPC."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bonafides.errors import InvalidInput, Unavailable
from bonafides.json_rpc import Call, JsonRpc, items, member, octets, quantity
from bonafides.types import DEVELOPMENT_CHAINS, Address, ChainId, Json, address_text

from bonafides_lab.market.calldata import create_address
from bonafides_lab.market.chain import ClosedBlock
from bonafides_lab.stack.anvil_rpc import AnvilRpc

ETHER_FOR_GAS = 100 * 10**18
GAS_PER_TRANSACTION = 1_500_000
"""Above what any Aave call here takes (a liquidation: about 500,000); given, so that anvil need not estimate."""
GAS_PER_SETUP_TRANSACTION = 16_000_000  # `initReserves` of four; the cap per transaction is 16,777,216 (EIP-7825)
GAS_PRICE_WEI = 2 * 10**9
BLOCK_GAS_WHILE_PLAYING = 10**10
"""A block holds all that a day brings, and its base fee only falls."""


class AnvilChain:
    """An anvil under our control: it mines when told, at the time told, and lets us send as anybody.

    Use `anvil_under_control`, which hands anvil back in the end with automatic mining.
    """

    def __init__(self, rpc: AnvilRpc, chain_id: ChainId) -> None:
        self._rpc = rpc
        self._chain_id = chain_id
        self._pending: list[Call] = []
        self._nonces: dict[Address, int] = {}
        self._timestamp = 0
        self._funded: set[Address] = set()

    @property
    def chain_id(self) -> ChainId:
        return self._chain_id

    @property
    def rpc(self) -> AnvilRpc:
        """The connection, for what only a node can answer."""
        return self._rpc

    def latest_timestamp(self) -> int:
        """Unix seconds of the newest block."""
        return quantity(member(self._rpc.call("eth_getBlockByNumber", "latest", False), "timestamp"))

    def fund(self, wallets: Sequence[Address]) -> None:
        new = [wallet for wallet in dict.fromkeys(wallets) if wallet not in self._funded]
        self._rpc.batch([("anvil_setBalance", (address_text(wallet), hex(ETHER_FOR_GAS))) for wallet in new])
        nonces = self._rpc.batch([("eth_getTransactionCount", (address_text(wallet), "latest")) for wallet in new])
        self._nonces.update({wallet: quantity(nonce) for wallet, nonce in zip(new, nonces, strict=True)})
        self._funded.update(new)

    def open_block(self, timestamp: int) -> None:
        if self._pending:
            raise InvalidInput("a block is still open")
        self._timestamp = timestamp

    def deploy(self, deployer: Address, creation_code: bytes) -> Address:
        nonce = self._queue(deployer, None, creation_code, GAS_PER_SETUP_TRANSACTION)
        return create_address(deployer, nonce)

    def send(self, sender: Address, to: Address, calldata: bytes) -> None:
        # Only set-up calls carry whole tables; theirs is the larger limit.
        gas = GAS_PER_SETUP_TRANSACTION if len(calldata) > 1_000 else GAS_PER_TRANSACTION
        self._queue(sender, to, calldata, gas)

    def _queue(self, sender: Address, to: Address | None, payload: bytes, gas: int) -> int:
        nonce = self._nonces[sender]
        self._nonces[sender] = nonce + 1
        transaction: dict[str, Json] = {
            "from": address_text(sender),
            "data": "0x" + payload.hex(),
            "gas": hex(gas),
            "gasPrice": hex(GAS_PRICE_WEI),
            "nonce": hex(nonce),
        }
        if to is not None:
            transaction["to"] = address_text(to)
        self._pending.append(("eth_sendTransaction", (transaction,)))
        return nonce

    def close_block(self) -> ClosedBlock:
        hashes = self._rpc.batch(self._pending)
        self._pending = []
        self._rpc.call("evm_setNextBlockTimestamp", self._timestamp)
        self._rpc.call("evm_mine")
        block = self._rpc.call("eth_getBlockByNumber", "latest", False)
        number, timestamp = quantity(member(block, "number")), quantity(member(block, "timestamp"))
        receipts = self._rpc.call("eth_getBlockReceipts", hex(number))
        statuses = {
            octets(member(receipt, "transactionHash")): quantity(member(receipt, "status")) == 1
            for receipt in items(receipts)
        }
        # One left in the pool (never seen) counts as failed: the caller's next nonce would not fit either.
        return ClosedBlock(number, timestamp, tuple(statuses.get(octets(sent), False) for sent in hashes))

    def calls(self, requests: Sequence[tuple[Address, bytes]]) -> list[bytes]:
        return calls_at(self._rpc, requests, "latest")


def calls_at(rpc: JsonRpc, requests: Sequence[tuple[Address, bytes]], block: str) -> list[bytes]:
    """What each (contract, calldata) returns at a block, given as JSON-RPC's tag or hexadecimal number."""
    answers = rpc.batch(
        [("eth_call", ({"to": address_text(to), "data": "0x" + data.hex()}, block)) for to, data in requests]
    )
    return [octets(answer) for answer in answers]


@contextmanager
def anvil_under_control(url: str) -> Iterator[AnvilChain]:
    """Take an anvil over, and give it back mining by itself and checking signatures.

    Raises:
        InvalidInput: the node is no anvil, or its chain is no development chain.
        Unavailable: nobody answers at `url`.
    """
    rpc = AnvilRpc(url)
    try:
        try:
            version = str(rpc.call("web3_clientVersion"))
        except Unavailable as exc:
            raise Unavailable(f"the market plays on anvil, and none is there: {exc}; is it running?") from exc
        chain_id = ChainId(quantity(rpc.call("eth_chainId")))
        if not version.startswith("anvil") or chain_id not in DEVELOPMENT_CHAINS:
            raise InvalidInput(
                f"the market plays on anvil with a development chain id; saw {version.split('/')[0]}, chain {chain_id}"
            )
        block_gas = member(rpc.call("eth_getBlockByNumber", "latest", False), "gasLimit")
        rpc.call("evm_setAutomine", False)
        rpc.call("anvil_autoImpersonateAccount", True)
        rpc.call("evm_setBlockGasLimit", hex(BLOCK_GAS_WHILE_PLAYING))
        try:
            yield AnvilChain(rpc, chain_id)
        finally:
            rpc.call("evm_setBlockGasLimit", block_gas)
            rpc.call("anvil_autoImpersonateAccount", False)
            rpc.call("evm_setAutomine", True)
    finally:
        rpc.close()
