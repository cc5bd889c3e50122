"""Maker on the EVM in this process: the transactions of Maker's own test chain, which npm ships, sent again.

The package holds a snapshot of its node: every block, transaction and receipt of the deployment of the whole system.
Sent again in their order they give the same addresses and the same logs, which `replay` checks one by one.
"""

import json
import tarfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from bonafides.errors import MissingTool, Unavailable
from bonafides.events import Position
from bonafides.hashing import keccak
from bonafides.types import Address, BlockRef, Digest, address_text, parse_address
from bonafides_ingest.chain import Log
from bonafides_ingest.protocols.maker.deployment import MakerDeployment
from bonafides_lab.stack.node_tools import NODE_MODULES, ensure_node_tools
from eth_abi.abi import encode
from pyrevm import BlockEnv

from tests.support.compound_chain import CHAIN, EvmChain, wallet

MAKER_SOURCE = "@makerdao/testchain@1.1.32"
ADMIN = wallet("maker admin")
ILKS = {"ETH-A": ("ETH", 18), "BAT-A": ("BAT", 18), "WBTC-A": ("WBTC", 8), "USDC-A": ("USDC", 6)}
"""The collateral types that the tests use, with token and decimals as the test chain has them."""
_PACKAGE = NODE_MODULES / "@makerdao" / "testchain"
_ETHER_FOR_GAS = 10**26
_BLOCKS_TO_NOW = 1_500_000
"""EvmChain's time is 2020 plus twelve seconds a block; the snapshot is of March 2021."""
_NO_GAS_LIMIT = 2**60


@lru_cache
def _snapshot() -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """Blocks in their order, and receipts by transaction; the test is skipped where npm's packages cannot be had."""
    try:
        ensure_node_tools()
    except (MissingTool, Unavailable) as exc:
        pytest.skip(f"SKIPPED, no npm packages: {exc}")
    blocks: dict[int, dict[str, Any]] = {}
    receipts: dict[str, dict[str, Any]] = {}
    with tarfile.open(_PACKAGE / "snapshots" / "default.tgz") as snapshot:
        for entry in snapshot:  # one small file a record: !blocks!12, !transactionReceipts!0x…
            _, _, name = Path(entry.name).name.partition("!")
            kind, _, key = name.partition("!")
            if kind not in ("blocks", "transactionReceipts") or key == "length":
                continue
            file = snapshot.extractfile(entry)
            assert file is not None
            record = json.load(file)
            if kind == "blocks":
                blocks[int(key)] = record
            else:
                receipts[key] = record
    return [blocks[number] for number in sorted(blocks)], receipts


@lru_cache
def addresses() -> dict[str, Address]:
    """The test chain's contracts by their names in Maker's chainlog, such as MCD_VAT."""
    named = json.loads((_PACKAGE / "out" / "addresses-mcd.json").read_text())
    return {name: parse_address(text.lower()) for name, text in named.items() if text.startswith("0x")}


def signed_call(signature: str, *arguments: Any) -> bytes:
    """Calldata of a function; addresses may be bytes, short names of bytes32 are padded."""
    types = [kind for kind in signature[signature.index("(") + 1 : -1].split(",") if kind]
    values = [
        address_text(value) if kind == "address" else value.ljust(32, b"\0") if kind == "bytes32" else value
        for kind, value in zip(types, arguments, strict=True)
    ]
    return keccak(signature.encode())[:4] + encode(types, values)


@dataclass(frozen=True)
class MakerChain:
    """The test chain, deployed."""

    chain: EvmChain
    logs: tuple[Log, ...]
    """All that the deployment emitted."""

    @classmethod
    def replay(cls) -> "MakerChain":
        """Send the snapshot's transactions again. Each must emit what its receipt says."""
        blocks, receipts = _snapshot()
        chain = EvmChain()
        logs: list[Log] = []
        funded: set[str] = set()
        for block in blocks:
            number, timestamp = (
                int(block["header"][name].removeprefix("0x") or "0", 16) for name in ("number", "timestamp")
            )
            chain.number = number
            chain.evm.set_block_env(BlockEnv(number=number, timestamp=timestamp, gas_limit=_NO_GAS_LIMIT))
            for transaction in block["transactions"]:
                sender = transaction["from"]
                if sender not in funded:
                    chain.evm.set_balance(sender, _ETHER_FOR_GAS)
                    funded.add(sender)
                logs += _send_again(chain, transaction, receipts[transaction["hash"]], timestamp)
        chain.skip(_BLOCKS_TO_NOW)
        chain.fund(ADMIN, _ETHER_FOR_GAS)
        return cls(chain, tuple(logs))

    def make_ward(self, name: str) -> None:
        """Let ADMIN govern a contract. The test chain's own governance gave up its rights when all was set."""
        contract, slot = address_text(addresses()[name]), keccak(ADMIN.rjust(32, b"\0"), bytes(32))
        self.chain.evm.basic(contract)  # loads it: its storage is changed where the EVM runs
        self.chain.evm.insert_account_storage(contract, int.from_bytes(slot), 1)

    def read(self, name: str, signature: str, *arguments: Any) -> list[int]:
        """The words that a view function returns."""
        returned = self.chain.evm.message_call(
            address_text(bytes(20)),
            address_text(addresses()[name]),
            calldata=signed_call(signature, *arguments),
            is_static=True,
        )
        return [int.from_bytes(returned[at : at + 32]) for at in range(0, len(returned), 32)]


def deployment_of_test_chain() -> MakerDeployment:
    """Its entry in the registry."""
    named = addresses()
    return MakerDeployment.model_validate(
        {
            "id": "maker-test",
            "chain_id": CHAIN,
            "protocol": "maker",
            "vat": address_text(named["MCD_VAT"]),
            "dai": address_text(named["MCD_DAI"]),
            "spotter": address_text(named["MCD_SPOT"]),
            "cats": [address_text(named["MCD_CAT"])],
            "cdp_manager": address_text(named["CDP_MANAGER"]),
            "ilks": [
                {"name": ilk, "gem": address_text(named[token]), "decimals": decimals}
                for ilk, (token, decimals) in ILKS.items()
            ],
            "from_block": 1,
            "source": MAKER_SOURCE,
            "development": True,
        }
    )


def _send_again(
    chain: EvmChain, transaction: dict[str, Any], receipt: dict[str, Any], timestamp: int
) -> tuple[Log, ...]:
    sender, data = transaction["from"], bytes.fromhex(transaction["data"].removeprefix("0x"))
    if transaction["to"]:
        chain.evm.message_call(sender, transaction["to"], calldata=data, value=int(transaction["value"], 16))
        result = chain.evm.result
        chain.evm.deploy(sender, b"")  # pyrevm counts no nonce for a call; an empty contract counts one
    else:
        created = chain.evm.deploy(sender, data)
        result = chain.evm.result
        assert created == receipt["contractAddress"]
    assert result is not None
    block = BlockRef(CHAIN, chain.number, keccak(chain.number.to_bytes(8)), timestamp)
    place = Position(block, Digest(bytes.fromhex(transaction["hash"][2:])), 0, 0)
    logs = tuple(
        Log(
            Position(block, place.tx_hash, 0, index),
            parse_address(log.address.lower()),
            tuple(Digest(bytes(topic)) for topic in log.data[0]),
            bytes(log.data[1]),
        )
        for index, log in enumerate(result.logs)
    )
    told = [
        (address_text(log.address), ["0x" + topic.hex() for topic in log.topics], "0x" + log.payload.hex())
        for log in logs
    ]
    assert told == [(log["address"], log["topics"], log["data"]) for log in receipt["logs"]]
    return logs
