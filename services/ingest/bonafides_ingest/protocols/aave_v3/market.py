"""Aave V3's market facts: prices, indices, thresholds, e-modes."""

from collections.abc import Iterator

from bonafides.errors import InvalidMessage
from bonafides.events import MarketPoint
from bonafides.types import ZERO_ADDRESS, Address, MarketPointKind

from bonafides_ingest.protocols.aave.prices import price_readers, read_oracle_change
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.protocols.aave_v3.state import AaveV3State, ContractKind
from bonafides_ingest.protocols.reading import Complaint, Fact, Reader, Reading

type _Reading = Reading[AaveV3State]


def _read_reserve_data(reading: _Reading) -> list[MarketPoint]:
    asset, liquidity_rate, _, borrow_rate, liquidity_index, borrow_index = abi.RESERVE_DATA_UPDATED.decode(reading.log)
    values = (liquidity_rate, borrow_rate, liquidity_index, borrow_index)
    return [reading.point(MarketPointKind.RESERVE_INDEX, asset, values)]


def _read_listing(reading: _Reading) -> list[MarketPoint]:
    asset, a_token, _, _, _ = abi.RESERVE_INITIALIZED.decode(reading.log)
    reserve = reading.state.reserves.get(asset)
    if reserve is None or reserve.a_token != a_token:
        raise InvalidMessage("listing refused: its transaction holds no readable Initialized log of the aToken")
    return [reading.point(MarketPointKind.RESERVE_CONFIG, asset, (0, 0, 0, reserve.decimals))]


def _read_collateral_configuration(reading: _Reading) -> list[MarketPoint]:
    asset, ltv_bps, threshold_bps, bonus_bps = abi.COLLATERAL_CONFIGURED.decode(reading.log)
    reserve = reading.state.reserves.get(asset)
    if reserve is None:
        raise InvalidMessage("configuration refused: the asset was never listed, so its decimals are unknown")
    values = (ltv_bps, threshold_bps, bonus_bps, reserve.decimals)
    return [reading.point(MarketPointKind.RESERVE_CONFIG, asset, values)]


def _read_emode_category(reading: _Reading) -> Iterator[Fact]:
    category, ltv_bps, threshold_bps, bonus_bps, price_source, _ = abi.EMODE_CATEGORY_ADDED.decode(reading.log)
    values = (ltv_bps, threshold_bps, bonus_bps)
    yield reading.point(MarketPointKind.EMODE_CONFIG, ZERO_ADDRESS, values, category=category)
    if price_source != ZERO_ADDRESS:  # possible before 3.2; no market is known to have set one
        yield Complaint("an e-mode has a price source of its own, which is not read", is_hole=True)


def _read_emode_asset(reading: _Reading) -> list[MarketPoint]:
    """Before 3.2: an asset leaves its category when it enters another. Category 0 is none."""
    asset, old, new = abi.EMODE_ASSET_CHANGED.decode(reading.log)
    points = [_membership(reading, asset, new, True)] if new else []
    return points + ([_membership(reading, asset, old, False, leg=1)] if old not in (0, new) else [])


def _read_emode_collateral(reading: _Reading) -> list[MarketPoint]:
    return [_membership(reading, *abi.EMODE_COLLATERAL_CHANGED.decode(reading.log))]


def _membership(reading: _Reading, asset: Address, category: int, is_member: bool, *, leg: int = 0) -> MarketPoint:
    return reading.point(MarketPointKind.EMODE_ASSET, asset, (int(is_member),), category=category, leg=leg)


def _read_oracle_change(reading: _Reading) -> Iterator[Fact]:
    return read_oracle_change(reading, abi.PRICE_ORACLE_UPDATED.decode(reading.log)[1])


def _change_oracle(reading: _Reading) -> AaveV3State:
    oracle = abi.PRICE_ORACLE_UPDATED.decode(reading.log)[1]
    return reading.state.with_prices(reading.state.prices.with_oracle(oracle))


_CONFIGURATOR = (ContractKind.CONFIGURATOR,)
MARKET_READERS: tuple[Reader[AaveV3State], ...] = (
    Reader((ContractKind.POOL,), abi.RESERVE_DATA_UPDATED, _read_reserve_data),
    Reader(_CONFIGURATOR, abi.RESERVE_INITIALIZED, _read_listing),
    Reader(_CONFIGURATOR, abi.COLLATERAL_CONFIGURED, _read_collateral_configuration),
    Reader(_CONFIGURATOR, abi.EMODE_CATEGORY_ADDED, _read_emode_category),
    Reader(_CONFIGURATOR, abi.EMODE_ASSET_CHANGED, _read_emode_asset),
    Reader(_CONFIGURATOR, abi.EMODE_COLLATERAL_CHANGED, _read_emode_collateral),
    *price_readers(ContractKind.ORACLE, ContractKind.FEED),
    Reader((ContractKind.PROVIDER,), abi.PRICE_ORACLE_UPDATED, _read_oracle_change, change=_change_oracle),
)
