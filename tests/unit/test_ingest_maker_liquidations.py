"""Maker's liquidations, by hand: the Cat's, and the Dog's with their auctions. ABI of @makerdao/dai-plugin-mcd@1.8.5.

No package ships the Dog's bytecode; tests/integration/test_life_maker.py plays the Cat's.
"""

import pytest
from bonafides.events import BlockRange
from bonafides.types import Address, Digest, EventType, Role
from bonafides_ingest.protocols.maker import events as abi
from bonafides_ingest.protocols.maker.protocol import Maker
from bonafides_ingest.scanning import scan

from tests.support.ingest_logs import ChainOfLogs, address
from tests.support.maker_notes import encode_note
from tests.support.maker_run import (
    ALICE,
    BOB,
    CAT,
    CLIPPER,
    DAI,
    DEPLOYMENT,
    DOG,
    ETH_A,
    KEEPER,
    MANAGER,
    RAD,
    RAY,
    RWA,
    URN,
    VAT,
    WAD,
    WBTC_A,
    WETH,
    Run,
    entry,
    started,
    told,
)

pytestmark = pytest.mark.unit


def test_bark__with_its_grab_and_kick__is_told_once_to_the_borrower_and_once_to_the_keeper() -> None:
    run = started()
    run.note(abi.FROB, ETH_A, BOB, BOB, BOB, 10 * WAD, 12_000 * WAD)

    # due 15,000.3 DAI rounds up; tab is due with a penalty of 13 %
    due = 15_000 * RAD + 3 * RAD // 10 + 1
    events = run.bark(tab=due * 113 // 100, due=due).events

    collateral, debt, owner, keeper = sorted(events, key=lambda event: (event.position.log_index, event.sub_index))
    owed = 15_000 * WAD + 3 * WAD // 10 + 1
    assert entry(collateral) == (EventType.SUPPLY_BALANCE, BOB, WETH, -10 * WAD, RAY, 10 * WAD)
    assert entry(debt) == (EventType.DEBT_BALANCE, BOB, DAI, -12_000 * WAD, RAY, 12_000 * WAD)
    assert told(owner) == (EventType.LIQUIDATED, Role.OWNER, BOB, KEEPER, DAI, owed)
    assert told(keeper) == (EventType.LIQUIDATED, Role.LIQUIDATOR, KEEPER, BOB, DAI, owed)
    assert {(event.second_asset, event.second_amount, event.market) for event in (owner, keeper)} == {
        (WETH, 10 * WAD, ETH_A)
    }


def test_take__auction_sold_out_and_brought_less_than_was_owed__is_bad_debt_of_the_borrower() -> None:
    run = started()
    run.bark(tab=11_300 * RAD, due=10_000 * RAD)

    partial = run.take(tab_left=6_000 * RAD, lot_left=4 * WAD)
    (bad_debt,) = run.take(tab_left=3_800 * RAD, lot_left=0).events

    # 11,300 less 3,800 is 7,500 of the 10,000 that were owed
    assert partial.events == ()
    assert told(bad_debt) == (EventType.BAD_DEBT, Role.OWNER, BOB, None, DAI, 2_500 * WAD)
    assert bad_debt.market == ETH_A


@pytest.mark.parametrize(
    ("tab_left", "lot_left"),
    [(0, 3 * WAD), (0, 0), (1_300 * RAD, 0), (600 * RAD, 0)],
    ids=["collateral left", "all sold for all", "debt paid, no penalty", "a part of the penalty"],
)
def test_take__auction_over_and_the_debt_paid__says_nothing(tab_left: int, lot_left: int) -> None:
    run = started()
    run.bark(tab=11_300 * RAD, due=10_000 * RAD)

    decoded = run.take(tab_left, lot_left)

    assert (decoded.events, decoded.refused) == ((), ())
    assert run.state.auctions[CLIPPER, 7] is None


def test_take__cdp_given_away_since__bad_debt_stays_with_who_owned_it() -> None:
    run = started()
    run.emit(MANAGER, abi.NEW_CDP, ALICE, ALICE, 1)
    run.read(
        run.note_log(abi.GRAB, ETH_A, URN, CLIPPER, address("vow"), -WAD, -WAD),
        run.log(CLIPPER, abi.KICK, 7, RAY, 11 * RAD, WAD, URN, KEEPER, 0),
        run.log(DOG, abi.BARK, ETH_A, URN, WAD, WAD, 10 * RAD, CLIPPER, 7),
    )
    run.note(abi.GIVE, 1, BOB, emitter=MANAGER)

    (bad_debt,) = run.take(tab_left=11 * RAD, lot_left=0).events

    assert (bad_debt.wallet, bad_debt.amount) == (ALICE, 10 * WAD)


def test_take__restart_between_bark_and_take__is_the_same_bad_debt() -> None:
    run = started()
    run.bark(tab=11_300 * RAD, due=10_000 * RAD)
    again = Run(Maker().restore(DEPLOYMENT, run.state.facts()), run.chain)

    (bad_debt,) = again.take(tab_left=3_800 * RAD, lot_left=0).events

    assert bad_debt.amount == 2_500 * WAD


def test_take__auction_that_no_bark_began__is_refused_and_names_the_owner() -> None:
    run = started()

    (refusal,) = run.take(tab_left=RAD, lot_left=0).refused

    assert refusal.wallets == (BOB,)
    assert "what was owed is unknown" in refusal.reason


def test_bite__of_the_cat__is_told_to_the_borrower_without_the_penalty() -> None:
    run = started()
    run.emit(MANAGER, abi.NEW_CDP, ALICE, ALICE, 1)

    (event,) = run.emit(CAT, abi.BITE, ETH_A, URN, 3 * WAD, 200 * WAD, 205 * RAD, address("flip"), 4).events

    assert told(event) == (EventType.LIQUIDATED, Role.OWNER, ALICE, None, DAI, 205 * WAD)
    assert (event.second_asset, event.second_amount) == (WETH, 3 * WAD)


@pytest.mark.parametrize("emitter", [CAT, DOG])
def test_liquidation__ilk_that_the_registry_does_not_tell__was_told_when_the_debt_came(emitter: Address) -> None:
    run = started()
    codec = abi.BITE if emitter == CAT else abi.BARK

    (hole,) = run.note(abi.FROB, RWA, BOB, BOB, BOB, WAD, WAD).refused
    decoded = run.emit(emitter, codec, RWA, BOB, WAD, WAD, RAD, CLIPPER, 1)

    assert hole.wallets == (BOB,)
    assert (decoded.events, decoded.refused) == ((), ())


def test_discover__auction_houses_that_the_dog_names__are_to_be_watched() -> None:
    run, other = Run(), address("other clip")
    logs = [
        run.log(DOG, abi.CLIP_FILED, ETH_A, Digest(b"clip".ljust(32, b"\0")), CLIPPER),
        run.log(DOG, abi.CLIP_FILED, ETH_A, Digest(b"hole".ljust(32, b"\0")), address("no clip")),
        run.log(DOG, abi.BARK, WBTC_A, BOB, 1, 1, 1, other, 1),
        run.log(address("stranger"), abi.BARK, WBTC_A, BOB, 1, 1, 1, address("a trap"), 1),
    ]

    assert Maker().discover(run.state, logs).contracts == {CLIPPER, other}
    assert Maker().discover(started().state, logs).contracts == {other}


def test_scan__auction_house_that_only_its_first_bark_names__brings_its_logs_of_the_whole_window() -> None:
    chain = ChainOfLogs()
    chain.emit_raw(1, 0, VAT, *encode_note(abi.INIT, (ETH_A,)))
    chain.emit(2, 0, CLIPPER, abi.KICK, 7, RAY, 11 * RAD, WAD, BOB, KEEPER, 0)
    chain.emit(2, 0, DOG, abi.BARK, ETH_A, BOB, WAD, WAD, 10 * RAD, CLIPPER, 7)
    chain.emit(3, 0, CLIPPER, abi.TAKE, 7, RAY, RAY, RAD, 5 * RAD, 0, BOB)
    before = Maker().restore(DEPLOYMENT, {})

    scanned = scan(chain, {DEPLOYMENT.id: before}, BlockRange(1, 5), None)
    _, decoded = Maker().decode_logs(scanned.states[DEPLOYMENT.id], scanned.window.logs, 0)

    assert [(event.type, event.wallet, event.amount) for event in decoded.events] == [
        (EventType.LIQUIDATED, BOB, 10 * WAD),
        (EventType.LIQUIDATED, KEEPER, 10 * WAD),
        (EventType.BAD_DEBT, BOB, 4 * WAD),  # 10 were owed, 11 less 5 came in
    ]
