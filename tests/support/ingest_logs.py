"""Logs as a contract would emit them, encoded by eth_abi from the committed ABI, and a chain made of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bonafides.errors import InvariantViolation
from bonafides.events import BlockRange, Position
from bonafides.hashing import keccak
from bonafides.types import Address, BlockRef, ChainId, Digest, Protocol
from bonafides_ingest.chain import Log, Window
from bonafides_ingest.decoders import EventCodec
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.protocols.aave_v3.rounding import Rounding
from bonafides_ingest.protocols.aave_v3.state import AaveV3Deployment
from eth_abi.abi import encode

CHAIN = ChainId(31337)
RAY = 10**27


def address(name: str) -> Address:
    """An address that a name stands for."""
    return Address(keccak(name.encode())[12:])


POOL, CONFIGURATOR, ORACLE, PROVIDER = (address(name) for name in ("pool", "configurator", "oracle", "provider"))
TREASURY = address("treasury")
DEPLOYMENT = AaveV3Deployment(
    id="aave-v3-test",
    chain_id=CHAIN,
    protocol=Protocol.AAVE_V3,
    pool="0x" + POOL.hex(),  # type: ignore[arg-type]  # as YAML has it
    configurator="0x" + CONFIGURATOR.hex(),  # type: ignore[arg-type]
    oracle="0x" + ORACLE.hex(),  # type: ignore[arg-type]
    provider="0x" + PROVIDER.hex(),  # type: ignore[arg-type]
    rounding=Rounding.HALF_UP,
    from_block=1,
    source="@aave/core-v3@1.19.3",
    development=True,
)


def block_at(number: int, branch: str = "main") -> BlockRef:
    return BlockRef(CHAIN, number, keccak(f"{branch}/{number}".encode()), 1_700_000_000 + 12 * number)


def encode_event(codec: EventCodec[Any], values: Sequence[Any]) -> tuple[tuple[Digest, ...], bytes]:
    """Topics and data of an event, as Solidity emits it."""
    inputs = codec.event.inputs
    topics = [codec.topic0]
    plain_types, plain_values = [], []
    for argument, value in zip(inputs, values, strict=True):
        if argument.indexed:
            topics.append(Digest(encode([argument.canonical_type], [value])))
        else:
            plain_types.append(argument.canonical_type)
            plain_values.append(value)
    return tuple(topics), encode(plain_types, plain_values)


@dataclass
class ChainOfLogs:
    """Blocks 0 … head with logs put into them; a `ChainSource` that always tells the truth."""

    head: int = 100
    logs: list[Log] = field(default_factory=list)
    fetches: list[BlockRange] = field(default_factory=list)

    def emit(self, block: int, tx: int, emitter: Address, codec: EventCodec[Any], *values: Any) -> Log:
        """Add a log behind those of its block."""
        topics, payload = encode_event(codec, values)
        return self.emit_raw(block, tx, emitter, topics, payload)

    def emit_raw(self, block: int, tx: int, emitter: Address, topics: tuple[Digest, ...], payload: bytes) -> Log:
        index = sum(log.position.block.number == block for log in self.logs)
        position = Position(block_at(block), keccak(f"tx {block}/{tx}".encode()), tx, index)
        log = Log(position, emitter, topics, payload)
        self.logs.append(log)
        return log

    def list_reserve(self, block: int, symbol: str, decimals: int = 18, price: int = 10**8) -> "ListedReserve":
        """A feed that answers in its constructor, the oracle that names it, and the listing: as Aave emits them."""
        reserve = ListedReserve.of(symbol)
        self.emit(block, 0, reserve.feed, abi.ANSWER_UPDATED, price, 1, 0)
        self.emit(block, 1, ORACLE, abi.ASSET_SOURCE_UPDATED, reserve.asset, reserve.feed)
        initialized = (reserve.asset, POOL, TREASURY, bytes(20), decimals, f"Aave {symbol}", f"a{symbol}", b"\x10")
        self.emit(block, 2, reserve.a_token, abi.INITIALIZED, *initialized)
        tokens = (reserve.asset, reserve.a_token, reserve.stable_debt_token, reserve.variable_debt_token)
        self.emit(block, 2, CONFIGURATOR, abi.RESERVE_INITIALIZED, *tokens, address("strategy"))
        self.emit(block, 2, CONFIGURATOR, abi.COLLATERAL_CONFIGURED, reserve.asset, 8000, 8250, 10500)
        return reserve

    def check_chain(self) -> None:
        """It is always the right one."""

    def finalized(self) -> int:
        return self.head

    def fetch(
        self,
        wanted: BlockRange,
        addresses: frozenset[Address],
        parent: BlockRef | None,
        topics_anywhere: frozenset[Digest] = frozenset(),
    ) -> Window:
        if parent is not None and parent != block_at(parent.number):
            raise InvariantViolation("the parent is another block")
        self.fetches.append(wanted)
        found = [
            log
            for log in self.logs
            if wanted.first <= log.position.block.number <= wanted.last
            and (log.address in addresses or topics_anywhere.intersection(log.topics[:1]))
        ]
        found.sort(key=lambda log: log.position.order)
        return Window(wanted, tuple(found), block_at(wanted.last))

    def block(self, number: int) -> BlockRef:
        return block_at(number)

    def last_log_before(self, emitter: Address, topic0: Digest, first: int, before: int) -> Log | None:
        found = [
            log
            for log in self.logs
            if first <= log.position.block.number < before and log.address == emitter and log.topics[0] == topic0
        ]
        return max(found, key=lambda log: log.position.order, default=None)


@dataclass(frozen=True, slots=True)
class ListedReserve:
    """The contracts of a reserve of the test chain."""

    asset: Address
    a_token: Address
    stable_debt_token: Address
    variable_debt_token: Address
    feed: Address

    @classmethod
    def of(cls, symbol: str) -> "ListedReserve":
        return cls(*(address(f"{part} {symbol}") for part in ("asset", "aToken", "stable", "variable", "feed")))
