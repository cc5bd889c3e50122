"""Comet: logs encoded from the ABI, values worked by hand, and lives of accounts on a model of its accounting."""

from collections.abc import Sequence
from typing import Any

import pytest
from bonafides.events import LendingEvent
from bonafides.types import ZERO_ADDRESS, Address, EventType, Protocol, Role, address_text
from bonafides_ingest.decoders import EventCodec
from bonafides_ingest.protocols.compound_v3 import events as abi
from bonafides_ingest.protocols.compound_v3.base import ROUNDING
from bonafides_ingest.protocols.compound_v3.protocol import CompoundV3
from bonafides_ingest.protocols.compound_v3.state import CompoundV3Deployment
from bonafides_ingest.protocols.decoded import Decoded
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.comet_model import FACTOR_SCALE, INDEX_SCALE, Collateral, CometModel
from tests.support.ingest_logs import CHAIN, RAY, ChainOfLogs, address, encode_event

pytestmark = pytest.mark.unit

COMET, BASE, WETH, WBTC, BULKER = (address(name) for name in ("comet", "USDC", "WETH", "WBTC", "bulker"))
ALICE, BOB, ABSORBER = (address(name) for name in ("alice", "bob", "absorber"))
BORROW_MIN = 100
"""`baseBorrowMin`: no withdrawal leaves a smaller debt."""
DEPLOYMENT = CompoundV3Deployment.model_validate(
    {
        "id": "compound-v3-test",
        "chain_id": CHAIN,
        "protocol": Protocol.COMPOUND_V3,
        "comet": address_text(COMET),
        "base": address_text(BASE),
        "gateways": [address_text(BULKER)],
        "rest_logged_from": 1,
        "from_block": 1,
        "source": "@compound-finance/compound-js@0.6.2",
        "development": True,
    }
)
STATE = CompoundV3().restore(DEPLOYMENT, {})


def _play(*logs: tuple[EventCodec[Any], Sequence[Any]], emitter: Address = COMET) -> Decoded:
    """One transaction of one contract."""
    chain = ChainOfLogs()
    for codec, values in logs:
        chain.emit(5, 0, emitter, codec, *values)
    return CompoundV3().decode_transaction(STATE, chain.logs, 0)[1]


def _words(events: Sequence[LendingEvent]) -> list[tuple[EventType, Role, Address, int]]:
    return [(event.type, event.role, event.wallet, event.amount) for event in events]


def _mint(receiver: Address, amount: int) -> tuple[EventCodec[Any], Sequence[Any]]:
    return (abi.TRANSFER, (ZERO_ADDRESS, receiver, amount))


def _burn(sender: Address, amount: int) -> tuple[EventCodec[Any], Sequence[Any]]:
    return (abi.TRANSFER, (sender, ZERO_ADDRESS, amount))


@pytest.mark.parametrize(
    ("codec", "topic0"),
    [
        # from the table of events in the reference, where each was computed apart from this code
        (abi.SUPPLY, "d1cf3d156d5f8f0d50f6c122ed609cec09d35c9b9fb3fff6ea0959134dae424e"),
        (abi.WITHDRAW, "9b1bfa7fa9ee420a16e124f794c35ac9f90472acc99140eb2f6447c714cad8eb"),
        (abi.SUPPLY_COLLATERAL, "fa56f7b24f17183d81894d3ac2ee654e3c26388d17a28dbd9549b8114304e1f4"),
        (abi.WITHDRAW_COLLATERAL, "d6d480d5b3068db003533b170d67561494d72e3bf9fa40a266471351ebba9e16"),
        (abi.TRANSFER_COLLATERAL, "29db89d45e1a802b4d55e202984fce9faf1d30aedf86503ff1ea0ed9ebb64201"),
        (abi.ABSORB_DEBT, "1547a878dc89ad3c367b6338b4be6a65a5dd74fb77ae044da1e8747ef1f4f62f"),
        (abi.ABSORB_COLLATERAL, "9850ab1af75177e4a9201c65a2cf7976d5d28e40ef63494b44366f86b2f9412e"),
        (abi.TRANSFER, "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"),
    ],
    ids=lambda value: value.event.name if isinstance(value, EventCodec) else "",
)
def test_abi__signature__is_the_one_computed_elsewhere(codec: EventCodec[Any], topic0: str) -> None:
    assert codec.topic0.hex() == topic0


@pytest.mark.parametrize(
    ("logs", "expected"),
    [
        # a debt of 5000 or more
        ([(abi.SUPPLY, (ALICE, ALICE, 3000))], [(EventType.REPAID, Role.OWNER, ALICE, 3000)]),
        # a debt of 5000: 1000 are left over
        (
            [(abi.SUPPLY, (ALICE, ALICE, 6000)), _mint(ALICE, 1000)],
            [(EventType.SUPPLIED, Role.OWNER, ALICE, 1000), (EventType.REPAID, Role.OWNER, ALICE, 5000)],
        ),
        # no debt; the mint is less by rounding
        (
            [(abi.SUPPLY, (ALICE, ALICE, 3000)), _mint(ALICE, 2998)],
            [(EventType.SUPPLIED, Role.OWNER, ALICE, 3000)],
        ),
        # somebody else pays
        (
            [(abi.SUPPLY, (BOB, ALICE, 6000)), _mint(ALICE, 1000)],
            [
                (EventType.SUPPLIED, Role.OWNER, ALICE, 1000),
                (EventType.SUPPLIED, Role.PAYER, BOB, 1000),
                (EventType.REPAID, Role.OWNER, ALICE, 5000),
                (EventType.REPAID, Role.PAYER, BOB, 5000),
            ],
        ),
        # through a gateway, which is no wallet
        ([(abi.SUPPLY, (BULKER, ALICE, 3000))], [(EventType.REPAID, Role.OWNER, ALICE, 3000)]),
        # dust without a mint is credited to nobody as a repayment
        ([(abi.SUPPLY, (ALICE, ALICE, 2))], [(EventType.SUPPLIED, Role.OWNER, ALICE, 2)]),
        ([(abi.SUPPLY, (ALICE, ALICE, 0))], []),
        # a balance that is large enough; the burn is more by rounding
        (
            [(abi.WITHDRAW, (ALICE, ALICE, 3000)), _burn(ALICE, 3001)],
            [(EventType.WITHDRAWN, Role.OWNER, ALICE, 3000)],
        ),
        # a balance of 1000
        (
            [(abi.WITHDRAW, (ALICE, BOB, 6000)), _burn(ALICE, 1000)],
            [
                (EventType.WITHDRAWN, Role.OWNER, ALICE, 1000),
                (EventType.WITHDRAWN, Role.RECIPIENT, BOB, 1000),
                (EventType.BORROWED, Role.OWNER, ALICE, 5000),
                (EventType.BORROWED, Role.RECIPIENT, BOB, 5000),
            ],
        ),
        # none
        ([(abi.WITHDRAW, (ALICE, ALICE, 6000))], [(EventType.BORROWED, Role.OWNER, ALICE, 6000)]),
    ],
    ids=[
        *(
            "part of a debt repaid",
            "debt repaid and the rest supplied",
            "supplied",
            "by another",
            "by a gateway",
            "dust",
        ),
        *("nothing", "withdrawn", "withdrawn and borrowed", "borrowed"),
    ],
)
def test_comet__base__is_split_by_what_was_minted_or_burnt(
    logs: Sequence[tuple[EventCodec[Any], Sequence[Any]]],
    expected: list[tuple[EventType, Role, Address, int]],
) -> None:
    decoded = _play(*logs)

    assert _words(decoded.events) == expected
    assert {event.asset for event in decoded.events} <= {BASE}
    assert len({event.sub_index for event in decoded.events if event.position.log_index == 0}) == len(expected)
    assert decoded.refused == ()


@pytest.mark.parametrize(
    ("logs", "expected"),
    [
        (
            [_burn(ALICE, 3001), _mint(BOB, 2999)],
            [(EventType.TRANSFERRED, Role.SENDER, ALICE, 3001), (EventType.TRANSFERRED, Role.RECEIVER, BOB, 2999)],
        ),
        (
            [_burn(ALICE, 1000), _mint(BOB, 3000)],
            [
                (EventType.BORROWED, Role.OWNER, ALICE, 2000),
                (EventType.BORROWED, Role.RECIPIENT, BOB, 2000),
                (EventType.TRANSFERRED, Role.SENDER, ALICE, 1000),
                (EventType.TRANSFERRED, Role.RECEIVER, BOB, 3000),
            ],
        ),
        (
            [_burn(ALICE, 3000), _mint(BOB, 1000)],
            [
                (EventType.REPAID, Role.OWNER, BOB, 2000),
                (EventType.REPAID, Role.PAYER, ALICE, 2000),
                (EventType.TRANSFERRED, Role.SENDER, ALICE, 3000),
                (EventType.TRANSFERRED, Role.RECEIVER, BOB, 1000),
            ],
        ),
    ],
    ids=["moved", "moved and borrowed", "moved and repaid"],
)
def test_comet__base_transferred__tells_who_borrowed_or_was_repaid(
    logs: Sequence[tuple[EventCodec[Any], Sequence[Any]]],
    expected: list[tuple[EventType, Role, Address, int]],
) -> None:
    decoded = _play(*logs)

    assert _words(decoded.events) == expected
    assert decoded.refused == ()


@pytest.mark.parametrize(
    ("log", "role", "wallet"),
    [(_mint(BOB, 3000), Role.RECEIVER, BOB), (_burn(ALICE, 3000), Role.SENDER, ALICE)],
    ids=["from a borrower", "to a debtor"],
)
def test_comet__base_moved_with_one_party_unnamed__is_told_of_the_other_and_is_no_dead_letter(
    log: tuple[EventCodec[Any], Sequence[Any]], role: Role, wallet: Address
) -> None:
    """Anybody can make any number of such logs: as dead letters they could stop ingest."""
    decoded = _play(log)

    assert _words(decoded.events) == [(EventType.TRANSFERRED, role, wallet, 3000)]
    assert decoded.events[0].counterparty is None
    assert decoded.refused == ()


@pytest.mark.parametrize(
    ("logs", "expected"),
    [
        ([_burn(ALICE, 100), _mint(ZERO_ADDRESS, 100)], [(EventType.TRANSFERRED, Role.SENDER, ALICE, 100)]),
        ([_mint(ZERO_ADDRESS, 100)], []),
        (
            [(abi.SUPPLY, (ALICE, ZERO_ADDRESS, 100)), _mint(ZERO_ADDRESS, 100)],
            [(EventType.SUPPLIED, Role.PAYER, ALICE, 100)],
        ),
        (
            # what is minted to BOB behind it is no half of the move to nobody
            [_burn(ALICE, 100), _mint(ZERO_ADDRESS, 100), _mint(BOB, 30)],
            [(EventType.TRANSFERRED, Role.SENDER, ALICE, 100), (EventType.TRANSFERRED, Role.RECEIVER, BOB, 30)],
        ),
    ],
    ids=["moved", "moved by a borrower", "supplied", "and a move by a borrower behind it"],
)
def test_comet__base_for_the_zero_address__is_nobodys_and_no_dead_letter(
    logs: Sequence[tuple[EventCodec[Any], Sequence[Any]]],
    expected: list[tuple[EventType, Role, Address, int]],
) -> None:
    """Comet does not look at whom base is sent to: as dead letters such logs could stop ingest for cents."""
    decoded = _play(*logs)

    assert _words(decoded.events) == expected
    assert decoded.refused == ()


def test_comet__mint_beside_a_supply_that_it_cannot_be_of__is_somebody_elses() -> None:
    decoded = _play((abi.SUPPLY, (ALICE, ALICE, 3000)), _mint(ALICE, 3001))

    assert _words(decoded.events) == [
        (EventType.REPAID, Role.OWNER, ALICE, 3000),
        (EventType.TRANSFERRED, Role.RECEIVER, ALICE, 3001),
    ]


def test_comet__bulker_that_withdraws_and_transfers__pairs_each_burn_with_its_own_action() -> None:
    decoded = _play(
        (abi.WITHDRAW, (ALICE, ALICE, 500)),
        _burn(ALICE, 500),
        _burn(ALICE, 300),
        _mint(BOB, 300),
        (abi.SUPPLY, (BOB, BOB, 50)),
        _mint(BOB, 50),
    )

    assert _words(decoded.events) == [
        (EventType.WITHDRAWN, Role.OWNER, ALICE, 500),
        (EventType.TRANSFERRED, Role.SENDER, ALICE, 300),
        (EventType.TRANSFERRED, Role.RECEIVER, BOB, 300),
        (EventType.SUPPLIED, Role.OWNER, BOB, 50),
    ]


def test_comet__mint_beside_the_burn_of_a_withdrawal__is_of_another_action() -> None:
    decoded = _play((abi.WITHDRAW, (ALICE, ALICE, 500)), _burn(ALICE, 500), _mint(BOB, 300))

    assert _words(decoded.events) == [
        (EventType.WITHDRAWN, Role.OWNER, ALICE, 500),
        (EventType.TRANSFERRED, Role.RECEIVER, BOB, 300),
    ]


def test_comet__mint_beside_the_mint_of_a_supply__is_of_another_action() -> None:
    decoded = _play((abi.SUPPLY, (BOB, BOB, 50)), _mint(BOB, 50), _mint(ALICE, 30))

    assert _words(decoded.events) == [
        (EventType.SUPPLIED, Role.OWNER, BOB, 50),
        (EventType.TRANSFERRED, Role.RECEIVER, ALICE, 30),
    ]


def test_comet__collateral__has_a_ledger_at_index_one() -> None:
    decoded = _play(
        (abi.SUPPLY_COLLATERAL, (BOB, ALICE, WETH, 70)),
        (abi.WITHDRAW_COLLATERAL, (ALICE, BOB, WETH, 20)),
        (abi.TRANSFER_COLLATERAL, (ALICE, BOB, WETH, 30)),
    )

    assert _words(decoded.events) == [
        (EventType.SUPPLIED, Role.OWNER, ALICE, 70),
        (EventType.SUPPLIED, Role.PAYER, BOB, 70),
        (EventType.SUPPLY_BALANCE, Role.OWNER, ALICE, 70),
        (EventType.WITHDRAWN, Role.OWNER, ALICE, 20),
        (EventType.WITHDRAWN, Role.RECIPIENT, BOB, 20),
        (EventType.SUPPLY_BALANCE, Role.OWNER, ALICE, 20),
        (EventType.TRANSFERRED, Role.SENDER, ALICE, 30),
        (EventType.TRANSFERRED, Role.RECEIVER, BOB, 30),
        (EventType.SUPPLY_BALANCE, Role.OWNER, ALICE, 30),
        (EventType.SUPPLY_BALANCE, Role.OWNER, BOB, 30),
    ]
    entries = [event for event in decoded.events if event.type is EventType.SUPPLY_BALANCE]
    assert [event.scaled_delta for event in entries] == [70, -20, -30, 30]
    assert {(event.asset, event.index_ray) for event in entries} == {(WETH, RAY)}
    assert [event.order for event in decoded.events] == sorted({event.order for event in decoded.events})


def test_comet__absorption_of_two_collaterals__is_one_debt_and_two_seizures() -> None:
    # debt 1000; collateral worth 1200 of which 90 % are credited, 80 are left to the borrower: 1080 were paid out
    decoded = _play(
        (abi.ABSORB_COLLATERAL, (ABSORBER, ALICE, WETH, 5, 400 * 10**8)),
        (abi.ABSORB_COLLATERAL, (ABSORBER, ALICE, WBTC, 2, 800 * 10**8)),
        (abi.ABSORB_DEBT, (ABSORBER, ALICE, 1080, 1080 * 10**8)),
        _mint(ALICE, 80),
    )

    assert [(e.type, e.role, e.wallet, e.amount, e.second_asset, e.second_amount) for e in decoded.events] == [
        (EventType.LIQUIDATED, Role.OWNER, ALICE, 0, WETH, 5),
        (EventType.LIQUIDATED, Role.LIQUIDATOR, ABSORBER, 0, WETH, 5),
        (EventType.SUPPLY_BALANCE, Role.OWNER, ALICE, 5, None, 0),
        (EventType.SUPPLY_BALANCE, Role.OWNER, ALICE, 2, None, 0),
        (EventType.LIQUIDATED, Role.OWNER, ALICE, 1000, WBTC, 2),
        (EventType.LIQUIDATED, Role.LIQUIDATOR, ABSORBER, 1000, WBTC, 2),
        (EventType.TRANSFERRED, Role.RECEIVER, ALICE, 80, None, 0),
    ]
    assert [e.scaled_delta for e in decoded.events if e.type is EventType.SUPPLY_BALANCE] == [-5, -2]
    legs = {(e.second_asset, e.sub_index % 16) for e in decoded.events if e.type is EventType.LIQUIDATED}
    assert legs == {(WETH, 1), (WBTC, 0)}  # leg 0 is the liquidation
    assert decoded.refused == ()
    assert [event.order for event in decoded.events] == sorted({event.order for event in decoded.events})


def test_comet__absorption_of_less_than_the_debt__is_bad_debt_by_the_difference() -> None:
    # 1000 of debt, worth 1000 USD, for collateral worth 600
    decoded = _play(
        (abi.ABSORB_COLLATERAL, (ABSORBER, ALICE, WETH, 5, 600 * 10**8)),
        (abi.ABSORB_DEBT, (ABSORBER, ALICE, 1000, 1000 * 10**8)),
    )

    assert _words(decoded.events) == [
        (EventType.SUPPLY_BALANCE, Role.OWNER, ALICE, 5),
        (EventType.LIQUIDATED, Role.OWNER, ALICE, 1000),
        (EventType.LIQUIDATED, Role.LIQUIDATOR, ABSORBER, 1000),
        (EventType.BAD_DEBT, Role.OWNER, ALICE, 400),
    ]


def test_comet__absorption_at_a_loss_to_the_reserves_alone__is_no_bad_debt() -> None:
    # worth 1010 and credited at 95 %: the reserves lend the rest until the collateral is sold
    decoded = _play(
        (abi.ABSORB_COLLATERAL, (ABSORBER, ALICE, WETH, 5, 1010 * 10**8)),
        (abi.ABSORB_DEBT, (ABSORBER, ALICE, 1000, 1000 * 10**8)),
    )

    assert EventType.BAD_DEBT not in {event.type for event in decoded.events}


@pytest.mark.parametrize("sent", [1, 999, 1000, 1001, 10**9])
def test_comet__base_sent_to_a_borrower_behind_its_bad_debt__is_not_what_was_left(sent: int) -> None:
    """An accomplice absorbs and then transfers what he borrows: only a Transfer(0 → borrower) is logged of that."""
    absorption = (
        (abi.ABSORB_COLLATERAL, (ABSORBER, ALICE, WETH, 5, 600 * 10**8)),
        (abi.ABSORB_DEBT, (ABSORBER, ALICE, 1000, 1000 * 10**8)),
    )

    honest, forged = _play(*absorption), _play(*absorption, _mint(ALICE, sent))

    assert forged.events[:-1] == honest.events
    assert _words(forged.events[-1:]) == [(EventType.TRANSFERRED, Role.RECEIVER, ALICE, sent)]
    assert forged.refused == ()


@pytest.mark.parametrize("sent", [1000, 1001])
def test_comet__base_sent_behind_an_absorption_that_is_more_than_can_be_left__is_a_move(sent: int) -> None:
    # worth the debt, and credited with less: nothing is left, and the debt is all of what was paid out
    decoded = _play(
        (abi.ABSORB_COLLATERAL, (ABSORBER, ALICE, WETH, 5, 1010 * 10**8)),
        (abi.ABSORB_DEBT, (ABSORBER, ALICE, 1000, 1000 * 10**8)),
        _mint(ALICE, sent),
    )

    assert (EventType.LIQUIDATED, Role.OWNER, ALICE, 1000) in _words(decoded.events)
    assert _words(decoded.events[-1:]) == [(EventType.TRANSFERRED, Role.RECEIVER, ALICE, sent)]
    assert decoded.refused == ()


@pytest.mark.parametrize(("from_block", "is_known"), [(5, True), (6, False), (None, False)])
def test_comet__absorption_where_nobody_knows_if_the_rest_is_logged__says_that_the_debt_may_be_less(
    from_block: int | None, is_known: bool
) -> None:
    state = CompoundV3().restore(DEPLOYMENT.model_copy(update={"rest_logged_from": from_block}), {})
    chain = ChainOfLogs()
    chain.emit(5, 0, COMET, abi.ABSORB_COLLATERAL, ABSORBER, ALICE, WETH, 5, 1200 * 10**8)
    chain.emit(5, 0, COMET, abi.ABSORB_DEBT, ABSORBER, ALICE, 1080, 1080 * 10**8)

    _, decoded = CompoundV3().decode_transaction(state, chain.logs, 0)

    assert (EventType.LIQUIDATED, Role.OWNER, ALICE, 1080) in _words(decoded.events)
    holes = [(refused.wallets, refused.is_hole) for refused in decoded.refused]
    assert holes == ([] if is_known else [((ALICE,), True)])


def test_comet__two_accounts_absorbed_in_one_transaction__keep_their_own_collateral() -> None:
    decoded = _play(
        (abi.ABSORB_COLLATERAL, (ABSORBER, ALICE, WETH, 5, 400 * 10**8)),
        (abi.ABSORB_DEBT, (ABSORBER, ALICE, 300, 300 * 10**8)),
        (abi.ABSORB_COLLATERAL, (ABSORBER, BOB, WBTC, 2, 100 * 10**8)),
        (abi.ABSORB_DEBT, (ABSORBER, BOB, 200, 200 * 10**8)),
    )

    owned = [
        event for event in decoded.events if event.role is Role.OWNER and event.type is not EventType.SUPPLY_BALANCE
    ]
    assert [(e.type, e.wallet, e.amount, e.second_asset) for e in owned] == [
        (EventType.LIQUIDATED, ALICE, 300, WETH),
        (EventType.LIQUIDATED, BOB, 200, WBTC),
        (EventType.BAD_DEBT, BOB, 100, None),
    ]


@pytest.mark.parametrize(
    ("codec", "values", "wallets"),
    [
        (abi.SUPPLY, (BOB, ALICE, 5), (ALICE,)),
        (abi.WITHDRAW, (ALICE, BOB, 5), (ALICE,)),
        (abi.TRANSFER, (ALICE, ZERO_ADDRESS, 5), (ALICE,)),
        (abi.SUPPLY_COLLATERAL, (BOB, ALICE, WETH, 5), (ALICE,)),
        (abi.WITHDRAW_COLLATERAL, (ALICE, BOB, WETH, 5), (ALICE,)),
        (abi.TRANSFER_COLLATERAL, (ALICE, BOB, WETH, 5), (ALICE, BOB)),
        (abi.ABSORB_DEBT, (ABSORBER, ALICE, 5, 5), (ALICE,)),
        (abi.ABSORB_COLLATERAL, (ABSORBER, ALICE, WETH, 5, 5), (ALICE,)),
    ],
    ids=lambda value: value.event.name if isinstance(value, EventCodec) else "",
)
def test_comet__log_cut_short__is_refused_and_names_whose_history_has_a_hole(
    codec: EventCodec[Any], values: Sequence[Any], wallets: tuple[Address, ...]
) -> None:
    topics, payload = encode_event(codec, values)
    log = ChainOfLogs().emit_raw(5, 0, COMET, topics, payload[:-1])

    _, decoded = CompoundV3().decode_transaction(STATE, [log], 0)

    assert decoded.events == ()
    assert [(refused.reason.split(": ")[1][:8], refused.wallets) for refused in decoded.refused] == [
        (f"{len(payload) - 1} bytes"[:8], wallets)
    ]


def test_comet__transfer_past_the_zero_address__is_refused() -> None:
    decoded = _play((abi.TRANSFER, (ALICE, BOB, 5)))

    assert decoded.events == ()
    assert "one of its addresses must be zero" in decoded.refused[0].reason


def test_comet__same_events_of_another_contract__are_passed_over() -> None:
    assert _play((abi.SUPPLY, (ALICE, ALICE, 5)), _mint(ALICE, 5), emitter=address("another")) == Decoded((), (), ())


def _sum(events: Sequence[LendingEvent], type: EventType, wallet: Address) -> int:
    return sum(e.amount for e in events if e.type is type and e.wallet == wallet and e.role is Role.OWNER)


AMOUNTS = st.integers(1, 10**12)
STEPS = st.lists(
    st.tuples(st.sampled_from(["supply", "withdraw"]), st.integers(0, 50_000), st.integers(0, 80_000), AMOUNTS),
    max_size=25,
)


@settings(max_examples=300, deadline=None)
@given(steps=STEPS)
def test_comet__any_life_of_an_account__split_is_the_balances_before_and_after(
    steps: list[tuple[str, int, int, int]],
) -> None:
    """What is repaid is the debt that was there, what is withdrawn the balance that was there: to the rounding."""
    comet = CometModel(COMET)
    for verb, supply_growth_ppm, borrow_growth_ppm, amount in steps:
        comet.supply_index += comet.supply_index * supply_growth_ppm // 10**6
        comet.borrow_index += comet.borrow_index * borrow_growth_ppm // 10**6
        before = comet.balance(ALICE)
        if verb == "withdraw" and before - amount < 0 and amount - before < BORROW_MIN:
            continue  # the contract turns it down
        logs = comet.supply(BOB, ALICE, amount) if verb == "supply" else comet.withdraw(ALICE, BOB, amount)
        after = comet.balance(ALICE)

        _, decoded = CompoundV3().decode_transaction(STATE, logs, 0)

        assert decoded.refused == ()
        repaid, supplied, withdrawn, borrowed = (
            _sum(decoded.events, type, ALICE)
            for type in (EventType.REPAID, EventType.SUPPLIED, EventType.WITHDRAWN, EventType.BORROWED)
        )
        if verb == "supply":
            assert repaid + supplied == amount
            assert abs(repaid - min(amount, max(-before, 0))) <= ROUNDING
            assert abs(supplied - (max(after, 0) - max(before, 0))) <= ROUNDING
        else:
            assert (withdrawn, borrowed) == (min(amount, max(before, 0)), amount - min(amount, max(before, 0)))
            assert abs(borrowed - (max(-after, 0) - max(-before, 0))) <= ROUNDING


@settings(max_examples=300, deadline=None)
@given(balance=st.integers(-(10**9), 10**9), amount=st.integers(BORROW_MIN, 10**12), supplies=st.booleans())
def test_comet__any_base_for_the_zero_address__is_nothing_but_its_senders(
    balance: int, amount: int, supplies: bool
) -> None:
    comet = CometModel(COMET, principals={ALICE: balance})
    logs = comet.supply(ALICE, ZERO_ADDRESS, amount) if supplies else comet.transfer(ALICE, ZERO_ADDRESS, amount)

    _, decoded = CompoundV3().decode_transaction(STATE, logs, 0)

    assert (logs[-1].topics[1:], decoded.refused) == ((bytes(32), bytes(32)), ())
    assert {event.wallet for event in decoded.events} <= {ALICE}


COLLATERAL = st.builds(
    Collateral,
    st.sampled_from([WETH, WBTC]),
    st.integers(1, 10**18),
    st.integers(0, 10**13),
    st.integers(0, FACTOR_SCALE),
)


@settings(max_examples=500, deadline=None)
@given(
    debt=st.integers(BORROW_MIN, 10**11),
    held=st.lists(COLLATERAL, max_size=3),
    base_price=st.integers(10**7, 10**9),
    sent=st.integers(0, 10**12),
    growth=st.integers(0, 2 * INDEX_SCALE),
)
def test_comet__any_absorption_with_base_sent_behind_it__is_one_liquidation_and_all_of_its_bad_debt(
    debt: int, held: list[Collateral], base_price: int, sent: int, growth: int
) -> None:
    comet = CometModel(COMET, INDEX_SCALE + growth, INDEX_SCALE + 2 * growth, {ALICE: -debt}, is_bundling=True)
    owed = -comet.balance(ALICE)
    comet.absorb(ABSORBER, ALICE, held, base_price, 10**6)
    left = comet.balance(ALICE)
    if sent:
        comet.transfer(BOB, ALICE, sent)

    _, decoded = CompoundV3().decode_transaction(STATE, comet.chain.logs, 0)

    liquidated = [e for e in decoded.events if e.type is EventType.LIQUIDATED and e.role is Role.OWNER]
    (told,) = (event.amount for event in liquidated if event.sub_index % 16 == 0)
    worth, owed_usd = sum(collateral.usd for collateral in held), owed * base_price // 10**6
    assert len(liquidated) == max(len(held), 1)
    assert decoded.refused == ()
    assert 0 < told <= owed + ROUNDING
    if left or not sent or worth < owed_usd:
        assert abs(told - owed) <= ROUNDING
    lost = owed * (owed_usd - worth) // owed_usd if worth < owed_usd else 0
    assert _sum(decoded.events, EventType.BAD_DEBT, ALICE) == lost


@settings(max_examples=300, deadline=None)
@given(
    balances=st.tuples(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9)),
    amount=st.integers(BORROW_MIN, 10**12),
    growth=st.integers(0, 2 * INDEX_SCALE),
)
def test_comet__any_transfer_of_base__never_tells_more_debt_or_repayment_than_there_was(
    balances: tuple[int, int], amount: int, growth: int
) -> None:
    comet = CometModel(COMET, INDEX_SCALE + growth, INDEX_SCALE + 2 * growth)
    for account, balance in zip((ALICE, BOB), balances, strict=True):
        comet.principals[account] = balance
    before = comet.balance(ALICE), comet.balance(BOB)

    _, decoded = CompoundV3().decode_transaction(STATE, comet.transfer(ALICE, BOB, amount), 0)

    new_debt = max(amount - max(before[0], 0), 0)
    cleared_debt = min(amount, max(-before[1], 0))
    borrowed, repaid = (_sum(decoded.events, *key) for key in ((EventType.BORROWED, ALICE), (EventType.REPAID, BOB)))
    assert borrowed <= new_debt + ROUNDING
    assert repaid <= cleared_debt + ROUNDING
    if before[1] >= 0 and before[0] > 0:
        assert abs(borrowed - new_debt) <= 2 * ROUNDING  # the receiver owed nothing: it is the whole of it
    assert decoded.refused == ()


@settings(max_examples=300, deadline=None)
@given(
    actions=st.lists(
        st.tuples(
            st.sampled_from(["supply", "withdraw", "transfer"]),
            st.sampled_from([ALICE, BOB, ABSORBER]),
            st.sampled_from([ALICE, BOB, ABSORBER, ZERO_ADDRESS]),
            st.integers(BORROW_MIN, 1000),
        ),
        max_size=8,
    )
)
def test_comet__any_bundle_of_actions_in_one_transaction__adds_up_for_every_account(
    actions: list[tuple[str, Address, Address, int]],
) -> None:
    """At indices of one nothing is rounded. Transfers are those that name both parties and clear no debt."""
    comet = CometModel(COMET, is_bundling=True)
    for verb, account, other, amount in actions:
        if verb == "supply":
            comet.supply(account, other, amount)
        elif -BORROW_MIN < comet.balance(account) - amount < 0:
            continue  # the contract turns it down
        elif verb == "withdraw":
            comet.withdraw(account, other, amount)
        elif account != other and comet.balance(account) > 0 and comet.balance(other) >= 0:
            comet.transfer(account, other, amount)

    _, decoded = CompoundV3().decode_transaction(STATE, comet.chain.logs, 0)

    for account in (ALICE, BOB, ABSORBER):
        came, went = (
            sum(e.amount for e in decoded.events if e.wallet == account and (e.type, e.role) in kinds)
            for kinds in (
                {
                    (EventType.SUPPLIED, Role.OWNER),
                    (EventType.REPAID, Role.OWNER),
                    (EventType.TRANSFERRED, Role.RECEIVER),
                },
                {
                    (EventType.WITHDRAWN, Role.OWNER),
                    (EventType.BORROWED, Role.OWNER),
                    (EventType.TRANSFERRED, Role.SENDER),
                },
            )
        )
        assert came - went == comet.balance(account)


def test_comet__supply_of_all_that_is_owed__leaves_no_supply() -> None:
    """Worked by hand: principal −1000 at a borrow index of 1.1 is a debt of 1100."""
    comet = CometModel(COMET, borrow_index=INDEX_SCALE * 11 // 10, principals={ALICE: -1000})

    _, decoded = CompoundV3().decode_transaction(STATE, comet.supply(ALICE, ALICE, 1100), 0)

    assert comet.balance(ALICE) == 0
    assert _words(decoded.events) == [(EventType.REPAID, Role.OWNER, ALICE, 1100)]


def test_state__keeps_nothing() -> None:
    assert STATE.facts() == {}
    assert CompoundV3().restore(DEPLOYMENT, STATE.facts()) == STATE
