"""The contracts by their own tests, and the committed files that follow from them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from bonafides_attestation.abi import registry_artifact
from bonafides_lab.stack.node_tools import NODE_MODULES, Node, ensure_node_tools, forge_program, tool_environment

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "services" / "attestation" / "contracts"


@pytest.fixture(scope="module")
def node() -> Node:
    return ensure_node_tools()


def run(node: Node, *command: str, cwd: Path = CONTRACTS) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ) | tool_environment(node)
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_forge__all_contract_tests__pass(node: Node) -> None:
    done = run(node, str(forge_program()), "test", "--color", "never")

    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "RegistryInvariants" in done.stdout


def test_forge__sources__are_formatted(node: Node) -> None:
    done = run(node, str(forge_program()), "fmt", "--check")

    assert done.returncode == 0, done.stdout[-4000:]


def test_artifact__built_again__is_the_committed_one(node: Node) -> None:
    done = run(node, sys.executable, "script/export_artifact.py", str(forge_program()), "--check")

    assert done.returncode == 0, "run script/export_artifact.py and commit the file" + done.stderr[-2000:]
    assert len(registry_artifact().bytecode) > 5_000


def test_merkle_vectors__made_again_by_openzeppelin__are_the_committed_ones(node: Node) -> None:
    library = NODE_MODULES / "@openzeppelin" / "merkle-tree"

    done = run(node, str(node.program), "tests/vectors/attestation_merkle.mjs", str(library), cwd=ROOT)

    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == (ROOT / "tests" / "vectors" / "attestation_merkle.json").read_text()
