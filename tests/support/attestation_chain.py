"""A real registry on a real node, driven by the node's own unlocked accounts."""

import time
from dataclasses import dataclass
from typing import Any

from bonafides.hashing import keccak
from bonafides.types import Address, ChainId, Digest
from bonafides.verify.typed_data import Domain
from bonafides_attestation.abi import RegistryPowers, registry_creation_code
from bonafides_lab.stack.anvil_rpc import AnvilRpc
from eth_abi.abi import encode

from tests.support.attestation_fixtures import ATTESTER, DAY


def call_data(signature: str, *values: object) -> str:
    """`signature` such as `revoke(uint64[])`, without commas inside of types."""
    types = signature[signature.index("(") + 1 : -1].split(",")
    encoded = encode([kind for kind in types if kind], values)
    return "0x" + (keccak(signature.encode())[:4] + encoded).hex()


@dataclass(frozen=True, slots=True)
class LiveRegistry:
    """A deployed registry and who may do what."""

    rpc: AnvilRpc
    domain: Domain
    admin: str
    guardian: str
    publisher: str

    @classmethod
    def deploy(cls, rpc: AnvilRpc, admin_delay_s: int = 3 * DAY) -> "LiveRegistry":
        accounts: Any = rpc.call("eth_accounts")
        admin, guardian, publisher = accounts[:3]
        now = rpc.timestamp()
        powers = RegistryPowers(
            admin=_address(admin),
            admin_delay_s=admin_delay_s,
            guardian=_address(guardian),
            publisher=_address(publisher),
            attester=ATTESTER.address,
            attester_valid_from=now - DAY,
            attester_valid_until=now + 365 * DAY,
        )
        receipt = _send(rpc, admin, None, "0x" + registry_creation_code(powers).hex())
        domain = Domain(ChainId(rpc.chain_id()), _address(receipt["contractAddress"]))
        return cls(rpc, domain, admin, guardian, publisher)

    @property
    def address(self) -> str:
        return "0x" + self.domain.registry.hex()

    def send(self, sender: str, signature: str, *values: object) -> int:
        """Send one transaction; returns the gas used. Fails when it reverts."""
        receipt = _send(self.rpc, sender, self.address, call_data(signature, *values))
        assert receipt["status"] == "0x1", f"{signature} reverted"
        return int(receipt["gasUsed"], 16)

    def read(self, signature: str, *values: object) -> bytes:
        """Call without sending."""
        answer = self.rpc.call("eth_call", {"to": self.address, "data": call_data(signature, *values)}, "latest")
        return bytes.fromhex(str(answer)[2:])

    def publish(self, root: Digest, count: int, epoch: int) -> int:
        return self.send(self.publisher, "publishRoot(bytes32,uint32,uint32)", root, count, epoch)

    def finalize(self) -> None:
        """Mine until everything so far is final."""
        self.rpc.mine(4)


def _send(rpc: AnvilRpc, sender: str, to: str | None, data: str) -> dict[str, Any]:
    transaction: dict[str, Any] = {"from": sender, "data": data, "gas": hex(6_000_000)}
    if to is not None:
        transaction["to"] = to
    sent = rpc.call("eth_sendTransaction", transaction)
    receipt = _receipt(rpc, str(sent))
    return receipt


def _receipt(rpc: AnvilRpc, transaction: str) -> dict[str, Any]:
    deadline = time.monotonic() + 10  # it is mined at once, but not always before the answer to the sender
    while time.monotonic() < deadline:
        receipt = rpc.call("eth_getTransactionReceipt", transaction)
        if isinstance(receipt, dict):
            return receipt
        time.sleep(0.02)
    raise AssertionError("the transaction was not mined within 10 s")


def _address(text: str) -> Address:
    return Address(bytes.fromhex(text[2:]))
