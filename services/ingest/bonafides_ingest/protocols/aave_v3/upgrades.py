"""Aave V3's upgrades, as far as they change how logs are read: of the Pool, of tokens, an aToken's treasury."""

from collections.abc import Iterator

from bonafides.types import ZERO_ADDRESS, Address, MarketPointKind

from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.protocols.aave_v3.state import AaveV3State, ContractKind
from bonafides_ingest.protocols.reading import Complaint, Fact, Reader, Reading

type _Reading = Reading[AaveV3State]

_POOL_ID = b"POOL".ljust(32, b"\0")
"""What the PoolAddressesProvider calls the Pool."""


def _read_pool_updated(reading: _Reading) -> Iterator[Fact]:
    return _facts(reading, _change_pool(reading))


def _change_pool(reading: _Reading) -> AaveV3State:
    return reading.state.with_implementation(abi.POOL_UPDATED.decode(reading.log)[1])


def _read_proxy_set(reading: _Reading) -> Iterator[Fact]:
    after = _change_proxy(reading)
    return iter(()) if after is reading.state else _facts(reading, after)


def _change_proxy(reading: _Reading) -> AaveV3State:
    """An implementation can be set by the general way, too."""
    name, proxy, _, implementation = abi.ADDRESS_SET_AS_PROXY.decode(reading.log)
    if name != _POOL_ID:
        return reading.state
    return reading.state.with_implementation(implementation if _is_pool(reading, proxy) else ZERO_ADDRESS)


def _read_address_set(reading: _Reading) -> Iterator[Fact]:
    after = _change_address(reading)
    return iter(()) if after is reading.state else _facts(reading, after)


def _change_address(reading: _Reading) -> AaveV3State:
    name, _, address = abi.ADDRESS_SET.decode(reading.log)
    return reading.state if name != _POOL_ID or _is_pool(reading, address) else _without_pool(reading)


def _is_pool(reading: _Reading, address: Address) -> bool:
    return address == reading.state.deployment.pool


def _without_pool(reading: _Reading) -> AaveV3State:
    """The market has another Pool: nobody knows how its tokens round."""
    return reading.state.with_implementation(ZERO_ADDRESS)


def _facts(reading: _Reading, after: AaveV3State) -> Iterator[Fact]:
    rounding = after.rounding
    if rounding is None and after.foreign_tokens:
        return  # said when a token got it
    if rounding is None:
        yield Complaint(
            "the Pool has an implementation that the registry entry does not know: no token is read from here on",
            is_hole=True,
        )
    else:
        yield reading.point(MarketPointKind.ROUNDING, ZERO_ADDRESS, (rounding.code,))


def _read_token_upgraded(reading: _Reading) -> Iterator[Fact]:
    after = _change_token(reading)
    if after is not reading.state:
        yield Complaint(
            "a token has an implementation that the registry entry does not know: no token is read from here on",
            is_hole=True,
        )


def _change_token(reading: _Reading) -> AaveV3State:
    _, _, implementation = TOKEN_UPGRADES[reading.log.topics[0]].decode(reading.log)
    return reading.state.with_token_implementation(implementation)


def _change_treasury(reading: _Reading) -> AaveV3State:
    """An aToken that was upgraded announces itself again, and may have another treasury."""
    _, _, treasury, *_ = abi.INITIALIZED.decode(reading.log)
    state = reading.state
    return state if treasury in state.not_wallets else state.with_treasury(treasury)


TOKEN_UPGRADES = {
    codec.topic0: codec
    for codec in (abi.A_TOKEN_UPGRADED, abi.STABLE_DEBT_TOKEN_UPGRADED, abi.VARIABLE_DEBT_TOKEN_UPGRADED)
}
_PROVIDER, _CONFIGURATOR = (ContractKind.PROVIDER,), (ContractKind.CONFIGURATOR,)
UPGRADE_READERS: tuple[Reader[AaveV3State], ...] = (
    Reader(_PROVIDER, abi.POOL_UPDATED, _read_pool_updated, change=_change_pool),
    Reader(_PROVIDER, abi.ADDRESS_SET_AS_PROXY, _read_proxy_set, change=_change_proxy),
    Reader(_PROVIDER, abi.ADDRESS_SET, _read_address_set, change=_change_address),
    *(Reader(_CONFIGURATOR, codec, _read_token_upgraded, change=_change_token) for codec in TOKEN_UPGRADES.values()),
    Reader((ContractKind.A_TOKEN,), abi.INITIALIZED, lambda _: (), change=_change_treasury),
)
