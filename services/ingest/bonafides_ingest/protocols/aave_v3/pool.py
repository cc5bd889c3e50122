"""Aave V3's Pool events: what wallets did, in words."""

from bonafides.events import LendingEvent
from bonafides.types import ZERO_ADDRESS, EventType, Role

from bonafides_ingest.protocols.aave.pool import same_pool_readers, withdrawal
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.protocols.aave_v3.state import AaveV3State, ContractKind
from bonafides_ingest.protocols.acts import act
from bonafides_ingest.protocols.reading import Reader, Reading

type _Reading = Reading[AaveV3State]


def _read_supply(reading: _Reading) -> list[LendingEvent]:
    asset, payer, supplier, amount, _ = abi.SUPPLY.decode(reading.log)
    return act(reading, EventType.SUPPLIED, supplier, asset, amount, Role.PAYER, payer)


def _read_withdraw(reading: _Reading) -> list[LendingEvent]:
    return withdrawal(reading, reading.state.a_token_of)


def _read_borrow(reading: _Reading) -> list[LendingEvent]:
    asset, recipient, debtor, amount, _, _, _ = abi.BORROW.decode(reading.log)
    # Credit delegation: the debt is one wallet's, the cash another's.
    return act(reading, EventType.BORROWED, debtor, asset, amount, Role.RECIPIENT, recipient)


def _read_repay(reading: _Reading) -> list[LendingEvent]:
    asset, debtor, payer, amount, _ = abi.REPAY.decode(reading.log)
    return act(reading, EventType.REPAID, debtor, asset, amount, Role.PAYER, payer)


def _read_emode(reading: _Reading) -> list[LendingEvent]:
    owner, category = abi.USER_EMODE_SET.decode(reading.log)
    return reading.event(EventType.EMODE_SET, Role.OWNER, owner, asset=ZERO_ADDRESS, amount=category)


def _read_deficit(reading: _Reading) -> list[LendingEvent]:
    debtor, asset, amount = abi.DEFICIT_CREATED.decode(reading.log)
    return reading.event(EventType.BAD_DEBT, Role.OWNER, debtor, asset=asset, amount=amount)


_POOL = (ContractKind.POOL,)
POOL_READERS: tuple[Reader[AaveV3State], ...] = (
    Reader(_POOL, abi.SUPPLY, _read_supply, wallet_topics=(2,)),
    Reader(_POOL, abi.WITHDRAW, _read_withdraw, wallet_topics=(2,)),
    Reader(_POOL, abi.BORROW, _read_borrow, wallet_topics=(2,)),
    Reader(_POOL, abi.REPAY, _read_repay, wallet_topics=(2,)),
    *same_pool_readers(ContractKind.POOL),
    Reader(_POOL, abi.USER_EMODE_SET, _read_emode, wallet_topics=(1,)),
    Reader(_POOL, abi.DEFICIT_CREATED, _read_deficit, wallet_topics=(1,)),
)
