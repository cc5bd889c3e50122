"""Maker's Vat: what its logged calls do to urns, rates and owners.

`frob` is the act of an urn's owner, or a gift to him; `grab` takes an urn's position away (a liquidation, or the end of
the system), and `fork` moves it to another urn. DAI and free collateral inside the Vat are no positions.
"""

from collections.abc import Callable, Iterable

from bonafides.errors import InvalidMessage
from bonafides.events import LendingEvent, MarketPoint
from bonafides.types import Address, Digest, EventType, MarketPointKind, Role

from bonafides_ingest.protocols.maker import events as abi
from bonafides_ingest.protocols.maker.moves import moved
from bonafides_ingest.protocols.maker.state import ContractKind, Debt, MakerState
from bonafides_ingest.protocols.maker.terms import (
    MakerReading,
    UnknownIlk,
    holes,
    naming_owners,
    terms_of,
    unless_refused,
    with_holes,
)
from bonafides_ingest.protocols.ray import RAY
from bonafides_ingest.protocols.reading import Fact, Reader


def _read_frob(reading: MakerReading) -> list[LendingEvent]:
    ilk, urn, gem_urn, dai_urn, dink, dart = abi.FROB.decode(reading.log)
    terms = terms_of(reading.state, ilk)
    owner, gem_side, dai_side = (reading.state.owner_of(address) for address in (urn, gem_urn, dai_urn))
    acts = (
        (dink > 0, EventType.SUPPLIED, Role.PAYER, gem_side),
        (dink < 0, EventType.WITHDRAWN, Role.RECIPIENT, gem_side),
        (dart > 0, EventType.BORROWED, Role.RECIPIENT, dai_side),
        (dart < 0, EventType.REPAID, Role.PAYER, dai_side),
    )
    events: list[LendingEvent] = []
    for happened, type, other_role, other in acts:
        if not happened:
            continue
        is_collateral = type in (EventType.SUPPLIED, EventType.WITHDRAWN)
        asset = terms.collateral.gem if is_collateral else terms.dai
        amount = terms.collateral.units(abs(dink)) if is_collateral else terms.debt_change(dart)
        for role, wallet, counterparty in ((Role.OWNER, owner, other), (other_role, other, owner)):
            if role is Role.OWNER or other != owner:
                events += reading.event(
                    type, role, wallet, asset=asset, amount=amount, counterparty=counterparty, market=ilk
                )
    return events + terms.entries(reading, owner, dink, dart)


def _read_fork(reading: MakerReading) -> list[LendingEvent]:
    ilk, source, target, dink, dart = abi.FORK.decode(reading.log)
    sender, receiver = reading.state.owner_of(source), reading.state.owner_of(target)
    return moved(reading, terms_of(reading.state, ilk), sender, receiver, dink, dart)


def _read_grab(reading: MakerReading) -> list[LendingEvent]:
    ilk, urn, _, _, dink, dart = abi.GRAB.decode(reading.log)
    return terms_of(reading.state, ilk).entries(reading, reading.state.owner_of(urn), dink, dart)


type _Move = tuple[Digest, Address, int, int]
"""Ilk, urn, dink, dart."""


def _moves(reading: MakerReading) -> list[_Move]:
    """Of each urn that a frob, grab or fork changes."""
    topic0 = reading.log.topics[0]
    if topic0 == abi.FORK.topic0:
        ilk, source, target, dink, dart = abi.FORK.decode(reading.log)
        return [(ilk, source, -dink, -dart), (ilk, target, dink, dart)]
    codec = abi.FROB if topic0 == abi.FROB.topic0 else abi.GRAB
    ilk, urn, _, _, dink, dart = codec.decode(reading.log)
    return [(ilk, urn, dink, dart)]


def _new_debts(reading: MakerReading, moves: Iterable[_Move]) -> list[Debt]:
    return [(ilk, reading.state.owner_of(urn)) for ilk, urn, _, dart in moves if dart > 0]


def _change_urn(reading: MakerReading) -> MakerState:
    """After frob, grab or fork. An ilk whose token is unknown is followed, too: only its amounts are not told."""
    moves = _moves(reading)
    state = with_holes(reading, _new_debts(reading, moves))
    for move in moves:
        if any(move[2:]):  # anybody may call frob of nothing on any urn
            state = state.with_moved(*move)
    return state


def _or_holes(read: Callable[[MakerReading], list[LendingEvent]]) -> Callable[[MakerReading], list[Fact]]:
    """A reader that says of a debt in an unknown ilk that it is not told."""

    def read_or_tell(reading: MakerReading) -> list[Fact]:
        try:
            return [*read(reading)]
        except UnknownIlk:
            return [*holes(reading, _new_debts(reading, _moves(reading)))]

    return read_or_tell


def _read_init(reading: MakerReading) -> list[MarketPoint]:
    (ilk,) = abi.INIT.decode(reading.log)
    points = [reading.point(MarketPointKind.RESERVE_INDEX, reading.state.deployment.dai, (0, 0, RAY, RAY), market=ilk)]
    collateral = reading.state.deployment.collateral.get(ilk)
    if collateral is not None:
        values = (0, 0, collateral.index_ray, RAY)
        points.append(reading.point(MarketPointKind.RESERVE_INDEX, collateral.gem, values, market=ilk))
    return points


def _change_init(reading: MakerReading) -> MakerState:
    return reading.state.with_rate(abi.INIT.decode(reading.log)[0], RAY)


def _read_fold(reading: MakerReading) -> list[MarketPoint]:
    """The debt index of DAI. It stands still between two folds, so that its rate of growth is 0."""
    ilk, _, _ = abi.FOLD.decode(reading.log)
    rate = _change_fold(reading).rates.get(ilk)
    if rate is None:
        return []
    values = (0, 0, RAY, rate)
    return [reading.point(MarketPointKind.RESERVE_INDEX, reading.state.deployment.dai, values, market=ilk)]


def _change_fold(reading: MakerReading) -> MakerState:
    ilk, _, growth = abi.FOLD.decode(reading.log)
    rate = reading.state.rates.get(ilk)
    if rate is None and not growth:
        return reading.state  # Jug.drip of a name that is no ilk folds nothing, and anybody may call it
    if rate is None:
        raise InvalidMessage("fold refused: the ilk was never begun in the logs read")
    return reading.state.with_rate(ilk, rate + growth)


def _read_poke(reading: MakerReading) -> list[MarketPoint]:
    """The price that the Vat reckons with: USD by Maker's own oracle, cut to 8 decimals."""
    ilk, value, spot = abi.POKE.decode(reading.log)
    collateral = reading.state.deployment.collateral.get(ilk)
    if collateral is None:
        return []  # whoever has a position in it is told by the Vat's logs
    price = int.from_bytes(value) // 10**10 if spot else 0
    return [reading.point(MarketPointKind.PRICE, collateral.gem, (price,), market=ilk)]


_VAT = (ContractKind.VAT,)
_URN = unless_refused(_change_urn)
VAT_READERS: tuple[Reader[MakerState], ...] = (
    Reader(_VAT, abi.INIT, _read_init, change=_change_init),
    Reader(_VAT, abi.FOLD, _read_fold, change=_change_fold),
    Reader(_VAT, abi.FROB, naming_owners(2, read=_or_holes(_read_frob)), change=_URN),
    Reader(_VAT, abi.FORK, naming_owners(2, 3, read=_or_holes(_read_fork)), change=_URN),
    Reader(_VAT, abi.GRAB, naming_owners(2, read=_or_holes(_read_grab)), change=_URN),
    Reader((ContractKind.SPOTTER,), abi.POKE, _read_poke),
)
