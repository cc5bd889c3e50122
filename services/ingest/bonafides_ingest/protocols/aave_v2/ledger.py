"""Aave V2's ledger: how the logs of aTokens and variable debt tokens change scaled balances, to the unit.

```
balance changes by            and the contract logs                   so the change is
+ rayDiv(amount, index)       Mint, value = amount                    + rayDiv(value, index)
− rayDiv(amount, index)       Burn, value = amount                    − rayDiv(value, index)
∓ rayDiv(amount, index)       BalanceTransfer, value = amount         ∓ rayDiv(value, index)
```

Interest is never booked here, and no value is scaled: both came with V3. Source: `AToken` and `VariableDebtToken` of
@aave/protocol-v2@1.0.1.

Debt at a stable rate is told whole, by entries of its own: `aave/stable.py`.

The assets that the registry names as `rebasing` are not read, by design: their tokens divide by an index of their own
(Lido's `AStETH`, by what a share of stETH is worth), which no log tells. Debt in them is a hole in its debtor's
history. Supply in them is nobody's hole: anyone can send it to anyone, and a position without it is only understated.
There seems to be less collateral behind its debt than there is, and liquidations are told by the pool. One thing about
it can look better than it is: how its collateral is spread, which counts what is read alone.

When a token's log cannot be read, it names whose supply went out or whose debt it is, never who only got something.
"""

from collections.abc import Iterator

from bonafides.errors import InvalidMessage
from bonafides.events import LendingEvent
from bonafides.types import EventType

from bonafides_ingest.protocols.aave.stable import read_stable_burn, read_stable_mint_v2
from bonafides_ingest.protocols.aave_v2 import events as abi
from bonafides_ingest.protocols.aave_v2.state import AaveV2State, ContractKind
from bonafides_ingest.protocols.acts import entry, supply_moved
from bonafides_ingest.protocols.ray import ray_div
from bonafides_ingest.protocols.reading import Complaint, Fact, Reader, Reading

type _Reading = Reading[AaveV2State]


def _read_mint(reading: _Reading) -> list[LendingEvent]:
    owner, value, index = abi.MINT.decode(reading.log)
    return entry(reading, EventType.SUPPLY_BALANCE, owner, value, _scaled(value, index), index)


def _read_burn(reading: _Reading) -> list[LendingEvent]:
    owner, _, value, index = abi.BURN.decode(reading.log)
    return entry(reading, EventType.SUPPLY_BALANCE, owner, value, -_scaled(value, index), index)


def _read_balance_transfer(reading: _Reading) -> list[LendingEvent]:
    sender, receiver, value, index = abi.BALANCE_TRANSFER.decode(reading.log)
    return supply_moved(reading, sender, receiver, value, _scaled(value, index), index)


def _read_debt_mint(reading: _Reading) -> list[LendingEvent]:
    _, debtor, value, index = abi.DEBT_MINT.decode(reading.log)
    return entry(reading, EventType.DEBT_BALANCE, debtor, value, _scaled(value, index), index)


def _read_debt_burn(reading: _Reading) -> list[LendingEvent]:
    debtor, value, index = abi.DEBT_BURN.decode(reading.log)
    return entry(reading, EventType.DEBT_BALANCE, debtor, value, -_scaled(value, index), index)


def _scaled(value: int, index_ray: int) -> int:
    if index_ray == 0:
        raise InvalidMessage("ledger log refused: its index is 0, which no reserve has")
    return ray_div(value, index_ray)


def _leave_rebasing_supply(_: _Reading) -> Iterator[Fact]:
    yield Complaint("supply that divides by an index of its own is not read: positions are understated", is_hole=True)


def _leave_rebasing_debt(_: _Reading) -> Iterator[Fact]:
    yield Complaint("debt that divides by an index of its own is not read", is_hole=True)


_A_TOKEN, _DEBT = (ContractKind.A_TOKEN,), (ContractKind.VARIABLE_DEBT_TOKEN,)
_STABLE, _REBASING = (ContractKind.STABLE_DEBT_TOKEN,), (ContractKind.REBASING_TOKEN,)
LEDGER_READERS: tuple[Reader[AaveV2State], ...] = (
    Reader(_A_TOKEN, abi.MINT, _read_mint),
    Reader(_A_TOKEN, abi.BURN, _read_burn, wallet_topics=(1,)),
    Reader(_A_TOKEN, abi.BALANCE_TRANSFER, _read_balance_transfer, wallet_topics=(1,)),
    Reader(_DEBT, abi.DEBT_MINT, _read_debt_mint, wallet_topics=(2,)),
    Reader(_DEBT, abi.DEBT_BURN, _read_debt_burn, wallet_topics=(1,)),
    Reader(_STABLE, abi.STABLE_MINT, read_stable_mint_v2, wallet_topics=(2,)),
    Reader(_STABLE, abi.STABLE_BURN, read_stable_burn, wallet_topics=(1,)),
    Reader(_REBASING, abi.MINT, _leave_rebasing_supply),
    Reader(_REBASING, abi.BURN, _leave_rebasing_supply),
    Reader(_REBASING, abi.BALANCE_TRANSFER, _leave_rebasing_supply),
    Reader(_REBASING, abi.DEBT_MINT, _leave_rebasing_debt, wallet_topics=(2,)),
    Reader(_REBASING, abi.DEBT_BURN, _leave_rebasing_debt, wallet_topics=(1,)),
    Reader(_REBASING, abi.STABLE_MINT, _leave_rebasing_debt, wallet_topics=(2,)),
    Reader(_REBASING, abi.STABLE_BURN, _leave_rebasing_debt, wallet_topics=(1,)),
)
