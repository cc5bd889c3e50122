"""Aave V2's market facts: prices, indices, thresholds."""

from collections.abc import Iterator

from bonafides.errors import InvalidMessage
from bonafides.events import MarketPoint
from bonafides.types import ZERO_ADDRESS, Address, MarketPointKind, address_text

from bonafides_ingest.protocols.aave.prices import price_readers, read_oracle_change
from bonafides_ingest.protocols.aave_v2 import events as abi
from bonafides_ingest.protocols.aave_v2.state import AaveV2State, ContractKind
from bonafides_ingest.protocols.reading import Fact, Reader, Reading

type _Reading = Reading[AaveV2State]

_ROUNDING = 2
"""How V2 reckons (`MarketPoint`). No log says it, so each listing does."""


def _read_reserve_data(reading: _Reading) -> list[MarketPoint]:
    asset, liquidity_rate, _, borrow_rate, liquidity_index, borrow_index = abi.RESERVE_DATA_UPDATED.decode(reading.log)
    values = (liquidity_rate, borrow_rate, liquidity_index, borrow_index)
    return [reading.point(MarketPointKind.RESERVE_INDEX, asset, values)]


def _read_listing(reading: _Reading) -> list[MarketPoint]:
    asset, *_ = abi.RESERVE_INITIALIZED.decode(reading.log)
    return [
        reading.point(MarketPointKind.RESERVE_CONFIG, asset, (0, 0, 0, _decimals_of(reading, asset))),
        reading.point(MarketPointKind.ROUNDING, ZERO_ADDRESS, (_ROUNDING,)),
    ]


def _read_collateral_configuration(reading: _Reading) -> list[MarketPoint]:
    asset, ltv_bps, threshold_bps, bonus_bps = abi.COLLATERAL_CONFIGURED.decode(reading.log)
    values = (ltv_bps, threshold_bps, bonus_bps, _decimals_of(reading, asset))
    return [reading.point(MarketPointKind.RESERVE_CONFIG, asset, values)]


def _decimals_of(reading: _Reading, asset: Address) -> int:
    reserve = reading.state.reserves.get(asset)
    if reserve is None:
        raise InvalidMessage("configuration refused: the asset was never listed, so its decimals are unknown")
    if reserve.decimals is None:
        raise InvalidMessage(
            f"configuration refused: no log tells the decimals of {address_text(asset)}; "
            "add them to the deployment's `decimals` in the registry, which counts from its next configuration on"
        )
    return reserve.decimals


def _read_initialized(reading: _Reading) -> list[MarketPoint]:
    abi.INITIALIZED.decode(reading.log)
    return []


def _change_initialized(reading: _Reading) -> AaveV2State:
    _, _, treasury, _, decimals, *_ = abi.INITIALIZED.decode(reading.log)
    return reading.state.with_initialized(reading.asset, decimals, treasury)


def _read_oracle_change(reading: _Reading) -> Iterator[Fact]:
    return read_oracle_change(reading, *abi.PRICE_ORACLE_UPDATED.decode(reading.log))


def _change_oracle(reading: _Reading) -> AaveV2State:
    return reading.state.with_prices(reading.state.prices.with_oracle(*abi.PRICE_ORACLE_UPDATED.decode(reading.log)))


_CONFIGURATOR = (ContractKind.CONFIGURATOR,)
_A_TOKENS = (ContractKind.A_TOKEN, ContractKind.REBASING_TOKEN)
MARKET_READERS: tuple[Reader[AaveV2State], ...] = (
    Reader((ContractKind.POOL,), abi.RESERVE_DATA_UPDATED, _read_reserve_data),
    Reader(_CONFIGURATOR, abi.RESERVE_INITIALIZED, _read_listing),
    Reader(_CONFIGURATOR, abi.COLLATERAL_CONFIGURED, _read_collateral_configuration),
    Reader(_A_TOKENS, abi.INITIALIZED, _read_initialized, change=_change_initialized),
    *price_readers(ContractKind.ORACLE, ContractKind.FEED),
    Reader((ContractKind.PROVIDER,), abi.PRICE_ORACLE_UPDATED, _read_oracle_change, change=_change_oracle),
)
