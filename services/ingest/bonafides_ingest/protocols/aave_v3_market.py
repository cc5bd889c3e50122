"""Aave V3's market facts: prices, indices, thresholds, e-modes."""

from bonafides.errors import InvalidMessage
from bonafides.events import MarketPoint
from bonafides.types import ZERO_ADDRESS, MarketPointKind

from bonafides_ingest.protocols import aave_v3_events as abi
from bonafides_ingest.protocols.aave_v3_reading import Reader, Reading
from bonafides_ingest.protocols.aave_v3_state import AaveV3State, ContractKind


def _read_reserve_data(reading: Reading) -> list[MarketPoint]:
    asset, liquidity_rate, _, borrow_rate, liquidity_index, borrow_index = abi.RESERVE_DATA_UPDATED.decode(reading.log)
    values = (liquidity_rate, borrow_rate, liquidity_index, borrow_index)
    return [reading.point(MarketPointKind.RESERVE_INDEX, asset, values)]


def _read_listing(reading: Reading) -> list[MarketPoint]:
    asset, a_token, _, _, _ = abi.RESERVE_INITIALIZED.decode(reading.log)
    reserve = reading.state.reserves.get(asset)
    if reserve is None or reserve.a_token != a_token:
        raise InvalidMessage("listing refused: its transaction holds no readable Initialized log of the aToken")
    return [reading.point(MarketPointKind.RESERVE_CONFIG, asset, (0, 0, 0, reserve.decimals))]


def _read_collateral_configuration(reading: Reading) -> list[MarketPoint]:
    asset, ltv_bps, threshold_bps, bonus_bps = abi.COLLATERAL_CONFIGURED.decode(reading.log)
    reserve = reading.state.reserves.get(asset)
    if reserve is None:
        raise InvalidMessage("configuration refused: the asset was never listed, so its decimals are unknown")
    values = (ltv_bps, threshold_bps, bonus_bps, reserve.decimals)
    return [reading.point(MarketPointKind.RESERVE_CONFIG, asset, values)]


def _read_emode_category(reading: Reading) -> list[MarketPoint]:
    category, ltv_bps, threshold_bps, bonus_bps, _, _ = abi.EMODE_CATEGORY_ADDED.decode(reading.log)
    values = (ltv_bps, threshold_bps, bonus_bps)
    return [reading.point(MarketPointKind.EMODE_CONFIG, ZERO_ADDRESS, values, category=category)]


def _read_emode_asset(reading: Reading) -> list[MarketPoint]:
    asset, _, category = abi.EMODE_ASSET_CHANGED.decode(reading.log)
    return [reading.point(MarketPointKind.EMODE_ASSET, asset, (), category=category)]


def _read_asset_source(reading: Reading) -> list[MarketPoint]:
    asset, feed = abi.ASSET_SOURCE_UPDATED.decode(reading.log)
    answer = reading.state.answers.get(feed)
    if answer is None:
        return []  # a feed that never answered by an event: the price stays unknown until it does
    return [reading.point(MarketPointKind.PRICE, asset, (_price(answer),))]


def _change_source(reading: Reading) -> AaveV3State:
    asset, feed = abi.ASSET_SOURCE_UPDATED.decode(reading.log)
    return reading.state.with_source(asset, feed)


def _read_answer(reading: Reading) -> list[MarketPoint]:
    answer, _, _ = abi.ANSWER_UPDATED.decode(reading.log)
    assets = reading.state.assets_by_feed.get(reading.log.address, ())
    return [reading.point(MarketPointKind.PRICE, asset, (_price(answer),)) for asset in assets]


def _change_answer(reading: Reading) -> AaveV3State:
    return reading.state.with_answer(reading.log.address, abi.ANSWER_UPDATED.decode(reading.log)[0])


def _price(answer: int) -> int:
    if answer <= 0:
        raise InvalidMessage("price refused: the feed's answer is not positive; Aave would ask a fallback oracle")
    return answer


def _read_oracle_change(reading: Reading) -> list[MarketPoint]:
    _, oracle = abi.PRICE_ORACLE_UPDATED.decode(reading.log)
    if oracle != reading.state.deployment.oracle:
        raise InvalidMessage("the market changed to an oracle that the deployments registry does not know: add it")
    return []


_CONFIGURATOR, _FEED = (ContractKind.CONFIGURATOR,), (ContractKind.FEED,)
MARKET_READERS = (
    Reader((ContractKind.POOL,), abi.RESERVE_DATA_UPDATED, _read_reserve_data),
    Reader(_CONFIGURATOR, abi.RESERVE_INITIALIZED, _read_listing),
    Reader(_CONFIGURATOR, abi.COLLATERAL_CONFIGURED, _read_collateral_configuration),
    Reader(_CONFIGURATOR, abi.EMODE_CATEGORY_ADDED, _read_emode_category),
    Reader(_CONFIGURATOR, abi.EMODE_ASSET_CHANGED, _read_emode_asset),
    Reader((ContractKind.ORACLE,), abi.ASSET_SOURCE_UPDATED, _read_asset_source, change=_change_source),
    Reader((ContractKind.PROVIDER,), abi.PRICE_ORACLE_UPDATED, _read_oracle_change),
    Reader(_FEED, abi.ANSWER_UPDATED, _read_answer, change=_change_answer),
)
