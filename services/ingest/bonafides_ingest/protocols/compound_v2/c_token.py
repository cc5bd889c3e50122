"""The logs of a cToken: what wallets did, and its ledger.

```
what happened   logs of the cToken, in this order                                  events
supplied        Mint, Transfer(cToken → minter)                                    supplied; supply +
withdrawn       Transfer(redeemer → cToken), Redeem                                withdrawn; supply −
borrowed        Borrow                                                             borrowed; debt set
repaid          RepayBorrow                                                        repaid; debt set
moved           Transfer(sender → receiver)                                        transferred; supply −, +
liquidated      of the debt:       RepayBorrow                                     debt set
                of the collateral: Transfer(borrower → liquidator)                 supply −, +
                  since 2021 also  Transfer(borrower → cToken), ReservesAdded      supply −
                of the debt:       LiquidateBorrow                                 liquidated
```

A `Failure` says that an action was turned down and nothing happened; it is no event.
"""

from collections.abc import Iterable, Iterator

from bonafides.events import LendingEvent
from bonafides.types import Address, EventType, MarketPointKind, Role

from bonafides_ingest.protocols.adjacent import decoded_if, log_after, log_before
from bonafides_ingest.protocols.compound_v2 import events as abi
from bonafides_ingest.protocols.compound_v2.books import (
    after_accrual,
    after_borrow,
    after_mint,
    after_new_reserve_factor,
    after_old_accrual,
    after_redeem,
    after_repayment,
    after_reserves_added,
    after_reserves_reduced,
    after_transfer,
)
from bonafides_ingest.protocols.compound_v2.state import RAY_PER_MANTISSA, Books, CompoundV2State, ContractKind
from bonafides_ingest.protocols.reading import Complaint, Fact, Reader, Reading

type _Reading = Reading[CompoundV2State]


def _own(
    reading: _Reading,
    type: EventType,
    role: Role,
    wallet: Address,
    amount: int,
    *,
    counterparty: Address | None = None,
    scaled_delta: int = 0,
    index_ray: int = 0,
    leg: int = 0,
) -> list[LendingEvent]:
    """An event about the underlying of the cToken that emitted the log."""
    return reading.event(
        type,
        role,
        wallet,
        asset=reading.asset,
        amount=amount,
        counterparty=counterparty,
        scaled_delta=scaled_delta,
        index_ray=index_ray,
        market=reading.state.markets[reading.log.address].market,
        leg=leg,
    )


def _read_mint(reading: _Reading) -> Iterable[Fact]:
    minter, amount, _ = abi.MINT.decode(reading.log)
    return _own(reading, EventType.SUPPLIED, Role.OWNER, minter, amount)


def _read_redeem(reading: _Reading) -> Iterable[Fact]:
    redeemer, amount, _ = abi.REDEEM.decode(reading.log)
    return _own(reading, EventType.WITHDRAWN, Role.OWNER, redeemer, amount)


def _read_borrow(reading: _Reading) -> Iterable[Fact]:
    borrower, amount, debt, _ = abi.BORROW.decode(reading.log)
    return [*_own(reading, EventType.BORROWED, Role.OWNER, borrower, amount), *_debt_set(reading, borrower, debt)]


def _read_repayment(reading: _Reading) -> Iterator[Fact]:
    payer, borrower, amount, debt, _ = abi.REPAY_BORROW.decode(reading.log)
    if not _is_paid_by_liquidation(reading, payer, borrower, amount):
        yield from _own(reading, EventType.REPAID, Role.OWNER, borrower, amount, counterparty=payer)
        if payer != borrower:
            yield from _own(reading, EventType.REPAID, Role.PAYER, payer, amount, counterparty=borrower)
    yield from _debt_set(reading, borrower, debt)


def _debt_set(reading: _Reading, borrower: Address, debt: int) -> list[LendingEvent]:
    """Compound V2 keeps a debt as an amount and the index at which it was reckoned; so do we."""
    index_ray = _books(reading).borrow_index * RAY_PER_MANTISSA
    return _own(reading, EventType.DEBT_SET, Role.OWNER, borrower, debt, index_ray=index_ray)


def _is_paid_by_liquidation(reading: _Reading, payer: Address, borrower: Address, amount: int) -> bool:
    """Whether the LiquidateBorrow that follows tells of this payment: then it is no repayment of the borrower's."""
    for log in reading.transaction:
        if log.position.log_index <= reading.log.position.log_index or log.address != reading.log.address:
            continue
        if log.topics[:1] == (abi.REPAY_BORROW.topic0,):
            return False
        if log.topics[:1] == (abi.LIQUIDATE_BORROW.topic0,):
            liquidation = decoded_if(log, abi.LIQUIDATE_BORROW)
            return liquidation is not None and liquidation[:3] == (payer, borrower, amount)
    return False


def _read_liquidation(reading: _Reading) -> Iterator[Fact]:
    liquidator, borrower, repaid, collateral, seized = abi.LIQUIDATE_BORROW.decode(reading.log)
    market = reading.state.markets.get(collateral)
    for role, wallet, other in ((Role.OWNER, borrower, liquidator), (Role.LIQUIDATOR, liquidator, borrower)):
        yield from reading.event(
            EventType.LIQUIDATED,
            role,
            wallet,
            asset=reading.asset,
            amount=repaid,
            counterparty=other,
            second_asset=None if market is None else market.underlying,
            second_amount=0 if market is None else reading.state.books_of(collateral).underlying_of(seized),
            market=reading.state.markets[reading.log.address].market,
        )
    if market is None:
        yield Complaint("the registry does not name the cToken that was seized", (borrower, liquidator))


def _read_transfer(reading: _Reading) -> Iterator[Fact]:
    sender, receiver, c_tokens = abi.TRANSFER.decode(reading.log)
    if not c_tokens:
        return
    books, c_token = _books(reading), reading.log.address
    amount = _told_underlying(reading, sender, receiver, c_tokens)
    if amount is None:
        amount = books.underlying_of(c_tokens)
    is_move = reading.is_wallet(sender) and reading.is_wallet(receiver) and not _is_seizure(reading)
    if is_move:
        yield from _own(reading, EventType.TRANSFERRED, Role.SENDER, sender, amount, counterparty=receiver)
        yield from _own(reading, EventType.TRANSFERRED, Role.RECEIVER, receiver, amount, counterparty=sender)
    index_ray = books.exchange_rate * RAY_PER_MANTISSA
    for wallet, delta, leg in ((sender, -c_tokens, 0), (receiver, c_tokens, 1)):
        yield from _own(
            reading,
            EventType.SUPPLY_BALANCE,
            Role.OWNER,
            wallet,
            amount,
            scaled_delta=delta,
            index_ray=index_ray,
            leg=leg,  # one log, two owners
        )
    if sender == c_token and not books.total_supply:
        yield _index_point(reading, after_transfer(reading))  # the first cTokens: only now is there a rate


def _told_underlying(reading: _Reading, sender: Address, receiver: Address, c_tokens: int) -> int | None:
    """What the Mint before it, or the Redeem behind it, says that these cTokens cost; None where neither stands."""
    c_token = reading.log.address
    told, codec = (None, abi.MINT)
    if sender == c_token:
        told = log_before(reading)
    elif receiver == c_token:
        told, codec = log_after(reading), abi.REDEEM
    values = decoded_if(told, codec)
    return values[1] if values is not None and values[2] == c_tokens else None


def _is_seizure(reading: _Reading) -> bool:
    """Whether a LiquidateBorrow that follows, of any cToken, tells that these cTokens were seized."""
    sender, receiver, c_tokens = abi.TRANSFER.decode(reading.log)
    for log in reading.transaction:
        if log.position.log_index <= reading.log.position.log_index or log.address not in reading.state.markets:
            continue
        liquidation = decoded_if(log, abi.LIQUIDATE_BORROW)
        if liquidation is None:
            continue
        liquidator, borrower, _, collateral, seized = liquidation
        if (borrower, liquidator, collateral) == (sender, receiver, reading.log.address) and c_tokens <= seized:
            return True
    return False


def _read_accrual(reading: _Reading) -> Iterable[Fact]:
    return [_index_point(reading, after_accrual(reading))]


def _read_old_accrual(reading: _Reading) -> Iterable[Fact]:
    return [_index_point(reading, after_old_accrual(reading))]


def _index_point(reading: _Reading, state: CompoundV2State) -> Fact:
    """Both indices as the books have them. Rates are no part of any log: they are 0."""
    c_token = reading.log.address
    books = state.books_of(c_token)
    values = (0, 0, books.exchange_rate * RAY_PER_MANTISSA, books.borrow_index * RAY_PER_MANTISSA)
    market = state.markets[c_token].market
    return reading.point(MarketPointKind.RESERVE_INDEX, reading.asset, values, market=market)


def _no_fact(_: _Reading) -> Iterable[Fact]:
    return ()


def _books(reading: _Reading) -> Books:
    return reading.state.books_of(reading.log.address)


_KINDS = (ContractKind.C_TOKEN,)
C_TOKEN_READERS: tuple[Reader[CompoundV2State], ...] = (
    Reader(_KINDS, abi.ACCRUE_INTEREST, _read_accrual, change=after_accrual, is_market=True),
    Reader(_KINDS, abi.OLD_ACCRUE_INTEREST, _read_old_accrual, change=after_old_accrual, is_market=True),
    Reader(_KINDS, abi.MINT, _read_mint, change=after_mint),
    Reader(_KINDS, abi.REDEEM, _read_redeem, change=after_redeem),
    Reader(_KINDS, abi.BORROW, _read_borrow, change=after_borrow),
    Reader(_KINDS, abi.REPAY_BORROW, _read_repayment, change=after_repayment),
    Reader(_KINDS, abi.LIQUIDATE_BORROW, _read_liquidation),
    Reader(_KINDS, abi.TRANSFER, _read_transfer, wallet_topics=(1, 2), change=after_transfer),
    Reader(_KINDS, abi.RESERVES_ADDED, _no_fact, change=after_reserves_added, is_market=True),
    Reader(_KINDS, abi.RESERVES_REDUCED, _no_fact, change=after_reserves_reduced, is_market=True),
    Reader(_KINDS, abi.NEW_RESERVE_FACTOR, _no_fact, change=after_new_reserve_factor, is_market=True),
)
