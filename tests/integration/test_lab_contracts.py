"""The lab's own contracts: what is committed is what the pinned compiler makes of the source beside it."""

import json
import subprocess
from importlib.resources import as_file, files

import pytest
from bonafides_lab.stack.node_tools import find_node

from tests.support.market_chains import node_modules_or_skip

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(("room", "name"), [("market", "Feed"), ("attack", "Bundler")])
def test_contract__compiled_again__is_the_committed_artifact(room: str, name: str) -> None:
    node_modules = node_modules_or_skip()
    with as_file(files("bonafides_lab")) as lab:
        contracts = lab / room / "contracts"
        command = [str(find_node().program), str(lab / "compile_contract.cjs")]
        command += [str(contracts / f"{name}.sol"), str(node_modules)]

        compiled = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout

        assert json.loads(compiled) == json.loads((contracts / f"{name}.json").read_text())
