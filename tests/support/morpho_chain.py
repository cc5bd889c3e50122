"""Morpho Blue on the EVM in this process, compiled from the sources that npm ships with the compiler that they name."""

import json
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest
from bonafides.errors import MissingTool, Unavailable
from bonafides.hashing import keccak
from bonafides.types import Address, Digest, address_text
from bonafides_lab.market.artifacts import AbiValue, Artifact, function_calldata
from bonafides_lab.stack.node_tools import NODE_MODULES, ensure_node_tools
from eth_abi.abi import encode

from tests.support.compound_chain import EvmChain, wallet

MORPHO_SOURCE = "@morpho-org/morpho-blue@1.0.0"
CONTRACTS = ("Morpho.sol", "mocks/ERC20Mock.sol", "mocks/IrmMock.sol", "mocks/OracleMock.sol")
OWNER = wallet("morpho owner")
WAD = 10**18
ORACLE_UNIT = 10**36
"""Price of one unit of collateral in units of the loan token."""
_COMPILE_TIMEOUT_S = 300
# As deployed (foundry.toml of morpho-org/morpho-blue v1.0.0): viaIR, 999,999 runs, EVM of Paris.
_COMPILE = """
const fs = require("fs"), path = require("path");
const solc = require(process.argv[1] + "/solc-0.8.19");
const root = process.argv[1] + "/@morpho-org/morpho-blue/src";
const read = (file) => fs.readFileSync(path.join(root, file), "utf8");
const names = process.argv.slice(2);
const input = {
  language: "Solidity",
  sources: Object.fromEntries(names.map((name) => [name, { content: read(name) }])),
  settings: {
    viaIR: true, evmVersion: "paris", optimizer: { enabled: true, runs: 999999 },
    outputSelection: Object.fromEntries(names.map((name) => [name, { "*": ["abi", "evm.bytecode.object"] }])),
  },
};
const output = JSON.parse(solc.compile(JSON.stringify(input), { import: (file) => ({ contents: read(file) }) }));
const errors = (output.errors || []).filter((error) => error.severity === "error");
if (errors.length) { console.error(errors.map((e) => e.formattedMessage).join("\\n")); process.exit(1); }
console.log(JSON.stringify(Object.fromEntries(names.map((name) => {
  const contract = path.basename(name, ".sol"), made = output.contracts[name][contract];
  return [contract, { contractName: contract, abi: made.abi, bytecode: made.evm.bytecode.object }];
}))));
"""


@lru_cache
def compiled_or_skip() -> dict[str, Artifact]:
    """The contracts by name; the test is skipped where npm's packages cannot be had."""
    try:
        node = ensure_node_tools()
    except (MissingTool, Unavailable) as exc:
        pytest.skip(f"SKIPPED, no npm packages: {exc}")
    command: list[str | Path] = [node.program, "-e", _COMPILE, NODE_MODULES, *CONTRACTS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_COMPILE_TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr
    return {name: Artifact.model_validate(artifact) for name, artifact in json.loads(done.stdout).items()}


@dataclass(frozen=True)
class MorphoMarket:
    """One market, and the calls that act in it."""

    morpho: Artifact
    loan: Address
    collateral: Address
    oracle: Address
    irm: Address
    lltv: int

    @property
    def params(self) -> tuple[AbiValue, ...]:
        """The struct that every call begins with."""
        addresses = (self.loan, self.collateral, self.oracle, self.irm)
        return (*(address_text(address) for address in addresses), self.lltv)

    @property
    def id(self) -> Digest:
        """keccak of the struct's five words."""
        return keccak(encode(["address", "address", "address", "address", "uint256"], list(self.params)))

    def call(self, function: str, *arguments: AbiValue) -> bytes:
        """Calldata of a function whose first argument is the market."""
        return function_calldata(self.morpho, function, [self.params, *arguments])


@dataclass(frozen=True)
class MorphoChain:
    """A deployed Morpho Blue, without a market yet."""

    chain: EvmChain
    address: Address
    artifact: Artifact
    irm: Address
    contracts: dict[str, Artifact]

    @classmethod
    def start(cls) -> "MorphoChain":
        contracts, chain = compiled_or_skip(), EvmChain()
        chain.fund(OWNER, 10**24)
        morpho = chain.deploy(OWNER, contracts["Morpho"], address_text(OWNER))
        irm = chain.deploy(OWNER, contracts["IrmMock"])
        return cls(chain, morpho, contracts["Morpho"], irm, contracts)

    def new_market(self, lltv: int) -> MorphoMarket:
        """Tokens and an oracle for a market; the market itself is made by a transaction (`createMarket`)."""
        loan, collateral = (self.chain.deploy(OWNER, self.contracts["ERC20Mock"]) for _ in range(2))
        oracle = self.chain.deploy(OWNER, self.contracts["OracleMock"])
        return MorphoMarket(self.artifact, loan, collateral, oracle, self.irm, lltv)

    def calldata(self, function: str, *arguments: AbiValue) -> bytes:
        """Calldata of any other function of Morpho."""
        return function_calldata(self.artifact, function, arguments)

    def position(self, market: Digest, wallet: Address) -> tuple[int, int, int]:
        """What the contract says of a wallet: (supply shares, borrow shares, collateral)."""
        calldata = self.calldata("position", market, address_text(wallet))
        returned = self.chain.evm.message_call(
            address_text(bytes(20)), address_text(self.address), calldata=calldata, is_static=True
        )
        supply, borrow, collateral = (int.from_bytes(returned[at : at + 32]) for at in (0, 32, 64))
        return supply, borrow, collateral
