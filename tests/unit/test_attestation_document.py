"""Holder files and the presentations made of them."""

import json

import pytest
from bonafides.errors import InvalidInput
from bonafides.types import VerificationStatus
from bonafides.verify import AskedFor, DealsWith, read_presentation, verify
from bonafides.verify.leaves import LEAF_TYPES
from bonafides.verify.typed_data import PresentationMessage
from bonafides_attestation.document import (
    attestation_leaf,
    present,
    presented_by,
    read_holder_file,
    tombstone_leaf,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.support.attestation_edits import AUDIENCE, NONCE, OPENED, golden_file
from tests.support.attestation_fixtures import (
    BORROWER,
    NOW,
    SECOND_WALLET,
    STRANGER,
    TRUST,
    FakeChain,
    published_score,
    sign_presentation,
)
from tests.support.attestation_vector_file import read_vectors

pytestmark = pytest.mark.unit


def test_holder_file__written_and_read__is_the_same() -> None:
    file = golden_file()

    assert read_holder_file(file.to_json()) == file


@given(st.sets(st.sampled_from(list(LEAF_TYPES)), min_size=1), st.sampled_from([BORROWER, SECOND_WALLET]))
def test_present__any_leaves_and_wallet__is_valid_and_opens_no_more(names: set[str], key: object) -> None:
    chain = FakeChain()
    file = published_score(chain)
    wallet = key.address  # type: ignore[attr-defined]  # sampled_from loses the type

    raw = present(file, names, wallet).to_json()
    answer = verify(raw, TRUST, DealsWith(wallet), NOW, chain)

    assert answer.status is VerificationStatus.VALID
    assert answer.claims is not None
    assert set(answer.claims.disclosed) == names
    hidden = [leaf.salt.hex() for leaf in file.leaves if leaf.name not in names]
    assert not [salt for salt in hidden if salt in raw]


def test_present__signed_for_a_lender__is_valid_for_that_lender_alone() -> None:
    chain = FakeChain()
    file = published_score(chain)
    message = PresentationMessage(file.typed_data.message.commitment, AUDIENCE, NONCE, NOW + 60)
    made = present(file, OPENED, BORROWER.address, presented_by(message, sign_presentation(BORROWER, message)))

    mine = verify(made.to_json(), TRUST, AskedFor(AUDIENCE, NONCE), NOW, chain)
    theirs = verify(made.to_json(), TRUST, AskedFor("https://other.example", NONCE), NOW, chain)

    assert (mine.status, theirs.status) == (VerificationStatus.VALID, VerificationStatus.AUDIENCE_MISMATCH)


def test_present__unknown_leaf_no_leaf_or_foreign_wallet__is_refused() -> None:
    file = golden_file()

    with pytest.raises(InvalidInput, match="unknown leaves: income"):
        present(file, ["score", "income"], BORROWER.address)
    with pytest.raises(InvalidInput, match="no leaves"):
        present(file, [], BORROWER.address)
    with pytest.raises(InvalidInput, match="not in the subject"):
        present(file, OPENED, STRANGER.address)


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("leaves", 0, "value"), 713, "not the signed ones"),
        (("leaves", 0, "salt"), "0x" + "00" * 32, "not the signed ones"),
        (("wallets", 0, "wallet"), "0x" + "11" * 20, "not the signed ones"),
        (("asOf", 0, "number"), 1, "as-of blocks"),
        (("format",), "bonafides-holder/2", "format"),
    ],
)
def test_read_holder_file__what_was_not_signed__is_refused(
    path: tuple[str | int, ...], value: object, reason: str
) -> None:
    document = json.loads(golden_file().to_json())
    parent = document
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = value

    with pytest.raises(InvalidInput, match=reason):
        read_holder_file(json.dumps(document))


def test_read_holder_file__a_leaf_is_missing__is_refused() -> None:
    document = json.loads(golden_file().to_json())
    del document["leaves"][3]

    with pytest.raises(InvalidInput, match="every leaf once"):
        read_holder_file(json.dumps(document))


def test_read_presentation__a_holder_file__says_what_to_do() -> None:
    with pytest.raises(InvalidInput, match="make a presentation"):
        read_presentation(golden_file().to_json())


def test_tombstone_leaf__of_an_index__is_golden_and_no_attestations() -> None:
    golden = read_vectors()["golden"]
    attestation = golden_file().typed_data.message.to_attestation()

    tombstone = tombstone_leaf(attestation.revocation_index)

    assert "0x" + tombstone.hex() == golden["tombstoneLeaf"]
    assert tombstone not in (attestation_leaf(attestation), tombstone_leaf(attestation.revocation_index + 1))
