"""Aave V3's ledger: how the logs of aTokens and variable debt tokens change scaled balances, to the unit.

What the contract does (`_mintScaled`, `_burnScaled`, `_transfer`), what it logs, and what follows, where it rounds half
up (`rounding`); what follows where it rounds by operation takes two logs (`pairing`):

```
balance changes by        and the contract logs                                so the change is
+ rayDiv(amount, index)   Mint, value = amount + increase                      + rayDiv(value − increase, index)
− rayDiv(amount, index)   Burn, value = amount − increase (if not negative)    − rayDiv(value + increase, index)
− rayDiv(amount, index)   Mint, value = increase − amount (else)               − rayDiv(increase − value, index)
nothing                   Mint, value = increase (a transfer books interest)   0, and is no entry
∓ rayDiv(amount, index)   BalanceTransfer, value = rayDiv(amount, index)       ∓ value; the ERC-20 Transfer before it
                                                                               names the amount, which must fit
```

`increase` is the interest since the wallet's last entry. A Mint with value < increase is a small repayment or
withdrawal that its own interest outgrew. Debt at a stable rate is told whole: `aave/stable.py`.

When a log cannot be read, it names whose supply went out or whose debt it is. Who only got supply has no hole: anyone
can send it to anyone, and a position without it is only understated. Under a Pool that the registry entry does not know
no token is read, by design; nor is the discount that GHO's debt token had before 3.4.
"""

from collections.abc import Callable, Iterable

from bonafides.errors import InvalidMessage
from bonafides.events import LendingEvent
from bonafides.types import Address, EventType

from bonafides_ingest.protocols.aave.stable import read_stable_burn, read_stable_mint_v3
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.protocols.aave_v3.rounding import (
    Rounding,
    fits_transfer,
    transferred_amount,
    transferred_shares,
)
from bonafides_ingest.protocols.aave_v3.state import AaveV3State, ContractKind
from bonafides_ingest.protocols.acts import entry, supply_moved
from bonafides_ingest.protocols.ray import ray_div
from bonafides_ingest.protocols.reading import Complaint, Fact, Reader, Reading

type _Reading = Reading[AaveV3State]


class _UnknownRounding(InvalidMessage):
    """Nobody said how the tokens round now: they are not read, by design."""


def scaled_delta_of_mint(value: int, balance_increase: int, index_ray: int) -> int:
    """Change of the scaled balance that a Mint log tells of; negative for a burn that its interest outgrew."""
    moved = value - balance_increase
    return ray_div(moved, index_ray) if moved >= 0 else -ray_div(-moved, index_ray)


def scaled_delta_of_burn(value: int, balance_increase: int, index_ray: int) -> int:
    """Change of the scaled balance that a Burn log tells of; never positive."""
    return -ray_div(value + balance_increase, index_ray)


def _read_mint(reading: _Reading) -> list[LendingEvent]:
    _, owner, value, increase, index = abi.MINT.decode(reading.log)
    if not reading.is_wallet(owner):
        return []
    if _rounding(reading) is Rounding.BY_OPERATION:
        delta = _paired(reading)
    else:
        delta = scaled_delta_of_mint(value, increase, _index(index))
    return _entry(reading, owner, abs(value - increase), delta, index)


def _read_supply_mint(reading: _Reading) -> Iterable[Fact]:
    """A Mint of an aToken. What went out by it, its interest outgrew."""
    try:
        return _read_mint(reading)
    except InvalidMessage as exc:
        _, owner, value, increase, _ = abi.MINT.decode(reading.log)
        loser = (owner,) if value < increase else ()
        return [Complaint(str(exc), loser, is_hole=isinstance(exc, _UnknownRounding))]


def _read_burn(reading: _Reading) -> list[LendingEvent]:
    owner, _, value, increase, index = abi.BURN.decode(reading.log)
    if not reading.is_wallet(owner):
        return []
    if _rounding(reading) is Rounding.BY_OPERATION:
        delta = _paired(reading)
    else:
        delta = scaled_delta_of_burn(value, increase, _index(index))
    return _entry(reading, owner, value + increase, delta, index)


def _read_balance_transfer(reading: _Reading) -> list[LendingEvent]:
    sender, receiver, value, index = abi.BALANCE_TRANSFER.decode(reading.log)
    rounding = _rounding(reading)
    told = _transfer_before(reading, sender, receiver)
    if told is not None and not fits_transfer(rounding, value, told, _index(index)):
        raise InvalidMessage(f"ledger log refused: with {rounding} it does not fit the Transfer before it")
    scaled = transferred_shares(rounding, value, _index(index))
    amount = transferred_amount(rounding, value, index)
    return supply_moved(reading, sender, receiver, amount, scaled, index)


def _rounding(reading: _Reading) -> Rounding:
    rounding = reading.state.rounding
    if rounding is None:
        raise _UnknownRounding(
            "ledger log refused: the registry entry does not say how the tokens round under the Pool's implementation"
        )
    return rounding


def _paired(reading: _Reading) -> int:
    paired, log_index = reading.state.paired, reading.log.position.log_index
    if log_index not in paired.deltas:
        raise InvalidMessage(paired.reasons.get(log_index, "ledger log refused: it was paired with no Pool event"))
    return paired.deltas[log_index]


def _transfer_before(reading: _Reading, sender: Address, receiver: Address) -> int | None:
    """The value of the token's ERC-20 Transfer of the same move; None where the logs do not hold it."""
    amount = None
    for log in reading.transaction:
        if log.position.log_index >= reading.log.position.log_index:
            break
        if log.address == reading.log.address and log.topics[:1] == (abi.TRANSFER.topic0,):
            source, target, value = abi.TRANSFER.decode(log)
            if (source, target) == (sender, receiver):
                amount = value
    return amount


def _entry(reading: _Reading, owner: Address, amount: int, scaled_delta: int, index_ray: int) -> list[LendingEvent]:
    is_supply = reading.watched.kind is ContractKind.A_TOKEN
    entry_type = EventType.SUPPLY_BALANCE if is_supply else EventType.DEBT_BALANCE
    return entry(reading, entry_type, owner, amount, scaled_delta, index_ray)


def _index(index_ray: int) -> int:
    if index_ray == 0:
        raise InvalidMessage("ledger log refused: its index is 0, which no reserve has")
    return index_ray


def _refuse_discount(reading: _Reading) -> list[Fact]:
    """GHO's debt token before 3.4 took a discount off the interest, which no log tells."""
    _, old, new = abi.DISCOUNT_PERCENT_UPDATED.decode(reading.log)
    if old or new:
        reason = "discounted debt is not read: the wallet's debt is incomplete from here on"
        return [Complaint(reason, is_hole=True)]
    return []


def _read_stable_mint(reading: _Reading) -> list[LendingEvent]:
    _rounding(reading)  # under a Pool that nobody knows no token is read
    return read_stable_mint_v3(reading)


def _read_stable_burn(reading: _Reading) -> list[LendingEvent]:
    _rounding(reading)
    return read_stable_burn(reading)


def _where_known(read: Callable[[_Reading], list[LendingEvent]]) -> Callable[[_Reading], Iterable[Fact]]:
    def read_or_tell(reading: _Reading) -> Iterable[Fact]:
        try:
            return read(reading)
        except _UnknownRounding as exc:
            return [Complaint(str(exc), is_hole=True)]

    return read_or_tell


_A_TOKEN, _DEBT = (ContractKind.A_TOKEN,), (ContractKind.VARIABLE_DEBT_TOKEN,)
_TOKENS, _STABLE = (*_A_TOKEN, *_DEBT), (ContractKind.STABLE_DEBT_TOKEN,)
LEDGER_READERS = (
    Reader(_A_TOKEN, abi.MINT, _read_supply_mint),
    Reader(_DEBT, abi.MINT, _where_known(_read_mint), wallet_topics=(2,)),
    Reader(_TOKENS, abi.BURN, _where_known(_read_burn), wallet_topics=(1,)),
    Reader(_TOKENS, abi.BALANCE_TRANSFER, _where_known(_read_balance_transfer), wallet_topics=(1,)),
    Reader(_DEBT, abi.DISCOUNT_PERCENT_UPDATED, _refuse_discount, wallet_topics=(1,)),
    Reader(_STABLE, abi.STABLE_MINT, _where_known(_read_stable_mint), wallet_topics=(2,)),
    Reader(_STABLE, abi.STABLE_BURN, _where_known(_read_stable_burn), wallet_topics=(1,)),
)
