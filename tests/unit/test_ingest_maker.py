"""Maker: what each log makes of positions, rates and prices, by hand. ABI of @makerdao/dai-plugin-mcd@1.8.5.

tests/integration/test_life_maker.py plays Vat, Cat and CdpManager on their bytecode.
"""

import pytest
from bonafides.types import Digest, EventType, MarketPointKind, Role, address_text
from bonafides_ingest.accounts.urns import urn_of
from bonafides_ingest.chain import Log
from bonafides_ingest.protocols.maker import events as abi
from bonafides_ingest.protocols.maker.deployment import MakerDeployment
from bonafides_ingest.protocols.maker.protocol import Maker
from pydantic import ValidationError

from tests.support.ingest_logs import address
from tests.support.maker_run import (
    ALICE,
    BOB,
    CAROL,
    DAI,
    DEPLOYMENT,
    ENTRY,
    ETH_A,
    GATEWAY,
    MANAGER,
    RAD,
    RAY,
    RWA,
    SPOTTER,
    URN,
    VAT,
    WAD,
    WBTC,
    WBTC_A,
    WETH,
    Run,
    entry,
    started,
    told,
)

pytestmark = pytest.mark.unit


def test_frob__at_a_rate_of_one_and_a_third__amounts_are_art_times_rate_rounded_against_the_wallet() -> None:
    rate = 4 * RAY // 3  # 1.333…, cut behind 27 digits
    run = started(rate)

    opened = run.note(abi.FROB, ETH_A, ALICE, ALICE, ALICE, 2 * WAD, 100).events
    closed = run.note(abi.FROB, ETH_A, ALICE, ALICE, ALICE, -WAD, -10).events

    # 100 · 1.333… = 133.33…: 133 can be taken out; 10 · 1.333… = 13.33…: it takes 14 to pay
    assert [told(event) for event in opened[:2]] == [
        (EventType.SUPPLIED, Role.OWNER, ALICE, None, WETH, 2 * WAD),
        (EventType.BORROWED, Role.OWNER, ALICE, None, DAI, 133),
    ]
    assert [entry(event) for event in opened[2:]] == [
        (EventType.SUPPLY_BALANCE, ALICE, WETH, 2 * WAD, RAY, 2 * WAD),
        (EventType.DEBT_BALANCE, ALICE, DAI, 100, rate, 133),
    ]
    assert [told(event) for event in closed[:2]] == [
        (EventType.WITHDRAWN, Role.OWNER, ALICE, None, WETH, WAD),
        (EventType.REPAID, Role.OWNER, ALICE, None, DAI, 14),
    ]
    assert [entry(event) for event in closed[2:]] == [
        (EventType.SUPPLY_BALANCE, ALICE, WETH, -WAD, RAY, WAD),
        (EventType.DEBT_BALANCE, ALICE, DAI, -10, rate, 14),
    ]
    assert {event.market for event in (*opened, *closed)} == {ETH_A}


def test_frob__of_a_cdps_urn__is_its_owners_wherever_the_parts_stand() -> None:
    run = started()
    run.emit(MANAGER, abi.NEW_CDP, CAROL, ALICE, 1)

    events = run.note(abi.FROB, ETH_A, URN, URN, URN, WAD, WAD).events

    assert [(event.type, event.wallet, event.counterparty) for event in events] == [
        (EventType.SUPPLIED, ALICE, None),
        (EventType.BORROWED, ALICE, None),
        (EventType.SUPPLY_BALANCE, ALICE, None),
        (EventType.DEBT_BALANCE, ALICE, None),
    ]


def test_frob__with_a_gateways_collateral__has_no_payer() -> None:
    events = started().note(abi.FROB, ETH_A, ALICE, GATEWAY, ALICE, WAD, 0).events

    assert [(event.type, event.wallet, event.counterparty) for event in events] == [
        (EventType.SUPPLIED, ALICE, None),
        (EventType.SUPPLY_BALANCE, ALICE, None),
    ]


def test_frob__that_moves_nothing__says_nothing() -> None:
    assert started().note(abi.FROB, ETH_A, ALICE, BOB, CAROL, 0, 0).events == ()


def test_frob__token_of_eight_decimals__amount_is_cut_to_its_units() -> None:
    # 1.234567899 in wad is 1.23456789 of a token with eight decimals
    supplied, balance = started().note(abi.FROB, WBTC_A, ALICE, ALICE, ALICE, 1_234_567_899 * 10**9, 0).events

    assert told(supplied) == (EventType.SUPPLIED, Role.OWNER, ALICE, None, WBTC, 123_456_789)
    assert entry(balance) == (
        EventType.SUPPLY_BALANCE,
        ALICE,
        WBTC,
        1_234_567_899 * 10**9,
        RAY // 10**10,
        123_456_789,
    )


def test_frob__ilk_that_never_began__is_refused_and_names_the_owner() -> None:
    (refusal,) = Run().note(abi.FROB, ETH_A, ALICE, ALICE, ALICE, WAD, WAD).refused

    assert (refusal.wallets, refusal.reason) == (
        (ALICE,),
        "the ilk ETH-A was never begun in the logs read: no init of it",
    )
    assert not refusal.is_hole  # its logs were to be read


def test_frob__that_cannot_be_read__names_the_cdps_owner_and_changes_nothing() -> None:
    run = started()
    run.emit(MANAGER, abi.NEW_CDP, CAROL, ALICE, 1)
    good = run.note_log(abi.FROB, ETH_A, URN, URN, URN, WAD, WAD)
    before = run.state

    decoded = run.read(Log(good.position, VAT, good.topics, good.payload[:-32]))

    assert decoded.events == ()
    assert [(refusal.wallets, refusal.reason) for refusal in decoded.refused] == [
        ((ALICE,), "LogNote of frob refused: 256 bytes of data, expected 288")
    ]
    assert run.state == before


def test_fold__adds_to_the_rate__and_tells_the_debt_index_of_dai() -> None:
    run = Run()

    (begun,) = run.note(abi.INIT, RWA).points
    (grown,) = run.note(abi.FOLD, RWA, address("vow"), RAY // 20).points
    (shrunk,) = run.note(abi.FOLD, RWA, address("vow"), -RAY // 100).points

    assert [point.values for point in (begun, grown, shrunk)] == [
        (0, 0, RAY, RAY),
        (0, 0, RAY, 105 * RAY // 100),
        (0, 0, RAY, 104 * RAY // 100),
    ]
    assert {(point.kind, point.asset, point.market) for point in (begun, grown, shrunk)} == {
        (MarketPointKind.RESERVE_INDEX, DAI, RWA)
    }
    assert run.state.rates[RWA] == 104 * RAY // 100


def test_init__of_a_listed_ilk__tells_the_index_of_its_token_too() -> None:
    points = Run().note(abi.INIT, WBTC_A).points

    assert [(point.asset, point.values) for point in points] == [
        (DAI, (0, 0, RAY, RAY)),
        (WBTC, (0, 0, RAY // 10**10, RAY)),
    ]
    assert len({point.id for point in points}) == 2


def test_fold__of_nothing_and_a_name_that_is_no_ilk__says_nothing() -> None:
    # Jug.drip(ilk) is open to anybody, and of any 32 bytes: the Vat's fold asks for no init
    decoded = Run().note(abi.FOLD, Digest(b"no such ilk".ljust(32, b"\0")), address("vow"), 0)

    assert (decoded.points, decoded.refused) == ((), ())


def test_fold__of_an_ilk_that_never_began__is_refused() -> None:
    (refusal,) = Run().note(abi.FOLD, ETH_A, address("vow"), 1).refused

    assert refusal.reason == "fold refused: the ilk was never begun in the logs read"


@pytest.mark.parametrize(
    ("value", "spot", "price"),
    [
        (3_000 * WAD, 2_000 * RAY, 3_000 * 10**8),
        (WAD + 10**10 - 1, RAY, 10**8),  # cut to eight decimals
        (3_000 * WAD, 0, 0),  # the oracle gave no price: the Vat reckons with none
    ],
)
def test_poke__of_a_listed_ilk__is_its_tokens_price(value: int, spot: int, price: int) -> None:
    (point,) = started().emit(SPOTTER, abi.POKE, ETH_A, Digest(value.to_bytes(32)), spot).points

    assert (point.kind, point.asset, point.market, point.values) == (MarketPointKind.PRICE, WETH, ETH_A, (price,))


def test_poke__of_another_ilk__says_nothing() -> None:
    decoded = started().emit(SPOTTER, abi.POKE, RWA, Digest(WAD.to_bytes(32)), RAY)

    assert (decoded.points, decoded.refused) == ((), ())


def test_give__two_ilks_in_one_urn__both_move_and_no_two_events_are_one() -> None:
    run = started(rate=2 * RAY)
    run.emit(MANAGER, abi.NEW_CDP, CAROL, ALICE, 1)
    run.note(abi.FROB, ETH_A, URN, URN, URN, 5 * WAD, 100 * WAD)
    run.note(abi.FROB, WBTC_A, URN, BOB, BOB, WAD, 0)  # anybody may add collateral to any urn

    events = run.note(abi.GIVE, 1, BOB, emitter=MANAGER).events

    words = [event for event in events if event.type is EventType.TRANSFERRED]
    assert [(told(event), event.second_asset, event.second_amount, event.market) for event in words] == [
        ((EventType.TRANSFERRED, Role.SENDER, ALICE, BOB, WETH, 5 * WAD), DAI, 200 * WAD, ETH_A),
        ((EventType.TRANSFERRED, Role.SENDER, ALICE, BOB, WBTC, 10**8), None, 0, WBTC_A),
        ((EventType.TRANSFERRED, Role.RECEIVER, BOB, ALICE, WETH, 5 * WAD), DAI, 200 * WAD, ETH_A),
        ((EventType.TRANSFERRED, Role.RECEIVER, BOB, ALICE, WBTC, 10**8), None, 0, WBTC_A),
    ]
    assert {(event.wallet, event.market, event.scaled_delta) for event in events if event not in words} == {
        (ALICE, ETH_A, -5 * WAD),
        (BOB, ETH_A, 5 * WAD),
        (ALICE, ETH_A, -100 * WAD),
        (BOB, ETH_A, 100 * WAD),
        (ALICE, WBTC_A, -WAD),
        (BOB, WBTC_A, WAD),
    }
    assert run.state.owner_of(URN) == BOB


def test_give__to_its_owner_or_of_an_empty_urn__says_nothing() -> None:
    run = started()
    run.emit(MANAGER, abi.NEW_CDP, ALICE, ALICE, 1)

    assert run.note(abi.GIVE, 1, BOB, emitter=MANAGER).events == ()
    run.note(abi.FROB, ETH_A, URN, URN, URN, WAD, 0)
    assert run.note(abi.GIVE, 1, BOB, emitter=MANAGER).events == ()


def test_new_cdp__whose_urn_held_something_before__moves_it_to_the_owner() -> None:
    run = started()
    run.note(abi.FROB, ETH_A, URN, CAROL, CAROL, WAD, 0)  # the address is known before the manager makes it

    events = run.emit(MANAGER, abi.NEW_CDP, CAROL, ALICE, 1).events

    assert [(event.type, event.wallet, event.scaled_delta) for event in events[2:]] == [
        (EventType.SUPPLY_BALANCE, URN, -WAD),
        (EventType.SUPPLY_BALANCE, ALICE, WAD),
    ]


@pytest.mark.parametrize("cdp", [0, 2**64])
def test_new_cdp__number_that_the_manager_cannot_give__is_refused_and_names_the_owner(cdp: int) -> None:
    (refusal,) = started().emit(MANAGER, abi.NEW_CDP, CAROL, ALICE, cdp).refused

    assert refusal.wallets == (ALICE,)
    assert "out of range" in refusal.reason


def test_fork__debt_alone__is_a_transfer_of_no_collateral() -> None:
    run = started(rate=2 * RAY)
    run.note(abi.FROB, ETH_A, ALICE, ALICE, ALICE, 5 * WAD, 100)

    sent, received, *entries = run.note(abi.FORK, ETH_A, ALICE, BOB, 0, 30).events

    assert told(sent) == (EventType.TRANSFERRED, Role.SENDER, ALICE, BOB, WETH, 0)
    assert told(received) == (EventType.TRANSFERRED, Role.RECEIVER, BOB, ALICE, WETH, 0)
    assert {(event.second_asset, event.second_amount) for event in (sent, received)} == {(DAI, 60)}
    assert [entry(event) for event in entries] == [
        (EventType.DEBT_BALANCE, ALICE, DAI, -30, 2 * RAY, 60),
        (EventType.DEBT_BALANCE, BOB, DAI, 30, 2 * RAY, 60),
    ]


def test_fork__between_two_urns_of_one_owner__says_nothing_and_is_remembered() -> None:
    run = started()
    for cdp in (1, 2):
        run.emit(MANAGER, abi.NEW_CDP, ALICE, ALICE, cdp)
    run.note(abi.FROB, ETH_A, URN, URN, URN, 5 * WAD, WAD)

    assert run.note(abi.FORK, ETH_A, URN, urn_of(MANAGER, 2), 5 * WAD, WAD).events == ()
    assert run.state.held_by(URN) == {}
    assert run.state.held_by(urn_of(MANAGER, 2))[ETH_A].ink == 5 * WAD


def test_state__from_its_facts__is_the_same() -> None:
    run = started(rate=3 * RAY // 2)
    run.emit(MANAGER, abi.NEW_CDP, CAROL, ALICE, 1)
    run.note(abi.FROB, ETH_A, URN, URN, URN, WAD, 2**100)
    run.note(abi.FROB, WBTC_A, BOB, BOB, BOB, WAD, 0)
    run.note(abi.FROB, WBTC_A, BOB, BOB, BOB, -WAD, 0)  # an emptied urn is a fact that replaces the full one
    run.bark(tab=RAD, due=RAD)
    run.bark(tab=RAD, due=RAD, number=8)
    run.take(0, 0, number=8)

    again = Maker().restore(DEPLOYMENT, run.state.facts())

    assert again == run.state
    assert again.facts() == run.state.facts()


def test_facts_since__an_earlier_state__are_those_that_changed() -> None:
    run = started()
    run.emit(MANAGER, abi.NEW_CDP, CAROL, ALICE, 1)
    run.note(abi.FROB, ETH_A, URN, URN, URN, WAD, WAD)
    earlier = run.state

    run.note(abi.FROB, ETH_A, BOB, BOB, BOB, WAD, WAD)
    run.note(abi.GIVE, 1, BOB, emitter=MANAGER)

    assert run.state.facts_since(earlier) == {
        ("urn", f"{address_text(BOB)}/{ETH_A.hex()}"): [str(WAD), str(WAD)],
        ("owner", address_text(URN)): address_text(BOB),
    }
    assert run.state.facts_since(run.state) == {}
    assert {**earlier.facts(), **run.state.facts_since(earlier)} == run.state.facts()


@pytest.mark.parametrize(
    ("ilk", "problem"),
    [
        ({"name": "ETH-A", "gem": address_text(WETH), "decimals": 19}, "less than or equal to 18"),
        ({"name": "", "gem": address_text(WETH), "decimals": 18}, "should match pattern"),
        ({"name": "x" * 33, "gem": address_text(WETH), "decimals": 18}, "should match pattern"),
        ({"name": "ETH-A", "gem": 5, "decimals": 18}, "expected an address in quotes"),
    ],
)
def test_deployment__ilk_that_cannot_be__is_refused(ilk: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        MakerDeployment.model_validate(ENTRY | {"ilks": [ilk]})
