"""Aave V3 by version: which rounding is in force and what it makes of a transfer, by hand at an index of 1.1."""

from typing import Any

import pytest
from bonafides.errors import InvalidSettings
from bonafides.types import ZERO_ADDRESS, Address, EventType, MarketPointKind
from bonafides_ingest.decoders import EventCodec
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.protocols.aave_v3.protocol import AaveV3
from bonafides_ingest.protocols.aave_v3.rounding import Rounding
from bonafides_ingest.protocols.aave_v3.state import AaveV3Deployment, AaveV3State
from bonafides_ingest.protocols.decoded import Decoded

from tests.support.aave_v3_logs import INDEX, Market
from tests.support.ingest_logs import CONFIGURATOR, DEPLOYMENT, POOL, PROVIDER, ChainOfLogs, ListedReserve, address

pytestmark = pytest.mark.unit

ALICE, BOB, CAROL = (address(name) for name in ("alice", "bob", "carol"))
FIRST, SECOND, UNKNOWN = (address(f"implementation {name}") for name in ("one", "two", "nobody knows"))
SOURCE = "@aave-dao/aave-v3-origin@3.6.0"


def _entry(**changes: object) -> AaveV3Deployment:
    """The test deployment's entry with pool versions instead of one rounding."""
    versions = [
        {"implementation": "0x" + FIRST.hex(), "rounding": "half_up", "source": SOURCE},
        {"implementation": "0x" + SECOND.hex(), "rounding": "by_operation", "source": SOURCE},
    ]
    own = {name: "0x" + getattr(DEPLOYMENT, name).hex() for name in ("pool", "configurator", "oracle", "provider")}
    entry = DEPLOYMENT.model_dump(exclude={"rounding"}) | own | {"pool_versions": versions}
    return AaveV3Deployment.model_validate({k: v for k, v in (entry | changes).items() if v is not None})


# Transfers


@pytest.mark.parametrize(
    ("rounding", "told", "value", "shares", "amount"),
    [
        (Rounding.HALF_UP_PLAIN_TRANSFERS, 91, 100, 91, 100),  # the amount; 90.9 shares round up
        (Rounding.HALF_UP, 100, 91, 91, 100),  # shares, worth 100.1
        (Rounding.BY_OPERATION, 100, 91, 91, 100),
    ],
)
def test_transfer__of_each_version__moves_its_shares(
    rounding: Rounding, told: int, value: int, shares: int, amount: int
) -> None:
    market = Market(rounding)
    market.log(market.weth.a_token, abi.TRANSFER, ALICE, BOB, told)
    market.log(market.weth.a_token, abi.BALANCE_TRANSFER, ALICE, BOB, value, INDEX)

    events = market.decode().events

    assert [(e.wallet, e.scaled_delta) for e in events if e.scaled_delta] == [(ALICE, -shares), (BOB, shares)]
    assert {e.amount for e in events} == {amount}


@pytest.mark.parametrize(
    ("rounding", "value"),
    [
        (Rounding.HALF_UP_PLAIN_TRANSFERS, 91),
        (Rounding.HALF_UP, 100),
        (Rounding.HALF_UP, 90),
        (Rounding.BY_OPERATION, 90),
    ],
)
def test_transfer__a_value_of_another_version__is_a_dead_letter_of_its_sender(rounding: Rounding, value: int) -> None:
    market = Market(rounding)
    market.log(market.weth.a_token, abi.TRANSFER, ALICE, BOB, 100)
    market.log(market.weth.a_token, abi.BALANCE_TRANSFER, ALICE, BOB, value, INDEX)

    (refusal,) = market.decode().refused

    assert (refusal.wallets, refusal.is_hole) == ((ALICE,), False)
    assert market.deltas() == []


# Which rounding is in force


def _decoded(chain: ChainOfLogs, deployment: AaveV3Deployment) -> Decoded:
    return AaveV3().decode_logs(AaveV3().restore(deployment, {}), chain.logs, 1)[1]


def _supply(chain: ChainOfLogs, block: int, value: int) -> None:
    """100 supplied at an index of 1.1; half up the log says 100, by operation 99."""
    reserve = ListedReserve.of("WETH")
    chain.emit(block, 0, reserve.a_token, abi.MINT, ALICE, ALICE, value, 0, INDEX)
    chain.emit(block, 0, POOL, abi.SUPPLY, reserve.asset, ALICE, ALICE, 100, 0)


def test_upgrade__of_the_pool__changes_the_rounding_at_its_log() -> None:
    chain = ChainOfLogs()
    chain.emit(1, 0, PROVIDER, abi.POOL_UPDATED, ZERO_ADDRESS, FIRST)
    chain.list_reserve(2, "WETH")
    _supply(chain, 3, 100)
    chain.emit(4, 0, PROVIDER, abi.POOL_UPDATED, FIRST, SECOND)
    _supply(chain, 5, 99)

    decoded = _decoded(chain, _entry())

    assert [e.scaled_delta for e in decoded.events if e.scaled_delta] == [91, 90]
    roundings = [(p.position.block.number, p.values) for p in decoded.points if p.kind is MarketPointKind.ROUNDING]
    assert roundings == [(1, (0,)), (4, (1,))]
    assert decoded.refused == ()


def test_upgrade__to_an_implementation_that_nobody_entered__refuses_the_tokens_until_a_known_one() -> None:
    chain = ChainOfLogs()
    chain.emit(1, 0, PROVIDER, abi.POOL_UPDATED, ZERO_ADDRESS, UNKNOWN)
    chain.list_reserve(2, "WETH")
    _supply(chain, 3, 100)
    chain.emit(4, 0, PROVIDER, abi.POOL_UPDATED, UNKNOWN, SECOND)
    _supply(chain, 5, 99)

    decoded = _decoded(chain, _entry())

    assert [(r.is_market, r.wallets, r.is_hole) for r in decoded.refused] == [(True, (), True), (False, (), True)]
    assert [e.scaled_delta for e in decoded.events if e.scaled_delta] == [90]
    assert [e.amount for e in decoded.events if e.type is EventType.SUPPLIED] == [100, 100]


@pytest.mark.parametrize(
    ("token", "codec", "values", "wallets"),
    [
        ("a_token", abi.MINT, (BOB, ALICE, 100, 1, INDEX), ()),  # supplied, perhaps by a stranger
        ("a_token", abi.MINT, (ALICE, ALICE, 1, 2, INDEX), (ALICE,)),  # withdrawn, less than its interest
        ("a_token", abi.BURN, (ALICE, BOB, 100, 0, INDEX), (ALICE,)),
        ("a_token", abi.BALANCE_TRANSFER, (ALICE, BOB, 100, INDEX), (ALICE,)),
        ("variable_debt_token", abi.MINT, (BOB, ALICE, 100, 0, INDEX), (ALICE,)),
        ("variable_debt_token", abi.BURN, (ALICE, ZERO_ADDRESS, 100, 0, INDEX), (ALICE,)),
        ("stable_debt_token", abi.STABLE_MINT, (BOB, ALICE, 100, 0, 0, 1, 1, 100), (ALICE,)),
        ("stable_debt_token", abi.STABLE_BURN, (ALICE, 100, 100, 0, 0, 0), (ALICE,)),
    ],
)
def test_tokens__under_a_pool_that_nobody_entered__are_holes_of_debtors_and_of_those_whose_supply_went_out(
    token: str, codec: EventCodec[Any], values: tuple[Any, ...], wallets: tuple[Address, ...]
) -> None:
    chain = ChainOfLogs()
    weth = chain.list_reserve(2, "WETH")
    chain.emit(3, 0, getattr(weth, token), codec, *values)

    decoded = _decoded(chain, _entry())

    assert [(r.wallets, r.is_hole) for r in decoded.refused] == [(wallets, True)]


def test_tokens__before_any_implementation_is_known__are_refused() -> None:
    chain = ChainOfLogs()
    chain.list_reserve(2, "WETH")
    _supply(chain, 3, 100)

    decoded = _decoded(chain, _entry())

    assert ["does not say how" in refusal.reason for refusal in decoded.refused] == [True]


@pytest.mark.parametrize(
    ("codec", "values", "is_known"),
    [
        (abi.ADDRESS_SET_AS_PROXY, (b"POOL".ljust(32, b"\0"), POOL, FIRST, SECOND), True),
        (abi.ADDRESS_SET_AS_PROXY, (b"POOL".ljust(32, b"\0"), BOB, FIRST, SECOND), False),
        (abi.ADDRESS_SET_AS_PROXY, (b"UMBRELLA".ljust(32, b"\0"), BOB, FIRST, CAROL), True),
        (abi.ADDRESS_SET, (b"POOL".ljust(32, b"\0"), POOL, BOB), False),
        (abi.ADDRESS_SET, (b"UMBRELLA".ljust(32, b"\0"), POOL, BOB), True),
    ],
)
def test_upgrade__by_the_general_way__counts_like_any_other(
    codec: EventCodec[Any], values: tuple[Any, ...], is_known: bool
) -> None:
    chain = ChainOfLogs()
    chain.emit(1, 0, PROVIDER, abi.POOL_UPDATED, ZERO_ADDRESS, SECOND)
    chain.list_reserve(2, "WETH")
    chain.emit(3, 0, PROVIDER, codec, *values)
    _supply(chain, 4, 99)

    decoded = _decoded(chain, _entry())

    assert [e.scaled_delta for e in decoded.events if e.scaled_delta] == ([90] if is_known else [])


TOKEN_UPGRADES = (abi.A_TOKEN_UPGRADED, abi.STABLE_DEBT_TOKEN_UPGRADED, abi.VARIABLE_DEBT_TOKEN_UPGRADED)


def _upgraded_token(codec: EventCodec[Any], implementation: Address) -> ChainOfLogs:
    chain = ChainOfLogs()
    chain.emit(1, 0, PROVIDER, abi.POOL_UPDATED, ZERO_ADDRESS, FIRST)
    weth = chain.list_reserve(2, "WETH")
    chain.emit(3, 0, CONFIGURATOR, codec, weth.asset, weth.a_token, implementation)
    chain.emit(4, 0, PROVIDER, abi.POOL_UPDATED, FIRST, SECOND)
    _supply(chain, 5, 99)
    return chain


@pytest.mark.parametrize("codec", TOKEN_UPGRADES, ids=lambda codec: codec.event.name)
def test_upgrade__of_a_token_to_what_the_entry_does_not_list__refuses_the_tokens_for_good(
    codec: EventCodec[Any],
) -> None:
    entry = _entry(token_implementations=["0x" + BOB.hex()])

    decoded = _decoded(_upgraded_token(codec, CAROL), entry)

    assert [(r.is_market, r.wallets, r.is_hole) for r in decoded.refused] == [(True, (), True), (False, (), True)]
    assert [e.scaled_delta for e in decoded.events if e.scaled_delta] == []


@pytest.mark.parametrize("listed", [[], ["0x" + CAROL.hex()]])
def test_upgrade__of_a_token_to_what_the_entry_lists_or_where_it_lists_none__changes_nothing(listed: list[str]) -> None:
    decoded = _decoded(_upgraded_token(abi.A_TOKEN_UPGRADED, CAROL), _entry(token_implementations=listed))

    assert decoded.refused == ()
    assert [e.scaled_delta for e in decoded.events if e.scaled_delta] == [90]


def test_restart__after_a_foreign_token__knows_it_until_the_entry_lists_it() -> None:
    entry, protocol = _entry(token_implementations=["0x" + BOB.hex()]), AaveV3()
    state, _ = protocol.decode_logs(
        protocol.restore(entry, {}), _upgraded_token(abi.A_TOKEN_UPGRADED, CAROL).logs[:-2], 1
    )

    assert protocol.restore(entry, state.facts()).rounding is None
    listed = _entry(token_implementations=["0x" + BOB.hex(), "0x" + CAROL.hex()])
    assert protocol.restore(listed, state.facts()).rounding is Rounding.BY_OPERATION


def test_restart__finds_the_implementation_and_the_treasuries_again() -> None:
    chain = ChainOfLogs()
    chain.emit(1, 0, PROVIDER, abi.POOL_UPDATED, ZERO_ADDRESS, SECOND)
    weth = chain.list_reserve(2, "WETH")
    upgraded = (weth.asset, POOL, CAROL, bytes(20), 18, "Aave WETH", "aWETH", b"")
    chain.emit(3, 0, weth.a_token, abi.INITIALIZED, *upgraded)
    protocol = AaveV3()

    state, _ = protocol.decode_logs(protocol.restore(_entry(), {}), chain.logs, 1)
    again = protocol.restore(_entry(), state.facts())

    assert (again.rounding, again.facts()) == (Rounding.BY_OPERATION, state.facts())
    assert CAROL in again.not_wallets


def test_restart__registry_now_says_another_rounding__is_refused() -> None:
    state = AaveV3State(_entry()).with_implementation(SECOND)
    versions = [{"implementation": "0x" + SECOND.hex(), "rounding": "half_up", "source": SOURCE}]

    with pytest.raises(InvalidSettings, match="another id"):
        AaveV3().restore(_entry(pool_versions=versions), state.facts())


def test_restart__registry_now_knows_the_implementation__goes_on_with_it() -> None:
    state = AaveV3State(_entry()).with_implementation(UNKNOWN)
    versions = [{"implementation": "0x" + UNKNOWN.hex(), "rounding": "by_operation", "source": SOURCE}]

    assert AaveV3().restore(_entry(pool_versions=versions), state.facts()).rounding is Rounding.BY_OPERATION


@pytest.mark.parametrize(
    "changes",
    [
        {"pool_versions": []},
        {"rounding": "half_up"},
        {"pool_versions": [], "rounding": "half_up", "development": False, "chain_id": 1},
        {"pool_versions": [{"implementation": "0x" + FIRST.hex(), "rounding": "half_up", "source": "me"}]},
        {"pool_versions": [{"implementation": "0x" + FIRST.hex(), "rounding": "up", "source": SOURCE}]},
        {"pool_versions": [{"implementation": "0x" + FIRST.hex(), "rounding": "half_up", "source": SOURCE}] * 2},
    ],
)
def test_entry__that_does_not_say_once_how_it_rounds__is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"rounding|pool_versions|source"):
        _entry(**changes)


# Debt whose interest is discounted


@pytest.mark.parametrize(("old", "new", "refused"), [(0, 2_000, 1), (2_000, 0, 1), (0, 0, 0)])
def test_discount__on_a_debts_interest__is_a_hole_in_the_wallets_history(old: int, new: int, refused: int) -> None:
    market = Market()
    market.log(market.weth.variable_debt_token, abi.DISCOUNT_PERCENT_UPDATED, ALICE, old, new)

    assert [(refusal.wallets, refusal.is_hole) for refusal in market.decode().refused] == [((ALICE,), True)] * refused
