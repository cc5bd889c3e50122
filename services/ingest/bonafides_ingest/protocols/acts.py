"""Acts of wallets and entries of ledgers, as most protocols tell them: one event per role, one entry per owner."""

from bonafides.events import LendingEvent
from bonafides.types import Address, EventType, Role

from bonafides_ingest.protocols.reading import Reading
from bonafides_ingest.protocols.state import DeploymentState


def act[S: DeploymentState](
    reading: Reading[S], type: EventType, owner: Address, asset: Address, amount: int, role: Role, other: Address
) -> list[LendingEvent]:
    """What the owner of a position did, and who paid for it or got what came of it, where that is another wallet."""
    events = reading.event(type, Role.OWNER, owner, asset=asset, amount=amount, counterparty=other)
    if other != owner:
        events += reading.event(type, role, other, asset=asset, amount=amount, counterparty=owner)
    return events


def liquidation[S: DeploymentState](
    reading: Reading[S],
    borrower: Address,
    liquidator: Address,
    *,
    repaid: tuple[Address, int],
    seized: tuple[Address, int],
) -> list[LendingEvent]:
    """A liquidation, told to both: the debt asset with what was repaid, the collateral asset with what was taken."""
    events: list[LendingEvent] = []
    for role, wallet, other in ((Role.OWNER, borrower, liquidator), (Role.LIQUIDATOR, liquidator, borrower)):
        events += reading.event(
            EventType.LIQUIDATED,
            role,
            wallet,
            asset=repaid[0],
            amount=repaid[1],
            counterparty=other,
            second_asset=seized[0],
            second_amount=seized[1],
        )
    return events


def entry[S: DeploymentState](
    reading: Reading[S],
    type: EventType,
    owner: Address,
    amount: int,
    scaled_delta: int,
    index_ray: int,
    leg: int = 0,
) -> list[LendingEvent]:
    """A ledger entry of the token that emitted the log; none where nothing changed."""
    if not scaled_delta:
        return []
    return reading.event(
        type,
        Role.OWNER,
        owner,
        asset=reading.asset,
        amount=amount,
        scaled_delta=scaled_delta,
        index_ray=index_ray,
        leg=leg,
    )


def supply_moved[S: DeploymentState](
    reading: Reading[S], sender: Address, receiver: Address, amount: int, scaled: int, index_ray: int
) -> list[LendingEvent]:
    """A supply position that went from one owner to another: both entries, and to wallets the word of it."""
    events = entry(reading, EventType.SUPPLY_BALANCE, sender, amount, -scaled, index_ray)
    # One log, two owners: the legs tell them apart.
    events += entry(reading, EventType.SUPPLY_BALANCE, receiver, amount, scaled, index_ray, leg=1)
    if sender != receiver and reading.is_wallet(sender) and reading.is_wallet(receiver):
        for role, wallet, other in ((Role.SENDER, sender, receiver), (Role.RECEIVER, receiver, sender)):
            events += reading.event(
                EventType.TRANSFERRED, role, wallet, asset=reading.asset, amount=amount, counterparty=other
            )
    return sorted(events, key=lambda event: event.sub_index)
