"""Morpho Blue: what each log makes, by hand. ABI of @morpho-org/morpho-blue@1.0.0."""

from typing import Any

import pytest
from bonafides.events import LendingEvent
from bonafides.types import ZERO_ADDRESS, Address, Digest, EventType, Protocol, Role, address_text
from bonafides_ingest.decoders import EventCodec
from bonafides_ingest.protocols.decoded import Decoded
from bonafides_ingest.protocols.morpho_blue import events as abi
from bonafides_ingest.protocols.morpho_blue.protocol import MorphoBlue
from bonafides_ingest.protocols.morpho_blue.state import MorphoBlueDeployment, MorphoBlueState

from tests.support.ingest_logs import CHAIN, ChainOfLogs, address

pytestmark = pytest.mark.unit

RAY = 10**27
MORPHO, LOAN, COLLATERAL, GATEWAY = (address(name) for name in ("morpho", "loan", "collateral", "bundler"))
ALICE, BOB, TREASURY = (address(name) for name in ("alice", "bob", "treasury"))
MARKET = Digest(b"\x77" * 32)
DEPLOYMENT = MorphoBlueDeployment.model_validate(
    {
        "id": "morpho-blue-test",
        "chain_id": CHAIN,
        "protocol": Protocol.MORPHO_BLUE,
        "morpho": address_text(MORPHO),
        "gateways": [address_text(GATEWAY)],
        "from_block": 1,
        "source": "@morpho-org/morpho-blue@1.0.0",
        "development": True,
    }
)
CREATED = (MARKET, (LOAN, COLLATERAL, address("oracle"), address("irm"), 86 * 10**16))


def decode(*logs: tuple[EventCodec[Any], tuple[Any, ...]], created: tuple[Any, ...] = CREATED) -> Decoded:
    """What logs behind the market's creation make, each in a transaction of its own."""
    return decode_from(MorphoBlue().restore(DEPLOYMENT, {}), (abi.CREATE_MARKET, created), *logs)[1]


def decode_from(
    state: MorphoBlueState, *logs: tuple[EventCodec[Any], tuple[Any, ...]]
) -> tuple[MorphoBlueState, Decoded]:
    chain = ChainOfLogs()
    for number, (codec, values) in enumerate(logs):
        chain.emit(1, number, MORPHO, codec, *values)
    return MorphoBlue().decode_logs(state, chain.logs, 0)


def told(event: LendingEvent) -> tuple[EventType, Role, Address, Address | None, Address, int]:
    return event.type, event.role, event.wallet, event.counterparty, event.asset, event.amount


def entry(event: LendingEvent) -> tuple[EventType, Address, Address, int, int, int]:
    return event.type, event.wallet, event.asset, event.scaled_delta, event.index_ray, event.sub_index % 16


@pytest.mark.parametrize(
    ("codec", "values", "type", "role", "ledger", "delta"),
    [
        (abi.SUPPLY, (MARKET, BOB, ALICE, 5, 700), EventType.SUPPLIED, Role.PAYER, EventType.SUPPLY_BALANCE, 700),
        (
            abi.WITHDRAW,
            (MARKET, ALICE, ALICE, BOB, 5, 700),
            EventType.WITHDRAWN,
            Role.RECIPIENT,
            EventType.SUPPLY_BALANCE,
            -700,
        ),
        (
            abi.BORROW,
            (MARKET, ALICE, ALICE, BOB, 5, 700),
            EventType.BORROWED,
            Role.RECIPIENT,
            EventType.DEBT_BALANCE,
            700,
        ),
        (abi.REPAY, (MARKET, BOB, ALICE, 5, 700), EventType.REPAID, Role.PAYER, EventType.DEBT_BALANCE, -700),
    ],
    ids=["supply", "withdraw", "borrow", "repay"],
)
def test_loan_token__moved_for_alice_with_bobs_wallet__is_alices_in_shares_and_told_to_both(
    codec: EventCodec[Any], values: tuple[Any, ...], type: EventType, role: Role, ledger: EventType, delta: int
) -> None:
    owner, other, balance = decode((codec, values)).events

    assert told(owner) == (type, Role.OWNER, ALICE, BOB, LOAN, 5)
    assert told(other) == (type, role, BOB, ALICE, LOAN, 5)
    assert entry(balance) == (ledger, ALICE, LOAN, delta, 0, 0)
    assert balance.amount == 5
    assert {event.market for event in (owner, other, balance)} == {MARKET}


@pytest.mark.parametrize(
    ("codec", "values", "type", "role", "delta"),
    [
        (abi.SUPPLY_COLLATERAL, (MARKET, BOB, ALICE, 9), EventType.SUPPLIED, Role.PAYER, 9),
        (abi.WITHDRAW_COLLATERAL, (MARKET, ALICE, ALICE, BOB, 9), EventType.WITHDRAWN, Role.RECIPIENT, -9),
    ],
    ids=["supply", "withdraw"],
)
def test_collateral__moved_for_alice_with_bobs_wallet__is_alices_in_units_and_told_to_both(
    codec: EventCodec[Any], values: tuple[Any, ...], type: EventType, role: Role, delta: int
) -> None:
    owner, other, balance = decode((codec, values)).events

    assert told(owner) == (type, Role.OWNER, ALICE, BOB, COLLATERAL, 9)
    assert told(other) == (type, role, BOB, ALICE, COLLATERAL, 9)
    assert entry(balance) == (EventType.SUPPLY_BALANCE, ALICE, COLLATERAL, delta, RAY, 1)


def test_borrow__by_an_authorized_caller_to_the_debtor__tells_the_debtor_alone() -> None:
    events = decode((abi.BORROW, (MARKET, BOB, ALICE, ALICE, 5, 700))).events

    assert [(event.type, event.wallet) for event in events] == [
        (EventType.BORROWED, ALICE),
        (EventType.DEBT_BALANCE, ALICE),
    ]


def test_supply__through_a_gateway__has_no_payer() -> None:
    events = decode((abi.SUPPLY, (MARKET, GATEWAY, ALICE, 5, 700))).events

    assert [(event.role, event.counterparty) for event in events] == [(Role.OWNER, None), (Role.OWNER, None)]


def test_liquidate__with_bad_debt__writes_off_what_was_repaid_and_what_was_lost() -> None:
    # repaid 60 for 6,000 shares, seized 80, and 15 for 1,500 shares are lost: the debtor owes 7,500 shares less
    events = decode((abi.LIQUIDATE, (MARKET, BOB, ALICE, 60, 6_000, 80, 15, 1_500))).events

    owner, liquidator, bad_debt, collateral, repaid, lost = events
    assert told(owner) == (EventType.LIQUIDATED, Role.OWNER, ALICE, BOB, LOAN, 60)
    assert told(liquidator) == (EventType.LIQUIDATED, Role.LIQUIDATOR, BOB, ALICE, LOAN, 60)
    assert {(event.second_asset, event.second_amount) for event in (owner, liquidator)} == {(COLLATERAL, 80)}
    assert told(bad_debt) == (EventType.BAD_DEBT, Role.OWNER, ALICE, None, LOAN, 15)
    assert entry(collateral) == (EventType.SUPPLY_BALANCE, ALICE, COLLATERAL, -80, RAY, 1)
    assert entry(repaid) == (EventType.DEBT_BALANCE, ALICE, LOAN, -6_000, 0, 0)
    assert entry(lost) == (EventType.DEBT_BALANCE, ALICE, LOAN, -1_500, 0, 1)
    assert [event.sub_index for event in events] == sorted({event.sub_index for event in events})


def test_liquidate__without_bad_debt__has_no_entry_of_it() -> None:
    events = decode((abi.LIQUIDATE, (MARKET, BOB, ALICE, 60, 6_000, 80, 0, 0))).events

    assert [event.type for event in events] == [
        EventType.LIQUIDATED,
        EventType.LIQUIDATED,
        EventType.SUPPLY_BALANCE,
        EventType.DEBT_BALANCE,
    ]


def test_accrue_interest__with_a_fee__gives_its_shares_to_the_recipient_of_that_time() -> None:
    quarter = 25 * 10**16

    events = decode(
        (abi.ACCRUE_INTEREST, (MARKET, 1, 1_000, 0)),  # no fee yet
        (abi.SET_FEE_RECIPIENT, (TREASURY,)),
        (abi.SET_FEE, (MARKET, quarter)),
        (abi.ACCRUE_INTEREST, (MARKET, 1, 1_001, 240)),  # a quarter of 1,001, rounded down: 250
        (abi.SET_FEE_RECIPIENT, (BOB,)),
        (abi.ACCRUE_INTEREST, (MARKET, 1, 4, 1)),
    ).events

    assert [(entry(event), event.amount) for event in events] == [
        ((EventType.SUPPLY_BALANCE, TREASURY, LOAN, 240, 0, 0), 250),
        ((EventType.SUPPLY_BALANCE, BOB, LOAN, 1, 0, 0), 1),
    ]


def test_accrue_interest__nobody_gets_the_fee__is_nobodys_entry() -> None:
    assert decode((abi.ACCRUE_INTEREST, (MARKET, 1, 1_000, 5))).events == ()


def test_market_of_one_token__legs__tell_its_shares_from_its_collateral() -> None:
    lends_itself = (MARKET, (LOAN, LOAN, address("oracle"), address("irm"), 86 * 10**16))

    events = decode(
        (abi.SUPPLY, (MARKET, ALICE, ALICE, 5, 700)),
        (abi.SUPPLY_COLLATERAL, (MARKET, ALICE, ALICE, 9)),
        created=lends_itself,
    ).events

    balances = [entry(event) for event in events if event.type is EventType.SUPPLY_BALANCE]
    assert balances == [
        (EventType.SUPPLY_BALANCE, ALICE, LOAN, 700, 0, 0),
        (EventType.SUPPLY_BALANCE, ALICE, LOAN, 9, RAY, 1),
    ]


@pytest.mark.parametrize(
    ("codec", "values", "wallets"),
    [
        (abi.SUPPLY, (MARKET, BOB, ALICE, 5, 700), (ALICE,)),
        (abi.WITHDRAW, (MARKET, BOB, ALICE, BOB, 5, 700), (ALICE,)),
        (abi.BORROW, (MARKET, BOB, ALICE, BOB, 5, 700), (ALICE,)),
        (abi.REPAY, (MARKET, BOB, ALICE, 5, 700), (ALICE,)),
        (abi.SUPPLY_COLLATERAL, (MARKET, BOB, ALICE, 5), (ALICE,)),
        (abi.WITHDRAW_COLLATERAL, (MARKET, BOB, ALICE, BOB, 5), (ALICE,)),
        (abi.LIQUIDATE, (MARKET, BOB, ALICE, 1, 2, 3, 0, 0), (ALICE,)),
        (abi.ACCRUE_INTEREST, (MARKET, 1, 2, 3), ()),
        (abi.SET_FEE, (MARKET, 1), ()),
    ],
    ids=lambda value: value.event.name if isinstance(value, EventCodec) else "",
)
def test_log_of_a_market_never_created__is_refused_and_names_the_owner(
    codec: EventCodec[Any], values: tuple[Any, ...], wallets: tuple[Address, ...]
) -> None:
    _, decoded = decode_from(MorphoBlue().restore(DEPLOYMENT, {}), (codec, values))

    assert decoded.events == ()
    ((reason, named),) = ((refusal.reason, refusal.wallets) for refusal in decoded.refused)
    assert "unknown market" in reason
    assert named == wallets


def test_malformed_logs__are_refused_with_the_reason_and_cost_the_others_nothing() -> None:
    chain = ChainOfLogs()
    chain.emit(1, 0, MORPHO, abi.CREATE_MARKET, *CREATED)
    good = chain.emit(1, 1, MORPHO, abi.REPAY, MARKET, ALICE, ALICE, 5, 700)
    chain.emit_raw(1, 2, MORPHO, good.topics[:3], good.payload)
    chain.emit_raw(1, 3, MORPHO, good.topics, good.payload[:-1])
    dirty = Digest(b"\x01" + good.topics[3][1:])
    chain.emit_raw(1, 4, MORPHO, (*good.topics[:3], dirty), good.payload)

    _, decoded = MorphoBlue().decode_logs(MorphoBlue().restore(DEPLOYMENT, {}), chain.logs, 0)

    assert [event.type for event in decoded.events] == [EventType.REPAID, EventType.DEBT_BALANCE]
    assert [(refusal.reason, refusal.wallets) for refusal in decoded.refused] == [
        ("3 topics for a known signature", ()),
        ("Repay log refused: 63 bytes of data, expected 64", (ALICE,)),
        ("Repay log refused: onBehalf is no address", ()),
    ]


def test_state__from_its_facts__is_the_same() -> None:
    state, _ = decode_from(
        MorphoBlue().restore(DEPLOYMENT, {}),
        (abi.CREATE_MARKET, CREATED),
        (abi.SET_FEE, (MARKET, 7)),
        (abi.SET_FEE_RECIPIENT, (TREASURY,)),
    )

    again = MorphoBlue().restore(DEPLOYMENT, state.facts())

    assert again == state
    assert (again.market(MARKET).fee_wad, again.fee_recipient) == (7, TREASURY)


def test_state__recipient_taken_back__is_a_fact_that_replaces_the_old_one() -> None:
    state, _ = decode_from(
        MorphoBlue().restore(DEPLOYMENT, {}),
        (abi.SET_FEE_RECIPIENT, (TREASURY,)),
        (abi.SET_FEE_RECIPIENT, (ZERO_ADDRESS,)),
    )

    assert state.facts()["fee_recipient", ""] == address_text(ZERO_ADDRESS)
