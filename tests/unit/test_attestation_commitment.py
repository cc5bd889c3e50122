"""From seed to commitment: salts, leaves, roots."""

import hashlib
import hmac
from dataclasses import replace

import pytest
from bonafides.errors import InvalidInput
from bonafides.types import Address, AdverseReason, Digest
from bonafides.verify.leaves import LEAF_TYPES, ScoreFacts
from bonafides_attestation.commitment import commit, leaf_salt, wallet_salt
from hypothesis import given
from hypothesis import strategies as st

from tests.support.attestation_fixtures import BORROWER, FACTS, SECOND_WALLET, seed_of
from tests.support.attestation_vector_file import read_vectors

pytestmark = pytest.mark.unit

SEED = seed_of(17)
WALLETS = [BORROWER.address, SECOND_WALLET.address]


def test_commit__golden_seed__golden_roots_and_salts() -> None:
    golden = read_vectors()["golden"]

    made = commit(FACTS, WALLETS, bytes.fromhex(golden["seed"][2:]))

    assert "0x" + made.commitment.hex() == golden["commitment"]
    assert "0x" + made.subject.hex() == golden["subject"]
    assert ["0x" + leaf.salt.hex() for leaf in made.leaves] == [leaf["salt"] for leaf in golden["leaves"]]
    assert ["0x" + leaf.hash.hex() for leaf in made.leaves] == [leaf["hash"] for leaf in golden["leaves"]]


def test_salts__by_their_definition__are_hmacs_of_name_and_wallet() -> None:
    assert leaf_salt(SEED, "score") == hmac.new(SEED, b"score", hashlib.sha256).digest()
    assert wallet_salt(SEED, WALLETS[0]) == hmac.new(SEED, b"wallet" + WALLETS[0], hashlib.sha256).digest()


@given(st.integers(300, 850), st.integers(1, 9_999), st.lists(st.sampled_from(AdverseReason), max_size=4, unique=True))
def test_commit__any_score__same_number_of_leaves_and_no_salt_twice(
    score: int, pd_bps: int, reasons: list[AdverseReason]
) -> None:
    facts = ScoreFacts(score, pd_bps, FACTS.receipt_digest, FACTS.coverage_digest, tuple(reasons))

    made = commit(facts, WALLETS, SEED)

    assert [leaf.name for leaf in made.leaves] == list(LEAF_TYPES)
    assert len({leaf.salt for leaf in made.leaves} | {row.salt for row in made.wallets}) == 16


def test_commit__another_seed__shares_nothing() -> None:
    first, second = commit(FACTS, WALLETS, SEED), commit(FACTS, WALLETS, seed_of(18))

    assert first.commitment != second.commitment
    assert first.subject != second.subject
    assert not {leaf.hash for leaf in first.leaves} & {leaf.hash for leaf in second.leaves}


def test_commit__wallets_in_another_order__same_subject() -> None:
    assert commit(FACTS, WALLETS, SEED) == commit(FACTS, WALLETS[::-1], SEED)


@pytest.mark.parametrize("seed", [b"", b"short", bytes(31), bytes(33)])
def test_commit__seed_of_another_length__is_refused(seed: bytes) -> None:
    with pytest.raises(InvalidInput, match="32 bytes"):
        commit(FACTS, WALLETS, seed)


@pytest.mark.parametrize("wallets", [[], [WALLETS[0], WALLETS[0]]])
def test_commit__no_wallet_or_one_twice__is_refused(wallets: list[Address]) -> None:
    with pytest.raises(InvalidInput):
        commit(FACTS, wallets, SEED)


@pytest.mark.parametrize(
    "facts",
    [
        replace(FACTS, score=299),
        replace(FACTS, score=851),
        replace(FACTS, pd_bps=0),
        replace(FACTS, pd_bps=10_000),
        replace(FACTS, receipt_digest=Digest(b"short")),
        replace(FACTS, reasons=tuple(AdverseReason)[:5]),
    ],
)
def test_commit__fact_out_of_range__is_refused(facts: ScoreFacts) -> None:
    with pytest.raises(InvalidInput):
        commit(facts, WALLETS, SEED)
