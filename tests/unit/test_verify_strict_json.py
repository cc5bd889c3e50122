"""JSON that can be read in one way only."""

import json

import pytest
from bonafides.errors import InvalidInput
from bonafides.verify.strict_json import MAX_BYTES, read_strict_json
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.unit

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2**53 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_read_strict_json__plain_values__come_back(value: object) -> None:
    assert read_strict_json(json.dumps(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":1}',
        '{"a":1,"\\u0061":2}',
        "1.0",
        "1e3",
        "-1",
        "-0",
        "12345678901234567",
        "NaN",
        "Infinity",
        "01",
        "+1",
        "0x10",
        "'a'",
        '{"a":1,}',
        "[1] []",
        "",
        "[" * 100_000,
    ],
)
def test_read_strict_json__more_than_one_reading__is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_strict_json(text)


@pytest.mark.parametrize("raw", [b"\xff", b"\xef\xbb\xbf{}", b'"' + b"a" * MAX_BYTES + b'"'])
def test_read_strict_json__bytes_that_are_no_plain_text__are_refused(raw: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_strict_json(raw)


@given(st.binary(max_size=200))
def test_read_strict_json__any_bytes__are_read_or_refused(raw: bytes) -> None:
    try:
        found = read_strict_json(raw)
    except InvalidInput:
        return
    assert read_strict_json(json.dumps(found)) == found
