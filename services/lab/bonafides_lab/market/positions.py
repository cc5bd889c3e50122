"""What wallets hold in the market, read from the chain's own scaled balances, and what it is worth."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from bonafides.types import Address

from bonafides_lab.market import methods
from bonafides_lab.market.calldata import words
from bonafides_lab.market.chain import Chain
from bonafides_lab.market.deployment import PRICE_UNIT, Deployment
from bonafides_lab.market.reserves import RAY, RESERVES

DUST_USD = 1.0
"""Below this a balance counts as nothing: what rounding leaves behind."""


@dataclass(frozen=True, slots=True)
class Quotes:
    """Prices and interest indices of all reserves at one moment, in the order of `RESERVES`."""

    prices: tuple[int, ...]
    """USD with 8 decimals."""
    income_indices: tuple[int, ...]
    """Ray: what one scaled unit of supply has grown to."""
    debt_indices: tuple[int, ...]
    """Ray: what one scaled unit of variable debt has grown to."""
    recent_fall: float = 0.0
    """How far ether stands below its highest close of the last days, as a share of it: what everybody has heard."""

    supply_usd_per_scaled: tuple[float, ...] = field(init=False)
    """Dollars per scaled base unit of supply."""
    debt_usd_per_scaled: tuple[float, ...] = field(init=False)
    """Dollars per scaled base unit of debt."""

    def __post_init__(self) -> None:
        # Computed once: each day values every wallet with them.
        object.__setattr__(self, "supply_usd_per_scaled", self._usd_per_scaled(self.income_indices))
        object.__setattr__(self, "debt_usd_per_scaled", self._usd_per_scaled(self.debt_indices))

    def _usd_per_scaled(self, indices: Sequence[int]) -> tuple[float, ...]:
        return tuple(
            price / PRICE_UNIT * (index / RAY) / 10**spec.decimals
            for price, index, spec in zip(self.prices, indices, RESERVES, strict=True)
        )

    def base_units(self, reserve: int, usd: float) -> int:
        """How many base units of the token so many dollars buy, rounded down, at least 0."""
        return max(0, int(usd / (self.prices[reserve] / PRICE_UNIT) * 10 ** RESERVES[reserve].decimals))


@dataclass(frozen=True, slots=True)
class Standing:
    """A wallet's position in dollars. Good to about 1e-12: decisions need no more, and none of it is ever stored."""

    supply_usd: tuple[float, ...]
    debt_usd: tuple[float, ...]
    is_collateral: tuple[bool, ...]
    """Whether the supply of each reserve counts as collateral; what does not cannot be seized either."""
    borrowing_capacity_usd: float
    """What the collateral lets the wallet owe when it borrows: supply times loan-to-value."""
    liquidation_capacity_usd: float
    """What the collateral carries before it is liquidated: supply times liquidation threshold."""

    @property
    def total_supply_usd(self) -> float:
        return sum(self.supply_usd)

    @property
    def total_debt_usd(self) -> float:
        return sum(self.debt_usd)

    @property
    def health_factor(self) -> float:
        """Infinite without debt; below 1 anyone may liquidate."""
        debt = self.total_debt_usd
        return self.liquidation_capacity_usd / debt if debt > 0 else math.inf

    @property
    def used_share(self) -> float:
        """Debt as a share of the borrowing capacity; infinite when there is debt and no capacity."""
        debt = self.total_debt_usd
        if debt <= 0:
            return 0.0
        return debt / self.borrowing_capacity_usd if self.borrowing_capacity_usd > 0 else math.inf

    @property
    def largest_supply(self) -> int:
        """The reserve that most of the supply is in."""
        return max(range(len(RESERVES)), key=self.supply_usd.__getitem__)

    @property
    def largest_collateral(self) -> int:
        """The reserve that most of the collateral is in."""
        return max(range(len(RESERVES)), key=lambda reserve: self.supply_usd[reserve] * self.is_collateral[reserve])

    @property
    def largest_debt(self) -> int:
        """The reserve that most of the debt is in."""
        return max(range(len(RESERVES)), key=self.debt_usd.__getitem__)


_LTVS = tuple(spec.ltv for spec in RESERVES)
_LIQUIDATION_THRESHOLDS = tuple(spec.liquidation_threshold for spec in RESERVES)
_NOTHING = (0.0,) * len(RESERVES)
EMPTY_STANDING = Standing(_NOTHING, _NOTHING, (False,) * len(RESERVES), 0.0, 0.0)


@dataclass(slots=True)
class Holding:
    """Scaled balances of one wallet, as the contracts hold them."""

    supply: list[int] = field(default_factory=lambda: [0] * len(RESERVES))
    debt: list[int] = field(default_factory=lambda: [0] * len(RESERVES))
    is_collateral: tuple[bool, ...] = (False,) * len(RESERVES)
    """The pool's own flags. They can be off with a supply: one wei left by a liquidation is enough for the next supply
    not to be the first, and only the first switches the flag on."""


class Book:
    """Holdings of every wallet that has acted. It is refreshed from the chain, never guessed from what was sent."""

    def __init__(self, deployment: Deployment) -> None:
        self._reserves = deployment.reserves
        self._pool = deployment.pool
        self._holdings: dict[Address, Holding] = {}
        self._wallets: list[Address] = []
        self._places: dict[Address, int] = {}
        # Beside the exact holdings, so that all wallets are valued at once, several times a day.
        self._pledged, self._owed = _Columns(), _Columns()

    def refresh(self, chain: Chain, touched: Iterable[tuple[Address, int]]) -> None:
        """Read the scaled balances of each (wallet, reserve) again, and the collateral flags of each wallet."""
        places = list(dict.fromkeys(touched))
        wallets = list(dict.fromkeys(wallet for wallet, _ in places))
        requests = [(self._pool, methods.USER_CONFIGURATION(wallet)) for wallet in wallets]
        for wallet, reserve in places:
            contracts = self._reserves[reserve]
            request = methods.SCALED_BALANCE_OF(wallet)
            requests += [(contracts.a_token, request), (contracts.variable_debt_token, request)]
        answers = chain.calls(requests)
        for wallet, answer in zip(wallets, answers, strict=False):
            flags = words(answer)[0]
            holding = self._holdings.get(wallet)
            if holding is None:
                holding = self._holdings[wallet] = Holding()
                self._places[wallet] = len(self._wallets)
                self._wallets.append(wallet)
            # UserConfigurationMap: two bits per reserve, borrowing and, above it, collateral.
            holding.is_collateral = tuple(bool(flags >> (2 * reserve + 1) & 1) for reserve in range(len(RESERVES)))
        balances = iter(answers[len(wallets) :])
        for wallet, reserve in places:
            holding = self._holdings[wallet]
            holding.supply[reserve] = words(next(balances))[0]
            holding.debt[reserve] = words(next(balances))[0]
        for wallet in wallets:
            holding, place = self._holdings[wallet], self._places[wallet]
            self._owed.set(place, holding.debt)
            pledged = zip(holding.supply, holding.is_collateral, strict=True)
            self._pledged.set(place, [scaled if counts else 0 for scaled, counts in pledged])

    def indebted_wallets(self) -> list[Address]:
        """Wallets with any variable debt, in the order in which they first acted."""
        return [wallet for wallet, holding in self._holdings.items() if any(holding.debt)]

    def under_water(self, quotes: Quotes, below: float) -> list[tuple[Address, Standing]]:
        """Wallets whose health factor is below `below`, in the order in which they first acted."""
        carried = [
            usd * spec.liquidation_threshold for usd, spec in zip(quotes.supply_usd_per_scaled, RESERVES, strict=True)
        ]
        capacity, debt = self._pledged.weighed(carried), self._owed.weighed(quotes.debt_usd_per_scaled)
        return [
            (self._wallets[place], self.standing(self._wallets[place], quotes))
            for place in np.flatnonzero(capacity < below * debt).tolist()
        ]

    def standing(self, wallet: Address, quotes: Quotes) -> Standing:
        """What the wallet's position is worth at these quotes."""
        holding = self._holdings.get(wallet)
        if holding is None:
            return EMPTY_STANDING
        return standing_of(holding, quotes.supply_usd_per_scaled, quotes.debt_usd_per_scaled)


class _Columns:
    """One number per wallet and reserve, as floats."""

    def __init__(self) -> None:
        self._rows = np.zeros((1_024, len(RESERVES)))

    def set(self, place: int, scaled: Sequence[int]) -> None:
        if place >= len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[place] = scaled

    def weighed(self, usd_per_scaled: Sequence[float]) -> npt.NDArray[np.float64]:
        """Dollars per wallet. Added reserve by reserve: the same on every machine, which a matrix product is not."""
        total = np.zeros(len(self._rows))
        for reserve, usd in enumerate(usd_per_scaled):
            total += self._rows[:, reserve] * usd
        return total


def standing_of(
    holding: Holding, supply_usd_per_scaled: Sequence[float], debt_usd_per_scaled: Sequence[float]
) -> Standing:
    """Value a holding. The two factors are those of `Quotes`, computed once for many wallets."""
    # Lists and no `strict`: every borrower who looks is valued every day, a third of what people cost.
    supply = tuple([scaled * usd for scaled, usd in zip(holding.supply, supply_usd_per_scaled)])  # noqa: B905
    borrowing = liquidation = 0.0
    is_collateral = holding.is_collateral
    for reserve, value in enumerate(supply):
        if value and is_collateral[reserve]:
            borrowing += value * _LTVS[reserve]
            liquidation += value * _LIQUIDATION_THRESHOLDS[reserve]
    debt = tuple([scaled * usd for scaled, usd in zip(holding.debt, debt_usd_per_scaled)])  # noqa: B905
    return Standing(supply, debt, is_collateral, borrowing, liquidation)


def read_quotes(chain: Chain, deployment: Deployment, prices: Sequence[int], recent_fall: float = 0.0) -> Quotes:
    """Today's interest indices beside the posted prices."""
    requests = []
    for method in (methods.NORMALIZED_INCOME, methods.NORMALIZED_DEBT):
        requests += [(deployment.pool, method(reserve.token)) for reserve in deployment.reserves]
    indices = [words(answer)[0] for answer in chain.calls(requests)]
    half = len(deployment.reserves)
    return Quotes(tuple(prices), tuple(indices[:half]), tuple(indices[half:]), recent_fall)
