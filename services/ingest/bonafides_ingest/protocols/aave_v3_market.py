"""Aave V3's market facts: prices, indices, thresholds, e-modes."""

from collections.abc import Iterator

from bonafides.errors import InvalidMessage
from bonafides.events import MarketPoint
from bonafides.types import ZERO_ADDRESS, Address, MarketPointKind

from bonafides_ingest.chain import Log
from bonafides_ingest.protocols import aave_v3_events as abi
from bonafides_ingest.protocols.aave_v3_state import AaveV3State, ContractKind
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


def _read_emode_category(reading: _Reading) -> list[MarketPoint]:
    category, ltv_bps, threshold_bps, bonus_bps, _, _ = abi.EMODE_CATEGORY_ADDED.decode(reading.log)
    values = (ltv_bps, threshold_bps, bonus_bps)
    return [reading.point(MarketPointKind.EMODE_CONFIG, ZERO_ADDRESS, values, category=category)]


def _read_emode_asset(reading: _Reading) -> list[MarketPoint]:
    asset, _, category = abi.EMODE_ASSET_CHANGED.decode(reading.log)
    return [reading.point(MarketPointKind.EMODE_ASSET, asset, (), category=category)]


def answer_of(log: Log) -> int:
    """The price (USD · 1e8) that a feed's AnswerUpdated says.

    0 where it says none: the answer is not positive (Aave then asks a fallback oracle, which is not read here), or the
    log cannot be read.
    """
    try:
        return max(abi.ANSWER_UPDATED.decode(log)[0], 0)
    except InvalidMessage:
        return 0


def _read_asset_source(reading: _Reading) -> list[MarketPoint]:
    asset, _ = abi.ASSET_SOURCE_UPDATED.decode(reading.log)
    return [_price(reading, _change_source(reading), asset)]


def _change_source(reading: _Reading) -> AaveV3State:
    return reading.state.with_source(*abi.ASSET_SOURCE_UPDATED.decode(reading.log))


def _read_answer(reading: _Reading) -> Iterator[Fact]:
    after = _change_answer(reading)
    if after.is_oracle_known:
        for asset in after.assets_by_feed.get(reading.log.address, ()):
            yield _price(reading, after, asset)
    try:
        abi.ANSWER_UPDATED.decode(reading.log)
    except InvalidMessage as exc:
        yield Complaint(str(exc))


def _change_answer(reading: _Reading) -> AaveV3State:
    return reading.state.with_answer(reading.log.address, answer_of(reading.log))


def _read_oracle_change(reading: _Reading) -> Iterator[Fact]:
    after = _change_oracle(reading)
    if after.is_oracle_known != reading.state.is_oracle_known:
        for asset in sorted(after.sources):
            yield _price(reading, after, asset)
    if not after.is_oracle_known:
        yield Complaint(
            "the market changed to an oracle that the deployments registry does not know: "
            "enter the deployment with it under another id"
        )


def _change_oracle(reading: _Reading) -> AaveV3State:
    return reading.state.with_oracle(abi.PRICE_ORACLE_UPDATED.decode(reading.log)[1])


def _price(reading: _Reading, after: AaveV3State, asset: Address) -> MarketPoint:
    """The asset's price after this log; what became unknown is said, too, or the old price would go on."""
    return reading.point(MarketPointKind.PRICE, asset, (after.price_of(asset),))


_CONFIGURATOR, _FEED = (ContractKind.CONFIGURATOR,), (ContractKind.FEED,)
MARKET_READERS = (
    Reader((ContractKind.POOL,), abi.RESERVE_DATA_UPDATED, _read_reserve_data),
    Reader(_CONFIGURATOR, abi.RESERVE_INITIALIZED, _read_listing),
    Reader(_CONFIGURATOR, abi.COLLATERAL_CONFIGURED, _read_collateral_configuration),
    Reader(_CONFIGURATOR, abi.EMODE_CATEGORY_ADDED, _read_emode_category),
    Reader(_CONFIGURATOR, abi.EMODE_ASSET_CHANGED, _read_emode_asset),
    Reader((ContractKind.ORACLE,), abi.ASSET_SOURCE_UPDATED, _read_asset_source, change=_change_source),
    Reader((ContractKind.PROVIDER,), abi.PRICE_ORACLE_UPDATED, _read_oracle_change, change=_change_oracle),
    Reader(_FEED, abi.ANSWER_UPDATED, _read_answer, change=_change_answer, reads_any_topics=True),
)
