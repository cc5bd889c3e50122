"""The golden vectors: every case gets the answer that the file names, from the file alone."""

from collections import Counter

import pytest
from bonafides.types import VerificationStatus
from bonafides.verify import Stage, StageOutcome

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


def test_verify__signature_only_with_a_chain__says_that_the_root_was_left_unchecked() -> None:
    case = next(case for case in CASES if case.name == "valid, signature only, not yet published")

    answer = case.answer()

    assert answer.unchecked == (Stage.ROOT,)
    assert "signature only" in answer.detail


def test_verify__refused__later_stages_were_not_reached() -> None:
    case = next(case for case in CASES if case.name == "another score")

    outcomes = [result.outcome for result in case.answer().stages]

    assert outcomes == [StageOutcome.PASSED] * 3 + [StageOutcome.FAILED] + [StageOutcome.NOT_REACHED] * 4


def test_vectors__as_a_whole__every_status_and_layer_is_there() -> None:
    statuses = Counter(case.expected for case in CASES)

    assert set(statuses) == set(VerificationStatus)
    assert sum(statuses.values()) - statuses[VerificationStatus.VALID] >= 30
    assert {case.layer for case in CASES} == {"json", "abi", "chain"}
    assert len({case.name for case in CASES}) == len(CASES)


def test_vectors__made_again__are_the_committed_ones() -> None:
    from tests.support.attestation_vectors import VECTORS, render_vectors

    assert VECTORS.read_text() == render_vectors()
