"""Aave V3's Pool events: what wallets did, in words."""

from bonafides.events import LendingEvent
from bonafides.types import ZERO_ADDRESS, Address, EventType, Role

from bonafides_ingest.protocols import aave_v3_events as abi
from bonafides_ingest.protocols.aave_v3_state import AaveV3State, ContractKind
from bonafides_ingest.protocols.reading import Reader, Reading

type _Reading = Reading[AaveV3State]


def _read_supply(reading: _Reading) -> list[LendingEvent]:
    asset, payer, supplier, amount, _ = abi.SUPPLY.decode(reading.log)
    events = reading.event(EventType.SUPPLIED, Role.OWNER, supplier, asset=asset, amount=amount, counterparty=payer)
    if payer != supplier:
        events += reading.event(
            EventType.SUPPLIED, Role.PAYER, payer, asset=asset, amount=amount, counterparty=supplier
        )
    return events


def _read_withdraw(reading: _Reading) -> list[LendingEvent]:
    asset, owner, recipient, amount = abi.WITHDRAW.decode(reading.log)
    if owner in reading.state.deployment.gateways:
        caller = _caller_of_gateway(reading, asset, owner)
        if caller is None:
            return []
        owner = caller
    events = reading.event(EventType.WITHDRAWN, Role.OWNER, owner, asset=asset, amount=amount, counterparty=recipient)
    if recipient != owner:
        events += reading.event(
            EventType.WITHDRAWN, Role.RECIPIENT, recipient, asset=asset, amount=amount, counterparty=owner
        )
    return events


def _caller_of_gateway(reading: _Reading, asset: Address, gateway: Address) -> Address | None:
    """Whose aTokens a gateway withdraws: it takes them from its caller first, in the same transaction."""
    reserve = reading.state.reserves.get(asset)
    callers: list[Address] = []
    for log in reading.transaction:
        if log.position.log_index >= reading.log.position.log_index:
            break
        if reserve and log.address == reserve.a_token and log.topics[:1] == (abi.BALANCE_TRANSFER.topic0,):
            sender, receiver, _, _ = abi.BALANCE_TRANSFER.decode(log)
            if receiver == gateway:
                callers.append(sender)
        elif log.address == reading.log.address and log.topics[:1] == (abi.WITHDRAW.topic0,):
            earlier_asset, owner, _, _ = abi.WITHDRAW.decode(log)
            if callers and (earlier_asset, owner) == (asset, gateway):
                callers.pop()
    return callers[-1] if callers else None


def _read_borrow(reading: _Reading) -> list[LendingEvent]:
    asset, recipient, debtor, amount, _, _, _ = abi.BORROW.decode(reading.log)
    events = reading.event(EventType.BORROWED, Role.OWNER, debtor, asset=asset, amount=amount, counterparty=recipient)
    if recipient != debtor:  # credit delegation: the debt is one wallet's, the cash another's
        events += reading.event(
            EventType.BORROWED, Role.RECIPIENT, recipient, asset=asset, amount=amount, counterparty=debtor
        )
    return events


def _read_repay(reading: _Reading) -> list[LendingEvent]:
    asset, debtor, payer, amount, _ = abi.REPAY.decode(reading.log)
    events = reading.event(EventType.REPAID, Role.OWNER, debtor, asset=asset, amount=amount, counterparty=payer)
    if payer != debtor:
        events += reading.event(EventType.REPAID, Role.PAYER, payer, asset=asset, amount=amount, counterparty=debtor)
    return events


def _read_liquidation(reading: _Reading) -> list[LendingEvent]:
    collateral, debt, borrower, repaid, seized, liquidator, _ = abi.LIQUIDATION_CALL.decode(reading.log)
    owner, other = (
        reading.event(
            EventType.LIQUIDATED,
            role,
            wallet,
            asset=debt,
            amount=repaid,
            counterparty=counterparty,
            second_asset=collateral,
            second_amount=seized,
        )
        for role, wallet, counterparty in (
            (Role.OWNER, borrower, liquidator),
            (Role.LIQUIDATOR, liquidator, borrower),
        )
    )
    return owner + other


def _read_collateral_enabled(reading: _Reading) -> list[LendingEvent]:
    asset, owner = abi.COLLATERAL_ENABLED.decode(reading.log)
    return reading.event(EventType.COLLATERAL_ENABLED, Role.OWNER, owner, asset=asset, amount=0)


def _read_collateral_disabled(reading: _Reading) -> list[LendingEvent]:
    asset, owner = abi.COLLATERAL_DISABLED.decode(reading.log)
    return reading.event(EventType.COLLATERAL_DISABLED, Role.OWNER, owner, asset=asset, amount=0)


def _read_emode(reading: _Reading) -> list[LendingEvent]:
    owner, category = abi.USER_EMODE_SET.decode(reading.log)
    return reading.event(EventType.EMODE_SET, Role.OWNER, owner, asset=ZERO_ADDRESS, amount=category)


def _read_deficit(reading: _Reading) -> list[LendingEvent]:
    debtor, asset, amount = abi.DEFICIT_CREATED.decode(reading.log)
    return reading.event(EventType.BAD_DEBT, Role.OWNER, debtor, asset=asset, amount=amount)


_POOL = (ContractKind.POOL,)
POOL_READERS = (
    Reader(_POOL, abi.SUPPLY, _read_supply, wallet_topics=(2,)),
    Reader(_POOL, abi.WITHDRAW, _read_withdraw, wallet_topics=(2,)),
    Reader(_POOL, abi.BORROW, _read_borrow, wallet_topics=(2,)),
    Reader(_POOL, abi.REPAY, _read_repay, wallet_topics=(2,)),
    Reader(_POOL, abi.LIQUIDATION_CALL, _read_liquidation, wallet_topics=(3,)),
    Reader(_POOL, abi.COLLATERAL_ENABLED, _read_collateral_enabled, wallet_topics=(2,)),
    Reader(_POOL, abi.COLLATERAL_DISABLED, _read_collateral_disabled, wallet_topics=(2,)),
    Reader(_POOL, abi.USER_EMODE_SET, _read_emode, wallet_topics=(1,)),
    Reader(_POOL, abi.DEFICIT_CREATED, _read_deficit, wallet_topics=(1,)),
)
