"""Debt at a stable rate, of Aave V2 and V3: what each log of its token leaves, by hand.

Everywhere: a principal of 1,000, on which 100 of interest have grown, so that 1,100 are owed.
"""

import pytest
from bonafides.events import LendingEvent
from bonafides.types import ZERO_ADDRESS, Address, EventType, Role
from bonafides_ingest.protocols.aave_v2 import events as v2
from bonafides_ingest.protocols.aave_v3 import events as v3
from bonafides_ingest.protocols.aave_v3.protocol import AaveV3
from bonafides_ingest.protocols.decoded import Decoded

from tests.support.aave_v2_logs import GATEWAY, STETH, WETH, V2Chain, decode
from tests.support.ingest_logs import DEPLOYMENT, RAY, ChainOfLogs, address, encode_event

pytestmark = pytest.mark.unit

ALICE, BOB = address("alice"), address("bob")
RATE, NEW_RATE = RAY * 4 // 100, RAY * 5 // 100
STABLE = WETH.stable_debt_token


@pytest.fixture
def chain() -> V2Chain:
    """WETH is listed on Aave V2 in block 1."""
    chain = V2Chain()
    chain.list_v2(1, WETH)
    return chain


@pytest.fixture
def v3_chain() -> ChainOfLogs:
    """WETH is listed on Aave V3 in block 1."""
    chain = ChainOfLogs()
    chain.list_reserve(1, "WETH")
    return chain


def _decode_v3(chain: ChainOfLogs) -> Decoded:
    return AaveV3().decode_logs(AaveV3().restore(DEPLOYMENT, {}), chain.logs, 3)[1]


def _told(events: tuple[LendingEvent, ...]) -> list[tuple[Address, int, int]]:
    assert {(e.type, e.role, e.scaled_delta) for e in events} <= {(EventType.STABLE_DEBT_SET, Role.OWNER, 0)}
    return [(event.wallet, event.amount, event.index_ray) for event in events]


# Aave V2


def test_v2__borrowed_first__is_the_whole_debt(chain: V2Chain) -> None:
    chain.emit(2, 0, STABLE, v3.TRANSFER, ZERO_ADDRESS, ALICE, 1_000)
    chain.emit(2, 0, STABLE, v2.STABLE_MINT, ALICE, ALICE, 1_000, 0, 0, RATE, RATE, 1_000)

    (event,) = decode(chain).events

    assert _told((event,)) == [(ALICE, 1_000, RATE)]
    assert event.asset == WETH.asset


def test_v2__borrowed_more_by_a_delegate__is_the_debtors_with_interest_and_the_new_rate(chain: V2Chain) -> None:
    chain.emit(2, 0, STABLE, v3.TRANSFER, ZERO_ADDRESS, ALICE, 50)
    chain.emit(2, 0, STABLE, v2.STABLE_MINT, BOB, ALICE, 50, 1_100, 100, NEW_RATE, NEW_RATE, 1_150)

    assert _told(decode(chain).events) == [(ALICE, 1_150, NEW_RATE)]


def test_v2__repaid_more_than_the_interest__leaves_the_rest_and_the_rate(chain: V2Chain) -> None:
    chain.emit(2, 0, STABLE, v2.STABLE_BURN, ALICE, 200, 1_100, 100, RATE, 800)  # 300, of which 100 are interest
    chain.emit(2, 0, STABLE, v3.TRANSFER, ALICE, ZERO_ADDRESS, 300)

    assert _told(decode(chain).events) == [(ALICE, 800, 0)]


def test_v2__repaid_all__leaves_nothing(chain: V2Chain) -> None:
    chain.emit(2, 0, STABLE, v2.STABLE_BURN, ALICE, 1_000, 1_100, 100, 0, 0)
    chain.emit(2, 0, STABLE, v3.TRANSFER, ALICE, ZERO_ADDRESS, 1_100)

    assert _told(decode(chain).events) == [(ALICE, 0, 0)]


def test_v2__repaid_less_than_the_interest__is_a_mint_that_leaves_more_than_before(chain: V2Chain) -> None:
    chain.emit(2, 0, STABLE, v2.STABLE_MINT, ALICE, ALICE, 60, 1_100, 100, RATE, RATE, 1_060)  # 40 of 100
    chain.emit(2, 0, STABLE, v3.TRANSFER, ALICE, ZERO_ADDRESS, 40)

    assert _told(decode(chain).events) == [(ALICE, 1_060, RATE)]


def test_v2__rebalanced__is_burnt_and_minted_at_another_rate(chain: V2Chain) -> None:
    chain.emit(2, 0, STABLE, v2.STABLE_BURN, ALICE, 1_000, 1_100, 100, 0, 0)
    chain.emit(2, 0, STABLE, v3.TRANSFER, ALICE, ZERO_ADDRESS, 1_100)
    chain.emit(2, 0, STABLE, v3.TRANSFER, ZERO_ADDRESS, ALICE, 1_100)
    chain.emit(2, 0, STABLE, v2.STABLE_MINT, ALICE, ALICE, 1_100, 0, 0, NEW_RATE, NEW_RATE, 1_100)

    assert _told(decode(chain).events) == [(ALICE, 0, 0), (ALICE, 1_100, NEW_RATE)]


def test_v2__a_little_repaid_and_more_borrowed_at_once__are_told_apart(chain: V2Chain) -> None:
    chain.emit(2, 0, STABLE, v2.STABLE_MINT, ALICE, ALICE, 60, 1_100, 100, RATE, RATE, 1_060)
    chain.emit(2, 0, STABLE, v3.TRANSFER, ALICE, ZERO_ADDRESS, 40)
    chain.emit(2, 0, STABLE, v3.TRANSFER, ZERO_ADDRESS, ALICE, 60)
    chain.emit(2, 0, STABLE, v2.STABLE_MINT, ALICE, ALICE, 60, 1_060, 0, NEW_RATE, NEW_RATE, 1_120)

    assert _told(decode(chain).events) == [(ALICE, 1_060, RATE), (ALICE, 1_120, NEW_RATE)]


@pytest.mark.parametrize(
    "transfer",
    [
        None,
        (ZERO_ADDRESS, ALICE, 61),  # another amount
        (ZERO_ADDRESS, BOB, 60),  # another debtor
        (ALICE, ZERO_ADDRESS, 60),  # the wrong way
    ],
)
def test_v2__mint_that_no_transfer_explains__is_a_dead_letter(
    chain: V2Chain, transfer: tuple[Address, Address, int] | None
) -> None:
    if transfer:
        chain.emit(2, 0, STABLE, v3.TRANSFER, *transfer)
    chain.emit(2, 0, STABLE, v2.STABLE_MINT, ALICE, ALICE, 60, 1_100, 100, RATE, RATE, 1_060)

    decoded = decode(chain)

    assert decoded.events == ()
    assert [refused.wallets for refused in decoded.refused] == [(ALICE,)]
    assert "no Transfer beside its Mint" in decoded.refused[0].reason


def test_v2__transfers_on_both_sides_that_fit__is_a_dead_letter(chain: V2Chain) -> None:
    chain.emit(2, 0, STABLE, v3.TRANSFER, ZERO_ADDRESS, ALICE, 60)
    chain.emit(2, 0, STABLE, v2.STABLE_MINT, ALICE, ALICE, 60, 1_100, 100, RATE, RATE, 1_060)
    chain.emit(2, 0, STABLE, v3.TRANSFER, ALICE, ZERO_ADDRESS, 40)

    assert [refused.wallets for refused in decode(chain).refused] == [(ALICE,)]


def test_v2__transfer_of_another_contract_or_transaction__explains_nothing(chain: V2Chain) -> None:
    chain.emit(2, 0, WETH.a_token, v3.TRANSFER, ZERO_ADDRESS, ALICE, 60)
    chain.emit(2, 0, STABLE, v2.STABLE_MINT, ALICE, ALICE, 60, 1_100, 100, RATE, RATE, 1_160)
    chain.emit(3, 0, STABLE, v3.TRANSFER, ZERO_ADDRESS, ALICE, 60)
    chain.emit(3, 1, STABLE, v2.STABLE_MINT, ALICE, ALICE, 60, 1_100, 100, RATE, RATE, 1_160)

    decoded = decode(chain)

    assert (decoded.events, len(decoded.refused)) == ((), 2)


def test_v2__stable_debt_in_an_asset_that_rebases__is_a_hole_of_its_debtor(chain: V2Chain) -> None:
    chain.list_v2(1, STETH, tx=3)
    chain.emit(2, 0, STETH.stable_debt_token, v3.TRANSFER, ZERO_ADDRESS, ALICE, 5)
    chain.emit(2, 0, STETH.stable_debt_token, v2.STABLE_MINT, BOB, ALICE, 5, 0, 0, RATE, RATE, 5)
    chain.emit(3, 0, STETH.stable_debt_token, v2.STABLE_BURN, ALICE, 5, 5, 0, 0, 0)

    decoded = decode(chain)

    assert decoded.events == ()
    assert [(refused.wallets, refused.is_hole) for refused in decoded.refused] == [((ALICE,), True)] * 2


def test_v2__debt_of_a_gateway__is_no_wallets(chain: V2Chain) -> None:
    chain.emit(2, 0, STABLE, v3.TRANSFER, ZERO_ADDRESS, GATEWAY, 60)
    chain.emit(2, 0, STABLE, v2.STABLE_MINT, ALICE, GATEWAY, 60, 0, 0, RATE, RATE, 60)

    decoded = decode(chain)

    assert (decoded.events, decoded.refused) == ((), ())


# Aave V3: every Mint is one law, since its value holds the interest


@pytest.mark.parametrize(
    ("values", "principal", "rate"),
    [
        ((ALICE, ALICE, 1_000, 0, 0, RATE, RATE, 1_000), 1_000, RATE),  # the first 1,000
        ((BOB, ALICE, 150, 1_100, 100, NEW_RATE, NEW_RATE, 1_150), 1_150, NEW_RATE),  # 50 more
        ((ALICE, ALICE, 60, 1_100, 100, RATE, RATE, 1_060), 1_060, RATE),  # 40 repaid
    ],
)
def test_v3__each_mint__leaves_the_principal_and_its_value(
    v3_chain: ChainOfLogs, values: tuple[object, ...], principal: int, rate: int
) -> None:
    v3_chain.emit(2, 0, STABLE, v3.TRANSFER, ZERO_ADDRESS, ALICE, values[2])
    v3_chain.emit(2, 0, STABLE, v3.STABLE_MINT, *values)

    assert _told(_decode_v3(v3_chain).events) == [(ALICE, principal, rate)]


@pytest.mark.parametrize(("value", "principal"), [(200, 800), (1_000, 0), (0, 1_000)])  # 300, 1,100 and 100 repaid
def test_v3__each_burn__leaves_the_principal_without_its_value(
    v3_chain: ChainOfLogs, value: int, principal: int
) -> None:
    v3_chain.emit(2, 0, STABLE, v3.STABLE_BURN, ALICE, value, 1_100, 100, RATE, principal)

    assert _told(_decode_v3(v3_chain).events) == [(ALICE, principal, 0)]


# What cannot be: never a wrong number


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ((60, 100, 101, RATE), "more interest than debt"),
        ((0, 0, 0, RATE), "leaves no debt"),
        ((60, 1_100, 100, 0), "no rate"),
        ((60, 1_100, 100, 2**128), "no rate below"),
        ((2**128, 1_100, 100, RATE), "2**128 and above"),
    ],
)
def test_v3__mint_that_cannot_be__is_a_dead_letter(
    v3_chain: ChainOfLogs, values: tuple[int, int, int, int], reason: str
) -> None:
    value, owed, increase, rate = values
    v3_chain.emit(2, 0, STABLE, v3.STABLE_MINT, BOB, ALICE, value, owed, increase, rate, 0, 0)

    decoded = _decode_v3(v3_chain)

    assert decoded.events == ()
    assert [refused.wallets for refused in decoded.refused] == [(ALICE,)]
    assert reason in decoded.refused[0].reason


@pytest.mark.parametrize(("value", "owed", "increase"), [(1_001, 1_100, 100), (1, 100, 101)])
def test_v3__burn_of_more_than_there_is__is_a_dead_letter(
    v3_chain: ChainOfLogs, value: int, owed: int, increase: int
) -> None:
    v3_chain.emit(2, 0, STABLE, v3.STABLE_BURN, ALICE, value, owed, increase, 0, 0)

    decoded = _decode_v3(v3_chain)

    assert decoded.events == ()
    assert [refused.wallets for refused in decoded.refused] == [(ALICE,)]


def test_v3__log_that_ends_early_or_lacks_a_topic__is_a_dead_letter(v3_chain: ChainOfLogs) -> None:
    topics, payload = encode_event(v3.STABLE_MINT, (BOB, ALICE, 60, 1_100, 100, RATE, 0, 0))
    v3_chain.emit_raw(2, 0, STABLE, topics, payload[:-32])
    v3_chain.emit_raw(3, 0, STABLE, topics[:2], payload)

    decoded = _decode_v3(v3_chain)

    assert decoded.events == ()
    assert [refused.wallets for refused in decoded.refused] == [(ALICE,), ()]
