"""What a wallet's history on one chain comes to: exact amounts, no prices, bounded in size.

Prices meet amounts only at an as-of block (`market`). Amounts that a transaction moves forth and back again (a flash
loan, borrow and repay in one breath) are no credit history: they are netted per transaction and asset first. Over days
it is the same: what is undone within `SETTLING_DAYS` says nothing good of anybody (`fold`).
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from bonafides.types import ZERO_DIGEST, Address, ChainId, Digest

FOLD_VERSION = 5
"""Stands in every receipt. A change of what the fold remembers, or how, gets a new number.

2: a withdrawal is the wallet's own act wherever it goes.
3: isolated markets, debts that are told whole, debts at a stable rate, and debts that no log tells.
4: what is undone within two weeks leaves no good record; days are marks, and only the newest keep their amounts.
5: no total of amounts that were repaid for good: it let a large loan buy a better record than a small one."""
DAYS_KEPT = 180
"""Days before the newest event that keep a tally of their own; older ones live on in the totals."""
FLOW_DAYS_KEPT = 31
"""Of them, those that keep what moved: a window of 30 days that ends on any later day lies inside."""
SETTLING_DAYS = 14
"""A repayment counts when nothing was borrowed so long before and after, a top-up when nothing was withdrawn either, a
debt when it was open so long. Were it shorter, a record could be bought within days; longer, and nobody who borrows and
repays would ever have one."""
LIQUIDATIONS_KEPT = 32
"""Newest liquidation times kept one by one; older ones live on in the count."""
SECONDS_PER_DAY = 86_400
SETTLING_S = SETTLING_DAYS * SECONDS_PER_DAY

Order = tuple[int, int, int, int]
"""Canonical order inside one chain: (block, tx_index, log_index, sub_index)."""

BORROWED = 1
"""Mark of a day: a transaction borrowed, net."""
REPAID = 2
"""A transaction repaid at least `SUBSTANTIAL_PERCENT` of an asset's debt, and nothing was borrowed around it."""
TOPPED_UP = 4
"""A transaction added at least that share to a supply balance during debt; nothing was borrowed or withdrawn around."""
SUPPLIED = 8
"""A transaction added at least that share to a supply balance."""
FLASHED = 16
"""A transaction borrowed and repaid the same asset."""
LIQUIDATED = 32
CARED = REPAID | TOPPED_UP


class AssetKey(NamedTuple):
    """One reserve of one deployment."""

    deployment: str
    asset: Address
    market: Digest = ZERO_DIGEST
    """The isolated market inside the deployment; zero where all assets are one pool."""


class AssetState(NamedTuple):
    """One wallet in one reserve. Amounts are whole-life totals in the asset's smallest unit, netted per transaction."""

    scaled_supply: int = 0
    """Exact scaled balance of the supply token. Negative only when part of the history is missing."""
    scaled_debt: int = 0
    """Exact scaled balance of the variable debt token. Negative only when part of the history is missing."""
    is_collateral: bool = False
    supplied: int = 0
    withdrawn: int = 0
    """Withdrawn, or moved to another wallet."""
    borrowed: int = 0
    repaid: int = 0
    """Repaid by the owner or for him; what liquidators repaid is not in it."""
    liquidated: int = 0
    """Debt that liquidators repaid."""
    seized: int = 0
    """Collateral that liquidators took."""
    bad_debt: int = 0
    has_untold_debt: bool = False
    """Whether the wallet ever owed it where no log tells how much (Comet). It may still, so this never ends."""
    stable_principal: int = 0
    """Debt at a stable rate as it was at `stable_since`, interest up to then included; 0 where there is none."""
    stable_rate_ray: int = 0
    """Annual rate of that debt; 0 only where there is none, or where part of the history is missing."""
    stable_since: int = 0
    """Unix seconds; 0 where there is no such debt."""

    @property
    def has_debt(self) -> bool:
        """Whether one of its debt tokens has a balance, however small."""
        return self.scaled_debt > 0 or self.stable_principal > 0

    @property
    def is_impossible(self) -> bool:
        """Whether a balance is below nothing, or a debt without its rate: then part of the history is missing."""
        has_lost_rate = self.stable_principal > 0 and self.stable_rate_ray == 0
        return self.scaled_supply < 0 or self.scaled_debt < 0 or has_lost_rate


class AssetFlow(NamedTuple):
    """What moved in one reserve on one day."""

    key: AssetKey
    supplied: int = 0
    withdrawn: int = 0
    sent: int = 0
    """Of `withdrawn`, what went to another wallet."""
    borrowed: int = 0
    repaid: int = 0


class DayTally(NamedTuple):
    """One UTC day with at least one transaction that counts."""

    day: int
    """Days since 1970-01-01, UTC."""
    marks: int
    """What happened on it: a sum of `BORROWED`, `REPAID` and so on."""
    flows: tuple[AssetFlow, ...] = ()
    """Sorted by key; none on days that are older than `FLOW_DAYS_KEPT`."""


class PendingFlow(NamedTuple):
    """What the newest transaction has moved in one reserve so far."""

    key: AssetKey
    supplied: int = 0
    withdrawn: int = 0
    sent: int = 0
    """Of `withdrawn`, what went to another address."""
    transferred_out: int = 0
    borrowed: int = 0
    repaid: int = 0
    supply_delta: int = 0
    debt_delta: int = 0
    """Change of the scaled debt. Debt at a stable rate is not in it: it has no shares."""
    sets_stable_debt: bool = False
    """Whether a debt at a stable rate was told."""


class PendingTransaction(NamedTuple):
    """The newest transaction: it counts once an event of a later one is seen, or when the state is read (`settle`)."""

    block: int
    tx_index: int
    timestamp: int
    is_liquidation: bool
    flows: tuple[PendingFlow, ...]
    """Sorted by key."""


@dataclass(frozen=True, slots=True)
class WalletState:
    """The fold of one wallet's events on one chain. Times are Unix seconds; None where it never happened."""

    wallet: Address
    chain_id: ChainId
    last_order: Order | None = None
    last_timestamp: int | None = None
    assets: tuple[tuple[AssetKey, AssetState], ...] = ()
    """Sorted by key."""
    emodes: tuple[tuple[str, int], ...] = ()
    """E-mode category per deployment, sorted; 0 is left out."""
    first_loan: int | None = None
    """When the first debt began that was open for `SETTLING_DAYS`."""
    last_borrow: int | None = None
    last_withdrawal: int | None = None
    supplied_since: int | None = None
    """Since when there is a supply balance without a break."""
    borrow_count: int = 0
    """Transactions that borrowed, net."""
    repayment_count: int = 0
    """Transactions that repaid substantially."""
    closed_count: int = 0
    """Times all debt was repaid by the owner after `SETTLING_DAYS`, and stayed so as long, or until now."""
    closed_at: int | None = None
    """When the newest of them was; None when debt began again since."""
    debt_since: int | None = None
    """Since when there is debt without a break."""
    is_settled_debt: bool = False
    """Whether this debt goes on one that was closed just before, and had been open for `SETTLING_DAYS`."""
    indebted_seconds: int = 0
    """How long there was debt before `debt_since`, in debts that were open for `SETTLING_DAYS`."""
    liquidation_count: int = 0
    liquidation_days: int = 0
    """Distinct UTC days with a liquidation."""
    liquidated_at: tuple[int, ...] = ()
    """The newest `LIQUIDATIONS_KEPT`, ascending."""
    bad_debt_count: int = 0
    days: tuple[DayTally, ...] = field(default=())
    """Ascending; only days within `DAYS_KEPT` of the newest one."""
    pending: PendingTransaction | None = None

    @property
    def has_open_debt(self) -> bool:
        """Whether a debt token has a balance, however small."""
        return any(state.has_debt for _, state in self.assets)

    @property
    def has_untold_debt(self) -> bool:
        """Whether it owed something that no log tells, and may still."""
        return any(state.has_untold_debt for _, state in self.assets)

    @property
    def is_impossible(self) -> bool:
        """Whether a balance cannot be: then part of the history is missing, and nothing may be said."""
        return any(state.is_impossible for _, state in self.assets)
