"""The fourteen leaves: bytes against eth_abi, one JSON form each, no contradictions."""

import pytest
from bonafides.errors import InvalidInput
from bonafides.hashing import keccak
from bonafides.types import Digest
from bonafides.verify.leaves import (
    LEAF_TYPES,
    PREDICATES,
    JsonValue,
    LeafValue,
    check_consistency,
    leaf_hash,
    value_from_json,
    value_to_json,
)
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from tests.support.attestation_fixtures import FACTS, FakeChain, published_score

pytestmark = pytest.mark.unit

GOLDEN = FACTS.leaf_values()


def test_leaf_types__as_published__are_these() -> None:
    assert {name: kind.value for name, kind in LEAF_TYPES.items()} == {
        "score": "uint16",
        "band": "string",
        "pdBps": "uint16",
        "receiptDigest": "bytes32",
        "coverageDigest": "bytes32",
        "reason1": "string",
        "reason2": "string",
        "reason3": "string",
        "reason4": "string",
        "scoreGte600": "bool",
        "scoreGte650": "bool",
        "scoreGte700": "bool",
        "scoreGte750": "bool",
        "scoreGte800": "bool",
    }


@pytest.mark.parametrize("name", LEAF_TYPES)
def test_leaf_hash__each_leaf__is_eth_abis_double_hash(name: str) -> None:
    kind, value, salt = LEAF_TYPES[name].value, GOLDEN[name], keccak(name.encode())

    encoded = encode(["string", "string", "bytes", "bytes32"], [kind, name, encode([kind], [value]), salt])

    assert leaf_hash(name, value, salt) == keccak(keccak(encoded))


@pytest.mark.parametrize("name", LEAF_TYPES)
def test_value__to_json_and_back__is_the_same(name: str) -> None:
    assert value_from_json(name, value_to_json(GOLDEN[name])) == GOLDEN[name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("score", "712"),
        ("score", "0x2c8"),
        ("score", True),
        ("score", 299),
        ("score", 851),
        ("pdBps", 0),
        ("pdBps", 10_000),
        ("band", "F"),
        ("band", ""),
        ("reason1", "too_handsome"),
        ("scoreGte700", "false"),
        ("scoreGte700", 1),
        ("receiptDigest", "0x" + "AB" * 32),
        ("receiptDigest", "0x" + "ab" * 31),
        ("receiptDigest", 7),
        ("receiptDigest", "0x" + "ab" * 32 + "\n"),
        ("subject", "0x00"),
    ],
)
def test_value_from_json__another_form__is_refused(name: str, value: JsonValue) -> None:
    with pytest.raises(InvalidInput):
        value_from_json(name, value)


@given(st.integers(300, 850), st.data())
def test_check_consistency__an_honest_selection__passes(score: int, data: st.DataObject) -> None:
    from dataclasses import replace

    values = replace(FACTS, score=score).leaf_values()
    names = data.draw(st.sets(st.sampled_from(list(values))))

    check_consistency({name: values[name] for name in names})


@given(st.integers(300, 850), st.sampled_from(sorted(PREDICATES)))
def test_check_consistency__a_predicate_turned__is_refused(score: int, name: str) -> None:
    with pytest.raises(InvalidInput, match="contradict"):
        check_consistency({"score": score, name: score < PREDICATES[name]})


@pytest.mark.parametrize(
    "values",
    [
        {"scoreGte650": False, "scoreGte700": True},
        {"score": 712, "band": "A"},
        {"band": "A", "scoreGte700": False},
        {"band": "E", "scoreGte600": True},
        {"band": "B", "scoreGte650": True, "scoreGte700": False},
    ],
)
def test_check_consistency__a_contradiction__is_refused(values: dict[str, LeafValue]) -> None:
    with pytest.raises(InvalidInput, match="contradict"):
        check_consistency(values)


def test_salts__in_a_holder_file__are_all_there_and_long() -> None:
    salts = [leaf.salt for leaf in published_score(FakeChain()).leaves]

    assert len(set(salts)) == len(LEAF_TYPES)
    assert all(len(salt) == 32 and salt != Digest(bytes(32)) for salt in salts)
