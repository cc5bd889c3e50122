"""Maker: debts in ilks that the registry does not tell, and what strangers can do to somebody else's history.

vat.sol lets anybody call `frob` on any urn with dink ≥ 0 and dart ≤ 0, nothing at all included, in any ilk. Only a debt
needs the consent of its urn, so only a debt can make a hole.
"""

import pytest
from bonafides.events import SubIndexKey, sub_index
from bonafides.types import Digest, EventType, Role, address_text
from bonafides_ingest.chain import Log
from bonafides_ingest.protocols.decoded import Decoded
from bonafides_ingest.protocols.maker import events as abi
from bonafides_ingest.protocols.maker.deployment import MakerDeployment
from bonafides_ingest.protocols.maker.protocol import Maker
from pydantic import ValidationError

from tests.support.ingest_logs import address
from tests.support.maker_run import (
    ALICE,
    BOB,
    CAROL,
    DEPLOYMENT,
    ENTRY,
    ETH_A,
    GATEWAY,
    MANAGER,
    RWA,
    URN,
    WAD,
    WBTC_A,
    Run,
    started,
)

pytestmark = pytest.mark.unit

STRANGER = CAROL


def nothing(decoded: Decoded) -> bool:
    return (decoded.events, decoded.points, decoded.refused) == ((), (), ())


def run_of_ilks(count: int) -> tuple[Run, list[Digest]]:
    """A registry of this many ilks, all begun."""
    names = [f"ILK-{number:03}" for number in range(count)]
    listed = [{"name": name, "gem": address_text(address(name)), "decimals": 18} for name in names]
    run = Run(Maker().restore(MakerDeployment.model_validate(ENTRY | {"ilks": listed}), {}))
    ilks = [Digest(name.encode().ljust(32, b"\0")) for name in names]
    for ilk in ilks:
        run.note(abi.INIT, ilk)
    return run, ilks


def test_frob__debt_in_an_ilk_that_the_registry_does_not_tell__is_a_hole_that_names_the_owner() -> None:
    run = started()
    run.emit(MANAGER, abi.NEW_CDP, CAROL, ALICE, 1)

    (refusal,) = run.note(abi.FROB, RWA, URN, URN, URN, WAD, WAD).refused

    assert (refusal.wallets, refusal.is_hole) == ((ALICE,), True)
    assert (
        refusal.reason == "the registry names no token for the ilk RWA001-A of maker-test: enter its gem and decimals"
    )


@pytest.mark.parametrize(("dink", "dart"), [(0, 0), (1, 0), (0, -1)])
def test_frob__that_needs_no_consent_of_the_urn__names_nobody_in_an_unknown_ilk(dink: int, dart: int) -> None:
    run = started()

    assert nothing(run.note(abi.FROB, RWA, ALICE, STRANGER, STRANGER, dink, dart))


def test_frob__of_nothing_on_many_urns__is_not_even_remembered() -> None:
    run = started()
    before = run.state

    decoded = [run.note(abi.FROB, ilk, ALICE, STRANGER, STRANGER, 0, 0) for ilk in (RWA, ETH_A, WBTC_A)]

    assert all(nothing(each) for each in decoded)
    assert run.state == before


def test_fork__of_nothing_in_an_ilk_that_never_was__names_nobody() -> None:
    # fork, unlike frob, asks for no init: one's own urns serve for any 32 bytes
    assert nothing(started().note(abi.FORK, Digest(b"no ilk".ljust(32, b"\0")), STRANGER, STRANGER, 0, 0))


@pytest.mark.parametrize(("dink", "dart"), [(0, 0), (1, 0), (0, -1)])
def test_frob__after_a_strangers_on_the_urn__debt_in_an_unknown_ilk_is_told_all_the_same(dink: int, dart: int) -> None:
    run = started()
    run.note(abi.FROB, RWA, ALICE, STRANGER, STRANGER, dink, dart)

    (refusal,) = run.note(abi.FROB, RWA, ALICE, ALICE, ALICE, WAD, 2 * WAD).refused

    assert refusal.wallets == (ALICE,)


def test_frob__after_a_strangers_on_the_address_of_a_cdp_to_come__debt_names_the_cdps_owner() -> None:
    run = started()
    run.note(abi.FROB, RWA, URN, STRANGER, STRANGER, 0, 0)
    run.note(abi.FROB, RWA, URN, STRANGER, STRANGER, 1, 0)

    opened = run.emit(MANAGER, abi.NEW_CDP, ALICE, ALICE, 1)
    (refusal,) = run.note(abi.FROB, RWA, URN, URN, URN, WAD, WAD).refused

    assert nothing(opened)
    assert refusal.wallets == (ALICE,)


def test_frob__debt_in_an_unknown_ilk_again_and_by_another_urn__is_told_once_an_owner() -> None:
    run = started()
    run.emit(MANAGER, abi.NEW_CDP, CAROL, ALICE, 1)
    run.note(abi.FROB, RWA, ALICE, ALICE, ALICE, WAD, WAD)

    again = [
        run.note(abi.FROB, RWA, ALICE, ALICE, ALICE, WAD, WAD),
        run.note(abi.FROB, RWA, ALICE, ALICE, ALICE, -WAD, -2 * WAD),
        run.note(abi.FROB, RWA, URN, URN, URN, WAD, WAD),
    ]
    forked = run.note(abi.FORK, RWA, URN, BOB, WAD, WAD)
    forked_back = run.note(abi.FORK, RWA, ALICE, BOB, -WAD, -WAD)

    assert all(nothing(each) for each in (*again, forked_back))
    assert [refusal.wallets for refusal in forked.refused] == [(BOB,)]
    assert run.state.held_by(ALICE)[RWA].ink == 2 * WAD


def test_fork__debt_the_other_way__names_the_source() -> None:
    run = started()
    run.note(abi.FROB, RWA, BOB, BOB, BOB, WAD, WAD)

    (refusal,) = run.note(abi.FORK, RWA, ALICE, BOB, -WAD, -WAD).refused

    assert refusal.wallets == (ALICE,)


def test_frob__unknown_ilk_of_the_protocols_own_account__is_not_refused() -> None:
    assert nothing(started().note(abi.FROB, RWA, GATEWAY, GATEWAY, GATEWAY, WAD, WAD))


def test_give__debt_in_an_unknown_ilk__is_told_to_the_new_owner_and_the_old_one_knows() -> None:
    run = started()
    run.emit(MANAGER, abi.NEW_CDP, ALICE, ALICE, 1)
    run.note(abi.FROB, RWA, URN, URN, URN, WAD, WAD)

    (refusal,) = run.note(abi.GIVE, 1, BOB, emitter=MANAGER).refused
    back = run.note(abi.GIVE, 1, ALICE, emitter=MANAGER)
    again = run.note(abi.GIVE, 1, BOB, emitter=MANAGER)

    assert (refusal.wallets, refusal.is_hole) == ((BOB,), True)
    assert "no token for the ilk RWA001-A" in refusal.reason
    assert nothing(back)
    assert nothing(again)
    assert run.state.owner_of(URN) == BOB


def test_give__collateral_alone_in_an_unknown_ilk__names_nobody() -> None:
    run = started()
    run.emit(MANAGER, abi.NEW_CDP, ALICE, ALICE, 1)
    run.note(abi.FROB, RWA, URN, STRANGER, STRANGER, 1, 0)

    assert nothing(run.note(abi.GIVE, 1, BOB, emitter=MANAGER))


def test_new_cdp__whose_urn_owes_in_an_unknown_ilk__is_told_to_the_owner() -> None:
    run = started()
    run.note(abi.FROB, RWA, URN, URN, URN, WAD, WAD)

    (refusal,) = run.emit(MANAGER, abi.NEW_CDP, CAROL, ALICE, 1).refused

    assert refusal.wallets == (ALICE,)


def test_give__dust_of_every_ilk_that_a_registry_may_list__hides_no_debt_and_no_two_events_are_one() -> None:
    run, ilks = run_of_ilks(128)
    run.emit(MANAGER, abi.NEW_CDP, ALICE, ALICE, 1)
    run.note(abi.FROB, ilks[-1], URN, URN, URN, 10 * WAD, 5 * WAD)
    for ilk in ilks[:-1]:
        run.note(abi.FROB, ilk, URN, STRANGER, STRANGER, 1, 0)

    given = run.note(abi.GIVE, 1, BOB, emitter=MANAGER)  # Run checks order and ids

    assert given.refused == ()
    supply = {(event.wallet, event.market): event.scaled_delta for event in given.events if event.type.code == 10}
    debt = {(event.wallet, event.market): event.scaled_delta for event in given.events if event.type.code == 11}
    assert supply == {
        (wallet, ilk): sign * (10 * WAD if ilk == ilks[-1] else 1)
        for wallet, sign in ((ALICE, -1), (BOB, 1))
        for ilk in ilks
    }
    assert debt == {(ALICE, ilks[-1]): -5 * WAD, (BOB, ilks[-1]): 5 * WAD}


def test_deployment__more_ilks_than_one_log_can_move__is_refused() -> None:
    with pytest.raises(ValidationError, match="at most 128 items"):
        run_of_ilks(129)


def test_sub_index__of_any_type_role_and_leg__is_another_one_and_fits_sixteen_bits() -> None:
    numbers = [
        sub_index(SubIndexKey(type, role, leg)) for type in EventType for role in Role for leg in (*range(40), 255)
    ]

    assert len(set(numbers)) == len(numbers)
    assert max(numbers) < 2**16
    assert sub_index(SubIndexKey(EventType.SUPPLY_BALANCE, Role.OWNER, 15)) == 10 * 256 + 16 + 15  # never renumbered


def test_state__with_holes__comes_back_from_its_facts_and_tells_none_twice() -> None:
    run = started()
    before = run.state
    run.note(abi.FROB, RWA, ALICE, ALICE, ALICE, WAD, WAD)

    again = Run(Maker().restore(DEPLOYMENT, run.state.facts()), run.chain)

    assert again.state == run.state
    assert ("hole", f"{address_text(ALICE)}/{RWA.hex()}") in run.state.facts_since(before)
    assert nothing(again.note(abi.FROB, RWA, ALICE, ALICE, ALICE, WAD, WAD))


def test_frob__cut_short_in_an_unknown_ilk__makes_no_hole() -> None:
    run = started()
    good = run.note_log(abi.FROB, RWA, ALICE, ALICE, ALICE, WAD, WAD)
    before = run.state

    (refusal,) = run.read(Log(good.position, good.address, good.topics, good.payload[:-32])).refused

    assert not refusal.is_hole
    assert run.state == before
