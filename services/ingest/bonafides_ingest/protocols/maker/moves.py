"""Positions of Maker that go from one owner to another: `fork` between urns, and urns of the CdpManager themselves."""

from bonafides.errors import InvalidMessage
from bonafides.events import LendingEvent
from bonafides.types import Address, EventType, Role

from bonafides_ingest.protocols.maker import events as abi
from bonafides_ingest.protocols.maker.state import ContractKind, Debt, MakerState
from bonafides_ingest.protocols.maker.terms import MakerReading, Terms, UnknownIlk, dai_for, holes, terms_of, with_holes
from bonafides_ingest.protocols.reading import Fact, Reader


def moved(
    reading: MakerReading, terms: Terms, sender: Address, receiver: Address, ink: int, art: int, place: int = 0
) -> list[LendingEvent]:
    """Ink and art (wad; negative: the other way) that went to another owner. `place` tells the ilks of one log apart.

    What is transferred is collateral with the debt on it; debt alone is a transfer of no collateral.
    """
    if sender == receiver:
        return []
    events: list[LendingEvent] = []
    ways = ((sender, receiver, max(ink, 0), max(art, 0)), (receiver, sender, max(-ink, 0), max(-art, 0)))
    for way, (giver, taker, given_ink, given_art) in enumerate(ways):
        if not (given_ink or given_art) or not (reading.is_wallet(giver) and reading.is_wallet(taker)):
            continue
        for role, wallet, other in ((Role.SENDER, giver, taker), (Role.RECEIVER, taker, giver)):
            events += reading.event(
                EventType.TRANSFERRED,
                role,
                wallet,
                asset=terms.collateral.gem,
                amount=terms.collateral.units(given_ink),
                counterparty=other,
                second_asset=terms.dai if given_art else None,
                second_amount=dai_for(given_art * terms.rate),
                market=terms.ilk,
                leg=2 * place + way,
            )
    events += terms.entries(reading, sender, -ink, -art, 2 * place)
    events += terms.entries(reading, receiver, ink, art, 2 * place + 1)
    return sorted(events, key=lambda event: event.sub_index)


def _named(reading: MakerReading) -> tuple[Address, Address]:
    """The urn and its new owner, as NewCdp or give says."""
    if reading.log.topics[0] == abi.NEW_CDP.topic0:
        _, owner, cdp = abi.NEW_CDP.decode(reading.log)
    else:
        _, cdp, owner = abi.GIVE.decode(reading.log)
    if not 0 < cdp < 2**64:
        raise InvalidMessage("a cdp out of range: the manager counts them from 1")
    return reading.state.urn_of_cdp(cdp), owner


def _debts_given(reading: MakerReading) -> list[Debt]:
    urn, receiver = _named(reading)
    return [(ilk, receiver) for ilk, position in reading.state.held_by(urn).items() if position.art > 0]


def _read_owner(reading: MakerReading) -> list[Fact]:
    """All that the urn holds: the manager uses it for one ilk, and anybody may add collateral of others."""
    urn, receiver = _named(reading)
    sender = reading.state.owner_of(urn)
    events: list[LendingEvent] = []
    place = 0
    for ilk, position in reading.state.held_by(urn).items():
        try:
            terms = terms_of(reading.state, ilk)
        except UnknownIlk:
            continue  # a debt in it is a hole; collateral alone is nobody's act
        events += moved(reading, terms, sender, receiver, position.ink, position.art, place)
        place += 1
    return [*sorted(events, key=lambda event: event.sub_index), *holes(reading, _debts_given(reading))]


def _change_owner(reading: MakerReading) -> MakerState:
    return with_holes(reading, _debts_given(reading)).with_owner(*_named(reading))


_MANAGER = (ContractKind.CDP_MANAGER,)
OWNER_READERS: tuple[Reader[MakerState], ...] = (
    Reader(_MANAGER, abi.NEW_CDP, _read_owner, wallet_topics=(2,), change=_change_owner),
    Reader(_MANAGER, abi.GIVE, _read_owner, wallet_topics=(3,), change=_change_owner),
)
