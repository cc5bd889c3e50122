"""anvil's own JSON-RPC calls: time, mining, snapshots, reorgs. Times are Unix seconds of the chain."""

import http.client
import itertools
import json
from urllib.parse import urlsplit

from bonafides.errors import InvalidInput, Unavailable

type Json = bool | int | float | str | list[Json] | dict[str, Json] | None

CALL_TIMEOUT_S = 120  # mining a thousand empty blocks takes three seconds, five thousand take a minute


class AnvilRpc:
    """A client that opens one connection per call, so that threads may share it.

    Every method raises Unavailable when the node does not answer and InvalidInput when it refuses the call.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.hostname is None:
            raise InvalidInput(f"{url!r} is not the URL of a node: expected http://host:port")
        self._connection_class = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._host, self._port, self._path = parts.hostname, parts.port, parts.path or "/"
        self._ids = itertools.count(1)
        self.url = url

    def call(self, method: str, *params: Json) -> Json:
        """One JSON-RPC call; the result as the node sent it."""
        body = json.dumps({"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(params)})
        connection = self._connection_class(self._host, self._port, timeout=CALL_TIMEOUT_S)
        try:
            connection.request("POST", self._path, body, {"Content-Type": "application/json"})
            answer: Json = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError) as exc:
            raise Unavailable(f"the node at {self.url} did not answer {method}: {exc}") from exc
        finally:
            connection.close()
        if not isinstance(answer, dict) or "error" in answer or "result" not in answer:
            raise InvalidInput(f"the node refused {method}: {answer}")
        return answer["result"]

    def chain_id(self) -> int:
        return self._number("eth_chainId")

    def block_number(self) -> int:
        """The number of the head."""
        return self._number("eth_blockNumber")

    def timestamp(self, block: str = "latest") -> int:
        """The timestamp of a block: `latest`, `safe`, `finalized`, or a number as 0x-hex."""
        answer = self.call("eth_getBlockByNumber", block, False)
        if not isinstance(answer, dict) or not isinstance(answer["timestamp"], str):
            raise InvalidInput(f"the node has no block {block}: it answered {answer}")
        return int(answer["timestamp"], 16)

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

    def _number(self, method: str) -> int:
        answer = self.call(method)
        if not isinstance(answer, str):
            raise InvalidInput(f"{method} answered {answer!r}, expected a 0x-hex number")
        return int(answer, 16)
