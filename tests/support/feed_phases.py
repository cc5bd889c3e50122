"""Chainlink's own proxy on a chain of ours, nodes that forget, and phases kept in memory."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from bonafides.errors import MissingTool, Unavailable
from bonafides.json_rpc import Call, JsonRpc, NodeRefused
from bonafides.types import Address, Json, address_text
from bonafides_ingest.feeds import KnownPhase
from bonafides_lab.market.anvil_chain import AnvilChain
from bonafides_lab.market.artifacts import AbiValue, Artifact, creation_code, price_feed_artifact
from bonafides_lab.market.calldata import Method
from bonafides_lab.stack.node_tools import NODE_MODULES, ensure_node_tools
from eth_abi.abi import encode

PROPOSE, CONFIRM = Method("proposeAggregator(address)"), Method("confirmAggregator(address)")
SET_ASSET_SOURCES = Method("setAssetSources(address[],address[])")
NO_ACCESS_CONTROLLER = "0x" + "00" * 20


@dataclass
class PhasesInMemory:
    """`feeds.PhaseMemory` in a dict."""

    kept: dict[Address, tuple[KnownPhase, ...]] = field(default_factory=dict)

    def phases(self, feed: Address) -> tuple[KnownPhase, ...]:
        return self.kept.get(feed, ())

    def remember(self, feed: Address, phases: Sequence[KnownPhase]) -> None:
        self.kept[feed] = tuple(phases)


class ForgetfulNode(JsonRpc):
    """A node that has logs and headers of every block, and state from `oldest_state` on, as one without an archive."""

    def __init__(self, url: str, oldest_state: int) -> None:
        super().__init__(url, 10)
        self.oldest_state = oldest_state

    def batch(self, calls: Sequence[Call]) -> list[Json]:
        for method, parameters in calls:
            if method in ("eth_call", "eth_getCode") and int(str(parameters[1]), 16) < self.oldest_state:
                raise NodeRefused(method, -32000, "missing trie node 1f00 (path ) state 0x00 is not available")
        return super().batch(calls)


def proxy_artifact_or_skip() -> Artifact:
    """EACAggregatorProxy as @chainlink/contracts@0.1.7 ships it, compiled by Chainlink (solc 0.6.6)."""
    try:
        ensure_node_tools()
    except (MissingTool, Unavailable) as exc:
        pytest.skip(f"no npm packages: {exc}")
    folder = NODE_MODULES / "@chainlink" / "contracts" / "abi" / "v0.6"
    output = json.loads((folder / "EACAggregatorProxy.json").read_bytes())["compilerOutput"]
    shape = {
        "contractName": "EACAggregatorProxy",
        "abi": output["abi"],
        "bytecode": output["evm"]["bytecode"]["object"],
    }
    return Artifact.model_validate(shape)


def deploy(chain: AnvilChain, deployer: Address, artifact: Artifact, *arguments: AbiValue) -> Address:
    """In the open block."""
    return chain.deploy(deployer, creation_code(artifact, arguments, {}))


def deploy_aggregator(chain: AnvilChain, deployer: Address, answer: int) -> Address:
    """Our own feed stands behind the proxy: it logs its answers as Chainlink's aggregators do."""
    return deploy(chain, deployer, price_feed_artifact(), answer)


def asset_source(asset: Address, feed: Address) -> bytes:
    """Calldata for the oracle."""
    names = [[address_text(asset)], [address_text(feed)]]
    return SET_ASSET_SOURCES.selector + encode(["address[]", "address[]"], names)
