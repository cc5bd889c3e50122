"""What a real node says about accounts, and what the registry's ABI files are from."""

import json
from pathlib import Path

import pytest
from bonafides.errors import Unavailable
from bonafides.json_rpc import JsonRpc
from bonafides.types import AccountKind, Address, BlockRef, Digest, address_text
from bonafides_ingest.accounts.census import ask
from bonafides_ingest.decoders.codec import AbiFragment, load_fragments
from bonafides_ingest.sources.codes import NodeCodes
from bonafides_ingest.sources.rpc import RpcSource
from bonafides_lab.stack.node_tools import NODE_MODULES

from tests.support.compound_chain import compound_artifacts_or_skip
from tests.support.ingest_logs import CHAIN, address
from tests.support.market_chains import anvil_from

pytestmark = pytest.mark.integration

KEY, ROBOT, SMART, GATEWAY = (address(name) for name in ("a key's own", "robot", "delegated", "gateway"))


def test_ask__real_node__tells_keys_contracts_and_delegated_accounts_apart() -> None:
    with anvil_from(1_700_000_000) as url:
        rpc = JsonRpc(url, 10.0)
        rpc.call("anvil_setCode", address_text(ROBOT), "0x6080604052")
        rpc.call("anvil_setCode", address_text(SMART), "0xef0100" + ROBOT.hex())  # as EIP-7702 leaves it
        rpc.call("anvil_mine", "0x3")
        block = RpcSource(rpc, CHAIN, window_blocks=10, bloom_check_blocks=10).block(3)

        facts = ask(NodeCodes(rpc), [KEY, ROBOT, SMART, GATEWAY], {GATEWAY}, block, 7)
        with pytest.raises(Unavailable):
            NodeCodes(rpc).codes([KEY], BlockRef(CHAIN, 3, Digest(b"\x01" * 32), block.timestamp))
        rpc.close()

    told: dict[Address, AccountKind] = {fact.account: fact.kind for fact in facts}
    assert told == {
        KEY: AccountKind.EXTERNALLY_OWNED,
        ROBOT: AccountKind.CONTRACT,
        SMART: AccountKind.DELEGATED,
        GATEWAY: AccountKind.GATEWAY,
    }
    assert {(fact.block, fact.log_index, fact.fork_epoch) for fact in facts} == {(block, None, 7)}


FILES = {
    "@gnosis.pm/safe-contracts@1.3.0": Path("@gnosis.pm/safe-contracts/build/artifacts/contracts"),
    "@safe-global/safe-contracts@1.4.1": Path("@safe-global/safe-contracts/build/artifacts/contracts"),
    "@makerdao/testchain@1.1.32": Path("@makerdao/testchain/out"),
}
FRAGMENTS = [
    fragment
    for name in ("ds_proxy.json", "maker_cdp_manager.json", "safe_1_3.json", "safe_1_4.json")
    for fragment in load_fragments(name)
]


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=lambda fragment: f"{fragment.source} {fragment.contract}")
def test_abi__committed_fragment__is_what_its_package_holds(fragment: AbiFragment) -> None:
    compound_artifacts_or_skip()
    folder = NODE_MODULES / FILES[fragment.source]
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.name in (f"{fragment.contract}.json", f"{fragment.contract}.abi")
    ]
    packaged = json.loads(found[0].read_text())
    events = {
        entry["name"]: entry
        for entry in (packaged["abi"] if isinstance(packaged, dict) else packaged)
        if "name" in entry
    }

    for event in fragment.events:
        expected = [(a["name"], a["type"], a["indexed"]) for a in events[event.name]["inputs"]]
        assert [(a.name, a.type, a.indexed) for a in event.inputs] == expected
