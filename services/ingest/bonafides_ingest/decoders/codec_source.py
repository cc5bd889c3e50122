"""The Python source of one event's decoder: a log in, the tuple of its arguments out.

```
topics   [0] signature   [1..3] indexed arguments, a word each
payload  head: a word per argument, of a tuple a word per member; of what has no fixed size its offset
         tail: length word, bytes, zeros up to a full word
```

Source of the encoding: Solidity's contract ABI specification, sections "Events" and "Strict Encoding Mode".

The head is cut by one `struct` call: the bytes of an address, a small integer, a whole word, and the zeros that must
stand before what is narrower than a word.
"""

from struct import Struct

from bonafides_ingest.decoders.abi_files import AbiArgument, AbiEvent, AbiMember

_DYNAMIC = ("string", "bytes", "address[]")
_CUTS = {"address": "12s20s", "bool": "31sB", "uint8": "31sB", "uint16": "30sH", "uint32": "28sI", "uint64": "24sQ"}
"""What `struct` cuts in two by itself: the zeros, and the value."""
_ZEROS = {kind: int(cut.partition("s")[0]) for kind, cut in _CUTS.items()}


NAMES: dict[str, object] = {
    "integer": int.from_bytes,
    "ZEROS": bytes(32),
    **{f"Z{length}": bytes(length) for length in _ZEROS.values()},
}
"""What the source means by its names, but for `refuse(event, reason)`, which raises, and those of `cut_names`."""


def cut_names(event: AbiEvent) -> dict[str, object]:
    """`cut`: the head of this event's data in its parts."""
    return {"cut": Struct(">" + "".join(_CUTS.get(word.type, "32s") for word, _ in _head_words(event))).unpack_from}


def source_of(event: AbiEvent) -> str:
    """Source of the function `decode(log)` of an event."""
    indexed = [a for a in event.inputs if a.indexed]
    plain = [a for a in event.inputs if not a.indexed]
    words = _head_words(event)
    head = 32 * len(words)
    is_dynamic = any(a.type in _DYNAMIC for a in plain)
    name = repr(event.name)
    lines = [
        "def decode(log):",
        "    topics, payload = log.topics, log.payload",
        f"    if len(topics) != {1 + len(indexed)}:",
        f"        refuse({name}, f'{{len(topics)}} topics, expected {1 + len(indexed)}')",
        f"    if len(payload) {'<' if is_dynamic else '!='} {head}:",
        f"        refuse({name}, f'{{len(payload)}} bytes of data, expected {head}{' or more' if is_dynamic else ''}')",
    ]
    variables: dict[str, str] = {}
    for number, argument in enumerate(indexed, start=1):
        variables[argument.name] = f"t{number}"
        lines += word_lines(event.name, argument, f"t{number}", f"topics[{number}]")
    if words:
        cut = "".join(f"{f'{at}_zeros, ' if word.type in _CUTS else ''}{at}, " for word, at in words)
        lines.append(f"    {cut}= cut(payload)")
    if is_dynamic:
        lines.append(f"    tail = {head}")
    for number, argument in enumerate(plain):
        variable = variables[argument.name] = f"d{number}"
        if argument.type == "address[]":
            lines += _list_lines(event, argument, variable)
        elif argument.type in _DYNAMIC:
            lines += _tail_lines(event, argument, variable)
        elif argument.type == "tuple":
            places = range(len(argument.components))
            for place in places:
                lines += _cut_lines(event.name, argument.components[place], f"{variable}_{place}")
            lines.append(f"    {variable} = ({''.join(f'{variable}_{place}, ' for place in places)})")
        else:
            lines += _cut_lines(event.name, argument, variable)
    if is_dynamic:
        lines += ["    if tail != len(payload):", f"        refuse({name}, 'bytes after the end of its data')"]
    lines.append(f"    return ({''.join(f'{variables[a.name]}, ' for a in event.inputs)})")
    return "\n".join(lines)


def _head_words(event: AbiEvent) -> list[tuple[AbiArgument | AbiMember, str]]:
    """Each word of the head and the variable that it is cut into."""
    words: list[tuple[AbiArgument | AbiMember, str]] = []
    for argument in event.inputs:
        if argument.type == "tuple" and argument.indexed:
            raise LookupError(f"no codec for the indexed tuple {argument.name}: a topic holds its hash alone")
    for number, argument in enumerate(a for a in event.inputs if not a.indexed):
        if argument.type == "tuple":
            words += [(member, f"d{number}_{place}") for place, member in enumerate(argument.components)]
        else:
            words.append((argument, f"d{number}"))
    return words


def payload_word(start: int) -> str:
    """Source of the word of the payload that begins at a byte."""
    return f"payload[{start}:{start + 32}]"


def word_lines(name: str, argument: AbiArgument | AbiMember, variable: str, word: str) -> list[str]:
    """Source that reads one word of a log named `name`, and refuses it when bits outside the type's range are set."""
    if argument.type == "address":
        return [
            f"    {variable} = {word}",
            f"    if {variable}[:12] != Z12:",
            _dirty(name, argument),
            f"    {variable} = {variable}[12:]",
        ]
    if argument.type == "bool":
        return [
            f"    {variable} = integer({word})",
            f"    if {variable} > 1:",
            _dirty(name, argument),
            f"    {variable} = {variable} == 1",
        ]
    if argument.type == "bytes32":
        return [] if variable == word else [f"    {variable} = {word}"]
    if argument.type.startswith("uint") and argument.type[4:].isdigit():
        bits = int(argument.type[4:])
        lines = [f"    {variable} = integer({word})"]
        return lines if bits == 256 else [*lines, f"    if {variable} >> {bits}:", _dirty(name, argument)]
    if argument.type.startswith("int") and argument.type[3:].isdigit():
        bits = int(argument.type[3:])
        lines = [f"    {variable} = integer({word}, signed=True)"]
        limit = 1 << (bits - 1)
        outside = f"    if not {-limit} <= {variable} < {limit}:"
        return lines if bits == 256 else [*lines, outside, _dirty(name, argument)]
    raise LookupError(f"{name}: no codec for the type {argument.type} of {argument.name}")


def _cut_lines(name: str, argument: AbiArgument | AbiMember, variable: str) -> list[str]:
    """The same for a word of the head, which is cut already."""
    if argument.type not in _CUTS:
        return word_lines(name, argument, variable, variable)
    is_dirty = f"{variable}_zeros != Z{_ZEROS[argument.type]}"
    if argument.type == "bool":
        return [
            f"    if {is_dirty} or {variable} > 1:",
            _dirty(name, argument),
            f"    {variable} = {variable} == 1",
        ]
    return [f"    if {is_dirty}:", _dirty(name, argument)]


def _dirty(name: str, argument: AbiArgument | AbiMember) -> str:
    return f"        refuse({name!r}, {f'{argument.name} is no {argument.type}'!r})"


def _tail_lines(event: AbiEvent, argument: AbiArgument, variable: str) -> list[str]:
    """Read a string or bytes at the one place where the compiler puts it: right behind the one before."""
    wrong = f"        refuse({event.name!r}, {f'{argument.name} is out of its place or too short'!r})"
    lines = [
        f"    if integer({variable}) != tail or len(payload) < tail + 32:",
        wrong,
        f"    {variable}_end = tail + 32 + integer(payload[tail:tail + 32])",
        f"    {variable}_padded = -(-{variable}_end // 32) * 32",
        f"    if {variable}_padded > len(payload) or any(payload[{variable}_end:{variable}_padded]):",
        wrong,
        f"    {variable} = payload[tail + 32:{variable}_end]",
        f"    tail = {variable}_padded",
    ]
    if argument.type == "string":
        lines += [
            "    try:",
            f"        {variable} = {variable}.decode()",
            "    except UnicodeDecodeError:",
            f"        refuse({event.name!r}, {f'{argument.name} is not UTF-8'!r})",
        ]
    return lines


def _list_lines(event: AbiEvent, argument: AbiArgument, variable: str) -> list[str]:
    """Read a list of addresses at the one place where the compiler puts it."""
    start, end = f"{variable}_start", f"{variable}_end"
    return [
        f"    {start} = tail + 32",
        f"    if integer({variable}) != tail or len(payload) < {start}:",
        f"        refuse({event.name!r}, {f'{argument.name} is out of its place or too short'!r})",
        f"    {end} = {start} + 32 * integer(payload[tail:{start}])",
        f"    if {end} > len(payload):",
        f"        refuse({event.name!r}, {f'{argument.name} is longer than the data'!r})",
        f"    if any(payload[at:at + 12] != Z12 for at in range({start}, {end}, 32)):",
        f"        refuse({event.name!r}, {f'{argument.name} holds no {argument.type[:-2]}'!r})",
        f"    {variable} = tuple(payload[at + 12:at + 32] for at in range({start}, {end}, 32))",
        f"    tail = {end}",
    ]
