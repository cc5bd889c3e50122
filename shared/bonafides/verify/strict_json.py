"""JSON that can be read in one way only.

Python's reader takes the last of two equal keys, `1e3` and `-0` for integers' cousins, and NaN. Two verifiers that
disagree about such a document would disagree about a loan.
"""

import json
from typing import NoReturn

from bonafides.errors import InvalidInput
from bonafides.types import Json

MAX_BYTES = 256 * 1024  # a holder file of 64 wallets has about 20 kB
MAX_INTEGER = 2**53 - 1  # what a JavaScript number holds exactly


def read_strict_json(raw: bytes | str) -> Json:
    """Parse JSON; refuse duplicate keys, numbers other than plain non-negative integers, and oversized input.

    Raises:
        InvalidInput: not such JSON. The text is not repeated.
    """
    if len(raw) > MAX_BYTES:
        raise InvalidInput(f"the file is larger than {MAX_BYTES} bytes")
    try:
        text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
        text.encode("utf-8")
        found: Json = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
        )
    except UnicodeError as exc:
        raise InvalidInput("the file is not UTF-8 text") from exc
    except RecursionError as exc:
        raise InvalidInput("the file is nested too deeply") from exc
    except json.JSONDecodeError as exc:
        raise InvalidInput(f"the file is not JSON: {exc.msg} at line {exc.lineno}, column {exc.colno}") from exc
    return found


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidInput("an object has the same key twice")
    return found


def _integer(text: str) -> int:
    if len(text) > 16 or text.startswith("-"):
        raise InvalidInput(f"a number is not an integer in 0..{MAX_INTEGER}")
    return int(text)


def _refuse_number(_text: str) -> NoReturn:
    raise InvalidInput(f"a number is not an integer in 0..{MAX_INTEGER}: no fraction, no exponent, no NaN")
