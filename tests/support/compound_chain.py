"""Any contract on the EVM in this process, transaction by transaction, its logs as ingest gets them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import pytest
from bonafides.errors import MissingTool, Unavailable
from bonafides.events import Position
from bonafides.hashing import keccak
from bonafides.types import Address, BlockRef, ChainId, Digest, address_text, parse_address
from bonafides_ingest.chain import Log
from bonafides_lab.market.artifacts import AbiValue, Artifact, creation_code
from bonafides_lab.market.calldata import Method
from bonafides_lab.stack.node_tools import NODE_MODULES, ensure_node_tools
from pyrevm import EVM, BlockEnv

CHAIN = ChainId(31337)
COMPOUND_SOURCE = "@thenextblock/hardhat-compound@0.0.14"
_NO_GAS_LIMIT = 2**60
_SECONDS_PER_BLOCK = 12


def wallet(name: str) -> Address:
    """A wallet that a name stands for."""
    return Address(keccak(name.encode())[12:])


class Reverted(Exception):
    """A transaction that changed nothing."""


@dataclass
class EvmChain:
    """Blocks of one transaction each."""

    number: int = 1
    evm: EVM = field(default_factory=lambda: EVM(gas_limit=_NO_GAS_LIMIT))

    def __post_init__(self) -> None:
        self._enter_block()

    def skip(self, blocks: int) -> None:
        """Let so many blocks go by without a transaction."""
        self.number += blocks
        self._enter_block()

    def _enter_block(self) -> None:
        timestamp = 1_600_000_000 + self.number * _SECONDS_PER_BLOCK
        self.evm.set_block_env(BlockEnv(number=self.number, timestamp=timestamp, gas_limit=_NO_GAS_LIMIT))

    def fund(self, wallet: Address, wei: int) -> None:
        self.evm.set_balance(address_text(wallet), wei)

    def deploy(self, deployer: Address, artifact: Artifact, *arguments: AbiValue) -> Address:
        """In the open block, without logs."""
        return parse_address(self.evm.deploy(address_text(deployer), creation_code(artifact, arguments, {})))

    def send(self, sender: Address, to: Address, calldata: bytes, *, value: int = 0) -> tuple[Log, ...]:
        """One transaction in a block of its own, and its logs. Raises Reverted."""
        self.skip(1)
        return self.send_in_same_block(sender, to, calldata, value=value)

    def send_in_same_block(self, sender: Address, to: Address, calldata: bytes, *, value: int = 0) -> tuple[Log, ...]:
        try:
            self.evm.message_call(address_text(sender), address_text(to), calldata=calldata, value=value)
        except RuntimeError as exc:  # pyrevm's only error class
            raise Reverted(str(exc)) from exc
        result = self.evm.result
        assert result is not None
        block = BlockRef(CHAIN, self.number, keccak(self.number.to_bytes(8)), self.number * _SECONDS_PER_BLOCK)
        transaction = keccak(block.hash, sender, to, calldata)
        return tuple(
            Log(
                Position(block, transaction, 0, index),
                parse_address(log.address),
                tuple(Digest(bytes(topic)) for topic in log.data[0]),
                bytes(log.data[1]),
            )
            for index, log in enumerate(result.logs)
        )

    def view(self, to: Address, method: Method, *arguments: int | Address) -> int:
        """The first word of what a view function returns."""
        reader = address_text(bytes(20))
        returned = self.evm.message_call(reader, address_text(to), calldata=method(*arguments), is_static=True)
        return int.from_bytes(bytes(returned[:32]))


def compound_artifacts_or_skip() -> Path:
    """The folder of Compound V2's artifacts; the test is skipped where npm's packages cannot be had."""
    try:
        ensure_node_tools()
    except (MissingTool, Unavailable) as exc:
        pytest.skip(f"no npm packages: {exc}")
    return NODE_MODULES / "@thenextblock" / "hardhat-compound" / "dist" / "artifacts" / "contracts" / "compound"


@lru_cache
def artifact(folder: Path, name: str) -> Artifact:
    """The artifact of one contract."""
    found: Sequence[Path] = sorted(folder.rglob(f"{name}.sol/{name}.json"))
    assert len(found) == 1, f"{name} occurs {len(found)} times in the package"
    return Artifact.model_validate_json(found[0].read_bytes())
