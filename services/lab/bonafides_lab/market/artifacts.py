"""Compiled contracts: Aave V3 as its npm package ships it, and our own price feed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from bonafides.errors import InvalidInput, MissingTool
from bonafides.hashing import keccak
from bonafides.types import Address
from eth_abi.abi import encode
from pydantic import BaseModel, ConfigDict, Field

AAVE_SOURCE = "@aave/core-v3@1.19.3"
"""The npm package, as package@version, whose bytecode the market runs."""
AAVE_ARTIFACTS_IN_NODE_MODULES = Path("@aave/core-v3/artifacts/contracts")


class AbiParameter(BaseModel):
    """One argument of a function or constructor, as Solidity's ABI JSON has it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: str
    components: tuple["AbiParameter", ...] = ()

    @property
    def canonical_type(self) -> str:
        """The type as it stands in a signature: a struct becomes its members in brackets."""
        if not self.type.startswith("tuple"):
            return self.type
        members = ",".join(component.canonical_type for component in self.components)
        return f"({members}){self.type.removeprefix('tuple')}"


class AbiEntry(BaseModel):
    """One function, event or constructor of an ABI."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: str
    name: str = ""
    inputs: tuple[AbiParameter, ...] = ()


class BytecodeGap(BaseModel):
    """Where a library's address belongs in the bytecode, in bytes."""

    model_config = ConfigDict(frozen=True)

    start: int
    length: int


class Artifact(BaseModel):
    """What the compiler left behind for one contract, in Hardhat's shape."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    contract_name: str = Field(alias="contractName")
    abi: tuple[AbiEntry, ...]
    bytecode: str
    link_references: dict[str, dict[str, tuple[BytecodeGap, ...]]] = Field(default={}, alias="linkReferences")


type AbiValue = int | str | bytes | bool | Sequence["AbiValue"]


@dataclass(frozen=True, slots=True)
class Artifacts:
    """The folder of Aave's compiled contracts."""

    folder: Path
    """`artifacts/contracts` of the npm package."""

    def __post_init__(self) -> None:
        if not (self.folder / "protocol").is_dir():
            raise MissingTool(
                f"no Aave V3 artifacts in the folder given ({self.folder.name}); "
                f"expected artifacts/contracts of the npm package {AAVE_SOURCE}: run `make setup`"
            )

    def read(self, name: str) -> Artifact:
        """The artifact of the contract `name`.

        Raises:
            InvalidInput: the package holds no contract of that name.
        """
        path = _artifact_paths(self.folder).get(name)
        if path is None:
            raise InvalidInput(f"no contract {name} in {AAVE_SOURCE}")
        return Artifact.model_validate_json(path.read_bytes())


@lru_cache(maxsize=8)
def _artifact_paths(folder: Path) -> Mapping[str, Path]:
    # Sorted, so that of two files with one name the same is chosen everywhere.
    return {path.stem: path for path in sorted(folder.rglob("*.json"), reverse=True) if ".dbg" not in path.suffixes}


def price_feed_artifact() -> Artifact:
    """Our `Feed`, compiled from contracts/Feed.sol; a test compiles it again and compares."""
    text = files("bonafides_lab.market").joinpath("contracts/Feed.json").read_text("utf-8")
    return Artifact.model_validate(json.loads(text))


def creation_code(artifact: Artifact, arguments: Sequence[AbiValue], libraries: Mapping[str, Address]) -> bytes:
    """Bytecode with its libraries linked and the constructor's arguments behind it."""
    code = artifact.bytecode.removeprefix("0x")
    for libraries_of_file in artifact.link_references.values():
        for library, gaps in libraries_of_file.items():
            for gap in gaps:
                start, end = 2 * gap.start, 2 * (gap.start + gap.length)
                code = code[:start] + libraries[library].hex() + code[end:]
    constructor = next((entry for entry in artifact.abi if entry.type == "constructor"), None)
    types = [parameter.canonical_type for parameter in constructor.inputs] if constructor else []
    return bytes.fromhex(code) + encode(types, list(arguments))


def function_calldata(artifact: Artifact, function: str, arguments: Sequence[AbiValue]) -> bytes:
    """Calldata of a function with structs or arrays; the functions of every day go through `calldata.Method`."""
    entry = next(entry for entry in artifact.abi if entry.type == "function" and entry.name == function)
    types = [parameter.canonical_type for parameter in entry.inputs]
    return keccak(f"{function}({','.join(types)})".encode())[:4] + encode(types, list(arguments))
