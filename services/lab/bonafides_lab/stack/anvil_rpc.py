"""anvil's own JSON-RPC calls: time, mining, snapshots, reorgs. Times are Unix seconds of the chain."""

from bonafides.errors import InvalidInput
from bonafides.json_rpc import JsonRpc, member, quantity

CALL_TIMEOUT_S = 120  # mining a thousand empty blocks takes three seconds, five thousand take a minute
CALLS_PER_BATCH = 500  # well under anvil's body limit of 2 MB when each call carries an Aave call
MAX_ANSWER_BYTES = 1 << 30  # our own node, asked for all logs of a market at once


class AnvilRpc(JsonRpc):
    """A local anvil. Every method raises Unavailable when it does not answer, NodeRefused when it says no."""

    def __init__(self, url: str) -> None:
        super().__init__(
            url,
            CALL_TIMEOUT_S,
            batch_size=CALLS_PER_BATCH,
            max_answer_bytes=MAX_ANSWER_BYTES,
            shows_messages=True,
        )

    def chain_id(self) -> int:
        return quantity(self.call("eth_chainId"))

    def block_number(self) -> int:
        """The number of the head."""
        return quantity(self.call("eth_blockNumber"))

    def timestamp(self, block: str = "latest") -> int:
        """The timestamp of a block: `latest`, `safe`, `finalized`, or a number as 0x-hex."""
        answer = self.call("eth_getBlockByNumber", block, False)
        if answer is None:
            raise InvalidInput(f"the node has no block {block}")
        return quantity(member(answer, "timestamp"))

    def increase_time(self, seconds: int) -> None:
        """The next block is `seconds` later than it would have been; all after it keep the distance."""
        self.call("evm_increaseTime", seconds)

    def set_next_timestamp(self, timestamp: int) -> None:
        """The next block has exactly this timestamp; later ones go on from there at wall speed."""
        self.call("evm_setNextBlockTimestamp", timestamp)

    def mine(self, blocks: int = 1, seconds_between: int | None = None) -> None:
        """Mine now. Empty blocks grow dear (5,000 take a minute): move time instead of mining real block counts."""
        if seconds_between is None:
            self.call("anvil_mine", hex(blocks))
        else:
            self.call("anvil_mine", hex(blocks), hex(seconds_between))

    def set_interval_mining(self, seconds: int) -> None:
        """Mine a block every `seconds`, transactions or not; 0 stops that. Does not change automine."""
        self.call("evm_setIntervalMining", seconds)

    def set_automine(self, is_on: bool) -> None:
        """Whether each transaction gets a block at once."""
        self.call("evm_setAutomine", is_on)

    def snapshot(self) -> str:
        """Remember the chain as it is; the id goes to `revert`, once."""
        answer = self.call("evm_snapshot")
        if not isinstance(answer, str):
            raise InvalidInput(f"evm_snapshot answered {answer!r}, expected an id")
        return answer

    def revert(self, snapshot: str) -> None:
        """Go back to a snapshot."""
        if self.call("evm_revert", snapshot) is not True:
            raise InvalidInput(f"the node has no snapshot {snapshot}")

    def reorg(self, depth: int) -> None:
        """Replace the last `depth` blocks by empty ones with other hashes."""
        self.call("anvil_reorg", depth, [])
