"""What moved in the last 30 days, at prices of the as-of block."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bonafides.types import ChainId

from bonafides_scoring.features.catalogue import LEVERAGE_CAP_BPS, NEWEST_DAYS, RECENT_DAYS
from bonafides_scoring.features.shares import share_bps
from bonafides_scoring.market import MarketMissing, MarketView
from bonafides_scoring.wallet_state import SECONDS_PER_DAY, AssetKey, WalletState


@dataclass(slots=True)
class _Day:
    """Values of what moved on one day, all wallets together."""

    supplied: int = 0
    withdrawn: int = 0
    borrowed: int = 0
    repaid: int = 0


@dataclass(slots=True)
class RecentFlows:
    """Values in the base currency. What was only collateral and has no price counts nothing."""

    borrowed: int = 0
    withdrawn: int = 0
    sent: int = 0
    """Of `withdrawn`, what went to other wallets."""
    churned: int = 0
    """What was borrowed and repaid again, asset by asset."""
    days: list[tuple[int, _Day]] = field(default_factory=list)
    """Days ago, newest first."""

    @classmethod
    def of(cls, states: Sequence[WalletState], views: Mapping[ChainId, MarketView], now: int) -> "RecentFlows":
        """Those of the 30 days that end with the day of `now`.

        Raises MarketMissing where an asset that was borrowed then has no price: left out, it would be a debt that never
        rose. What was only collateral needs none, nor what was only repaid: a stranger can repay.
        """
        found, today = cls(), now // SECONDS_PER_DAY
        per_day: dict[int, _Day] = {}
        for state in states:
            reserves = views[state.chain_id].reserves
            turned: dict[AssetKey, tuple[int, int]] = {}
            for tally in reversed(state.days):
                ago = today - tally.day
                if ago >= RECENT_DAYS:
                    break
                day = per_day.setdefault(ago, _Day())
                for flow in tally.flows:
                    reserve = reserves.get(flow.key)
                    if reserve is None:
                        if flow.borrowed:
                            raise MarketMissing(
                                f"an asset of {flow.key.deployment} that was borrowed lately has no price at the "
                                "as-of block"
                            )
                        continue
                    if flow.supplied:
                        day.supplied += reserve.base_value(flow.supplied)
                    if flow.withdrawn:
                        day.withdrawn += reserve.base_value(flow.withdrawn)
                        found.sent += reserve.base_value(flow.sent)
                    if flow.borrowed or flow.repaid:
                        borrowed, repaid = reserve.base_value(flow.borrowed), reserve.base_value(flow.repaid)
                        day.borrowed += borrowed
                        day.repaid += repaid
                        before = turned.get(flow.key, (0, 0))
                        turned[flow.key] = (before[0] + borrowed, before[1] + repaid)
            found.churned += sum([min(pair) for pair in turned.values()])
        found.days = sorted(per_day.items())
        found.borrowed = sum([day.borrowed for _, day in found.days])
        found.withdrawn = sum([day.withdrawn for _, day in found.days])
        return found

    def leverage_rise_bps(self, debt: int, collateral: int) -> int:
        """How far debt over collateral stands above its lowest of the 30 days.

            day by day back:   lowest of the day = (debt − borrowed) / (collateral + withdrawn)

        as if all that was good on a day came before what was bad: then nothing that is undone again, on whatever days,
        can lift the lowest, and make a rise look smaller.
        """
        lowest = now = share_bps(debt, collateral, of_nothing=LEVERAGE_CAP_BPS, cap=LEVERAGE_CAP_BPS)
        for _, day in self.days:
            of_nothing = LEVERAGE_CAP_BPS if debt > day.borrowed else 0
            least, most = max(0, debt - day.borrowed), collateral + day.withdrawn
            lowest = min(lowest, share_bps(least, most, of_nothing=of_nothing, cap=LEVERAGE_CAP_BPS))
            debt, collateral = least + day.repaid, max(0, most - day.supplied)
        return now - lowest

    def debt_rise_bps(self, debt: int) -> int:
        """How far debt stands above its lowest of the last 7 days, over the debt. In the same way."""
        now = lowest = debt
        for ago, day in self.days:
            if ago >= NEWEST_DAYS:
                break
            least = max(0, debt - day.borrowed)
            lowest = min(lowest, least)
            debt = least + day.repaid
        return share_bps(now - lowest, now, of_nothing=0)
