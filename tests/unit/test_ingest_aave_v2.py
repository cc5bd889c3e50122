"""Aave V2: what each log makes, by hand."""

import pytest
from bonafides.events import LendingEvent
from bonafides.hashing import keccak
from bonafides.types import Digest, EventType, Role
from bonafides_ingest.decoders import EventCodec, load_codec
from bonafides_ingest.protocols.aave_v2 import events as abi
from bonafides_ingest.protocols.aave_v3 import events as v3
from bonafides_ingest.protocols.decoded import told_once
from bonafides_ingest.protocols.ray import RAY

from tests.support.aave_v2_logs import GATEWAY, STETH, WETH, V2Chain, decode
from tests.support.ingest_logs import CONFIGURATOR, POOL, TREASURY, address, encode_event

pytestmark = pytest.mark.unit

ALICE, BOB, CAROL = address("alice"), address("bob"), address("carol")
INDEX = RAY * 11 // 10


@pytest.fixture
def chain() -> V2Chain:
    """WETH and stETH are listed in block 1."""
    chain = V2Chain()
    chain.list_v2(1, WETH, tx=1)
    chain.list_v2(1, STETH, tx=2)
    return chain


def _entries(events: tuple[LendingEvent, ...]) -> list[tuple[EventType, bytes, int, int, int]]:
    return [(e.type, e.wallet, e.scaled_delta, e.amount, e.index_ray) for e in events if e.scaled_delta]


def _short(events: tuple[LendingEvent, ...]) -> list[tuple[EventType, Role, bytes, bytes | None, int]]:
    return [(e.type, e.role, e.wallet, e.counterparty, e.amount) for e in events]


# The ledger, worked by hand at an index of 1.1 ray


@pytest.mark.parametrize(("value", "scaled"), [(110, 100), (101, 92), (100, 91), (1, 1)])  # 91.8, 90.9, .91 round up
def test_ledger__each_token_log__changes_the_scaled_balance_by_the_value_over_the_index(
    chain: V2Chain, value: int, scaled: int
) -> None:
    chain.emit(2, 0, WETH.a_token, abi.MINT, ALICE, value, INDEX)
    chain.emit(3, 0, WETH.a_token, abi.BURN, ALICE, BOB, value, INDEX)
    chain.emit(4, 0, WETH.a_token, abi.BALANCE_TRANSFER, ALICE, BOB, value, INDEX)  # not scaled, other than in V3
    chain.emit(5, 0, WETH.variable_debt_token, abi.DEBT_MINT, BOB, ALICE, value, INDEX)  # Bob calls, Alice owes
    chain.emit(6, 0, WETH.variable_debt_token, abi.DEBT_BURN, ALICE, value, INDEX)

    events = decode(chain).events

    assert _entries(events) == [
        (EventType.SUPPLY_BALANCE, ALICE, scaled, value, INDEX),
        (EventType.SUPPLY_BALANCE, ALICE, -scaled, value, INDEX),
        (EventType.SUPPLY_BALANCE, ALICE, -scaled, value, INDEX),
        (EventType.SUPPLY_BALANCE, BOB, scaled, value, INDEX),
        (EventType.DEBT_BALANCE, ALICE, scaled, value, INDEX),
        (EventType.DEBT_BALANCE, ALICE, -scaled, value, INDEX),
    ]
    assert {event.asset for event in events} == {WETH.asset}
    moved = [(e.role, e.wallet, e.counterparty, e.amount) for e in events if e.type is EventType.TRANSFERRED]
    assert moved == [(Role.SENDER, ALICE, BOB, value), (Role.RECEIVER, BOB, ALICE, value)]
    assert len({event.id for event in events}) == len(events)


def test_ledger__interest_minted_to_the_treasury__is_no_wallets(chain: V2Chain) -> None:
    chain.emit(2, 0, WETH.a_token, abi.MINT, TREASURY, 9, RAY)
    chain.emit(3, 0, WETH.a_token, abi.BALANCE_TRANSFER, ALICE, TREASURY, 5, RAY)

    assert _entries(decode(chain).events) == [(EventType.SUPPLY_BALANCE, ALICE, -5, 5, RAY)]


def test_ledger__transfer_to_oneself__sums_to_nothing(chain: V2Chain) -> None:
    chain.emit(2, 0, WETH.a_token, abi.BALANCE_TRANSFER, ALICE, ALICE, 5, RAY)

    events = decode(chain).events

    assert [event.scaled_delta for event in events] == [-5, 5]
    assert len({event.id for event in events}) == 2


def test_ledger__supply_that_rebases__is_a_hole_of_nobody(chain: V2Chain) -> None:
    """A wei of it can be sent to anyone; and a position without it is only understated."""
    rebasing = STETH.a_token
    chain.emit(4, 0, rebasing, abi.MINT, ALICE, 5, RAY)
    chain.emit(5, 0, rebasing, abi.BURN, ALICE, BOB, 5, RAY)
    chain.emit(6, 0, rebasing, abi.BALANCE_TRANSFER, ALICE, BOB, 5, RAY)
    chain.emit(9, 0, POOL, abi.DEPOSIT, STETH.asset, ALICE, ALICE, 5, 0)  # the pool's words stay

    decoded = decode(chain)

    assert [e.type for e in decoded.events] == [EventType.SUPPLIED]
    assert [(refused.wallets, refused.is_hole) for refused in decoded.refused] == [((), True)] * 3
    assert [refused.wallets for refused in told_once(decoded.refused)] == [()]
    assert not any(refused.is_market for refused in decoded.refused)


def test_ledger__debt_that_rebases__is_a_hole_of_its_debtor_that_is_told_once(chain: V2Chain) -> None:
    chain.emit(7, 0, STETH.variable_debt_token, abi.DEBT_MINT, BOB, ALICE, 5, RAY)
    chain.emit(8, 0, STETH.variable_debt_token, abi.DEBT_BURN, ALICE, 5, RAY)
    chain.emit(9, 0, STETH.variable_debt_token, abi.DEBT_MINT, BOB, BOB, 5, RAY)

    decoded = decode(chain)

    assert [(refused.wallets, refused.is_hole) for refused in decoded.refused] == [
        ((ALICE,), True),
        ((ALICE,), True),
        ((BOB,), True),
    ]
    assert [refused.log.position.block.number for refused in told_once(decoded.refused)] == [7, 9]


def test_ledger__debt_and_supply_that_cannot_be_read__are_no_holes_and_all_stay(chain: V2Chain) -> None:
    for block in (2, 3):
        chain.emit(block, 0, WETH.variable_debt_token, abi.DEBT_MINT, BOB, ALICE, 5, 0)

    refused = decode(chain).refused

    assert [(refusal.wallets, refusal.is_hole) for refusal in told_once(refused)] == [((ALICE,), False)] * 2


# The LendingPool's words


def test_pool_events__one_wallet_alone__make_one_event_each_without_counterparty(chain: V2Chain) -> None:
    asset = WETH.asset
    chain.emit(2, 0, POOL, abi.DEPOSIT, asset, ALICE, ALICE, 10, 0)
    chain.emit(3, 0, POOL, v3.WITHDRAW, asset, ALICE, ALICE, 4)
    chain.emit(4, 0, POOL, abi.BORROW, asset, ALICE, ALICE, 7, 2, 10**25, 0)
    chain.emit(5, 0, POOL, abi.REPAY, asset, ALICE, ALICE, 3)
    chain.emit(6, 0, POOL, v3.COLLATERAL_ENABLED, asset, ALICE)
    chain.emit(7, 0, POOL, v3.COLLATERAL_DISABLED, asset, ALICE)

    assert _short(decode(chain).events) == [
        (EventType.SUPPLIED, Role.OWNER, ALICE, None, 10),
        (EventType.WITHDRAWN, Role.OWNER, ALICE, None, 4),
        (EventType.BORROWED, Role.OWNER, ALICE, None, 7),
        (EventType.REPAID, Role.OWNER, ALICE, None, 3),
        (EventType.COLLATERAL_ENABLED, Role.OWNER, ALICE, None, 0),
        (EventType.COLLATERAL_DISABLED, Role.OWNER, ALICE, None, 0),
    ]


def test_pool_events__another_pays_or_receives__make_one_event_per_role(chain: V2Chain) -> None:
    asset = WETH.asset
    chain.emit(2, 0, POOL, abi.DEPOSIT, asset, BOB, ALICE, 10, 0)
    chain.emit(3, 0, POOL, v3.WITHDRAW, asset, ALICE, CAROL, 4)
    chain.emit(4, 0, POOL, abi.BORROW, asset, BOB, ALICE, 50, 2, 10**25, 0)  # credit delegated to Bob
    chain.emit(5, 0, POOL, abi.REPAY, asset, ALICE, BOB, 3)

    assert _short(decode(chain).events) == [
        (EventType.SUPPLIED, Role.OWNER, ALICE, BOB, 10),
        (EventType.SUPPLIED, Role.PAYER, BOB, ALICE, 10),
        (EventType.WITHDRAWN, Role.OWNER, ALICE, CAROL, 4),
        (EventType.WITHDRAWN, Role.RECIPIENT, CAROL, ALICE, 4),
        (EventType.BORROWED, Role.OWNER, ALICE, BOB, 50),
        (EventType.BORROWED, Role.RECIPIENT, BOB, ALICE, 50),
        (EventType.REPAID, Role.OWNER, ALICE, BOB, 3),
        (EventType.REPAID, Role.PAYER, BOB, ALICE, 3),
    ]


def test_liquidation__is_told_to_borrower_and_liquidator_with_both_assets(chain: V2Chain) -> None:
    chain.emit(2, 0, POOL, v3.LIQUIDATION_CALL, STETH.asset, WETH.asset, ALICE, 100, 7, BOB, False)

    owner, liquidator = decode(chain).events

    assert (owner.role, owner.wallet, owner.counterparty) == (Role.OWNER, ALICE, BOB)
    assert (liquidator.role, liquidator.wallet, liquidator.counterparty) == (Role.LIQUIDATOR, BOB, ALICE)
    for event in (owner, liquidator):
        assert (event.asset, event.amount) == (WETH.asset, 100)
        assert (event.second_asset, event.second_amount) == (STETH.asset, 7)


def test_gateway__unwraps_for_its_caller__the_caller_withdrew(chain: V2Chain) -> None:
    chain.emit(2, 0, WETH.a_token, abi.BALANCE_TRANSFER, ALICE, GATEWAY, 22, INDEX)
    chain.emit(2, 0, WETH.a_token, abi.BURN, GATEWAY, GATEWAY, 22, INDEX)
    chain.emit(2, 0, POOL, v3.WITHDRAW, WETH.asset, GATEWAY, GATEWAY, 22)

    assert _short(decode(chain).events) == [
        (EventType.SUPPLY_BALANCE, Role.OWNER, ALICE, None, 22),
        (EventType.WITHDRAWN, Role.OWNER, ALICE, None, 22),
    ]


@pytest.mark.parametrize(
    "signature",
    [
        "FlashLoan(address,address,address,uint256,uint256,uint16)",
        "Swap(address,address,uint256)",
        "RebalanceStableBorrowRate(address,address)",
    ],
)
def test_pool_events__that_move_no_position__are_passed_over(chain: V2Chain, signature: str) -> None:
    chain.emit_raw(2, 0, POOL, (keccak(signature.encode()), Digest(bytes(32)), Digest(bytes(32))), bytes(32))

    decoded = decode(chain)

    assert (decoded.events, decoded.refused) == ((), ())


# What cannot be read


def test_token_log__signature_of_another_protocols_event__is_refused(chain: V2Chain) -> None:
    """Compound V2's Mint has the same signature and indexes nothing: `0x4c209b5f…` with one topic."""
    assert abi.MINT.topic0.hex().startswith("4c209b5f")
    chain.emit_raw(2, 0, WETH.a_token, (abi.MINT.topic0,), bytes(96))

    decoded = decode(chain)

    assert decoded.events == ()
    assert ["1 topics" in refused.reason for refused in decoded.refused] == [True]


@pytest.mark.parametrize(
    ("emitter", "codec", "values", "wallets"),
    [
        (POOL, abi.DEPOSIT, (WETH.asset, BOB, ALICE, 1, 0), (ALICE,)),
        (POOL, v3.WITHDRAW, (WETH.asset, ALICE, BOB, 1), (ALICE,)),
        (POOL, abi.BORROW, (WETH.asset, BOB, ALICE, 1, 2, 3, 0), (ALICE,)),
        (POOL, abi.REPAY, (WETH.asset, ALICE, BOB, 1), (ALICE,)),
        (POOL, v3.LIQUIDATION_CALL, (WETH.asset, WETH.asset, ALICE, 1, 1, BOB, True), (ALICE,)),
        (POOL, abi.RESERVE_DATA_UPDATED, (WETH.asset, 1, 2, 3, 4, 5), ()),
        (WETH.a_token, abi.MINT, (ALICE, 1, RAY), ()),  # who only gets supply has no hole
        (WETH.a_token, abi.BURN, (ALICE, BOB, 1, RAY), (ALICE,)),
        (WETH.a_token, abi.BALANCE_TRANSFER, (ALICE, BOB, 1, RAY), (ALICE,)),
        (WETH.variable_debt_token, abi.DEBT_MINT, (BOB, ALICE, 1, RAY), (ALICE,)),
        (WETH.variable_debt_token, abi.DEBT_BURN, (ALICE, 1, RAY), (ALICE,)),
        (CONFIGURATOR, abi.COLLATERAL_CONFIGURED, (WETH.asset, 1, 2, 3), ()),
    ],
)
def test_log__a_byte_short__is_a_dead_letter_that_names_its_wallets(
    chain: V2Chain, emitter: bytes, codec: EventCodec[object], values: tuple[object, ...], wallets: tuple[bytes, ...]
) -> None:
    topics, payload = encode_event(codec, values)
    chain.emit_raw(2, 0, emitter, topics, payload[:-1])  # type: ignore[arg-type]

    decoded = decode(chain)

    assert decoded.events == ()
    assert [(refused.wallets, "bytes of data" in refused.reason) for refused in decoded.refused] == [(wallets, True)]


@pytest.mark.parametrize(
    ("codec", "values", "wallets"),
    [(abi.MINT, (ALICE, 1, 0), ()), (abi.BALANCE_TRANSFER, (ALICE, BOB, 1, 0), (ALICE,))],
)
def test_ledger__index_of_nothing__is_refused(
    chain: V2Chain, codec: EventCodec[object], values: tuple[object, ...], wallets: tuple[bytes, ...]
) -> None:
    chain.emit(2, 0, WETH.a_token, codec, *values)

    decoded = decode(chain)

    assert decoded.events == ()
    assert [(refused.wallets, "index is 0" in refused.reason) for refused in decoded.refused] == [(wallets, True)]


@pytest.mark.parametrize(
    ("file", "event", "same"),
    [
        ("aave_v2_pool.json", "Withdraw", v3.WITHDRAW),
        ("aave_v2_pool.json", "LiquidationCall", v3.LIQUIDATION_CALL),
        ("aave_v2_pool.json", "ReserveUsedAsCollateralEnabled", v3.COLLATERAL_ENABLED),
        ("aave_v2_pool.json", "ReserveUsedAsCollateralDisabled", v3.COLLATERAL_DISABLED),
        ("aave_v2_a_token.json", "BalanceTransfer", v3.BALANCE_TRANSFER),
        ("aave_v2_oracle.json", "AssetSourceUpdated", v3.ASSET_SOURCE_UPDATED),
    ],
)
def test_events_that_are_read_as_v3s__have_its_signature_and_its_topics(
    file: str, event: str, same: EventCodec[object]
) -> None:
    own: EventCodec[object] = load_codec(file, event)

    assert own.topic0 == same.topic0
    assert [argument.indexed for argument in own.event.inputs] == [argument.indexed for argument in same.event.inputs]
