"""Compiles Solidity sources with the pinned solc, for packages that ship no bytecode."""

import hashlib
import json
import posixpath
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest
from bonafides_lab.market.artifacts import Artifact
from bonafides_lab.stack.node_tools import NODE_MODULES, SOLC, find_node, tool_environment
from pydantic import BaseModel, ConfigDict, Field

from tests.support.market_chains import INSTALL_HINT

_IMPORT = re.compile(r"import\s[^;]*?[\"']([^\"']+)[\"']\s*;")
_CACHE = NODE_MODULES / ".bonafides-compiled"
"""Goes with the packages that it was made of."""


@dataclass(frozen=True, slots=True)
class Project:
    """Where sources are, and which of their contracts are wanted."""

    folder: Path
    """Source units are named by their path in it."""
    remappings: Mapping[str, Path]
    """Folders of imports by the start of their name."""
    wanted: tuple[str, ...]
    """`path/File.sol:Contract`."""
    extra: tuple[Path, ...] = ()
    """Files of our own, as units by their name; their imports are like those of the folder."""


class _Bytecode(BaseModel):
    model_config = ConfigDict(extra="ignore")

    code: str = Field(alias="object")
    link_references: dict[str, object] = Field(alias="linkReferences")


class _Evm(BaseModel):
    model_config = ConfigDict(extra="ignore")

    bytecode: _Bytecode


class _Contract(BaseModel):
    model_config = ConfigDict(extra="ignore")

    abi: list[object]
    evm: _Evm


class _Problem(BaseModel):
    model_config = ConfigDict(extra="ignore")

    severity: str
    formatted: str = Field(alias="formattedMessage")


class _Output(BaseModel):
    model_config = ConfigDict(extra="ignore")

    errors: list[_Problem] = []
    contracts: dict[str, dict[str, _Contract]] = {}


@lru_cache(maxsize=4)
def _compiled(question: str) -> Mapping[str, Artifact]:
    cached = _CACHE / f"{hashlib.sha256(question.encode()).hexdigest()}.json"
    if not cached.is_file():
        answer = subprocess.run(
            [str(SOLC), "--standard-json"],
            input=question,
            env=tool_environment(find_node()),
            capture_output=True,
            text=True,
            check=True,
            timeout=240,
        ).stdout
        _CACHE.mkdir(exist_ok=True)
        written = cached.with_suffix(".part")
        written.write_text(answer)
        written.rename(cached)
    output = _Output.model_validate_json(cached.read_text())
    if errors := [problem.formatted for problem in output.errors if problem.severity == "error"]:
        raise AssertionError("\n".join(errors[:5]))
    return {
        name: Artifact.model_validate(
            {
                "contractName": name,
                "abi": contract.abi,
                "bytecode": contract.evm.bytecode.code,
                "linkReferences": contract.evm.bytecode.link_references,
            }
        )
        for contracts in output.contracts.values()
        for name, contract in contracts.items()
    }


def compile_or_skip(project: Project) -> Mapping[str, Artifact]:
    """The wanted contracts by name. The test is skipped where the packages are not installed."""
    if not project.folder.is_dir() or not (NODE_MODULES / "solc").is_dir():
        pytest.skip(f"SKIPPED, no Solidity sources or no solc: {INSTALL_HINT}")
    units: dict[str, str] = {path.name: path.read_text() for path in project.extra}
    waiting = [name.rsplit(":", 1)[0] for name in project.wanted]
    for path in project.extra:
        waiting += _imports(path.name, units[path.name])
    while waiting:
        unit = waiting.pop()
        if unit not in units:
            units[unit] = _file_of(project, unit).read_text()
            waiting += _imports(unit, units[unit])
    selection: dict[str, dict[str, Sequence[str]]] = {}
    for name in project.wanted:
        unit, contract = name.rsplit(":", 1)
        outputs = ("abi", "evm.bytecode.object", "evm.bytecode.linkReferences")
        selection.setdefault(unit, {})[contract] = outputs
    question = {
        "language": "Solidity",
        "sources": {unit: {"content": text} for unit, text in sorted(units.items())},
        "settings": {
            "optimizer": {"enabled": True, "runs": 200},
            "evmVersion": "cancun",
            "metadata": {"bytecodeHash": "none", "appendCBOR": False},
            "outputSelection": selection,
        },
    }
    return _compiled(json.dumps(question))


def _imports(unit: str, text: str) -> list[str]:
    folder = posixpath.dirname(unit)
    return [
        posixpath.normpath(posixpath.join(folder, name)) if name.startswith(".") else name
        for name in _IMPORT.findall(text)
    ]


def _file_of(project: Project, unit: str) -> Path:
    for start, folder in project.remappings.items():
        if unit.startswith(start):
            return folder / unit.removeprefix(start)
    return project.folder / unit
