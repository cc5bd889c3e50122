"""Reads UBJSON as xgboost writes it (draft 12 with typed arrays): enough to open a booster without xgboost.

{  L key-length key  value …  }        [ $ type # L count  raw big-endian items        strings: S L length bytes
"""

import struct

from bonafides.errors import InvalidInput

type UbJson = bool | int | float | str | list["UbJson"] | dict[str, "UbJson"] | None

_NUMBERS = {b"i": ">b", b"U": ">B", b"I": ">h", b"l": ">i", b"L": ">q", b"d": ">f", b"D": ">d"}
_DEEPEST = 32


def parse_ubjson(raw: bytes) -> UbJson:
    """The value that these bytes hold.

    Raises:
        InvalidInput: not UBJSON, or bytes left over.
    """
    reader = _Reader(raw)
    try:
        value = reader.value(reader.take(1), 0)
    except (struct.error, UnicodeDecodeError) as exc:
        raise InvalidInput("not UBJSON: it ends early or is damaged") from exc
    if reader.at != len(raw):
        raise InvalidInput(f"not UBJSON: {len(raw) - reader.at} bytes left over")
    return value


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self.at = 0

    def take(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self._raw):
            raise struct.error("ends early")
        self.at += count
        return self._raw[self.at - count : self.at]

    def number(self, marker: bytes) -> int | float:
        layout = _NUMBERS.get(marker)
        if layout is None:
            raise InvalidInput(f"not UBJSON: marker {marker!r} at byte {self.at}")
        found: int | float = struct.unpack(layout, self.take(struct.calcsize(layout)))[0]
        return found

    def length(self) -> int:
        found = self.number(self.take(1))
        if not isinstance(found, int):
            raise InvalidInput(f"not UBJSON: a length that is no integer at byte {self.at}")
        return found

    def text(self) -> str:
        return self.take(self.length()).decode()

    def value(self, marker: bytes, depth: int) -> UbJson:
        if depth > _DEEPEST:
            raise InvalidInput("not UBJSON of a booster: nested too deeply")
        match marker:
            case b"{":
                return self._object(depth)
            case b"[":
                return self._array(depth)
            case b"S":
                return self.text()
            case b"T" | b"F":
                return marker == b"T"
            case b"Z":
                return None
            case _:
                return self.number(marker)

    def _object(self, depth: int) -> dict[str, UbJson]:
        found: dict[str, UbJson] = {}
        while self._raw[self.at : self.at + 1] != b"}":
            key = self.text()
            found[key] = self.value(self.take(1), depth + 1)
        self.take(1)
        return found

    def _array(self, depth: int) -> list[UbJson]:
        kind = b""
        if self._raw[self.at : self.at + 1] == b"$":
            kind = self.take(2)[1:]
        if self._raw[self.at : self.at + 1] == b"#":
            self.take(1)
            count = self.length()
            if kind:
                layout = _NUMBERS.get(kind)
                if layout is None:
                    raise InvalidInput(f"not UBJSON: an array of {kind!r}")
                raw = self.take(count * struct.calcsize(layout))
                return list(struct.unpack(f">{count}{layout[1]}", raw))
            return [self.value(self.take(1), depth + 1) for _ in range(count)]
        found: list[UbJson] = []
        while (marker := self.take(1)) != b"]":
            found.append(self.value(marker, depth + 1))
        return found
