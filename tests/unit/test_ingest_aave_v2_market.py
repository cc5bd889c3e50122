"""Aave V2: listings, prices in USD of an oracle in ETH, and what the registry must say."""

from pathlib import Path

import pytest
from bonafides.events import BlockRange
from bonafides.types import ZERO_ADDRESS, Address, ChainId, MarketPointKind, address_text
from bonafides_ingest.feeds import Phase, Timeline
from bonafides_ingest.protocols.aave_v2 import events as abi
from bonafides_ingest.protocols.aave_v2.prices import BaseCurrency
from bonafides_ingest.protocols.aave_v2.protocol import AaveV2
from bonafides_ingest.protocols.aave_v2.state import AaveV2Deployment
from bonafides_ingest.protocols.decoded import Decoded
from bonafides_ingest.protocols.ray import RAY
from bonafides_ingest.registry import load_registry
from bonafides_ingest.scanning import scan

from tests.support.aave_v2_logs import DEPLOYMENT, ETHER, STETH, USD_FEED, USDC, WETH, V2Chain, decode, new_state
from tests.support.ingest_logs import CONFIGURATOR, ORACLE, PROVIDER, TREASURY, address, block_at

pytestmark = pytest.mark.unit

CAROL = address("carol")
USD = 10**8


@pytest.fixture
def chain() -> V2Chain:
    """WETH and stETH are listed in block 1."""
    chain = V2Chain()
    chain.list_v2(1, WETH, tx=1)
    chain.list_v2(1, STETH, tx=2)
    return chain


# Listings, and what no log tells


def _configurations(chain: V2Chain, deployment: AaveV2Deployment = DEPLOYMENT) -> list[tuple[bytes, tuple[int, ...]]]:
    points = decode(chain, deployment).points
    return [(point.asset, point.values) for point in points if point.kind is MarketPointKind.RESERVE_CONFIG]


def test_listing__of_the_first_release__has_the_decimals_of_the_registry(chain: V2Chain) -> None:
    chain.emit(3, 0, CONFIGURATOR, abi.COLLATERAL_CONFIGURED, WETH.asset, 8000, 8250, 10500)

    assert _configurations(chain)[-1] == (WETH.asset, (8000, 8250, 10500, 18))
    assert decode(chain).refused == ()


def test_listing__each__says_how_v2_reckons(chain: V2Chain) -> None:
    points = [point for point in decode(chain).points if point.kind is MarketPointKind.ROUNDING]

    assert [(point.asset, point.values) for point in points] == [(ZERO_ADDRESS, (2,))] * 2


def test_listing__nothing_tells_the_decimals__is_refused_with_what_to_add(chain: V2Chain) -> None:
    chain.list_v2(2, USDC)

    decoded = decode(chain)

    assert [asset for asset, _ in _configurations(chain)] == [WETH.asset, STETH.asset]
    assert [(refused.is_market, "`decimals`" in refused.reason) for refused in decoded.refused] == [(True, True)]


def test_listing__of_a_later_release__has_the_decimals_and_treasury_of_its_atoken(chain: V2Chain) -> None:
    chain.initialise(2, USDC, 6, CAROL)
    chain.list_v2(2, USDC)
    chain.emit(3, 0, USDC.a_token, abi.MINT, CAROL, 5, RAY)

    decoded = decode(chain)

    assert _configurations(chain)[-1] == (USDC.asset, (0, 0, 0, 6))
    assert (decoded.events, decoded.refused) == ((), ())


def test_upgrade__another_treasury__is_no_wallet_from_there_on_and_neither_is_the_old_one(chain: V2Chain) -> None:
    chain.emit(2, 0, WETH.a_token, abi.MINT, CAROL, 5, RAY)
    chain.initialise(3, WETH, 18, CAROL)
    chain.emit(4, 0, WETH.a_token, abi.MINT, CAROL, 5, RAY)
    chain.emit(5, 0, WETH.a_token, abi.MINT, TREASURY, 5, RAY)

    assert [event.position.block.number for event in decode(chain).events] == [2]


def test_state__restored_from_its_facts__is_the_same(chain: V2Chain) -> None:
    chain.initialise(2, USDC, 6, CAROL)
    chain.list_v2(2, USDC)
    chain.name_feed(3, USDC.asset, USDC.feed)

    state, _ = AaveV2().decode_logs(new_state(), chain.logs, 0)
    restored = AaveV2().restore(DEPLOYMENT, state.facts())

    assert restored.facts() == state.facts()
    assert (restored.watched, restored.not_wallets) == (state.watched, state.not_wallets)
    assert {("treasury", "0x" + CAROL.hex()), ("price_source", "0x" + USDC.asset.hex())} <= set(state.facts())


def test_state__restored_when_the_registry_says_the_decimals_by_now__has_them(chain: V2Chain) -> None:
    chain.initialise(2, USDC, 6, CAROL)
    chain.list_v2(2, USDC)
    bare = DEPLOYMENT.model_copy(update={"decimals": {}})
    state, _ = AaveV2().decode_logs(AaveV2().restore(bare, {}), chain.logs, 0)
    later = V2Chain()
    later.emit(7, 0, CONFIGURATOR, abi.COLLATERAL_CONFIGURED, WETH.asset, 8000, 8250, 10500)
    later.emit(7, 0, CONFIGURATOR, abi.COLLATERAL_CONFIGURED, USDC.asset, 8000, 8250, 10500)
    said = DEPLOYMENT.model_copy(update={"decimals": {WETH.asset: 18, USDC.asset: 9}})  # what is logged goes before

    _, decoded = AaveV2().decode_logs(AaveV2().restore(said, state.facts()), later.logs, 0)

    assert decoded.refused == ()
    assert [(point.asset, point.values[3]) for point in decoded.points] == [(WETH.asset, 18), (USDC.asset, 6)]


def test_discover__a_listing_and_a_feed__names_their_contracts_and_the_base_currencys_feed() -> None:
    chain = V2Chain()
    chain.list_v2(1, WETH)
    chain.name_feed(1, USDC.asset, USDC.feed)

    found = AaveV2().discover(new_state(), chain.logs)

    assert found.contracts == {WETH.a_token, WETH.stable_debt_token, WETH.variable_debt_token}
    assert found.feeds == {USDC.feed, address("ETH/USD feed")}


REGISTRY = """
version: 1
deployments:
- id: aave-v2-development
  chain_id: 31337
  protocol: aave_v2
  pool: "0x7d2768de32b0b80b7a3454c06bdac94a69ddc7a9"
  configurator: "0x311bb771e4f8952e6da169b425e7e92d6ac45756"
  oracle: "0xa50ba011c48153de246e5192c8f9258a2ba79ca9"
  provider: "0xb53c1a33016b2dc2ff3653530bff1848a515c8c5"
  base: {asset: "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2", usd_feed: "0x5f4ec3df9cbd43714fe2740f5e3616155c5b8419"}
  decimals: {"0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48": 6}
  treasuries: ["0x464c71f6c2f760dda6093dcb91c24c39e5d6e18c"]
  rebasing: ["0xae7ab96520de3a18e5e111b5eaab095312d7fe84"]
  from_block: 1
  source: "@aave/protocol-v2@1.0.1"
  development: true
"""


def test_registry__an_entry_with_its_addresses_alone__answers_in_usd_and_knows_nothing_else(tmp_path: Path) -> None:
    optional = ("base:", "decimals:", "treasuries:", "rebasing:")
    lines = [line for line in REGISTRY.splitlines() if not line.strip().startswith(optional)]
    (tmp_path / "deployments.yaml").write_text("\n".join(lines))

    (deployment,) = load_registry(tmp_path / "deployments.yaml").of_chain(ChainId(31337))

    assert isinstance(deployment, AaveV2Deployment)
    assert (deployment.base, dict(deployment.decimals), deployment.rebasing) == (None, {}, ())


def test_registry__an_entry_of_aave_v2__is_read_with_what_no_log_tells(tmp_path: Path) -> None:
    (tmp_path / "deployments.yaml").write_text(REGISTRY)

    (deployment,) = load_registry(tmp_path / "deployments.yaml").of_chain(ChainId(31337))

    assert isinstance(deployment, AaveV2Deployment)
    assert deployment.base is not None
    assert deployment.base.decimals == 18
    assert list(deployment.decimals.values()) == [6]
    assert ZERO_ADDRESS not in deployment.contracts()


# Prices, by hand: USDC at .0005 ETH, ETH at $2,000


@pytest.fixture
def priced() -> V2Chain:
    """The base currency's feed answers in block 2, USDC's in block 3; the oracle names it in block 4."""
    chain = V2Chain()
    chain.answer(2, USD_FEED, 2_000 * USD)
    chain.answer(3, USDC.feed, ETHER // 2_000)
    chain.name_feed(4, USDC.asset, USDC.feed)
    return chain


def _prices(decoded: Decoded, asset: Address) -> list[tuple[int, tuple[int, ...]]]:
    return [
        (point.position.block.number, point.values)
        for point in decoded.points
        if point.kind is MarketPointKind.PRICE and point.asset == asset
    ]


def test_price__of_an_asset__is_its_answer_times_the_base_currencys(priced: V2Chain) -> None:
    priced.answer(5, USDC.feed, 333_333_333_333_333)  # .000333333333333333 · 2,000 = .666666666666666: rounded down

    assert _prices(decode(priced), USDC.asset) == [(4, (USD,)), (5, (66_666_666,))]


def test_price__base_currency_answers__is_told_of_the_base_asset_and_of_every_other(priced: V2Chain) -> None:
    priced.answer(5, USD_FEED, 2_500 * USD)

    decoded = decode(priced)

    assert _prices(decoded, WETH.asset) == [(2, (2_000 * USD,)), (5, (2_500 * USD,))]
    assert _prices(decoded, USDC.asset) == [(4, (USD,)), (5, (125_000_000,))]
    assert len({point.id for point in decoded.points}) == len(decoded.points)


@pytest.mark.parametrize("answer", [0, -1])
def test_price__base_currency_has_none__is_unknown_for_all(priced: V2Chain, answer: int) -> None:
    priced.answer(5, USD_FEED, answer)

    decoded = decode(priced)

    assert (_prices(decoded, WETH.asset)[-1], _prices(decoded, USDC.asset)[-1]) == ((5, (0,)), (5, (0,)))


def test_price__asset_without_an_answer__is_unknown_whatever_the_base_currencys(priced: V2Chain) -> None:
    priced.name_feed(5, USDC.asset, address("another feed"))
    priced.answer(6, USD_FEED, 2_500 * USD)

    assert _prices(decode(priced), USDC.asset) == [(4, (USD,)), (5, (0,)), (6, (0,))]


def test_price__oracle_told_a_feed_for_the_base_asset__is_the_base_currencys_all_the_same(priced: V2Chain) -> None:
    priced.answer(5, WETH.feed, ETHER * 99 // 100)
    priced.name_feed(5, WETH.asset, WETH.feed)
    priced.answer(6, WETH.feed, ETHER * 98 // 100)

    assert [values for _, values in _prices(decode(priced), WETH.asset)] == [(2_000 * USD,)] * 2


def _deployment(base: BaseCurrency | None) -> AaveV2Deployment:
    return DEPLOYMENT.model_copy(update={"base": base})


def test_price__oracle_in_usd__is_the_answer_itself(priced: V2Chain) -> None:
    assert _prices(decode(priced, _deployment(None)), USDC.asset) == [(4, (ETHER // 2_000,))]


def test_price__registry_knows_no_feed_of_the_base_currency__is_unknown(priced: V2Chain) -> None:
    base = BaseCurrency.model_validate({"asset": address_text(WETH.asset)})

    decoded = decode(priced, _deployment(base))

    assert _prices(decoded, USDC.asset) == [(4, (0,))]
    assert _prices(decoded, WETH.asset) == []


def test_price__market_asks_an_unknown_oracle__is_unknown_until_it_asks_ours_again(priced: V2Chain) -> None:
    priced.emit(5, 0, PROVIDER, abi.PRICE_ORACLE_UPDATED, address("another oracle"))
    priced.answer(6, USD_FEED, 2_500 * USD)
    priced.emit(7, 0, PROVIDER, abi.PRICE_ORACLE_UPDATED, ORACLE)

    decoded = decode(priced)

    assert _prices(decoded, WETH.asset) == [(2, (2_000 * USD,)), (5, (0,)), (7, (2_500 * USD,))]
    assert _prices(decoded, USDC.asset) == [(4, (USD,)), (5, (0,)), (7, (125_000_000,))]
    assert ["deployments registry" in refused.reason for refused in decoded.refused] == [True]


def test_price__either_feed_goes_stale__holds_until_the_earlier_of_both() -> None:
    chain = V2Chain()
    chain.answer(2, USD_FEED, 2_000 * USD, updated_at=1_000)
    chain.answer(3, USDC.feed, ETHER // 2_000, updated_at=5_000)
    chain.name_feed(4, USDC.asset, USDC.feed)
    timelines = {USD_FEED: Timeline.direct(USD_FEED, 3_600), USDC.feed: Timeline.direct(USDC.feed, 86_400)}
    state = AaveV2().with_timelines(new_state(), timelines)

    _, decoded = AaveV2().decode_logs(state, chain.logs, 0)

    assert _prices(decoded, WETH.asset) == [(2, (2_000 * USD, 4_600))]
    assert _prices(decoded, USDC.asset) == [(4, (USD, 4_600))]


def test_price__base_currencys_feed_begins_a_phase__is_told_of_all_at_the_end_of_its_block() -> None:
    old, new = address("aggregator 1"), address("aggregator 2")
    chain = V2Chain()
    chain.answer(2, old, 2_000 * USD)
    chain.answer(3, USDC.feed, ETHER // 2_000)
    chain.name_feed(4, USDC.asset, USDC.feed)
    chain.answer(5, new, 2_100 * USD)  # before its phase: no price yet
    timeline = Timeline((Phase(1, old), Phase(6, new)))
    state = AaveV2().with_timelines(new_state(), {USD_FEED: timeline})

    _, decoded = AaveV2().decode_logs(state, chain.logs, 0, [block_at(6)])

    assert _prices(decoded, WETH.asset) == [(2, (2_000 * USD,)), (6, (2_100 * USD,))]
    assert _prices(decoded, USDC.asset) == [(4, (USD,)), (6, (105_000_000,))]


def test_price__restart_between_the_answers__is_the_same_as_without_one(priced: V2Chain) -> None:
    priced.answer(10, USD_FEED, 2_500 * USD)
    protocol = AaveV2()
    before = scan(priced, {DEPLOYMENT.id: new_state()}, BlockRange(1, 8), None)
    state, _ = protocol.decode_logs(before.states[DEPLOYMENT.id], before.window.logs, 0)
    restarted = protocol.restore(DEPLOYMENT, state.facts())

    points = {}
    for name, known in (("running", state), ("restarted", restarted)):
        after = scan(priced, {DEPLOYMENT.id: known}, BlockRange(9, 12), None)
        points[name] = protocol.decode_logs(after.states[DEPLOYMENT.id], after.window.logs, 0)[1].points

    assert points["restarted"] == points["running"]
    assert _prices(Decoded((), points["running"], ()), USDC.asset) == [(10, (125_000_000,))]
