"""Aave V2's LendingPool events: what wallets did, in words.

`Swap` and `RebalanceStableBorrowRate` change a debt's rate: the debt tokens tell it. `FlashLoan` opens no position;
where it leaves debt behind, a `Borrow` says so.
"""

from bonafides.events import LendingEvent
from bonafides.types import EventType, Role

from bonafides_ingest.protocols.aave.pool import same_pool_readers, withdrawal
from bonafides_ingest.protocols.aave_v2 import events as abi
from bonafides_ingest.protocols.aave_v2.state import AaveV2State, ContractKind
from bonafides_ingest.protocols.aave_v3.events import WITHDRAW
from bonafides_ingest.protocols.acts import act
from bonafides_ingest.protocols.reading import Reader, Reading

type _Reading = Reading[AaveV2State]


def _read_deposit(reading: _Reading) -> list[LendingEvent]:
    asset, payer, supplier, amount, _ = abi.DEPOSIT.decode(reading.log)
    return act(reading, EventType.SUPPLIED, supplier, asset, amount, Role.PAYER, payer)


def _read_withdraw(reading: _Reading) -> list[LendingEvent]:
    return withdrawal(reading, reading.state.a_token_of)


def _read_borrow(reading: _Reading) -> list[LendingEvent]:
    asset, recipient, debtor, amount, _, _, _ = abi.BORROW.decode(reading.log)
    # Credit delegation: the debt is one wallet's, the cash another's.
    return act(reading, EventType.BORROWED, debtor, asset, amount, Role.RECIPIENT, recipient)


def _read_repay(reading: _Reading) -> list[LendingEvent]:
    asset, debtor, payer, amount = abi.REPAY.decode(reading.log)
    return act(reading, EventType.REPAID, debtor, asset, amount, Role.PAYER, payer)


_POOL = (ContractKind.POOL,)
POOL_READERS: tuple[Reader[AaveV2State], ...] = (
    Reader(_POOL, abi.DEPOSIT, _read_deposit, wallet_topics=(2,)),
    Reader(_POOL, WITHDRAW, _read_withdraw, wallet_topics=(2,)),
    Reader(_POOL, abi.BORROW, _read_borrow, wallet_topics=(2,)),
    Reader(_POOL, abi.REPAY, _read_repay, wallet_topics=(2,)),
    *same_pool_readers(ContractKind.POOL),
)
