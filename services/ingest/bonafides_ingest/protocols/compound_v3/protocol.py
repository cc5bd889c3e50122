"""Compound V3 (Comet): the logs of one transaction to events of wallets. Pure.

- **Collateral has a ledger, base has none.** `supply_balance` entries of a collateral asset sum to `userCollateral`
  exactly; it earns nothing, so its index is one. Base is kept as a principal times an index that no log tells: interest
  is booked silently by every action and by `accrueAccount`. Principals, and with them today's debt, cannot be had from
  logs; no number stands for them. `supplied`, `withdrawn`, `borrowed`, `repaid` tell what moved (`compound_v3_base`,
  which also says what cannot be seen).
- Base that moves between accounts can lend and repay without naming the debtor, or without a log at all: an account
  that holds collateral may owe what nothing here tells.
- **Absorption is the liquidation**: `liquidated` is one event for each collateral that was taken. The one that was
  worth most carries the whole debt as `amount`; the others carry 0, so that debts add up, and leg 1, so that only one
  is counted. `basePaidOut` is more than the debt where the collateral was worth more: the rest becomes a base balance
  of the borrower, `transferred` to it (`compound_v3.absorption`).
- `bad_debt` is the part of an absorbed debt that the collateral was not worth, at the prices that Comet logged:
  debt · (1 − collateral / debt in USD), rounded down. It says nothing of what the protocol sold the collateral for.
- Whoever buys absorbed collateral (`BuyCollateral`) has no position by it. Which assets are listed, and at what
  factors, stands in the Comet's code: the Configurator's logs are not read.

Events: ABI of @compound-finance/compound-js@0.6.2.
"""

from collections.abc import Iterator, Mapping, Sequence

from bonafides.events import LendingEvent
from bonafides.types import Address, EventType, Json, Role

from bonafides_ingest.chain import Log
from bonafides_ingest.deployments import Deployment
from bonafides_ingest.protocols.compound_v3 import events as abi
from bonafides_ingest.protocols.compound_v3.absorption import ABSORPTION_READERS
from bonafides_ingest.protocols.compound_v3.base import BASE_READERS
from bonafides_ingest.protocols.compound_v3.state import (
    CompoundV3Deployment,
    CompoundV3State,
    ContractKind,
    restore_state,
)
from bonafides_ingest.protocols.protocol import LendingProtocol
from bonafides_ingest.protocols.ray import RAY
from bonafides_ingest.protocols.reading import Fact, Reader, Reading, Routes
from bonafides_ingest.protocols.search import Criteria, contracts_of_wallets, naming, wallet_signatures
from bonafides_ingest.protocols.state import FactKey

type _Reading = Reading[CompoundV3State]


def _read_supply(reading: _Reading) -> Iterator[Fact]:
    payer, owner, asset, amount = abi.SUPPLY_COLLATERAL.decode(reading.log)
    if not amount:
        return
    yield from reading.event(EventType.SUPPLIED, Role.OWNER, owner, asset=asset, amount=amount, counterparty=payer)
    if payer != owner:
        yield from reading.event(EventType.SUPPLIED, Role.PAYER, payer, asset=asset, amount=amount, counterparty=owner)
    yield from _entry(reading, owner, asset, amount)


def _read_withdrawal(reading: _Reading) -> Iterator[Fact]:
    owner, recipient, asset, amount = abi.WITHDRAW_COLLATERAL.decode(reading.log)
    if not amount:
        return
    yield from reading.event(EventType.WITHDRAWN, Role.OWNER, owner, asset=asset, amount=amount, counterparty=recipient)
    if recipient != owner:
        yield from reading.event(
            EventType.WITHDRAWN, Role.RECIPIENT, recipient, asset=asset, amount=amount, counterparty=owner
        )
    yield from _entry(reading, owner, asset, -amount)


def _read_transfer(reading: _Reading) -> Iterator[Fact]:
    sender, receiver, asset, amount = abi.TRANSFER_COLLATERAL.decode(reading.log)
    if not amount:
        return
    for role, wallet, other in ((Role.SENDER, sender, receiver), (Role.RECEIVER, receiver, sender)):
        yield from reading.event(EventType.TRANSFERRED, role, wallet, asset=asset, amount=amount, counterparty=other)
    yield from _entry(reading, sender, asset, -amount)
    yield from _entry(reading, receiver, asset, amount, leg=1)  # one log, two owners


def _entry(reading: _Reading, owner: Address, asset: Address, delta: int, leg: int = 0) -> list[LendingEvent]:
    return reading.event(
        EventType.SUPPLY_BALANCE,
        Role.OWNER,
        owner,
        asset=asset,
        amount=abs(delta),
        scaled_delta=delta,
        index_ray=RAY,
        leg=leg,
    )


_KINDS = (ContractKind.COMET,)
_COLLATERAL_READERS: tuple[Reader[CompoundV3State], ...] = (
    Reader(_KINDS, abi.SUPPLY_COLLATERAL, _read_supply, wallet_topics=(2,)),
    Reader(_KINDS, abi.WITHDRAW_COLLATERAL, _read_withdrawal, wallet_topics=(1,)),
    Reader(_KINDS, abi.TRANSFER_COLLATERAL, _read_transfer, wallet_topics=(1, 2)),
)


class CompoundV3(LendingProtocol[CompoundV3State]):
    """Comet, and forks that kept its events."""

    deployment_type = CompoundV3Deployment
    routes = Routes.of((*BASE_READERS, *_COLLATERAL_READERS, *ABSORPTION_READERS))

    def restore(self, deployment: Deployment, facts: Mapping[FactKey, Json]) -> CompoundV3State:
        return restore_state(deployment)

    def configuration(self, state: CompoundV3State, found: Sequence[Log]) -> tuple[Criteria, ...]:
        return ()

    def naming(self, state: CompoundV3State, found: Sequence[Log], wallet: Address) -> tuple[Criteria, ...]:
        """Every party of an event is indexed; one that is not named gets no event."""
        return naming(contracts_of_wallets(state), wallet_signatures(self.routes, state), wallet)
