"""The code at addresses, from a node."""

from collections.abc import Sequence

from bonafides.json_rpc import Call, JsonRpc, octets
from bonafides.types import Address, BlockRef, Json, address_text

from bonafides_ingest.sources.providers.refusals import refusals_told_apart


class NodeCodes:
    """`census.CodeSource` over JSON-RPC."""

    def __init__(self, rpc: JsonRpc) -> None:
        self._rpc = rpc

    def codes(self, accounts: Sequence[Address], block: BlockRef) -> list[bytes]:
        # By hash (EIP-1898): a node on another fork then says that it does not know the block.
        at: Json = {"blockHash": "0x" + block.hash.hex(), "requireCanonical": True}
        calls: list[Call] = [("eth_getCode", [address_text(account), at]) for account in accounts]
        with refusals_told_apart():
            return [octets(answer) for answer in self._rpc.batch(calls)]
