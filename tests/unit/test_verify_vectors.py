"""The golden vectors: every case gets the answer that the file names, from the file alone."""

from collections import Counter

import pytest
from bonafides.types import VerificationStatus

from tests.support.attestation_vector_file import VectorCase, read_cases

pytestmark = pytest.mark.unit

CASES = read_cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_verify__golden_case__gives_the_expected_status(case: VectorCase) -> None:
    answer = case.answer()

    assert answer.status is case.expected, answer.detail
    assert (answer.claims is None) == (
        case.expected
        not in {
            VerificationStatus.VALID,
            VerificationStatus.HOLDER_UNCHECKED,
            VerificationStatus.NEEDS_CHAIN,
            VerificationStatus.ROOT_UNCHECKED,
        }
    )


def test_vectors__as_a_whole__every_status_and_layer_is_there() -> None:
    statuses = Counter(case.expected for case in CASES)

    assert set(statuses) == set(VerificationStatus)
    assert sum(statuses.values()) - statuses[VerificationStatus.VALID] >= 30
    assert {case.layer for case in CASES} == {"json", "abi", "chain"}
    assert len({case.name for case in CASES}) == len(CASES)


def test_vectors__made_again__are_the_committed_ones() -> None:
    from tests.support.attestation_vectors import VECTORS, render_vectors

    assert VECTORS.read_text() == render_vectors()
