"""The state of a pyrevm EVM, carried over into a fresh one.

pyrevm 0.3 keeps one transaction open for ever: its journal, which could undo everything since the start, only grows,
and nothing it offers drops it. A fresh EVM that holds the same accounts and storage has an empty one. pyrevm names
accounts and tells their code, but lists no storage slots other than in `journal_str`, the text of its whole journaled
state (half a gigabyte a second), of which the first part is the state:

```
JournaledState { state: {0x…: Account { info: AccountInfo { …code… }, storage: {KEY: StorageSlot { …, present_value: V }
 … }, transient_storage: {…}, logs: […], journal: [[…                     └ read up to here
```
"""

import re

from bonafides.errors import InvariantViolation
from pyrevm import EVM, AccountInfo

_END_OF_STATE = ", transient_storage: {"
_ACCOUNT = re.compile(r"(0x[0-9a-f]{40}): Account \{ info: ")
_SLOT = re.compile(r"(\d+): StorageSlot \{ previous_or_original_value: \d+, present_value: (\d+) \}")
_STORAGE = " }, storage: {"
_SLOT_NAME = "StorageSlot {"


def copy_state(source: EVM, target: EVM) -> int:
    """Copy every account, its code and its storage into an empty EVM; returns how many storage slots were copied.

    Raises:
        InvariantViolation: the text is not what pyrevm 0.3 writes, so that something might be lost.
    """
    text = _state_text(source)
    places = [(match.group(1), match.end()) for match in _ACCOUNT.finditer(text)]
    expected = source.journal_state
    if len(places) != len(expected) or {address for address, _ in places} != {name.lower() for name in expected}:
        raise InvariantViolation(
            f"pyrevm's journal names {len(places)} accounts where the EVM holds {len(expected)}: expected the text of "
            "pyrevm 0.3; pin that version"
        )
    ends = [start for _, start in places[1:]] + [len(text)]
    copied = 0
    for (address, start), end in zip(places, ends, strict=True):
        code, held = source.get_code(address), source.basic(address)
        code_hash = held.code_hash if code else None
        # pyrevm's own type stub leaves the balance out.
        target.insert_account_info(address, AccountInfo(held.balance, held.nonce, code_hash, code))  # type: ignore[call-arg,arg-type]
        target.basic(address)  # loads it: else it would stand in the database below, of which no text tells
        if not code:
            continue  # a wallet: all its tokens stand in the tokens' storage
        start = text.index(_STORAGE, start)  # behind the code, whose digits would be searched through
        slots = _SLOT.findall(text, start, end)
        if len(slots) != text.count(_SLOT_NAME, start, end):
            raise InvariantViolation(
                "pyrevm's journal writes storage in another form than pyrevm 0.3: pin that version"
            )
        for key, value in slots:
            if value != "0":  # an absent slot reads as zero
                target.insert_account_storage(address, int(key), int(value))
        copied += len(slots)
    return copied


def _state_text(source: EVM) -> str:
    text = source.journal_str
    end = text.find(_END_OF_STATE)
    if end < 0 or not text.startswith("JournaledState { state: {"):
        raise InvariantViolation("pyrevm's journal does not begin with its state: expected the text of pyrevm 0.3")
    return text[:end]
