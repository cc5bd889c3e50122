"""Comet's base asset: which part of a supply repaid a debt, which part of a withdrawal is one.

An account has one signed base balance. Comet logs what came in or went out, and as an ERC-20 Transfer from or to the
zero address only what that did to the *positive* part:

```
balance before → after       logs                                 what it was
  −50 → −20   supply 30      Supply 30                            repaid 30
  −50 →  10   supply 60      Supply 60, Transfer(0 → dst, 10)     repaid 50, supplied 10
   10 →  40   supply 30      Supply 30, Transfer(0 → dst, 30)     supplied 30
   40 →  10   withdraw 30    Withdraw 30, Transfer(src → 0, 30)   withdrawn 30
   10 → −50   withdraw 60    Withdraw 60, Transfer(src → 0, 10)   withdrawn 10, borrowed 50
  −20 → −50   withdraw 30    Withdraw 30                          borrowed 30
src 40 → 10,  dst 0 → 30     Transfer(src → 0, 30), Transfer(0 → dst, 30)     moved 30
src 10 → −20, dst 0 → 30     Transfer(src → 0, 10), Transfer(0 → dst, 30)     moved 10, and src borrowed at least 20
src 40 → 10,  dst −20 → 10   Transfer(src → 0, 30), Transfer(0 → dst, 10)     moved 10, and dst was repaid at least 20
src 0 → −30,  dst 0 → 30     Transfer(0 → dst, 30)                            src borrowed 30; who it is, no log says
src 40 → 10,  dst −50 → −20  Transfer(src → 0, 30)                            dst was repaid 30; who it is, no log says
src 0 → −30,  dst −50 → −20  none at all
```

The two logs of one action stand side by side. Their amounts differ by rounding, because a balance is kept as a
principal and an index: a mint is at most the amount supplied, and less by under 2 + index; a burn is at least the
amount withdrawn. A withdrawal's borrowed part is exact, and at least the market's `baseBorrowMin`.

Comet does not look at whom base is sent to: what is moved or supplied to the zero address is minted to nobody,
Transfer(0 → 0, …), and is nobody's position.

A party that no log names is no dead letter: nothing of the log is unread, and anybody could make any number of them. It
shows as `transferred` without a counterparty. Because of it, and of the last line above, an account with collateral may
owe what no event tells.

Two readings cannot be told apart: a supply that only repaid, with a transfer to the same account right behind it by
somebody who had nothing, looks like a supply that repaid less; a repaying transfer and a borrowing one, side by side,
look like one transfer.

Source: `supplyBase`, `withdrawBase`, `transferBase` in contracts/CometWithExtendedAssetList.sol,
compound-finance/comet@0375004cc0605a5be2aec3d67c6f666e56393f95.
"""

from collections.abc import Iterator

from bonafides.errors import InvalidMessage
from bonafides.events import LendingEvent
from bonafides.types import ZERO_ADDRESS, Address, EventType, Role

from bonafides_ingest.chain import Log
from bonafides_ingest.protocols.adjacent import decoded_if, log_after, log_before
from bonafides_ingest.protocols.compound_v3 import events as abi
from bonafides_ingest.protocols.compound_v3.state import CompoundV3State, ContractKind
from bonafides_ingest.protocols.reading import Fact, Reader, Reading

type _Reading = Reading[CompoundV3State]

ROUNDING = 10
"""Smallest units of base by which a mint can fall short of what was supplied: 2 + the supply index, which starts at one
and would have to earn 700 % to pass eight. A debt so small that this hides it is worth nothing."""
FIRST, SECOND = 0, 1
"""Legs in the order in which Comet takes them: debt is repaid before anything is supplied, a balance is withdrawn
before anything is borrowed. For a withdrawal leg 0 is `withdrawn`, leg 1 `borrowed`."""


def _read_supply(reading: _Reading) -> Iterator[Fact]:
    payer, owner, amount = abi.SUPPLY.decode(reading.log)
    repaid = amount - _minted_by_supply(log_after(reading), owner, amount)
    if repaid <= ROUNDING:
        repaid = 0
    yield from _pair(reading, EventType.SUPPLIED, owner, payer, Role.PAYER, amount - repaid, SECOND)
    yield from _pair(reading, EventType.REPAID, owner, payer, Role.PAYER, repaid, FIRST)


def _minted_by_supply(log: Log | None, owner: Address, amount: int) -> int:
    """The part of a supply that its mint, if the log is that, says was none of debt."""
    minted = minted_for(log, owner)
    return minted if minted <= amount else 0  # more than was supplied came from somebody else


def _read_withdrawal(reading: _Reading) -> Iterator[Fact]:
    owner, recipient, amount = abi.WITHDRAW.decode(reading.log)
    withdrawn = min(amount, _burnt(log_after(reading), owner))
    yield from _pair(reading, EventType.WITHDRAWN, owner, recipient, Role.RECIPIENT, withdrawn, FIRST)
    yield from _pair(reading, EventType.BORROWED, owner, recipient, Role.RECIPIENT, amount - withdrawn, SECOND)


def _pair(
    reading: _Reading, type: EventType, owner: Address, other: Address, role: Role, amount: int, leg: int
) -> list[LendingEvent]:
    """The owner's event, and the other's where it is another wallet; none for nothing."""
    if not amount:
        return []
    asset = reading.asset
    events = reading.event(type, Role.OWNER, owner, asset=asset, amount=amount, counterparty=other, leg=leg)
    if other != owner:
        events += reading.event(type, role, other, asset=asset, amount=amount, counterparty=owner, leg=leg)
    return events


def _read_transfer(reading: _Reading) -> Iterator[Fact]:
    sender, receiver, amount = abi.TRANSFER.decode(reading.log)
    if ZERO_ADDRESS not in (sender, receiver):
        raise InvalidMessage("Transfer refused: one of its addresses must be zero, as Comet emits it")
    if sender == receiver:
        return  # a mint to nobody; a burn before it tells what its sender did
    if receiver == ZERO_ADDRESS:
        yield from _read_burn(reading, sender, amount)
    else:
        yield from _read_mint(reading, receiver, amount)


def _read_burn(reading: _Reading, sender: Address, burnt: int) -> Iterator[Fact]:
    if _is_of_withdrawal(reading, reading.log, sender):
        return  # told with the Withdraw
    mint = decoded_if(log_after(reading), abi.TRANSFER)
    if mint is None or mint[0] != ZERO_ADDRESS:
        yield from _move(reading, Role.SENDER, sender, None, burnt)  # it repaid the debt of a wallet that no log names
        return
    _, receiver, minted = mint
    if minted - burnt > ROUNDING:
        yield from _pair(reading, EventType.BORROWED, sender, receiver, Role.RECIPIENT, minted - burnt, SECOND)
    elif burnt - minted > ROUNDING:
        yield from _pair(reading, EventType.REPAID, receiver, sender, Role.PAYER, burnt - minted, FIRST)
    yield from _move(reading, Role.SENDER, sender, receiver, burnt)
    yield from _move(reading, Role.RECEIVER, receiver, sender, minted)


def _read_mint(reading: _Reading, receiver: Address, minted: int) -> Iterator[Fact]:
    before = log_before(reading)
    supply, absorption = decoded_if(before, abi.SUPPLY), decoded_if(before, abi.ABSORB_DEBT)
    if supply is not None and supply[1] == receiver and _minted_by_supply(reading.log, receiver, supply[2]):
        return  # told with the Supply
    if absorption is not None and absorption[1] == receiver:
        # what the liquidation left of the collateral, or what somebody sent right behind it: one word for both
        yield from _move(reading, Role.RECEIVER, receiver, None, minted)
        return
    moved = decoded_if(before, abi.TRANSFER)
    is_burn = moved is not None and moved[0] != ZERO_ADDRESS
    if before is not None and moved is not None and is_burn and not _is_of_withdrawal(reading, before, moved[0]):
        return  # told with the burn
    yield from _move(reading, Role.RECEIVER, receiver, None, minted)  # a wallet that no log names borrowed it


def _move(
    reading: _Reading, role: Role, wallet: Address, counterparty: Address | None, amount: int
) -> list[LendingEvent]:
    return reading.event(
        EventType.TRANSFERRED, role, wallet, asset=reading.asset, amount=amount, counterparty=counterparty
    )


def _is_of_withdrawal(reading: _Reading, burn: Log, owner: Address) -> bool:
    withdrawal = decoded_if(log_before(reading, burn), abi.WITHDRAW)
    return withdrawal is not None and withdrawal[0] == owner


def minted_for(log: Log | None, owner: Address) -> int:
    """What a log says was added to the owner's positive balance; 0 where it says nothing of the kind."""
    transfer = decoded_if(log, abi.TRANSFER)
    return transfer[2] if transfer is not None and transfer[:2] == (ZERO_ADDRESS, owner) else 0


def _burnt(log: Log | None, owner: Address) -> int:
    transfer = decoded_if(log, abi.TRANSFER)
    return transfer[2] if transfer is not None and transfer[:2] == (owner, ZERO_ADDRESS) else 0


_KINDS = (ContractKind.COMET,)
BASE_READERS: tuple[Reader[CompoundV3State], ...] = (
    Reader(_KINDS, abi.SUPPLY, _read_supply, wallet_topics=(2,)),
    Reader(_KINDS, abi.WITHDRAW, _read_withdrawal, wallet_topics=(1,)),
    Reader(_KINDS, abi.TRANSFER, _read_transfer, wallet_topics=(1, 2)),
)
