"""What our reader is compared with: windows of a fixed size, as plainly as one writes it first, and fairly.

It asks for 1,000 blocks at a time and for the headers of the blocks that hold logs (an event's time stands there). A
refused window is halved until it is answered, and the next one is 1,000 blocks again; "too many requests" is waited out
for the second that the provider names. It believes everything: no bloom, no receipt, no hash is looked at.
"""

import time
from collections.abc import Iterable, Mapping
from http import HTTPStatus

from bonafides.errors import InvalidInput
from bonafides.events import BlockRange, Position
from bonafides.json_rpc import Call, JsonRpc, NodeRefused, items, member, octets, quantity
from bonafides.types import Address, BlockRef, ChainId, Digest, Json, address_text
from bonafides_ingest.chain import Log, Window

WINDOW_BLOCKS = 1_000
WAIT_S = 1.0
"""After HTTP 429: the provider's `Retry-After`."""


class FixedWindowSource:
    """`chain.ChainSource` that reads finalized blocks in windows of one size."""

    def __init__(self, rpc: JsonRpc, chain_id: ChainId, window_blocks: int = WINDOW_BLOCKS) -> None:
        self._rpc, self._chain_id, self._window_blocks = rpc, chain_id, window_blocks

    def check_chain(self) -> None:
        if quantity(self._batch([("eth_chainId", [])])[0]) != self._chain_id:
            raise InvalidInput("the node is on another chain")

    def finalized(self) -> int:
        (answer,) = self._batch([("eth_getBlockByNumber", ["finalized", False])])
        return quantity(member(answer, "number"))

    def fetch(
        self,
        wanted: BlockRange,
        addresses: frozenset[Address],
        parent: BlockRef | None,
        topics_anywhere: frozenset[Digest] = frozenset(),
    ) -> Window:
        asked = BlockRange(wanted.first, min(wanted.last, wanted.first + self._window_blocks - 1))
        criteria: dict[str, Json] = {"address": [address_text(address) for address in sorted(addresses)]}
        found = self._logs(asked, criteria)
        numbers = {quantity(member(entry, "blockNumber")) for entry in found}
        blocks = self._blocks(numbers | {asked.last})
        logs = tuple(_log(entry, blocks) for entry in found)
        return Window(asked, logs, blocks[asked.last])

    def block(self, number: int) -> BlockRef:
        return self._blocks({number})[number]

    def last_log_before(self, address: Address, topic0: Digest, first: int, before: int) -> Log | None:
        criteria: dict[str, Json] = {"address": address_text(address), "topics": ["0x" + topic0.hex()]}
        last = before - 1
        while last >= first:
            asked = BlockRange(max(first, last - self._window_blocks + 1), last)
            if found := self._logs(asked, criteria):
                return _log(found[-1], self._blocks({quantity(member(found[-1], "blockNumber"))}))
            last = asked.first - 1
        return None

    def _logs(self, asked: BlockRange, criteria: Mapping[str, Json]) -> list[Json]:
        bounds = {"fromBlock": hex(asked.first), "toBlock": hex(asked.last)}
        try:
            (answer,) = self._batch([("eth_getLogs", [{**criteria, **bounds}])])
        except NodeRefused:
            if asked.first == asked.last:
                raise
            middle = (asked.first + asked.last) // 2
            below, above = BlockRange(asked.first, middle), BlockRange(middle + 1, asked.last)
            return self._logs(below, criteria) + self._logs(above, criteria)
        return items(answer)

    def _blocks(self, numbers: Iterable[int]) -> dict[int, BlockRef]:
        ordered = sorted(numbers)
        calls: list[Call] = [("eth_getBlockByNumber", [hex(number), False]) for number in ordered]
        return {
            number: BlockRef(
                self._chain_id,
                number,
                Digest(octets(member(answer, "hash"), 32)),
                quantity(member(answer, "timestamp")),
            )
            for number, answer in zip(ordered, self._batch(calls), strict=True)
        }

    def _batch(self, calls: list[Call]) -> list[Json]:
        while True:
            try:
                return self._rpc.batch(calls)
            except NodeRefused as exc:
                if exc.code != HTTPStatus.TOO_MANY_REQUESTS:
                    raise
            time.sleep(WAIT_S)


def _log(entry: Json, blocks: Mapping[int, BlockRef]) -> Log:
    position = Position(
        blocks[quantity(member(entry, "blockNumber"))],
        Digest(octets(member(entry, "transactionHash"), 32)),
        quantity(member(entry, "transactionIndex")),
        quantity(member(entry, "logIndex")),
    )
    topics = tuple(Digest(octets(topic, 32)) for topic in items(member(entry, "topics")))
    return Log(position, Address(octets(member(entry, "address"), 20)), topics, octets(member(entry, "data")))
