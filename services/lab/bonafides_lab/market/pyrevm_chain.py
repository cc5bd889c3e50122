"""The EVM in this process (pyrevm): thousands of Aave transactions a second, and every log in hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bonafides.errors import InvalidInput, InvariantViolation
from bonafides.hashing import keccak
from bonafides.types import Address, ChainId, Digest, address_text, parse_address
from pyrevm import EVM, BlockEnv, CfgEnv, Env, Log

from bonafides_lab.market.chain import ClosedBlock
from bonafides_lab.market.evm_state import copy_state

_NO_GAS_LIMIT = 2**60
_ETHER_FOR_GAS = 10**24
RENEW_AFTER = 20_000
"""Transactions after which the EVM is renewed: 150 MB of journal, and for a moment twice as much for the text of it."""
SLOTS_PER_TRANSACTION = 10
"""A large state is renewed less often: copying a slot costs 4 µs, a transaction about 350, so that copying stays near a
tenth of the time."""


@dataclass(frozen=True, slots=True)
class EmittedLog:
    """One log, before it is given its place in a block."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class EmittedTransaction:
    """One transaction of a block and the logs it emitted: none if it reverted."""

    hash: Digest
    gas_used: int
    logs: tuple[EmittedLog, ...]


@dataclass(frozen=True, slots=True)
class EmittedBlock:
    """A closed block with all it emitted."""

    number: int
    hash: Digest
    timestamp: int
    transactions: tuple[EmittedTransaction, ...]


class BlockSink(Protocol):
    """Takes blocks as they close: to write them, or to look at them in a test."""

    def take(self, block: EmittedBlock) -> None: ...


class PyrevmChain:
    """A chain without a node. Transactions run at once, in the order sent; nothing else reads the chain meanwhile.

    Hashes are synthetic: keccak over the seed, the place in the chain and the content. They are the same for the same
    market, and say nothing that the logs do not.

    Memory follows the contracts' storage and not the number of transactions: what pyrevm would keep of every call is
    dropped by renewing the EVM between two blocks (see `evm_state`).
    """

    def __init__(self, chain_id: ChainId, *, seed: int, sink: BlockSink | None = None) -> None:
        self._chain_id = chain_id
        self._evm = self._empty_evm()
        self._sink = sink
        self._renew_at = RENEW_AFTER
        self._sent = 0
        self._addresses: dict[str, Address] = {}
        self._number = 0
        self._timestamp = 0
        self._block_hash = keccak(b"bonafides synthetic chain", int(chain_id).to_bytes(8), seed.to_bytes(8))
        self._transactions: list[EmittedTransaction] = []
        self._succeeded: list[bool] = []
        self._is_open = False

    @property
    def chain_id(self) -> ChainId:
        return self._chain_id

    def fund(self, wallets: Sequence[Address]) -> None:
        for wallet in wallets:
            self._evm.set_balance(address_text(wallet), _ETHER_FOR_GAS)

    def open_block(self, timestamp: int) -> None:
        if self._is_open or timestamp <= self._timestamp:
            raise InvalidInput(f"a block at {timestamp} cannot follow one at {self._timestamp}, or one is still open")
        self._is_open = True
        if self._sent >= self._renew_at:
            self._renew()
        self._number += 1
        self._timestamp = timestamp
        self._evm.set_block_env(BlockEnv(number=self._number, timestamp=timestamp, gas_limit=_NO_GAS_LIMIT))

    def _empty_evm(self) -> EVM:
        return EVM(env=Env(cfg=CfgEnv(chain_id=self._chain_id)), gas_limit=_NO_GAS_LIMIT)

    def _renew(self) -> None:
        renewed = self._empty_evm()
        slots = copy_state(self._evm, renewed)
        self._evm = renewed
        self._renew_at = self._sent + max(RENEW_AFTER, slots // SLOTS_PER_TRANSACTION)

    def deploy(self, deployer: Address, creation_code: bytes) -> Address:
        try:
            created = self._evm.deploy(address_text(deployer), creation_code)
        except RuntimeError as exc:
            raise InvariantViolation(f"a contract creation of {len(creation_code)} bytes failed") from exc
        self._record(deployer, b"", creation_code, succeeded=True)
        return parse_address(created)

    def send(self, sender: Address, to: Address, calldata: bytes) -> None:
        try:
            self._evm.message_call("0x" + sender.hex(), "0x" + to.hex(), calldata=calldata)
        except RuntimeError:  # pyrevm's only error class: the call reverted, as a transaction on a chain may
            self._record(sender, to, calldata, succeeded=False)
        else:
            self._record(sender, to, calldata, succeeded=True)

    def _record(self, sender: Address, to: bytes, calldata: bytes, *, succeeded: bool) -> None:
        self._succeeded.append(succeeded)
        self._sent += 1
        if self._sink is None:
            return
        place = self._number.to_bytes(8) + len(self._transactions).to_bytes(4)
        result = self._evm.result
        logs: tuple[EmittedLog, ...] = ()
        if succeeded and result is not None:
            logs = tuple([self._emitted(log) for log in result.logs])
        transaction_hash = keccak(self._block_hash, place, sender, to, calldata)
        gas_used = 0 if result is None else result.gas_used
        self._transactions.append(EmittedTransaction(transaction_hash, gas_used, logs))

    def _emitted(self, log: Log) -> EmittedLog:
        named = log.address
        address = self._addresses.get(named)
        if address is None:
            address = self._addresses[named] = parse_address(named)
        topics, data = log.data
        return EmittedLog(address, tuple(topics), data)

    def close_block(self) -> ClosedBlock:
        if not self._is_open:
            raise InvalidInput("no block is open")
        transactions, succeeded = tuple(self._transactions), tuple(self._succeeded)
        self._transactions.clear()
        self._succeeded.clear()
        self._is_open = False
        place = self._number.to_bytes(8) + self._timestamp.to_bytes(8)
        self._block_hash = keccak(self._block_hash, place, *(transaction.hash for transaction in transactions))
        if self._sink is not None:
            self._sink.take(EmittedBlock(self._number, self._block_hash, self._timestamp, transactions))
        return ClosedBlock(self._number, self._timestamp, succeeded)

    def calls(self, requests: Sequence[tuple[Address, bytes]]) -> list[bytes]:
        call, reader = self._evm.message_call, "0x" + "00" * 20
        before = self._evm.snapshot()
        try:
            return [call(reader, "0x" + to.hex(), calldata=data, is_static=True) for to, data in requests]
        finally:
            self._evm.revert(before)  # a read changes nothing, but its frames would stay in the journal
