"""What an ilk's numbers mean: its collateral's token, and debt = art · rate."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from bonafides.errors import InvalidMessage
from bonafides.events import LendingEvent
from bonafides.types import Address, Digest, EventType, Role

from bonafides_ingest.protocols.maker.deployment import Collateral
from bonafides_ingest.protocols.maker.state import Debt, MakerState
from bonafides_ingest.protocols.ray import RAY
from bonafides_ingest.protocols.reading import Complaint, Fact, Reading

type MakerReading = Reading[MakerState]


class UnknownIlk(InvalidMessage):
    """An ilk whose token or rate is unknown, so that its amounts cannot be told."""

    def __init__(self, reason: str, *, is_listed: bool) -> None:
        super().__init__(reason)
        self.is_listed = is_listed
        """Whether the registry tells its token: then its logs are to be read, and it is a fault that they are not."""


def dai_in(rad: int) -> int:
    """Whole DAI wei in an amount (rad ≥ 0): what can be taken out."""
    return rad // RAY


def dai_for(rad: int) -> int:
    """DAI wei that an amount (rad ≥ 0) takes to pay: rounded up."""
    return -(-rad // RAY)


@dataclass(frozen=True, slots=True)
class Terms:
    """An ilk at one log."""

    ilk: Digest
    collateral: Collateral
    rate: int
    """Ray."""
    dai: Address

    def entries(self, reading: MakerReading, owner: Address, dink: int, dart: int, leg: int = 0) -> list[LendingEvent]:
        """Ledger entries: ink as supply of the token, art as debt of DAI; none for what did not change."""
        events: list[LendingEvent] = []
        if dink:
            events += reading.event(
                EventType.SUPPLY_BALANCE,
                Role.OWNER,
                owner,
                asset=self.collateral.gem,
                amount=self.collateral.units(abs(dink)),
                scaled_delta=dink,
                index_ray=self.collateral.index_ray,
                market=self.ilk,
                leg=leg,
            )
        if dart:
            events += reading.event(
                EventType.DEBT_BALANCE,
                Role.OWNER,
                owner,
                asset=self.dai,
                amount=self.debt_change(dart),
                scaled_delta=dart,
                index_ray=self.rate,
                market=self.ilk,
                leg=leg,
            )
        return events

    def debt_change(self, dart: int) -> int:
        """DAI wei of a change of art: what a new debt brings (down), or what the end of one takes (up)."""
        return dai_in(dart * self.rate) if dart > 0 else dai_for(-dart * self.rate)


def terms_of(state: MakerState, ilk: Digest) -> Terms:
    """An ilk as it stands. Raises UnknownIlk for one whose token or rate is unknown."""
    name = ilk.rstrip(b"\0").decode("ascii", "backslashreplace")
    collateral, rate = state.deployment.collateral.get(ilk), state.rates.get(ilk)
    if collateral is None:
        reason = f"the registry names no token for the ilk {name} of {state.deployment.id}: enter its gem and decimals"
        raise UnknownIlk(reason, is_listed=False)
    if rate is None:
        raise UnknownIlk(f"the ilk {name} was never begun in the logs read: no init of it", is_listed=True)
    return Terms(ilk, collateral, rate, state.deployment.dai)


def naming_owners(
    *urn_topics: int, read: Callable[[MakerReading], Iterable[Fact]]
) -> Callable[[MakerReading], Iterator[Fact]]:
    """A reader whose refusals name the owners of the urns in these topics, and not the urns.

    In a LogNote they are raw calldata, of which the contract takes the low 20 bytes. What happens in an unknown ilk is
    passed over here: the Vat lets anybody add collateral to any urn, and call `frob` of nothing on it. An owner is told
    when a debt comes (`holes`).
    """

    def read_or_complain(reading: MakerReading) -> Iterator[Fact]:
        try:
            yield from read(reading)
        except UnknownIlk:
            return
        except InvalidMessage as exc:
            urns = (Address(reading.log.topics[topic][12:]) for topic in urn_topics)
            yield Complaint(str(exc), tuple(reading.state.owner_of(urn) for urn in urns))

    return read_or_complain


def holes(reading: MakerReading, debts: Iterable[Debt]) -> list[Complaint]:
    """What to say of debts that came to these owners: a complaint for each that cannot be told.

    Once per ilk and owner: the hole is in the owner's history, whichever urn it came by. Only a debt makes one: it
    takes the owner's consent, or comes with an urn that somebody gave away.
    """
    found: list[Complaint] = []
    for ilk, owner in _untold(reading, debts):
        try:
            terms_of(reading.state, ilk)
        except UnknownIlk as exc:
            found.append(Complaint(str(exc), (owner,), is_hole=not exc.is_listed))
    return found


def with_holes(reading: MakerReading, debts: Iterable[Debt]) -> MakerState:
    """The state before the log, with what `holes` said of these debts."""
    state = reading.state
    for ilk, owner in _untold(reading, debts):
        if ilk not in state.deployment.collateral or ilk not in state.rates:
            state = state.with_hole((ilk, owner))
    return state


def _untold(reading: MakerReading, debts: Iterable[Debt]) -> Iterator[Debt]:
    return (debt for debt in debts if debt not in reading.state.holes and reading.is_wallet(debt[1]))


def unless_refused(change: Callable[[MakerReading], MakerState]) -> Callable[[MakerReading], MakerState]:
    """A change that a log which cannot be read does not make; its reader says why."""

    def change_or_stay(reading: MakerReading) -> MakerState:
        try:
            return change(reading)
        except InvalidMessage:
            return reading.state

    return change_or_stay
