"""Our EIP-712 encoder against eth_account's, and signatures against its signer."""

import pytest
from bonafides.errors import InvalidInput
from bonafides.types import Address, ChainId, Digest
from bonafides.verify.signature import recover_signer
from bonafides.verify.typed_data import (
    ATTESTATION_TYPE,
    DOMAIN_NAME,
    PRESENTATION_TYPE,
    Domain,
    PresentationMessage,
    ScoreAttestation,
    attestation_digest,
    domain_separator,
    presentation_digest,
    struct_hash,
)
from eth_account import Account
from eth_account.messages import SignableMessage, _hash_eip191_message, encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from tests.support.attestation_fixtures import ATTESTER, DOMAIN

pytestmark = pytest.mark.unit

DIGESTS = st.binary(min_size=32, max_size=32).map(Digest)
UINT64 = st.integers(0, 2**64 - 1)
DOMAINS = st.builds(Domain, st.integers(1, 2**64 - 1).map(ChainId), st.binary(min_size=20, max_size=20).map(Address))
ATTESTATIONS = st.builds(
    ScoreAttestation,
    *[DIGESTS] * 4,
    *[UINT64] * 5,
    st.integers(0, 2**32 - 1),
)


def fields_of(type_text: str) -> list[dict[str, str]]:
    inside = type_text[type_text.index("(") + 1 : -1]
    return [dict(zip(("type", "name"), field.split(" "), strict=True)) for field in inside.split(",")]


def by_eth_account(domain: Domain, type_text: str, values: list[object]) -> SignableMessage:
    name = type_text[: type_text.index("(")]
    fields = fields_of(type_text)
    return encode_typed_data(
        domain_data={
            "name": DOMAIN_NAME,
            "version": "1",
            "chainId": domain.chain_id,
            "verifyingContract": "0x" + domain.registry.hex(),
        },
        message_types={name: fields},
        message_data={field["name"]: value for field, value in zip(fields, values, strict=True)},
    )


@given(DOMAINS, ATTESTATIONS)
def test_attestation_digest__any_struct__is_eth_accounts(domain: Domain, attestation: ScoreAttestation) -> None:
    values: list[object] = [getattr(attestation, name) for name in ScoreAttestation.__slots__]

    expected = by_eth_account(domain, ATTESTATION_TYPE, values)

    assert domain_separator(domain) == expected.header
    assert struct_hash(attestation) == expected.body
    assert attestation_digest(domain, attestation) == bytes(_hash_eip191_message(expected))


@given(DOMAINS, DIGESTS, st.text(alphabet=st.characters(codec="utf-8"), max_size=60), DIGESTS, UINT64)
def test_presentation_digest__any_message__is_eth_accounts(
    domain: Domain, commitment: Digest, audience: str, nonce: Digest, expiry: int
) -> None:
    expected = by_eth_account(domain, PRESENTATION_TYPE, [commitment, audience, nonce, expiry])

    made = presentation_digest(domain, PresentationMessage(commitment, audience, nonce, expiry))

    assert made == bytes(_hash_eip191_message(expected))


def test_recover_signer__signature_of_eth_account__is_its_address() -> None:
    zero = Digest(bytes(32))
    attestation = ScoreAttestation(zero, zero, zero, zero, 1, 2, 3, 4, 5, 0)
    signable = by_eth_account(DOMAIN, ATTESTATION_TYPE, [getattr(attestation, n) for n in ScoreAttestation.__slots__])

    signed = Account.sign_message(signable, ATTESTER.secret)

    assert recover_signer(attestation_digest(DOMAIN, attestation), signed.signature) == ATTESTER.address
    assert ATTESTER.sign(attestation_digest(DOMAIN, attestation)) == signed.signature


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda raw: raw[:64], "65 bytes"),
        (lambda raw: raw + b"\0", "65 bytes"),
        (lambda raw: raw[:64] + b"\0", "27 or 28"),
        (lambda raw: raw[:64] + bytes([29]), "27 or 28"),
        (lambda raw: raw[:32] + bytes([0xFF]) + raw[33:], "high s"),
        (lambda raw: bytes(64) + raw[64:], "no key"),
        (lambda raw: bytes([0xFF] * 32) + raw[32:], "no key"),
    ],
)
def test_recover_signer__what_is_no_signature__is_refused(change: object, reason: str) -> None:
    digest = Digest(bytes(32))

    with pytest.raises(InvalidInput, match=reason):
        recover_signer(digest, change(ATTESTER.sign(digest)))  # type: ignore[operator]  # parametrize loses the type
