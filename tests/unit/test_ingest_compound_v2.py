"""Compound V2: logs encoded from the ABI, values worked by hand. Its life on bytecode is in test_life_compound_v2."""

from collections.abc import Sequence
from typing import Any

import pytest
from bonafides.events import LendingEvent
from bonafides.types import Address, Digest, EventType, MarketPointKind, Protocol, Role, address_text
from bonafides_ingest.decoders import EventCodec
from bonafides_ingest.protocols.aave_v2.events import MINT as AAVE_MINT
from bonafides_ingest.protocols.compound_v2 import events as abi
from bonafides_ingest.protocols.compound_v2.protocol import CompoundV2
from bonafides_ingest.protocols.compound_v2.state import Books, CompoundV2Deployment, CompoundV2State
from bonafides_ingest.protocols.decoded import Decoded
from pydantic import ValidationError

from tests.support.ingest_logs import CHAIN, ChainOfLogs, address, encode_event

pytestmark = pytest.mark.unit

COMPTROLLER, C_DAI, C_OLD, C_BTC_2, GATEWAY = (
    address(name) for name in ("comptroller", "cDAI", "cOLD", "cWBTC2", "maximillion")
)
DAI, OLD, BTC = (address(name) for name in ("DAI", "OLD", "WBTC"))
ALICE, BOB, LIQUIDATOR = (address(name) for name in ("alice", "bob", "liquidator"))


def _entry(c_token: Address, underlying: Address, decimals: int, **more: object) -> dict[str, object]:
    return {"c_token": address_text(c_token), "underlying": address_text(underlying), "decimals": decimals, **more}


def _deployment(*markets: dict[str, object]) -> CompoundV2Deployment:
    return CompoundV2Deployment.model_validate(
        {
            "id": "compound-v2-test",
            "chain_id": CHAIN,
            "protocol": Protocol.COMPOUND_V2,
            "comptroller": address_text(COMPTROLLER),
            "markets": markets,
            "gateways": [address_text(GATEWAY)],
            "from_block": 1,
            "source": "@thenextblock/hardhat-compound@0.0.14",
            "development": True,
        }
    )


DEPLOYMENT = _deployment(
    _entry(C_DAI, DAI, 18),
    _entry(C_OLD, OLD, 18),
    _entry(address("cWBTC"), BTC, 8),
    _entry(C_BTC_2, BTC, 8, apart=True),
)
# 100 cDAI-units stand for 100 · 2.5 = 250 units: (cash 200 + borrows 60 − reserves 10) / supply 100
HELD = Books(
    borrow_index=11 * 10**17, total_supply=100, total_borrows=60, total_reserves=10, cash=200, reserve_factor=10**17
)


def _state(books: Books = HELD) -> CompoundV2State:
    return CompoundV2().restore(DEPLOYMENT, {}).with_books(C_DAI, books)


def _play(
    *logs: tuple[Address, EventCodec[Any], Sequence[Any]], state: CompoundV2State | None = None
) -> tuple[CompoundV2State, Decoded]:
    """One transaction."""
    chain = ChainOfLogs()
    for emitter, codec, values in logs:
        chain.emit(5, 0, emitter, codec, *values)
    return CompoundV2().decode_transaction(state or _state(), chain.logs, 0)


def _words(events: Sequence[LendingEvent]) -> list[tuple[EventType, Role, Address, int]]:
    return [(event.type, event.role, event.wallet, event.amount) for event in events]


@pytest.mark.parametrize(
    ("codec", "topic0"),
    [
        # from the table of events in the reference, where each was computed apart from this code
        (abi.MINT, "4c209b5fc8ad50758f13e2e1088ba56a560dff690a1c6fef26394f4c03821c4f"),
        (abi.REDEEM, "e5b754fb1abb7f01b499791d0b820ae3b6af3424ac1c59768edb53f4ec31a929"),
        (abi.BORROW, "13ed6866d4e1ee6da46f845c46d7e54120883d75c5ea9a2dacc1c4ca8984ab80"),
        (abi.REPAY_BORROW, "1a2a22cb034d26d1854bdc6666a5b91fe25efbbb5dcad3b0355478d6f5c362a1"),
        (abi.LIQUIDATE_BORROW, "298637f684da70674f26509b10f07ec2fbc77a335ab1e7d6215a4b2484d8bb52"),
        (abi.ACCRUE_INTEREST, "4dec04e750ca11537cabcd8a9eab06494de08da3735bc8871cd41250e190bc04"),
        (abi.OLD_ACCRUE_INTEREST, "875352fb3fadeb8c0be7cbbe8ff761b308fa7033470cd0287f02f3436fd76cb9"),
        (abi.MARKET_ENTERED, "3ab23ab0d51cccc0c3085aec51f99228625aa1a922b3a8ca89a26b0f2027a1a5"),
        (abi.MARKET_EXITED, "e699a64c18b07ac5b7301aa273f36a2287239eb9501d81950672794afba29a0d"),
        (abi.TRANSFER, "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"),
    ],
    ids=lambda value: value.event.name if isinstance(value, EventCodec) else "",
)
def test_abi__signature__is_the_one_computed_elsewhere(codec: EventCodec[Any], topic0: str) -> None:
    assert codec.topic0.hex() == topic0


def test_compound_v2__mint__is_a_supply_at_what_it_cost() -> None:
    # 26 units for 10 cTokens: what Mint says, and not 10 · 2.5
    state, decoded = _play((C_DAI, abi.MINT, (ALICE, 26, 10)), (C_DAI, abi.TRANSFER, (C_DAI, ALICE, 10)))

    assert _words(decoded.events) == [
        (EventType.SUPPLIED, Role.OWNER, ALICE, 26),
        (EventType.SUPPLY_BALANCE, Role.OWNER, ALICE, 26),
    ]
    assert decoded.events[1].scaled_delta == 10
    assert {event.asset for event in decoded.events} == {DAI}
    assert state.books_of(C_DAI) == Books(11 * 10**17, 110, 60, 10, 226, 10**17)


def test_compound_v2__first_mint_of_all__tells_the_rate_that_it_set() -> None:
    _, decoded = _play(
        (C_DAI, abi.MINT, (ALICE, 50, 20)), (C_DAI, abi.TRANSFER, (C_DAI, ALICE, 20)), state=_state(Books())
    )

    (point,) = decoded.points
    assert (point.kind, point.asset) == (MarketPointKind.RESERVE_INDEX, DAI)
    assert point.values == (0, 0, 25 * 10**26, 10**27)  # 50 / 20 = 2.5; the borrow index is one


def test_compound_v2__redeem__is_a_withdrawal_at_what_it_gave() -> None:
    state, decoded = _play((C_DAI, abi.TRANSFER, (ALICE, C_DAI, 10)), (C_DAI, abi.REDEEM, (ALICE, 24, 10)))

    assert _words(decoded.events) == [
        (EventType.SUPPLY_BALANCE, Role.OWNER, ALICE, 24),
        (EventType.WITHDRAWN, Role.OWNER, ALICE, 24),
    ]
    assert decoded.events[0].scaled_delta == -10
    assert state.books_of(C_DAI) == Books(11 * 10**17, 90, 60, 10, 176, 10**17)


def test_compound_v2__transfer__moves_a_position_at_the_exchange_rate() -> None:
    state, decoded = _play((C_DAI, abi.TRANSFER, (ALICE, BOB, 7)))

    # 7 · 2.5 = 17.5, rounded down as the contract does
    assert _words(decoded.events) == [
        (EventType.TRANSFERRED, Role.SENDER, ALICE, 17),
        (EventType.TRANSFERRED, Role.RECEIVER, BOB, 17),
        (EventType.SUPPLY_BALANCE, Role.OWNER, ALICE, 17),
        (EventType.SUPPLY_BALANCE, Role.OWNER, BOB, 17),
    ]
    assert [event.scaled_delta for event in decoded.events[2:]] == [-7, 7]
    assert [event.counterparty for event in decoded.events[:2]] == [BOB, ALICE]
    assert {event.index_ray for event in decoded.events[2:]} == {25 * 10**26}
    assert [event.sub_index for event in decoded.events] == sorted({event.sub_index for event in decoded.events})
    assert state.books_of(C_DAI) == HELD


def test_compound_v2__borrow__sets_the_debt_at_the_index_in_force() -> None:
    state, decoded = _play(
        (C_DAI, abi.ACCRUE_INTEREST, (190, 20, 12 * 10**17, 80)), (C_DAI, abi.BORROW, (ALICE, 30, 95, 110))
    )

    assert _words(decoded.events) == [
        (EventType.BORROWED, Role.OWNER, ALICE, 30),
        (EventType.DEBT_SET, Role.OWNER, ALICE, 95),
    ]
    assert (decoded.events[1].index_ray, decoded.events[1].scaled_delta) == (12 * 10**26, 0)
    # reserves 10 + 20 · 10 % = 12; the rate after the accrual (190 + 80 − 12) / 100 = 2.58
    assert decoded.points[0].values == (0, 0, 258 * 10**25, 12 * 10**26)
    assert state.books_of(C_DAI) == Books(12 * 10**17, 100, 110, 12, 160, 10**17)


def test_compound_v2__accrual_of_an_old_c_token__keeps_the_cash_that_its_actions_told() -> None:
    state = _state().with_books(C_OLD, HELD)

    state, decoded = _play((C_OLD, abi.OLD_ACCRUE_INTEREST, (20, 12 * 10**17, 80)), state=state)

    assert decoded.points[0].values == (0, 0, 268 * 10**25, 12 * 10**26)  # (200 + 80 − 12) / 100
    assert decoded.points[0].asset == OLD


def test_compound_v2__debt_before_any_accrual__is_reckoned_at_index_one() -> None:
    _, decoded = _play((C_DAI, abi.BORROW, (ALICE, 30, 30, 30)), state=_state(Books()))

    assert decoded.events[1].index_ray == 10**27


def test_compound_v2__repaid_by_another__tells_both_and_sets_the_debt() -> None:
    _, decoded = _play((C_DAI, abi.REPAY_BORROW, (BOB, ALICE, 30, 12, 30)))

    assert _words(decoded.events) == [
        (EventType.REPAID, Role.OWNER, ALICE, 30),
        (EventType.REPAID, Role.PAYER, BOB, 30),
        (EventType.DEBT_SET, Role.OWNER, ALICE, 12),
    ]
    assert [event.counterparty for event in decoded.events] == [BOB, ALICE, None]


def test_compound_v2__repaid_through_a_gateway__is_the_owners_alone() -> None:
    _, decoded = _play((C_DAI, abi.REPAY_BORROW, (GATEWAY, ALICE, 30, 0, 30)))

    assert _words(decoded.events) == [
        (EventType.REPAID, Role.OWNER, ALICE, 30),
        (EventType.DEBT_SET, Role.OWNER, ALICE, 0),
    ]
    assert decoded.events[0].counterparty is None


def _liquidation(*before: tuple[Address, EventCodec[Any], Sequence[Any]]) -> Decoded:
    """20 units of OLD are repaid for 40 cDAI, of which the protocol keeps 2."""
    return _play(
        *before,
        (C_OLD, abi.REPAY_BORROW, (LIQUIDATOR, ALICE, 20, 70, 300)),
        (C_DAI, abi.TRANSFER, (ALICE, LIQUIDATOR, 38)),
        (C_DAI, abi.TRANSFER, (ALICE, C_DAI, 2)),
        (C_DAI, abi.RESERVES_ADDED, (C_DAI, 5, 15)),
        (C_OLD, abi.LIQUIDATE_BORROW, (LIQUIDATOR, ALICE, 20, C_DAI, 40)),
    )[1]


def test_compound_v2__liquidation__is_told_once_and_repays_nothing() -> None:
    events = _liquidation().events

    # 2 cTokens became 5 of reserves: (200 + 60 − 15) / 98 = 2.5, and 40 · 2.5 = 100
    assert [(e.type, e.role, e.wallet, e.asset, e.amount, e.second_asset, e.second_amount) for e in events] == [
        (EventType.DEBT_SET, Role.OWNER, ALICE, OLD, 70, None, 0),
        (EventType.SUPPLY_BALANCE, Role.OWNER, ALICE, DAI, 95, None, 0),
        (EventType.SUPPLY_BALANCE, Role.OWNER, LIQUIDATOR, DAI, 95, None, 0),
        (EventType.SUPPLY_BALANCE, Role.OWNER, ALICE, DAI, 5, None, 0),
        (EventType.LIQUIDATED, Role.OWNER, ALICE, OLD, 20, DAI, 100),
        (EventType.LIQUIDATED, Role.LIQUIDATOR, LIQUIDATOR, OLD, 20, DAI, 100),
    ]
    assert [event.scaled_delta for event in events[1:4]] == [-38, 38, -2]


def test_compound_v2__repaid_before_it_is_liquidated__stays_a_repayment() -> None:
    own = (C_OLD, abi.REPAY_BORROW, (LIQUIDATOR, ALICE, 20, 90, 320))

    events = _liquidation(own).events

    assert _words(events)[:3] == [
        (EventType.REPAID, Role.OWNER, ALICE, 20),
        (EventType.REPAID, Role.PAYER, LIQUIDATOR, 20),
        (EventType.DEBT_SET, Role.OWNER, ALICE, 90),
    ]
    assert sum(event.type is EventType.REPAID for event in events) == 2


def test_compound_v2__seizure_of_a_c_token_that_the_registry_lacks__is_a_liquidation_and_a_hole() -> None:
    _, decoded = _play((C_DAI, abi.LIQUIDATE_BORROW, (LIQUIDATOR, ALICE, 20, address("cNEW"), 40)))

    assert _words(decoded.events)[0] == (EventType.LIQUIDATED, Role.OWNER, ALICE, 20)
    assert (decoded.events[0].second_asset, decoded.events[0].second_amount) == (None, 0)
    assert decoded.refused[0].wallets == (ALICE, LIQUIDATOR)


def test_compound_v2__c_tokens_sent_to_the_c_token__are_lost_and_not_burnt() -> None:
    state, decoded = _play((C_DAI, abi.TRANSFER, (ALICE, C_DAI, 4)))

    assert [(event.type, event.wallet, event.scaled_delta) for event in decoded.events] == [
        (EventType.SUPPLY_BALANCE, ALICE, -4)
    ]
    assert state.books_of(C_DAI).total_supply == 100


def test_compound_v2__reserves__move_the_books() -> None:
    state, decoded = _play(
        (C_DAI, abi.NEW_RESERVE_FACTOR, (10**17, 3 * 10**17)),
        (C_DAI, abi.RESERVES_ADDED, (BOB, 7, 17)),
        (C_DAI, abi.RESERVES_REDUCED, (BOB, 4, 13)),
    )

    assert decoded == Decoded((), (), ())
    assert state.books_of(C_DAI) == Books(11 * 10**17, 100, 60, 13, 203, 3 * 10**17)


def test_compound_v2__markets_entered_and_left__toggle_collateral() -> None:
    _, decoded = _play(
        (COMPTROLLER, abi.MARKET_ENTERED, (C_DAI, ALICE)), (COMPTROLLER, abi.MARKET_EXITED, (C_OLD, BOB))
    )

    assert [(e.type, e.wallet, e.asset) for e in decoded.events] == [
        (EventType.COLLATERAL_ENABLED, ALICE, DAI),
        (EventType.COLLATERAL_DISABLED, BOB, OLD),
    ]


def test_compound_v2__configuration__is_told_in_bps() -> None:
    _, decoded = _play(
        (COMPTROLLER, abi.MARKET_LISTED, (C_DAI,)),
        (COMPTROLLER, abi.NEW_COLLATERAL_FACTOR, (C_DAI, 0, 855 * 10**15)),
        (COMPTROLLER, abi.NEW_LIQUIDATION_INCENTIVE, (0, 108 * 10**16)),
    )

    assert [(point.kind, point.asset, point.values) for point in decoded.points] == [
        (MarketPointKind.RESERVE_CONFIG, DAI, (0, 0, 0, 18)),
        (MarketPointKind.RESERVE_CONFIG, DAI, (8550, 8550, 0, 18)),
        (MarketPointKind.RESERVE_CONFIG, DAI, (8550, 8550, 10800, 18)),
    ]


def test_compound_v2__incentive_for_two_c_tokens_of_one_underlying__is_two_points_of_two_ids() -> None:
    _, decoded = _play(
        (COMPTROLLER, abi.NEW_COLLATERAL_FACTOR, (address("cWBTC"), 0, 6 * 10**17)),
        (COMPTROLLER, abi.NEW_COLLATERAL_FACTOR, (C_BTC_2, 0, 7 * 10**17)),
        (COMPTROLLER, abi.NEW_LIQUIDATION_INCENTIVE, (0, 108 * 10**16)),
    )

    told = [(point.asset, point.market, point.values) for point in decoded.points[2:]]
    assert sorted(told) == sorted(
        [
            (BTC, Digest(bytes(32)), (6000, 6000, 10800, 8)),
            (BTC, Digest(bytes(12) + C_BTC_2), (7000, 7000, 10800, 8)),
        ]
    )
    assert len({point.id for point in decoded.points}) == len(decoded.points) == 4


@pytest.mark.parametrize("emitter", [COMPTROLLER, C_DAI], ids=["of the Comptroller", "of a cToken"])
def test_compound_v2__unreadable_log_that_names_no_wallet__is_a_dead_letter_of_the_market(emitter: Address) -> None:
    chain = ChainOfLogs()
    codec, values = (
        (abi.NEW_COLLATERAL_FACTOR, (C_DAI, 0, 6 * 10**17))
        if emitter == COMPTROLLER
        else (abi.ACCRUE_INTEREST, (190, 20, 12 * 10**17, 80))
    )
    topics, payload = encode_event(codec, values)
    log = chain.emit_raw(5, 0, emitter, topics, payload[:-1])

    _, decoded = CompoundV2().decode_transaction(_state(), [log], 0)

    assert [(refused.is_market, refused.wallets) for refused in decoded.refused] == [(True, ())]


@pytest.mark.parametrize(
    ("emitter", "codec", "values"),
    [(COMPTROLLER, abi.MARKET_ENTERED, (C_DAI, ALICE)), (C_DAI, abi.BORROW, (ALICE, 30, 95, 110))],
    ids=["MarketEntered", "Borrow"],
)
def test_compound_v2__unreadable_log_of_a_wallet__is_no_dead_letter_of_the_market(
    emitter: Address, codec: EventCodec[Any], values: Sequence[Any]
) -> None:
    topics, payload = encode_event(codec, values)
    log = ChainOfLogs().emit_raw(5, 0, emitter, topics, payload[:-1])

    _, decoded = CompoundV2().decode_transaction(_state(), [log], 0)

    assert [refused.is_market for refused in decoded.refused] == [False]


def test_compound_v2__c_token_that_the_registry_lacks__is_refused_with_that_reason() -> None:
    unknown = address("cNEW")

    _, decoded = _play(
        (COMPTROLLER, abi.MARKET_LISTED, (unknown,)), (COMPTROLLER, abi.MARKET_ENTERED, (unknown, ALICE))
    )

    assert (decoded.events, decoded.points) == ((), ())
    assert "registry does not name the cToken " + address_text(unknown) in decoded.refused[0].reason
    assert [refused.wallets for refused in decoded.refused] == [(), (ALICE,)]


def test_compound_v2__two_c_tokens_of_one_underlying__stand_apart() -> None:
    _, first = _play((address("cWBTC"), abi.BORROW, (ALICE, 3, 3, 3)))
    _, second = _play((C_BTC_2, abi.BORROW, (ALICE, 4, 4, 4)))

    assert {(event.asset, event.market) for event in first.events} == {(BTC, Digest(bytes(32)))}
    assert {(event.asset, event.market) for event in second.events} == {(BTC, Digest(bytes(12) + C_BTC_2))}


def test_deployment__two_c_tokens_of_one_underlying_unmarked__is_refused() -> None:
    with pytest.raises(ValidationError, match="set `apart: true` for the later one"):
        _deployment(_entry(C_DAI, DAI, 18), _entry(C_OLD, DAI, 18))


def test_compound_v2__mint_of_aave_v2_in_the_same_stream__is_told_apart() -> None:
    """`0x4c209b5f…` with one topic is Compound's Mint, with two Aave V2's."""
    chain = ChainOfLogs()
    chain.emit(5, 0, C_DAI, abi.MINT, ALICE, 26, 10)
    chain.emit(5, 0, address("aToken"), AAVE_MINT, ALICE, 26, 10)  # another deployment's contract
    chain.emit(5, 0, C_DAI, AAVE_MINT, ALICE, 26, 10)  # what no cToken emits

    _, decoded = CompoundV2().decode_transaction(_state(), chain.logs, 0)

    assert AAVE_MINT.topic0 == abi.MINT.topic0
    assert _words(decoded.events) == [(EventType.SUPPLIED, Role.OWNER, ALICE, 26)]
    assert [(refused.log, refused.reason) for refused in decoded.refused] == [
        (chain.logs[2], "2 topics for a known signature")
    ]


@pytest.mark.parametrize(
    ("codec", "values"),
    [
        (abi.MINT, (ALICE, 26, 10)),
        (abi.REDEEM, (ALICE, 26, 10)),
        (abi.BORROW, (ALICE, 30, 95, 110)),
        (abi.REPAY_BORROW, (BOB, ALICE, 30, 12, 30)),
        (abi.LIQUIDATE_BORROW, (BOB, ALICE, 30, C_DAI, 30)),
        (abi.TRANSFER, (ALICE, BOB, 30)),
        (abi.ACCRUE_INTEREST, (190, 20, 12 * 10**17, 80)),
    ],
    ids=lambda value: value.event.name if isinstance(value, EventCodec) else "",
)
def test_compound_v2__log_cut_short__is_refused_and_changes_nothing(
    codec: EventCodec[Any], values: Sequence[Any]
) -> None:
    chain, state = ChainOfLogs(), _state()
    topics, payload = encode_event(codec, values)
    log = chain.emit_raw(5, 0, C_DAI, topics, payload[:-1])

    after, decoded = CompoundV2().decode_transaction(state, [log], 0)

    assert (decoded.events, decoded.points) == ((), ())
    assert "bytes of data" in decoded.refused[0].reason
    assert decoded.refused[0].wallets == ((ALICE, BOB) if codec is abi.TRANSFER else ())
    assert after == state


def test_compound_v2__failure_and_events_of_no_concern__are_passed_over() -> None:
    chain = ChainOfLogs()
    # keccak of Failure(uint256,uint256,uint256): its action was turned down
    failure = Digest(bytes.fromhex("45b96fe442630264581b197e84bbada861235052c5a1aadfff9ea4e40a969aa0"))
    log = chain.emit_raw(5, 0, C_DAI, (failure,), bytes(96))

    _, decoded = CompoundV2().decode_transaction(_state(), [log], 0)

    assert decoded == Decoded((), (), ())


def test_state__restored_from_its_facts__is_the_same() -> None:
    state = _state().with_liquidation_incentive(108 * 10**16)

    assert CompoundV2().restore(DEPLOYMENT, state.facts()) == state


def test_books__nothing_held__have_no_rate() -> None:
    assert Books().exchange_rate == Books(total_supply=5).exchange_rate == 0
    assert Books(total_supply=3, cash=10).underlying_of(2) == 6  # 3.33… · 2 rounded down
