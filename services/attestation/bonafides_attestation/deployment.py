"""Put a registry on a chain, and write down where it is: the deployment file, and a trust file for lenders."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from bonafides.errors import InvalidInput, Unavailable
from bonafides.json_rpc import JsonRpc, NodeRefused, member, octets, quantity
from bonafides.types import Address, ChainId, Digest, Json, ModelClass, address_text
from bonafides.verify.json_types import JsonAddress, JsonDigest, JsonInteger, JsonModel
from bonafides.verify.trust import FlagName, TrustedModel, TrustFile
from bonafides.verify.typed_data import Domain
from eth_account import Account

from bonafides_attestation.abi import RegistryPowers, registry_creation_code
from bonafides_attestation.chain import Chain
from bonafides_attestation.registry import Registry

DEPLOY_GAS = 4_000_000
RECEIPT_TIMEOUT_S = 120
KEY_LIFE_S = 2 * 365 * 86_400
OUTCOME, HORIZON_DAYS = "liquidation_or_bad_debt", 30  # what every model of this system estimates


class Deployment(JsonModel):
    """Where a registry stands and who holds which power over it at its birth."""

    format: Literal["bonafides-deployment/1"] = "bonafides-deployment/1"
    chain_id: JsonInteger
    registry: JsonAddress
    block: JsonInteger
    transaction: JsonDigest
    admin: JsonAddress
    guardian: JsonAddress
    publisher: JsonAddress
    attester: JsonAddress

    def to_json(self) -> str:
        """The file."""
        return self.model_dump_json(indent=2) + "\n"


class Deployer(Protocol):
    """Who pays for the deployment, and is its admin unless another is named."""

    @property
    def address(self) -> Address:
        """The account."""

    def send(self, rpc: JsonRpc, chain_id: ChainId, creation_code: bytes) -> str:
        """Send the creation; returns the transaction hash. Raises NodeRefused or Unavailable."""


class KeyDeployer:
    """A key of ours."""

    def __init__(self, secret: bytes) -> None:
        self._account = Account.from_key(secret)

    @property
    def address(self) -> Address:
        return Address(bytes.fromhex(self._account.address[2:]))

    def send(self, rpc: JsonRpc, chain_id: ChainId, creation_code: bytes) -> str:
        chain = Chain(rpc)
        base_fee_wei, tip_wei = chain.head().base_fee_wei, max(chain.suggested_tip_wei(), 1)
        signed = self._account.sign_transaction(
            {
                "type": 2,
                "chainId": chain_id,
                "nonce": chain.transaction_count(self.address),
                "value": 0,
                "data": creation_code,
                "gas": DEPLOY_GAS,
                "maxFeePerGas": 2 * base_fee_wei + tip_wei,
                "maxPriorityFeePerGas": tip_wei,
            }
        )
        return str(rpc.call("eth_sendRawTransaction", "0x" + bytes(signed.raw_transaction).hex()))


@dataclass(frozen=True, slots=True)
class NodeDeployer:
    """An account that the node itself holds, as anvil's are."""

    address: Address

    def send(self, rpc: JsonRpc, chain_id: ChainId, creation_code: bytes) -> str:
        transaction: dict[str, Json] = {
            "from": address_text(self.address),
            "data": "0x" + creation_code.hex(),
            "gas": hex(DEPLOY_GAS),
            "chainId": hex(chain_id),
        }
        return str(rpc.call("eth_sendTransaction", transaction))


def deploy_registry(
    rpc: JsonRpc,
    deployer: Deployer,
    *,
    attester: Address,
    publisher: Address,
    admin: Address | None = None,
    guardian: Address | None = None,
    admin_delay_s: int = 0,
    attester_valid_from: int = 0,
) -> Deployment:
    """Deploy a `CreditScoreRegistry` from the committed bytecode and wait until it is in a block.

    Args:
        rpc: the node.
        deployer: pays; admin and guardian too where none is named.
        attester: key that signs documents; it counts from `attester_valid_from` for two years.
        publisher: account that publishes roots; it needs ETH of its own.
        admin: a multisig on a live chain.
        guardian: may pause and revoke keys at once.
        admin_delay_s: delay of a new attester key and of a new admin; 0 only where nothing is at stake.
        attester_valid_from: Unix seconds; documents take their times from as-of blocks, which may be older than the
            registry.

    Raises:
        InvalidInput: the node refuses the transaction, or it reverted.
        Unavailable: the node does not answer, or no block took it in two minutes.
    """
    chain = Chain(rpc)
    chain_id, head = chain.chain_id(), chain.head()
    powers = RegistryPowers(
        admin=admin or deployer.address,
        admin_delay_s=admin_delay_s,
        guardian=guardian or deployer.address,
        publisher=publisher,
        attester=attester,
        attester_valid_from=attester_valid_from,
        attester_valid_until=head.timestamp + KEY_LIFE_S,
    )
    try:
        tx_hash = deployer.send(rpc, chain_id, registry_creation_code(powers))
    except NodeRefused as exc:
        raise InvalidInput(f"the node refuses the deployment: {exc.message}") from exc
    receipt = _wait_for_receipt(rpc, tx_hash)
    if quantity(member(receipt, "status")) != 1:
        raise InvalidInput("the deployment reverted: look at the powers that were asked for")
    registry = Address(octets(member(receipt, "contractAddress"), 20))
    Registry(chain, Domain(chain_id, registry)).check_deployment()
    return Deployment(
        chain_id=chain_id,
        registry=registry,
        block=quantity(member(receipt, "blockNumber")),
        transaction=Digest(bytes.fromhex(tx_hash[2:])),
        admin=powers.admin,
        guardian=powers.guardian,
        publisher=publisher,
        attester=attester,
    )


def trust_file(
    deployment: Deployment,
    issuer: str,
    models: Mapping[Digest, ModelClass],
    accepted_flags: tuple[FlagName, ...] = (),
) -> TrustFile:
    """What a lender needs to check this issuer's documents: registry, pinned attester, models.

    He must get it from us by a way that he trusts; it is never found in a document.
    """
    return TrustFile(
        issuer=issuer,
        chain_id=deployment.chain_id,
        registry=deployment.registry,
        attesters=(deployment.attester,),
        models={
            model_id: TrustedModel(
                model_class=model_class, outcome=OUTCOME, horizon_days=HORIZON_DAYS, accepted_flags=accepted_flags
            )
            for model_id, model_class in models.items()
        },
    )


def _wait_for_receipt(rpc: JsonRpc, tx_hash: str) -> Json:
    deadline = time.monotonic() + RECEIPT_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            receipt = rpc.call("eth_getTransactionReceipt", tx_hash)
        except NodeRefused as exc:
            raise Unavailable(str(exc)) from exc
        if receipt is not None:
            return receipt
        time.sleep(0.1)
    raise Unavailable(f"no block took the deployment in {RECEIPT_TIMEOUT_S} s")
