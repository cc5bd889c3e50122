"""The market as of a block, and what a wallet's position is worth in it, as Aave V3 itself reckons.

Values are in the oracle's base currency: USD with 8 decimals. The health factor follows Aave's `GenericLogic.sol` digit
for digit, of the version that the deployment runs (`rounding`). A price source of an e-mode of its own is not known
here; Aave never set one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from bonafides.errors import InvariantViolation, NotFound
from bonafides.events import MarketPoint
from bonafides.types import ZERO_ADDRESS, ZERO_DIGEST, Address, BlockRef, Digest, MarketPointKind

from bonafides_scoring import interest
from bonafides_scoring.market_points import collateral_categories, is_stale
from bonafides_scoring.rounding import Rounding
from bonafides_scoring.wallet_state import AssetKey, AssetState, WalletState

NO_DEBT_HEALTH_FACTOR = 2**256 - 1
"""Aave's answer for an account without debt."""
PEG_TOLERANCE_BPS = 500
"""An asset within 5 % of a dollar is taken as pegged to it: it does not fall with the market."""
BASE_UNIT = 10**8
"""One dollar in the base currency."""
KINDS_OF_CATEGORIES = (MarketPointKind.EMODE_CONFIG, MarketPointKind.EMODE_ASSET)
"""Kinds whose points stand beside each other, one per category."""


class MarketMissing(NotFound):
    """A price, an index or a configuration of an asset is not known at the block: no position can be valued."""


class MarketKey(NamedTuple):
    """What a later point of the market replaces."""

    deployment: str
    kind: MarketPointKind
    asset: Address
    category: int
    market: Digest = ZERO_DIGEST


@dataclass(frozen=True, slots=True)
class Reserve:
    """One reserve at the block of the view."""

    price: int
    """USD, 8 decimals."""
    decimals: int
    liquidation_threshold_bps: int
    income_index: int
    """Ray; multiplies a scaled supply balance."""
    debt_index: int
    """Ray; multiplies a scaled debt balance."""
    emode_categories: frozenset[int]  # in which the asset is collateral
    rounding: Rounding

    @property
    def is_pegged(self) -> bool:
        """Whether the price is near a dollar."""
        return abs(self.price - BASE_UNIT) * 10_000 <= PEG_TOLERANCE_BPS * BASE_UNIT

    def base_value(self, amount: int) -> int:
        """Value of an amount in the asset's smallest unit, rounded down."""
        return amount * self.price // int(10**self.decimals)

    def stable_debt(self, asset: AssetState, at: int) -> int:
        """What a debt at a stable rate comes to at a time: what `balanceOf` of its token answers."""
        if not asset.stable_principal:
            return 0
        if at < asset.stable_since:
            raise InvariantViolation("a debt at a stable rate began after the block that it is valued at")
        return self.rounding.stable_debt(asset.stable_principal, asset.stable_rate_ray, at - asset.stable_since)

    def debt_value(self, amount: int) -> int:
        """Value of a debt, rounded as the deployment does."""
        return self.rounding.debt_value(amount, self.price, 10**self.decimals)


@dataclass(frozen=True, slots=True)
class MarketView:
    """The latest point of every kind at a block, and the reserves they make."""

    block: BlockRef
    points: Mapping[MarketKey, MarketPoint]
    reserves: Mapping[AssetKey, Reserve]
    """Only those whose price, index and configuration are all known."""
    emode_thresholds_bps: Mapping[tuple[str, int], int]
    """Liquidation threshold per (deployment, category)."""
    memberships: Mapping[AssetKey, tuple[MarketPoint, ...]]
    """The e-mode points of each asset, in canonical order."""


class Holding(NamedTuple):
    """One reserve of an account; only what Aave counts: collateral in use, and debt."""

    key: AssetKey
    collateral_base: int
    debt_base: int
    threshold_bps: int
    """Liquidation threshold that holds for this account, e-mode included."""
    is_pegged: bool


class Account(NamedTuple):
    """One wallet in one deployment, or in one isolated market of it: what is liquidated as a whole."""

    deployment: str
    holdings: tuple[Holding, ...]
    collateral_base: int
    debt_base: int
    threshold_bps: int
    """Average, weighted by collateral, rounded down."""
    health_factor_wad: int

    @property
    def capacity_base(self) -> int:
        """Debt at which the health factor is 1."""
        return interest.percent_mul(self.collateral_base, self.threshold_bps)


def market_key(point: MarketPoint) -> MarketKey:
    """What this point replaces."""
    category = point.category if point.kind in KINDS_OF_CATEGORIES else 0
    asset = ZERO_ADDRESS if point.kind is MarketPointKind.EMODE_CONFIG else point.asset
    return MarketKey(point.deployment, point.kind, asset, category, point.market)


def market_view(points: Iterable[MarketPoint], block: BlockRef) -> MarketView:
    """The market as of `block`, from points in any order; those of other chains or later blocks are left out.

    Raises:
        InvariantViolation: two points of one log that differ; duplicates must be settled before they come here.
    """
    latest: dict[MarketKey, MarketPoint] = {}
    for point in points:
        if point.position.block.chain_id != block.chain_id or point.position.block.number > block.number:
            continue
        key = market_key(point)
        known = latest.get(key)
        if known is None or known.order < point.order:
            latest[key] = point
        elif known.order == point.order and known != point:
            raise InvariantViolation(f"two market points at {point.order} differ: settle copies by precedence first")
    return view_of_latest(latest, block)


def view_of_latest(latest: Mapping[MarketKey, MarketPoint], block: BlockRef) -> MarketView:
    """The market of these points, which are the latest of their keys at `block`."""
    prices = [key for key in latest if key.kind is MarketPointKind.PRICE]
    members = _memberships(latest)
    found = {_asset_key(key): _reserve(latest, key, block, members.get(_asset_key(key), ())) for key in prices}
    return MarketView(
        block=block,
        points=latest,
        reserves={key: reserve for key, reserve in found.items() if reserve is not None},
        emode_thresholds_bps={
            (key.deployment, key.category): point.values[1]
            for key, point in latest.items()
            if key.kind is MarketPointKind.EMODE_CONFIG
        },
        memberships=members,
    )


def _asset_key(key: MarketKey) -> AssetKey:
    return AssetKey(key.deployment, key.asset, key.market)


def _memberships(latest: Mapping[MarketKey, MarketPoint]) -> Mapping[AssetKey, tuple[MarketPoint, ...]]:
    found: dict[AssetKey, tuple[MarketPoint, ...]] = {}
    for key, point in sorted(latest.items(), key=lambda item: item[1].canonical_order):
        if key.kind is MarketPointKind.EMODE_ASSET:
            found[_asset_key(key)] = (*found.get(_asset_key(key), ()), point)
    return found


def _reserve(
    latest: Mapping[MarketKey, MarketPoint], key: MarketKey, block: BlockRef, memberships: Iterable[MarketPoint]
) -> Reserve | None:
    price = latest[key]
    index = latest.get(key._replace(kind=MarketPointKind.RESERVE_INDEX))
    config = latest.get(key._replace(kind=MarketPointKind.RESERVE_CONFIG))
    if index is None or config is None or price.values[0] <= 0 or is_stale(price, block):
        return None
    elapsed_s = block.timestamp - index.position.block.timestamp
    if elapsed_s < 0:
        raise InvariantViolation(f"block {block.number} is older than a market point of an earlier block")
    liquidity_rate, borrow_rate, liquidity_index, borrow_index = index.values
    rounding = _rounding_of(latest, key.deployment)
    return Reserve(
        price=price.values[0],
        decimals=config.values[3],
        liquidation_threshold_bps=config.values[1],
        income_index=interest.normalised_income(liquidity_index, liquidity_rate, elapsed_s),
        debt_index=rounding.debt_index(borrow_index, borrow_rate, elapsed_s),
        emode_categories=collateral_categories(memberships),
        rounding=rounding,
    )


def _rounding_key(deployment: str) -> MarketKey:
    return MarketKey(deployment, MarketPointKind.ROUNDING, ZERO_ADDRESS, 0)


def _rounding_of(latest: Mapping[MarketKey, MarketPoint], deployment: str) -> Rounding:
    point = latest.get(_rounding_key(deployment))
    return Rounding(point.values[0]) if point else Rounding.HALF_UP


def balances(asset: AssetState, reserve: Reserve) -> tuple[int, int]:
    """(supply, variable debt) in the smallest unit: what `balanceOf` of the two tokens answers at the view's block."""
    return (
        reserve.rounding.supply_balance(asset.scaled_supply, reserve.income_index),
        reserve.rounding.debt_balance(asset.scaled_debt, reserve.debt_index),
    )


def accounts(state: WalletState, view: MarketView, *, only_indebted: bool = False) -> tuple[Account, ...]:
    """The wallet's accounts, sorted by deployment; those that hold nothing are left out.

    With `only_indebted` those without debt are left out too, and need no price.

    Raises:
        MarketMissing: an asset that is collateral or debt cannot be valued at the view's block.
    """
    per_account: dict[tuple[str, Digest], list[Holding]] = {}
    emodes = dict(state.emodes)
    indebted = {(key.deployment, key.market) for key, asset in state.assets if asset.has_debt}
    for key, asset in state.assets:
        if only_indebted and (key.deployment, key.market) not in indebted:
            continue
        holding = _holding(key, asset, view, emodes.get(key.deployment, 0))
        if holding is not None:
            per_account.setdefault((key.deployment, key.market), []).append(holding)
    return tuple(
        _account(deployment, tuple(found), _rounding_of(view.points, deployment))
        for (deployment, _), found in sorted(per_account.items())
    )


def _holding(key: AssetKey, asset: AssetState, view: MarketView, emode: int) -> Holding | None:
    counts_as_collateral = asset.is_collateral and asset.scaled_supply > 0
    if not counts_as_collateral and not asset.has_debt:
        return None
    reserve = view.reserves.get(key)
    if reserve is None:
        raise MarketMissing(f"an asset of {key.deployment} has no price, index or configuration at the as-of block")
    supply, variable_debt = balances(asset, reserve)
    debt = max(variable_debt, 0) + reserve.stable_debt(asset, view.block.timestamp)
    threshold = reserve.liquidation_threshold_bps
    if reserve.rounding is not Rounding.FOR_THE_PROTOCOL and not threshold:  # before 3.6: in no e-mode either
        counts_as_collateral = False
    if emode in reserve.emode_categories:
        threshold = view.emode_thresholds_bps.get((key.deployment, emode), threshold)
    return Holding(
        key=key,
        collateral_base=reserve.base_value(supply) if counts_as_collateral else 0,
        debt_base=reserve.debt_value(debt),
        threshold_bps=threshold,
        is_pegged=reserve.is_pegged,
    )


def _account(deployment: str, holdings: tuple[Holding, ...], rounding: Rounding) -> Account:
    collateral = sum(holding.collateral_base for holding in holdings)
    debt = sum(holding.debt_base for holding in holdings)
    weighted = sum(holding.collateral_base * holding.threshold_bps for holding in holdings)
    return Account(
        deployment=deployment,
        holdings=holdings,
        collateral_base=collateral,
        debt_base=debt,
        threshold_bps=weighted // collateral if collateral else 0,
        health_factor_wad=rounding.health_factor(collateral, weighted, debt) if debt else NO_DEBT_HEALTH_FACTOR,
    )


def points_used(states: Iterable[WalletState], views: Iterable[MarketView]) -> tuple[MarketPoint, ...]:
    """The market points that a score of these wallets can depend on, for its receipt: sorted, each once."""
    found: dict[Digest, MarketPoint] = {}
    by_chain = {view.block.chain_id: view for view in views}
    kinds = (MarketPointKind.PRICE, MarketPointKind.RESERVE_INDEX, MarketPointKind.RESERVE_CONFIG)
    for state in states:
        view = by_chain.get(state.chain_id)
        if view is None:
            continue
        keys = [MarketKey(key.deployment, kind, key.asset, 0, key.market) for key, _ in state.assets for kind in kinds]
        keys += [_rounding_key(key.deployment) for key, _ in state.assets]
        keys += [MarketKey(name, MarketPointKind.EMODE_CONFIG, ZERO_ADDRESS, mode) for name, mode in state.emodes]
        used = [view.points[key] for key in keys if key in view.points]
        used += [point for key, _ in state.assets for point in view.memberships.get(key, ())]
        found |= {point.id: point for point in used}
    return tuple(sorted(found.values(), key=lambda point: point.canonical_order))
