"""The compiled registry, as committed: ABI and creation code. A test rebuilds it and compares."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from bonafides.types import Address
from eth_abi.abi import encode

_CONSTRUCTOR = ("(address,uint48,address,address,address,uint64,uint64)",)


@dataclass(frozen=True, slots=True)
class ContractArtifact:
    """What a client of a contract needs."""

    abi: Sequence[Mapping[str, object]]
    bytecode: bytes
    """Creation code, without constructor arguments."""


@dataclass(frozen=True, slots=True)
class RegistryPowers:
    """Who holds which power over a new registry. Times are Unix seconds."""

    admin: Address
    """A multisig on a live chain."""
    admin_delay_s: int
    """Delay of handing over the admin, and of a new attester key, 0 ≤ delay < 2**48."""
    guardian: Address
    publisher: Address
    attester: Address
    attester_valid_from: int
    attester_valid_until: int


@cache
def registry_artifact() -> ContractArtifact:
    """The registry's ABI and creation code."""
    found = json.loads(files(__package__).joinpath("CreditScoreRegistry.json").read_text())
    return ContractArtifact(found["abi"], bytes.fromhex(found["bytecode"].removeprefix("0x")))


def registry_creation_code(powers: RegistryPowers) -> bytes:
    """The `data` of the transaction that deploys a registry."""
    arguments = (
        powers.admin,
        powers.admin_delay_s,
        powers.guardian,
        powers.publisher,
        powers.attester,
        powers.attester_valid_from,
        powers.attester_valid_until,
    )
    return registry_artifact().bytecode + encode(_CONSTRUCTOR, [arguments])
