"""How each log of a cToken changes its books. See `compound_v2_state`."""

from dataclasses import replace

from bonafides.types import Address

from bonafides_ingest.protocols.adjacent import decoded_if, log_after
from bonafides_ingest.protocols.compound_v2 import events as abi
from bonafides_ingest.protocols.compound_v2.state import Books, CompoundV2State
from bonafides_ingest.protocols.reading import Reading

type _Reading = Reading[CompoundV2State]


def after_accrual(reading: _Reading) -> CompoundV2State:
    """The state after an AccrueInterest that tells the cash before the action it opens."""
    cash, interest, borrow_index, total_borrows = abi.ACCRUE_INTEREST.decode(reading.log)
    return _with(reading, _books(reading).accrued(interest, borrow_index, total_borrows, cash))


def after_old_accrual(reading: _Reading) -> CompoundV2State:
    """The state after an AccrueInterest of 2019, which tells no cash."""
    interest, borrow_index, total_borrows = abi.OLD_ACCRUE_INTEREST.decode(reading.log)
    return _with(reading, _books(reading).accrued(interest, borrow_index, total_borrows, None))


def after_mint(reading: _Reading) -> CompoundV2State:
    """The state after a Mint; its Transfer, which follows, adds the cTokens."""
    _, amount, _ = abi.MINT.decode(reading.log)
    return _with_cash(reading, amount)


def after_redeem(reading: _Reading) -> CompoundV2State:
    """The state after a Redeem; its Transfer, which came before, took the cTokens."""
    _, amount, _ = abi.REDEEM.decode(reading.log)
    return _with_cash(reading, -amount)


def after_borrow(reading: _Reading) -> CompoundV2State:
    """The state after a Borrow."""
    _, amount, _, total_borrows = abi.BORROW.decode(reading.log)
    books = _books(reading)
    return _with(reading, replace(books, cash=books.cash - amount, total_borrows=total_borrows))


def after_repayment(reading: _Reading) -> CompoundV2State:
    """The state after a RepayBorrow."""
    _, _, amount, _, total_borrows = abi.REPAY_BORROW.decode(reading.log)
    books = _books(reading)
    return _with(reading, replace(books, cash=books.cash + amount, total_borrows=total_borrows))


def after_transfer(reading: _Reading) -> CompoundV2State:
    """The state after a Transfer: cTokens come from the cToken itself, and end there."""
    sender, receiver, c_tokens = abi.TRANSFER.decode(reading.log)
    change = (c_tokens if sender == reading.log.address else 0) - (c_tokens if is_burn(reading, receiver) else 0)
    if not change:
        return reading.state
    books = _books(reading)
    return _with(reading, replace(books, total_supply=books.total_supply + change))


def is_burn(reading: _Reading, receiver: Address) -> bool:
    """Whether the cTokens of a Transfer to `receiver` are gone.

    A redemption's Transfer stands right before its Redeem, that of the protocol's share of a seizure right before a
    ReservesAdded. cTokens that somebody sent to the cToken by mistake lie there for ever, and are no less.
    """
    if receiver != reading.log.address:
        return False
    after = log_after(reading)
    share = decoded_if(after, abi.RESERVES_ADDED)
    return decoded_if(after, abi.REDEEM) is not None or (share is not None and share[0] == receiver)


def after_reserves_added(reading: _Reading) -> CompoundV2State:
    """The state after a ReservesAdded. The cToken's own, from a seizure, bring no cash."""
    benefactor, amount, total_reserves = abi.RESERVES_ADDED.decode(reading.log)
    books = _books(reading)
    cash = books.cash if benefactor == reading.log.address else books.cash + amount
    return _with(reading, replace(books, cash=cash, total_reserves=total_reserves))


def after_reserves_reduced(reading: _Reading) -> CompoundV2State:
    """The state after a ReservesReduced."""
    _, amount, total_reserves = abi.RESERVES_REDUCED.decode(reading.log)
    books = _books(reading)
    return _with(reading, replace(books, cash=books.cash - amount, total_reserves=total_reserves))


def after_new_reserve_factor(reading: _Reading) -> CompoundV2State:
    """The state after a NewReserveFactor."""
    _, factor = abi.NEW_RESERVE_FACTOR.decode(reading.log)
    return _with(reading, replace(_books(reading), reserve_factor=factor))


def _with_cash(reading: _Reading, change: int) -> CompoundV2State:
    books = _books(reading)
    return _with(reading, replace(books, cash=books.cash + change))


def _books(reading: _Reading) -> Books:
    return reading.state.books_of(reading.log.address)


def _with(reading: _Reading, books: Books) -> CompoundV2State:
    return reading.state.with_books(reading.log.address, books)
