"""Whoever changes a valid document gets another answer, or changes nothing that matters."""

from dataclasses import replace

import pytest
from bonafides.types import VerificationStatus
from bonafides.verify import AskedFor, ChainView, Claims, DealsWith, Holder, verify
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.attestation_edits import AUDIENCE, NONCE, edited, shown_to
from tests.support.attestation_fixtures import BORROWER, NOW, TRUST, FakeChain, published_score

pytestmark = pytest.mark.unit

DOCUMENTS: dict[str, tuple[bytes, Holder]] = {
    "wallet": (edited(lambda document: None).encode(), DealsWith(BORROWER.address)),
    "presented": (shown_to().encode(), AskedFor(AUDIENCE, NONCE)),
}


def chain() -> FakeChain:
    found = FakeChain()
    published_score(found)
    return found


def claims_of(raw: bytes, holder: Holder, view: ChainView) -> Claims | None:
    """What a lender would believe of these bytes: nothing unless VALID."""
    answer = verify(raw, TRUST, holder, NOW, view)
    return answer.claims if answer.status is VerificationStatus.VALID else None


@pytest.mark.parametrize("name", DOCUMENTS)
def test_verify__each_byte_flipped_in_turn__never_other_claims(name: str) -> None:
    raw, holder = DOCUMENTS[name]
    view = chain()
    good = claims_of(raw, holder, view)
    assert good is not None
    believed = 0

    for place in range(len(raw)):
        for mask in (0x01, 0x20):
            changed = raw[:place] + bytes([raw[place] ^ mask]) + raw[place + 1 :]
            found = claims_of(changed, holder, view)
            believed += found is not None
            assert found in (None, good), f"byte {place} ^ {mask:#x}"

    assert believed < len(raw) // 10, "white space may change, what stands between may not"


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(DOCUMENTS)), st.data())
def test_verify__bytes_replaced_removed_or_put_in__never_other_claims(name: str, data: st.DataObject) -> None:
    raw, holder = DOCUMENTS[name]
    start = data.draw(st.integers(0, len(raw)))
    end = data.draw(st.integers(start, min(len(raw), start + 40)))
    view = chain()

    found = claims_of(raw[:start] + data.draw(st.binary(max_size=40)) + raw[end:], holder, view)

    assert found in (None, claims_of(raw, holder, view))


@given(st.binary(max_size=400))
def test_verify__any_bytes__are_malformed(raw: bytes) -> None:
    answer = verify(raw, TRUST, None, NOW, None)

    assert answer.status is VerificationStatus.MALFORMED
    assert answer.claims is None


def test_verify__same_claims__are_equal_and_others_are_not() -> None:
    """The oracle of this file can fail."""
    raw, holder = DOCUMENTS["wallet"]
    good = claims_of(raw, holder, chain())
    assert good is not None

    assert good == claims_of(raw, holder, chain())
    assert good != replace(good, disclosed={**good.disclosed, "score": 713})
