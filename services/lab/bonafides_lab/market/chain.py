"""What the market needs of a chain. Anvil and the EVM in this process both give it, so one market plays on both."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bonafides.types import Address, ChainId


@dataclass(frozen=True, slots=True)
class ClosedBlock:
    """A block that was mined, and which of its transactions succeeded, in the order they were sent."""

    number: int
    timestamp: int
    """Unix seconds."""
    succeeded: tuple[bool, ...]


class Chain(Protocol):
    """A development chain that is driven block by block.

    ```
    open_block(t) ── send, send, deploy … ── close_block() ──► all of them mined in one block at time t
                                                   call() sees the state after the last closed block
    ```
    """

    @property
    def chain_id(self) -> ChainId: ...

    def fund(self, wallets: Sequence[Address]) -> None:
        """Give each wallet enough ether for gas."""

    def open_block(self, timestamp: int) -> None:
        """Begin a block. `timestamp`, in Unix seconds, must lie after the last block's."""

    def deploy(self, deployer: Address, creation_code: bytes) -> Address:
        """Create a contract in the open block. The address is known at once, the code stands after `close_block`."""

    def send(self, sender: Address, to: Address, calldata: bytes) -> None:
        """Put a transaction into the open block, after those sent before."""

    def close_block(self) -> ClosedBlock:
        """Mine the open block."""

    def calls(self, requests: Sequence[tuple[Address, bytes]]) -> list[bytes]:
        """What each (contract, calldata) returns, in the state after the last closed block."""
