"""Morpho Blue: isolated markets of one loan token against one collateral token. Pure.

`market` is the market's id on every event. The ledger is in the contract's own units, and its sums over a wallet and a
market equal `position(id, wallet)`:

```
supply_balance  leg 0  loan token        supplyShares
supply_balance  leg 1  collateral token  collateral, in the token's smallest unit (index 1 ray: it earns nothing)
debt_balance    leg 0  loan token        borrowShares       leg 1: the shares of bad debt that a liquidation wrote off
```

- The legs tell shares from units where a market lends a token against itself; nobody forbids one.
- The debtor is `onBehalf`. Whoever paid or received is an event of its own. An authorized caller is neither, and none.
- What shares are worth is not told: it needs the market's totals and its interest rate model between two logs.
- Collateral is always in use; there is nothing to enable.

Source: Morpho.sol and EventsLib.sol of @morpho-org/morpho-blue@1.0.0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bonafides.errors import InvalidMessage
from bonafides.events import LendingEvent
from bonafides.types import Address, Digest, EventType, Json, Role

from bonafides_ingest.chain import Log
from bonafides_ingest.deployments import Deployment
from bonafides_ingest.protocols.morpho_blue import events as abi
from bonafides_ingest.protocols.morpho_blue.state import (
    ContractKind,
    Market,
    MorphoBlueDeployment,
    MorphoBlueState,
    restore_state,
)
from bonafides_ingest.protocols.protocol import LendingProtocol
from bonafides_ingest.protocols.ray import RAY
from bonafides_ingest.protocols.reading import Reader, Reading, Routes
from bonafides_ingest.protocols.search import Criteria, contracts_of_wallets, logs_of, naming, wallet_signatures
from bonafides_ingest.protocols.state import FactKey

_WAD = 10**18
_SHARES, _COLLATERAL, _WRITTEN_OFF = 0, 1, 1
"""Legs of ledger entries."""

type _Reading = Reading[MorphoBlueState]


def _acted(
    reading: _Reading,
    type: EventType,
    other_role: Role,
    owner: Address,
    other: Address,
    *,
    asset: Address,
    amount: int,
    market: Digest,
) -> list[LendingEvent]:
    """What an owner did, and the wallet that paid or received, where it is another one."""
    events = reading.event(type, Role.OWNER, owner, asset=asset, amount=amount, counterparty=other, market=market)
    if other != owner:
        events += reading.event(type, other_role, other, asset=asset, amount=amount, counterparty=owner, market=market)
    return events


def _entry(
    reading: _Reading,
    type: EventType,
    owner: Address,
    *,
    asset: Address,
    amount: int,
    delta: int,
    market: Digest,
    leg: int = _SHARES,
) -> list[LendingEvent]:
    if delta == 0:
        return []
    index = RAY if type is EventType.SUPPLY_BALANCE and leg == _COLLATERAL else 0
    return reading.event(
        type, Role.OWNER, owner, asset=asset, amount=amount, scaled_delta=delta, index_ray=index, market=market, leg=leg
    )


def _read_supply(reading: _Reading) -> list[LendingEvent]:
    id, payer, owner, amount, shares = abi.SUPPLY.decode(reading.log)
    loan = reading.state.market(id).loan
    return _acted(reading, EventType.SUPPLIED, Role.PAYER, owner, payer, asset=loan, amount=amount, market=id) + _entry(
        reading, EventType.SUPPLY_BALANCE, owner, asset=loan, amount=amount, delta=shares, market=id
    )


def _read_withdraw(reading: _Reading) -> list[LendingEvent]:
    id, _, owner, recipient, amount, shares = abi.WITHDRAW.decode(reading.log)
    loan = reading.state.market(id).loan
    return _acted(
        reading, EventType.WITHDRAWN, Role.RECIPIENT, owner, recipient, asset=loan, amount=amount, market=id
    ) + _entry(reading, EventType.SUPPLY_BALANCE, owner, asset=loan, amount=amount, delta=-shares, market=id)


def _read_borrow(reading: _Reading) -> list[LendingEvent]:
    id, _, debtor, recipient, amount, shares = abi.BORROW.decode(reading.log)
    loan = reading.state.market(id).loan
    return _acted(
        reading, EventType.BORROWED, Role.RECIPIENT, debtor, recipient, asset=loan, amount=amount, market=id
    ) + _entry(reading, EventType.DEBT_BALANCE, debtor, asset=loan, amount=amount, delta=shares, market=id)


def _read_repay(reading: _Reading) -> list[LendingEvent]:
    id, payer, debtor, amount, shares = abi.REPAY.decode(reading.log)
    loan = reading.state.market(id).loan
    return _acted(reading, EventType.REPAID, Role.PAYER, debtor, payer, asset=loan, amount=amount, market=id) + _entry(
        reading, EventType.DEBT_BALANCE, debtor, asset=loan, amount=amount, delta=-shares, market=id
    )


def _read_supply_collateral(reading: _Reading) -> list[LendingEvent]:
    id, payer, owner, amount = abi.SUPPLY_COLLATERAL.decode(reading.log)
    token = reading.state.market(id).collateral
    return _acted(
        reading, EventType.SUPPLIED, Role.PAYER, owner, payer, asset=token, amount=amount, market=id
    ) + _entry(
        reading,
        EventType.SUPPLY_BALANCE,
        owner,
        asset=token,
        amount=amount,
        delta=amount,
        market=id,
        leg=_COLLATERAL,
    )


def _read_withdraw_collateral(reading: _Reading) -> list[LendingEvent]:
    id, _, owner, recipient, amount = abi.WITHDRAW_COLLATERAL.decode(reading.log)
    token = reading.state.market(id).collateral
    return _acted(
        reading, EventType.WITHDRAWN, Role.RECIPIENT, owner, recipient, asset=token, amount=amount, market=id
    ) + _entry(
        reading,
        EventType.SUPPLY_BALANCE,
        owner,
        asset=token,
        amount=amount,
        delta=-amount,
        market=id,
        leg=_COLLATERAL,
    )


def _read_liquidate(reading: _Reading) -> list[LendingEvent]:
    id, liquidator, borrower, repaid, repaid_shares, seized, bad_debt, bad_shares = abi.LIQUIDATE.decode(reading.log)
    market = reading.state.market(id)
    events: list[LendingEvent] = []
    for role, wallet, other in ((Role.OWNER, borrower, liquidator), (Role.LIQUIDATOR, liquidator, borrower)):
        events += reading.event(
            EventType.LIQUIDATED,
            role,
            wallet,
            asset=market.loan,
            amount=repaid,
            counterparty=other,
            second_asset=market.collateral,
            second_amount=seized,
            market=id,
        )
    if bad_debt:
        events += reading.event(EventType.BAD_DEBT, Role.OWNER, borrower, asset=market.loan, amount=bad_debt, market=id)
    events += _entry(
        reading,
        EventType.SUPPLY_BALANCE,
        borrower,
        asset=market.collateral,
        amount=seized,
        delta=-seized,
        market=id,
        leg=_COLLATERAL,
    )
    for amount, shares, leg in ((repaid, repaid_shares, _SHARES), (bad_debt, bad_shares, _WRITTEN_OFF)):
        events += _entry(
            reading,
            EventType.DEBT_BALANCE,
            borrower,
            asset=market.loan,
            amount=amount,
            delta=-shares,
            market=id,
            leg=leg,
        )
    return events


def _read_interest(reading: _Reading) -> list[LendingEvent]:
    """The fee: shares made for the fee recipient. The interest of everybody else is in what shares are worth."""
    id, _, interest, shares = abi.ACCRUE_INTEREST.decode(reading.log)
    market = reading.state.market(id)
    fee = interest * market.fee_wad // _WAD
    return _entry(
        reading,
        EventType.SUPPLY_BALANCE,
        reading.state.fee_recipient,
        asset=market.loan,
        amount=fee,
        delta=shares,
        market=id,
    )


def _read_nothing(_: _Reading) -> list[LendingEvent]:
    return []


def _create_market(reading: _Reading) -> MorphoBlueState:
    id, (loan, collateral, *_) = abi.CREATE_MARKET.decode(reading.log)
    return reading.state.with_market(id, Market(loan, collateral))


def _set_fee(reading: _Reading) -> MorphoBlueState:
    id, fee_wad = abi.SET_FEE.decode(reading.log)
    return reading.state.with_market(id, replace(reading.state.market(id), fee_wad=fee_wad))


def _set_fee_recipient(reading: _Reading) -> MorphoBlueState:
    return reading.state.with_fee_recipient(abi.SET_FEE_RECIPIENT.decode(reading.log)[0])


_MORPHO = (ContractKind.MORPHO,)


class MorphoBlue(LendingProtocol[MorphoBlueState]):
    """Morpho Blue."""

    deployment_type = MorphoBlueDeployment
    routes = Routes.of(
        (
            Reader(_MORPHO, abi.CREATE_MARKET, _read_nothing, change=_create_market),
            Reader(_MORPHO, abi.SET_FEE, _read_nothing, change=_set_fee),
            Reader(_MORPHO, abi.SET_FEE_RECIPIENT, _read_nothing, change=_set_fee_recipient),
            Reader(_MORPHO, abi.ACCRUE_INTEREST, _read_interest),
            Reader(_MORPHO, abi.SUPPLY, _read_supply, wallet_topics=(3,)),
            Reader(_MORPHO, abi.WITHDRAW, _read_withdraw, wallet_topics=(2,)),
            Reader(_MORPHO, abi.BORROW, _read_borrow, wallet_topics=(2,)),
            Reader(_MORPHO, abi.REPAY, _read_repay, wallet_topics=(3,)),
            Reader(_MORPHO, abi.SUPPLY_COLLATERAL, _read_supply_collateral, wallet_topics=(3,)),
            Reader(_MORPHO, abi.WITHDRAW_COLLATERAL, _read_withdraw_collateral, wallet_topics=(2,)),
            Reader(_MORPHO, abi.LIQUIDATE, _read_liquidate, wallet_topics=(3,)),
        )
    )

    def restore(self, deployment: Deployment, facts: Mapping[FactKey, Json]) -> MorphoBlueState:
        return restore_state(deployment, facts)

    def configuration(self, state: MorphoBlueState, found: Sequence[Log]) -> tuple[Criteria, ...]:
        signatures = (abi.CREATE_MARKET.topic0, abi.SET_FEE.topic0, abi.SET_FEE_RECIPIENT.topic0)
        return (logs_of({state.deployment.morpho}, signatures),)

    def naming(self, state: MorphoBlueState, found: Sequence[Log], wallet: Address) -> tuple[Criteria, ...]:
        """Owner, payer, recipient and liquidator are indexed; a caller that is not, is none of these."""
        return naming(contracts_of_wallets(state), wallet_signatures(self.routes, state), wallet)

    def unnamed(self, found: Sequence[Log]) -> frozenset[Address]:
        """Whoever got the fees: AccrueInterest does not say who."""
        recipients: set[Address] = set()
        for log in found:
            if log.topics[:1] == (abi.SET_FEE_RECIPIENT.topic0,):
                try:
                    recipients.add(abi.SET_FEE_RECIPIENT.decode(log)[0])
                except InvalidMessage:
                    continue  # refused, with its reason, when it is decoded: it changes nothing
        return frozenset(recipients)
