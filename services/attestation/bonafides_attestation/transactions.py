"""Raw transactions of the publisher (EIP-1559): made and signed here, sent elsewhere."""

from dataclasses import dataclass

from bonafides.errors import InvariantViolation
from bonafides.hashing import keccak
from bonafides.types import Address, Digest
from bonafides.verify.typed_data import Domain
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from bonafides_attestation.fees import Fees


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """Bytes as a node takes them."""

    raw_tx: bytes
    tx_hash: Digest
    nonce: int
    fees: Fees
    highest_cost_wei: int


class TransactionSigner:
    """Signs transactions to one registry with the publisher's key, and to nobody else."""

    def __init__(self, secret: bytes, domain: Domain) -> None:
        self._account = Account.from_key(secret)
        self._domain = domain
        self.address = Address(bytes.fromhex(self._account.address[2:]))

    def sign(self, call_data: bytes, nonce: int, gas: int, fees: Fees) -> SignedTransaction:
        """A transaction without value; deterministic."""
        signed = self._account.sign_transaction(
            {
                "type": 2,
                "chainId": self._domain.chain_id,
                "nonce": nonce,
                "to": self._domain.registry,
                "value": 0,
                "data": call_data,
                "gas": gas,
                "maxFeePerGas": fees.max_fee_wei,
                "maxPriorityFeePerGas": fees.tip_wei,
            }
        )
        raw_tx = bytes(signed.raw_transaction)
        return SignedTransaction(raw_tx, keccak(raw_tx), nonce, fees, gas * fees.max_fee_wei)

    def sign_again(self, raw_tx: bytes, fees: Fees) -> SignedTransaction:
        """The same transaction at the same nonce with other fees.

        Raises InvariantViolation when it does not go to the registry.
        """
        fields = TypedTransaction.from_bytes(HexBytes(raw_tx)).as_dict()
        if bytes(fields["to"]) != self._domain.registry:
            raise InvariantViolation("a stored transaction does not go to the registry")
        return self.sign(bytes(fields["data"]), int(fields["nonce"]), int(fields["gas"]), fees)
