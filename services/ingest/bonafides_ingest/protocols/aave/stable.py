"""Debt at a stable rate, of Aave V2 and V3: the principal that a debtor's newest log leaves, and the rate it grows at.

Such a debt has no shares and no index. It has a principal, a rate of its own and the time of its newest log:

    what is owed = rayMul(principal, compounded interest(rate, now − time))

Every log of its token says what was owed just before (`currentBalance`, of which `balanceIncrease` is new interest), so
that one log tells the principal after it, whatever came before:

```
        the contract            logs                                                    principal after it
V2, V3  burns amount            Burn, value = amount − increase                         owed − increase − value
V3      mints amount            Mint, value = amount + increase                         owed − increase + value
V2      mints amount            Transfer(0 → debtor, amount), Mint, value = amount      owed + value
V3      burns less than the     Mint, value = increase − amount                         owed − increase + value
V2      interest that is new    Mint, value = increase − amount,                        owed − increase + value
                                Transfer(debtor → 0, amount)
```

In V2 the token's own Transfer, right before or right after, tells which of the two a Mint is. In V3 both are one law.
A Mint names the rate. A Burn does not: it leaves the rate as it was, or nothing to be paid for.

A rebalanced debt is burnt and minted again in one transaction; one that changes its mode is burnt by one token and
minted by the other.

Source: `StableDebtToken` of @aave/protocol-v2@1.0.1 and of @aave/core-v3@1.19.3 (1.16.2 logs the same). V3 gave it up
with 3.2.
"""

from bonafides.errors import InvalidMessage
from bonafides.events import LendingEvent
from bonafides.types import ZERO_ADDRESS, Address, EventType, Role

from bonafides_ingest.protocols.aave_v3.events import STABLE_BURN, STABLE_MINT, TRANSFER
from bonafides_ingest.protocols.adjacent import decoded_if, log_after, log_before
from bonafides_ingest.protocols.reading import Reading
from bonafides_ingest.protocols.state import DeploymentState

_HIGHEST = 2**128 - 1
"""Of a balance and of a rate: the contracts keep them in 128 bits."""


def read_stable_mint_v2[S: DeploymentState](reading: Reading[S]) -> list[LendingEvent]:
    """A Mint of V2's token."""
    _, debtor, value, owed, increase, rate, _, _ = STABLE_MINT.decode(reading.log)
    before, after = decoded_if(log_before(reading), TRANSFER), decoded_if(log_after(reading), TRANSFER)
    is_mint = before == (ZERO_ADDRESS, debtor, value)
    is_burn = after == (debtor, ZERO_ADDRESS, increase - value)
    if is_mint == is_burn:
        raise InvalidMessage("stable debt refused: no Transfer beside its Mint tells whether it was minted or burnt")
    return _minted(reading, debtor, owed + value if is_mint else _principal(owed, increase) + value, rate)


def read_stable_mint_v3[S: DeploymentState](reading: Reading[S]) -> list[LendingEvent]:
    """A Mint of V3's token."""
    _, debtor, value, owed, increase, rate, _, _ = STABLE_MINT.decode(reading.log)
    return _minted(reading, debtor, _principal(owed, increase) + value, rate)


def read_stable_burn[S: DeploymentState](reading: Reading[S]) -> list[LendingEvent]:
    """A Burn of either."""
    debtor, value, owed, increase, _, _ = STABLE_BURN.decode(reading.log)
    return _debt_set(reading, debtor, _principal(owed, increase) - value, 0)


def _principal(owed: int, increase: int) -> int:
    """The principal before the log."""
    if increase > owed:
        raise InvalidMessage("stable debt refused: more interest than debt")
    return owed - increase


def _minted[S: DeploymentState](
    reading: Reading[S], debtor: Address, principal: int, rate_ray: int
) -> list[LendingEvent]:
    if not principal or not 0 < rate_ray <= _HIGHEST:
        raise InvalidMessage("stable debt refused: its Mint leaves no debt, or no rate below 2**128")
    return _debt_set(reading, debtor, principal, rate_ray)


def _debt_set[S: DeploymentState](
    reading: Reading[S], debtor: Address, principal: int, rate_ray: int
) -> list[LendingEvent]:
    if not 0 <= principal <= _HIGHEST:
        raise InvalidMessage("stable debt refused: more is burnt than there is, or it leaves 2**128 and above")
    return reading.event(
        EventType.STABLE_DEBT_SET,
        Role.OWNER,
        debtor,
        asset=reading.asset,
        amount=principal,
        index_ray=rate_ray,
    )
