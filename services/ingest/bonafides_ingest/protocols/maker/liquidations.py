"""Maker's liquidations: the Cat's (bite) and the Dog's (bark) words, and auctions that bring less than was owed.

```
Vat grab ─► Clipper Kick(id, tab, kpr) ─► Dog Bark(urn, due, clip, id)   in one transaction: `grab` is the ledger's part
Clipper Take(id, tab, lot) … until nothing is left to get (tab) or to sell (lot)
```
A bad debt is what an auction that sold out did not bring of the debt, the penalty left aside. What the Cat's Flippers
fetched is not read.
"""

from collections.abc import Iterator

from bonafides.errors import InvalidMessage
from bonafides.events import LendingEvent
from bonafides.types import ZERO_ADDRESS, Address, Digest, EventType, Role

from bonafides_ingest.protocols.maker import events as abi
from bonafides_ingest.protocols.maker.state import Auction, ContractKind, MakerState
from bonafides_ingest.protocols.maker.terms import MakerReading, dai_for, naming_owners, terms_of, unless_refused
from bonafides_ingest.protocols.reading import Fact, Reader

CLIP = Digest(b"clip".ljust(32, b"\0"))
"""What `File` sets when it names an ilk's auction house."""


def _liquidated(
    reading: MakerReading, ilk: Digest, urn: Address, ink: int, debt_rad: int, keeper: Address | None
) -> Iterator[Fact]:
    borrower, terms = reading.state.owner_of(urn), terms_of(reading.state, ilk)
    told = [(Role.OWNER, borrower, keeper)]
    if keeper is not None:
        told.append((Role.LIQUIDATOR, keeper, borrower))
    for role, wallet, other in told:
        yield from reading.event(
            EventType.LIQUIDATED,
            role,
            wallet,
            asset=terms.dai,
            amount=dai_for(debt_rad),
            counterparty=other,
            second_asset=terms.collateral.gem,
            second_amount=terms.collateral.units(ink),
            market=ilk,
        )


def _read_bite(reading: MakerReading) -> Iterator[Fact]:
    ilk, urn, ink, _, debt_rad, _, _ = abi.BITE.decode(reading.log)
    return _liquidated(reading, ilk, urn, ink, debt_rad, None)  # no log tells who called


def _read_bark(reading: MakerReading) -> Iterator[Fact]:
    ilk, urn, ink, _, due, clipper, number = abi.BARK.decode(reading.log)
    kick = _kick(reading, clipper, number)
    return _liquidated(reading, ilk, urn, ink, due, kick[1] if kick else None)


def _change_bark(reading: MakerReading) -> MakerState:
    ilk, urn, _, _, due, clipper, number = abi.BARK.decode(reading.log)
    state = reading.state if clipper in reading.state.clippers else reading.state.with_clipper(clipper, ilk)
    kick = _kick(reading, clipper, number)
    if kick is None:
        return state
    return state.with_auction((clipper, number), Auction(tab=kick[0], due=due, owner=state.owner_of(urn)))


def _kick(reading: MakerReading, clipper: Address, number: int) -> tuple[int, Address] | None:
    """What an auction is to bring (rad) and who began it, from its Kick in the same transaction."""
    for log in reading.transaction:
        if log.address == clipper and log.topics[:2] == (abi.KICK.topic0, number.to_bytes(32)):
            _, _, tab, _, _, keeper, _ = abi.KICK.decode(log)
            return tab, keeper
    return None


def _read_take(reading: MakerReading) -> list[LendingEvent]:
    number, _, _, _, tab_left, lot_left, _ = abi.TAKE.decode(reading.log)
    if lot_left or not tab_left:
        return []
    auction = reading.state.auctions.get((reading.log.address, number))
    if auction is None:
        raise InvalidMessage("an auction sold out that no Bark log began: what was owed is unknown")
    lost = auction.due - (auction.tab - tab_left)
    if lost <= 0:
        return []  # the debt is paid; a part of the penalty is not
    ilk = reading.state.clippers[reading.log.address]
    dai = reading.state.deployment.dai
    return reading.event(EventType.BAD_DEBT, Role.OWNER, auction.owner, asset=dai, amount=dai_for(lost), market=ilk)


def _change_take(reading: MakerReading) -> MakerState:
    number, _, _, _, tab_left, lot_left, _ = abi.TAKE.decode(reading.log)
    key = (reading.log.address, number)
    is_over = not (tab_left and lot_left) and key in reading.state.auctions
    return reading.state.with_auction(key, None) if is_over else reading.state


def _read_nothing(_: MakerReading) -> tuple[Fact, ...]:
    return ()


def _change_clipper(reading: MakerReading) -> MakerState:
    ilk, what, clipper = abi.CLIP_FILED.decode(reading.log)
    return reading.state.with_clipper(clipper, ilk) if what == CLIP and clipper != ZERO_ADDRESS else reading.state


_DOG = (ContractKind.DOG,)
LIQUIDATION_READERS: tuple[Reader[MakerState], ...] = (
    Reader((ContractKind.CAT,), abi.BITE, naming_owners(2, read=_read_bite)),
    Reader(_DOG, abi.BARK, naming_owners(2, read=_read_bark), change=unless_refused(_change_bark)),
    Reader(_DOG, abi.CLIP_FILED, _read_nothing, change=_change_clipper),
    Reader((ContractKind.CLIPPER,), abi.TAKE, naming_owners(2, read=_read_take), change=unless_refused(_change_take)),
)
