"""Chains for the tests of the market: an anvil of the test's own, and the Aave artifacts."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bonafides.errors import MissingTool, Unavailable
from bonafides_lab.market.artifacts import Artifacts
from bonafides_lab.stack.anvil_rpc import AnvilRpc
from bonafides_lab.stack.node_tools import NODE_MODULES, aave_artifacts_folder, anvil_program

READY_TIMEOUT_S = 20
INSTALL_HINT = "node tools are not installed (`bonafides lab stack tools`)"


def aave_artifacts_or_skip() -> Artifacts:
    """The real Aave V3 artifacts; without the node tools the test is skipped, and says so."""
    try:
        return Artifacts(aave_artifacts_folder() / "contracts")
    except MissingTool:
        pytest.skip(f"SKIPPED, no Aave V3 bytecode: {INSTALL_HINT}")


def node_modules_or_skip() -> Path:
    """The folder of the node tools, for tests that run solc."""
    if not (NODE_MODULES / "solc").is_dir():
        pytest.skip(f"SKIPPED, no solc: {INSTALL_HINT}")
    return NODE_MODULES


@contextmanager
def anvil_from(genesis_timestamp: int) -> Iterator[str]:
    """An anvil whose genesis is at this time (Unix seconds), at the address given; it ends with the block."""
    try:
        program = anvil_program()
    except MissingTool:
        pytest.skip(f"SKIPPED, no anvil: {INSTALL_HINT}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(program), "--port", str(port), "--silent", "--timestamp", str(genesis_timestamp)]
    process = subprocess.Popen([*command, "--host", "127.0.0.1"], stdin=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(url)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=10)


def _wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while True:
        rpc = AnvilRpc(url)
        try:
            rpc.call("eth_chainId")
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
        finally:
            rpc.close()
