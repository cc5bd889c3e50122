"""Absorption: Comet takes an account's debt and all of its collateral, in one stretch of logs.

```
AbsorbCollateral   asset 1 ─┐
AbsorbCollateral   asset 2 ─┤ side by side, of one borrower
AbsorbDebt                 ─┤ basePaidOut = debt + what is left of the collateral's worth
Transfer(0 → borrower)     ─┘ what is left; only where something is
```

Anybody can put a Transfer(0 → borrower) behind an absorption: a contract absorbs, and then sends base that it borrows.
Two things tell most of those from what was left:

- What is left is less than basePaidOut, since there was a debt.
- Where something is left, basePaidOut is what all of the collateral was credited with: at most what it was worth. An
  AbsorbDebt of more USD than its AbsorbCollateral left nothing, whatever stands behind it.

Between those two a forger can make a debt look smaller, where the collateral was worth the debt and was credited with
less (by Comet's `liquidationFactor`, which no log tells). He cannot make a liquidation or a bad debt disappear: the
debt that is told is never 0, and such an absorption leaves no bad debt.

Source: `absorbInternal` in contracts/CometWithExtendedAssetList.sol,
compound-finance/comet@0375004cc0605a5be2aec3d67c6f666e56393f95.
"""

from collections.abc import Iterator
from typing import NamedTuple

from bonafides.types import Address, EventType, Role

from bonafides_ingest.chain import Log
from bonafides_ingest.protocols.adjacent import decoded_if, log_after, log_before
from bonafides_ingest.protocols.compound_v3 import events as abi
from bonafides_ingest.protocols.compound_v3.base import minted_for
from bonafides_ingest.protocols.compound_v3.state import CompoundV3State, ContractKind
from bonafides_ingest.protocols.ray import RAY
from bonafides_ingest.protocols.reading import Complaint, Fact, Reader, Reading

type _Reading = Reading[CompoundV3State]

MAIN, FURTHER = 0, 1
"""Legs of `liquidated`: the liquidation, and a further collateral of it, which is told before its debt."""


class _Absorbed(NamedTuple):
    """One AbsorbCollateral."""

    log: Log
    asset: Address
    amount: int
    usd: int
    """1e8."""


def _read_collateral(reading: _Reading) -> Iterator[Fact]:
    absorber, borrower, asset, amount, _ = abi.ABSORB_COLLATERAL.decode(reading.log)
    if not amount:
        return
    main = _main(_taken_before(reading, _debt_log(reading), borrower))
    if main is None or main.log is not reading.log:
        yield from _liquidated(reading, borrower, absorber, 0, asset, amount, FURTHER)
    yield from reading.event(
        EventType.SUPPLY_BALANCE,
        Role.OWNER,
        borrower,
        asset=asset,
        amount=amount,
        scaled_delta=-amount,
        index_ray=RAY,
    )


def _read_debt(reading: _Reading) -> Iterator[Fact]:
    absorber, borrower, paid_out, paid_out_usd = abi.ABSORB_DEBT.decode(reading.log)
    taken = _taken_before(reading, reading.log, borrower)
    missing_usd = paid_out_usd - sum(collateral.usd for collateral in taken)
    left = minted_for(log_after(reading), borrower)
    if missing_usd > 0 or left >= paid_out:
        left = 0  # that Transfer is somebody's who sent it: read in its turn
    debt = paid_out - left
    main = _main(taken)
    asset, amount = (None, 0) if main is None else (main.asset, main.amount)
    yield from _liquidated(reading, borrower, absorber, debt, asset, amount, MAIN)
    if not left and missing_usd < 0 and not reading.state.deployment.logs_rest(reading.log.position.block.number):
        reason = "what was left to the borrower may not be logged here: the debt was this much or less"
        yield Complaint(reason, is_hole=True)
    if missing_usd > 0 and (bad_debt := debt * missing_usd // paid_out_usd):
        yield from reading.event(EventType.BAD_DEBT, Role.OWNER, borrower, asset=reading.asset, amount=bad_debt)


def _liquidated(
    reading: _Reading, borrower: Address, absorber: Address, debt: int, asset: Address | None, amount: int, leg: int
) -> Iterator[Fact]:
    for role, wallet, other in ((Role.OWNER, borrower, absorber), (Role.LIQUIDATOR, absorber, borrower)):
        yield from reading.event(
            EventType.LIQUIDATED,
            role,
            wallet,
            asset=reading.asset,
            amount=debt,
            counterparty=other,
            second_asset=asset,
            second_amount=amount,
            leg=leg,
        )


def _debt_log(reading: _Reading) -> Log | None:
    """The AbsorbDebt that ends the stretch in which the log stands."""
    log: Log | None = reading.log
    while log is not None and log.topics[0] == abi.ABSORB_COLLATERAL.topic0:
        log = log_after(reading, log)
    return log if log is not None and log.topics[0] == abi.ABSORB_DEBT.topic0 else None


def _taken_before(reading: _Reading, debt_log: Log | None, borrower: Address) -> list[_Absorbed]:
    """The collateral of this borrower right before an AbsorbDebt."""
    taken: list[_Absorbed] = []
    log = None if debt_log is None else log_before(reading, debt_log)
    while log is not None:
        collateral = decoded_if(log, abi.ABSORB_COLLATERAL)
        if collateral is None or collateral[1] != borrower:
            break
        _, _, asset, amount, usd = collateral
        taken.append(_Absorbed(log, asset, amount, usd))
        log = log_before(reading, log)
    return taken[::-1]


def _main(taken: list[_Absorbed]) -> _Absorbed | None:
    """The collateral that was worth most; of equals the one that was taken first."""
    return max(taken, key=lambda collateral: collateral.usd, default=None)


_KINDS = (ContractKind.COMET,)
ABSORPTION_READERS: tuple[Reader[CompoundV3State], ...] = (
    Reader(_KINDS, abi.ABSORB_COLLATERAL, _read_collateral, wallet_topics=(2,)),
    Reader(_KINDS, abi.ABSORB_DEBT, _read_debt, wallet_topics=(2,)),
)
