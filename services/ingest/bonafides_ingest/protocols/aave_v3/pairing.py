"""Scaled balances of tokens that round by operation: from a token's log and the Pool's log of the same call.

Such a token logs the difference of two rounded balances: it is off the amount that was asked for by up to a unit, and
the shares do not follow from it. The Pool names the amount in the same call, and `TokenMath` rounds it:

```
Pool log                        token           shares
Supply                          aToken          + floor(amount / index)
Withdraw                        aToken          − ceil(amount / index)      a withdrawal of all of it is no other case:
Borrow                          debt token      + ceil(amount / index)      amount = floor(shares · index), and
Repay                           debt token      − floor(amount / index)     ceil(amount / index) = shares, since an
Repay with aTokens, besides     aToken          − ceil(amount / index)      index is never below one
LiquidationCall, its debt       debt token      − floor((debtToCover + deficit of that asset) / index)
LiquidationCall, its collateral aToken          − ceil(liquidatedCollateralAmount / index)   unless paid in aTokens
DeficitCreated, other assets    debt token      − floor(amount / index)
DeficitCovered                  aToken          − ceil(amount / index)
```

A call's token logs come before its Pool log, and calls do not overlap. What the token logged must be what these shares
make of a balance: floor(shares · index), or one more. Else nothing is said, and why.

Source: @aave-dao/aave-v3-origin@3.6.0, `SupplyLogic`, `BorrowLogic`, `LiquidationLogic`, `ScaledBalanceTokenBase`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bonafides.errors import InvalidMessage
from bonafides.types import Address, Digest

from bonafides_ingest.chain import Log
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.protocols.aave_v3.rounding import Paired
from bonafides_ingest.protocols.aave_v3.state import ContractKind
from bonafides_ingest.protocols.ray import RAY, ray_div_ceil, ray_div_floor, ray_mul_floor
from bonafides_ingest.protocols.state import Watched


class _Move(NamedTuple):
    """Which balance moves, and which way."""

    kind: ContractKind
    asset: Address
    owner: Address
    is_burn: bool


class _TokenLog(NamedTuple):
    log_index: int
    moved: int
    """Difference of the two rounded balances; positive."""
    index_ray: int


def pair_transaction(logs: Sequence[Log], watched: Mapping[Address, Watched]) -> Paired:
    """The changes of scaled balances that the Mint and Burn logs of one transaction stand for.

    A log that cannot be read pairs with nothing; whoever reads it refuses it with its own reason.
    """
    work = _Pairing()
    for log in logs:
        contract = watched.get(log.address)
        if contract is None or not log.topics:
            continue
        try:
            if contract.kind is ContractKind.POOL:
                work.explain(log)
            elif contract.kind in (ContractKind.A_TOKEN, ContractKind.VARIABLE_DEBT_TOKEN):
                work.add(log, ContractKind(contract.kind), contract.asset)
        except InvalidMessage:
            continue
    return work.result()


@dataclass(slots=True)
class _Pairing:
    """Token logs that wait for the Pool's log of their call."""

    waiting: dict[_Move, list[_TokenLog]] = field(default_factory=lambda: defaultdict(list))
    deficits: dict[Address, dict[Address, int]] = field(default_factory=lambda: defaultdict(dict))
    """Debt that was given up, by borrower and asset: told before the LiquidationCall that ends the call."""
    deltas: dict[int, int] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)

    def add(self, log: Log, kind: ContractKind, asset: Address) -> None:
        if log.topics[0] == abi.MINT.topic0:
            _, owner, value, increase, index_ray = abi.MINT.decode(log)
            moved = value - increase
        elif log.topics[0] == abi.BURN.topic0:
            owner, _, value, increase, index_ray = abi.BURN.decode(log)
            moved = -value - increase
        else:
            return
        log_index = log.position.log_index
        if index_ray < RAY:
            self.reasons[log_index] = "ledger log refused: its index is below one, which no reserve has"
        elif moved == 0:  # interest that a transfer books: any share more or less would show
            self.deltas[log_index] = 0
        else:
            self.waiting[_Move(kind, asset, owner, moved < 0)].append(_TokenLog(log_index, abs(moved), index_ray))

    def explain(self, log: Log) -> None:
        reader = _POOL_LOGS.get(log.topics[0])
        if reader is None:
            return
        for move, amount in reader(log, self.deficits):
            self._settle(self.waiting.pop(move, []), move, amount)

    def _settle(self, found: Sequence[_TokenLog], move: _Move, amount: int) -> None:
        for log_index, moved, index_ray in found:
            if len(found) > 1:
                self.reasons[log_index] = "ledger log refused: two of them stand before one Pool event"
                continue
            rounds_up = move.is_burn == (move.kind is ContractKind.A_TOKEN)
            shares = ray_div_ceil(amount, index_ray) if rounds_up else ray_div_floor(amount, index_ray)
            if moved - ray_mul_floor(shares, index_ray) in (0, 1):
                self.deltas[log_index] = -shares if move.is_burn else shares
            else:
                self.reasons[log_index] = "ledger log refused: it does not fit the amount of its Pool event"

    def result(self) -> Paired:
        for found in self.waiting.values():
            for entry in found:
                self.reasons[entry.log_index] = "ledger log refused: no Pool event of its transaction explains it"
        return Paired(self.deltas, self.reasons)


type _Deficits = dict[Address, dict[Address, int]]
type _Explained = Iterator[tuple[_Move, int]]

_A_TOKEN, _DEBT = ContractKind.A_TOKEN, ContractKind.VARIABLE_DEBT_TOKEN


def _supplied(log: Log, _: _Deficits) -> _Explained:
    asset, _payer, supplier, amount, _code = abi.SUPPLY.decode(log)
    yield _Move(_A_TOKEN, asset, supplier, is_burn=False), amount


def _withdrawn(log: Log, _: _Deficits) -> _Explained:
    asset, owner, _recipient, amount = abi.WITHDRAW.decode(log)
    yield _Move(_A_TOKEN, asset, owner, is_burn=True), amount


def _borrowed(log: Log, _: _Deficits) -> _Explained:
    asset, _recipient, debtor, amount, *_rest = abi.BORROW.decode(log)
    yield _Move(_DEBT, asset, debtor, is_burn=False), amount


def _repaid(log: Log, _: _Deficits) -> _Explained:
    asset, debtor, payer, amount, with_a_tokens = abi.REPAY.decode(log)
    yield _Move(_DEBT, asset, debtor, is_burn=True), amount
    if with_a_tokens:
        yield _Move(_A_TOKEN, asset, payer, is_burn=True), amount


def _given_up(log: Log, deficits: _Deficits) -> _Explained:
    borrower, asset, amount = abi.DEFICIT_CREATED.decode(log)
    deficits[borrower][asset] = amount
    return iter(())


def _liquidated(log: Log, deficits: _Deficits) -> _Explained:
    collateral, debt, borrower, repaid, seized, _liquidator, in_a_tokens = abi.LIQUIDATION_CALL.decode(log)
    given_up = deficits.pop(borrower, {})
    yield _Move(_DEBT, debt, borrower, is_burn=True), repaid + given_up.pop(debt, 0)
    for asset, amount in given_up.items():
        yield _Move(_DEBT, asset, borrower, is_burn=True), amount
    if not in_a_tokens:
        yield _Move(_A_TOKEN, collateral, borrower, is_burn=True), seized


def _covered(log: Log, _: _Deficits) -> _Explained:
    asset, caller, amount = abi.DEFICIT_COVERED.decode(log)
    yield _Move(_A_TOKEN, asset, caller, is_burn=True), amount


_POOL_LOGS: Mapping[Digest, Callable[[Log, _Deficits], _Explained]] = {
    abi.SUPPLY.topic0: _supplied,
    abi.WITHDRAW.topic0: _withdrawn,
    abi.BORROW.topic0: _borrowed,
    abi.REPAY.topic0: _repaid,
    abi.DEFICIT_CREATED.topic0: _given_up,
    abi.LIQUIDATION_CALL.topic0: _liquidated,
    abi.DEFICIT_COVERED.topic0: _covered,
}
