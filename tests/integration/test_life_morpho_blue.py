"""Morpho Blue's life on its real bytecode: every ledger sum is the contract's own `position`, exactly."""

import random
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial

import pytest
from bonafides.events import LendingEvent
from bonafides.types import Address, Digest, EventType, Protocol, Role, address_text
from bonafides_ingest.protocols.morpho_blue.protocol import MorphoBlue
from bonafides_ingest.protocols.morpho_blue.state import MorphoBlueDeployment, MorphoBlueState
from bonafides_lab.market.calldata import MAX_UINT256, Method

from tests.support.compound_chain import CHAIN, Reverted, wallet
from tests.support.morpho_chain import MORPHO_SOURCE, ORACLE_UNIT, OWNER, WAD, MorphoChain, MorphoMarket

pytestmark = pytest.mark.integration

LENDER, BORROWER, FRIEND, LIQUIDATOR, TREASURY = (
    wallet(name) for name in ("lender", "borrower", "friend", "liquidator", "fee recipient")
)
WALLETS = (LENDER, BORROWER, FRIEND, LIQUIDATOR, TREASURY)
LLTV = 8 * WAD // 10
BLOCKS_A_MONTH = 30 * 86_400 // 12
SET_BALANCE, APPROVE, SET_PRICE = (
    Method("setBalance(address,uint256)"),
    Method("approve(address,uint256)"),
    Method("setPrice(uint256)"),
)
TOKEN_BALANCE = Method("balanceOf(address)")
NONE, ALL_OF_IT = 0, MAX_UINT256

type Ledger = dict[tuple[Digest, Address, EventType, int], int]


@dataclass
class Life:
    """The deployed protocol, and what ingest made of its logs so far."""

    morpho: MorphoChain
    market: MorphoMarket
    state: MorphoBlueState
    events: list[LendingEvent] = field(default_factory=list)

    def act(self, sender: Address, to: Address, calldata: bytes) -> list[LendingEvent]:
        """A transaction; its events, after every position was compared."""
        logs = self.morpho.chain.send(sender, to, calldata)
        self.state, decoded = MorphoBlue().decode_transaction(self.state, logs, 0)
        assert decoded.refused == ()
        self.events += decoded.events
        self.compare()
        return list(decoded.events)

    def call(self, sender: Address, function: str, *arguments: int | str | bytes) -> list[LendingEvent]:
        """A call of Morpho in the market."""
        return self.act(sender, self.morpho.address, self.market.call(function, *arguments))

    def compare(self) -> None:
        """The ledger against `position(id, wallet)`, and no entry beside what the contract holds."""
        sums: Ledger = defaultdict(int)
        for event in self.events:
            if event.type in (EventType.SUPPLY_BALANCE, EventType.DEBT_BALANCE):
                leg = event.sub_index % 16 if event.type is EventType.SUPPLY_BALANCE else 0
                sums[event.market, event.wallet, event.type, leg] += event.scaled_delta
        assert {owner for _, owner, _, _ in sums} <= set(WALLETS)
        for owner in WALLETS:
            found = (
                sums[self.market.id, owner, EventType.SUPPLY_BALANCE, 0],
                sums[self.market.id, owner, EventType.DEBT_BALANCE, 0],
                sums[self.market.id, owner, EventType.SUPPLY_BALANCE, 1],
            )
            assert found == self.morpho.position(self.market.id, owner)


@pytest.fixture
def life() -> Life:
    """A market of 80 % at a price of one loan token a collateral token; the lender supplied 10,000."""
    morpho = MorphoChain.start()
    market = morpho.new_market(LLTV)
    deployment = MorphoBlueDeployment.model_validate(
        {
            "id": "morpho-blue-test",
            "chain_id": CHAIN,
            "protocol": Protocol.MORPHO_BLUE,
            "morpho": address_text(morpho.address),
            "from_block": 1,
            "source": MORPHO_SOURCE,
            "development": True,
        }
    )
    life = Life(morpho, market, MorphoBlue().restore(deployment, {}))
    for account in WALLETS:
        for token in (market.loan, market.collateral):
            life.act(account, token, SET_BALANCE(account, 10**6 * WAD))
            life.act(account, token, APPROVE(morpho.address, MAX_UINT256))
    life.act(OWNER, market.oracle, SET_PRICE(ORACLE_UNIT))
    own = partial(life.act, OWNER, morpho.address)
    own(morpho.calldata("enableIrm", address_text(market.irm)))
    own(morpho.calldata("enableLltv", LLTV))
    own(morpho.calldata("setFeeRecipient", address_text(TREASURY)))
    own(market.call("createMarket"))
    own(market.call("setFee", WAD // 10))
    life.call(LENDER, "supply", 10_000 * WAD, NONE, address_text(LENDER), b"")
    return life


def lend_to_borrower(life: Life, collateral: int = 1_000 * WAD, loan: int = 700 * WAD) -> None:
    life.call(BORROWER, "supplyCollateral", collateral, address_text(BORROWER), b"")
    life.call(BORROWER, "borrow", loan, NONE, address_text(BORROWER), address_text(BORROWER))


def told(events: list[LendingEvent]) -> set[tuple[EventType, Role, Address, int]]:
    """Events in words: type, role, wallet and amount, ledger entries left out."""
    ledger = (EventType.SUPPLY_BALANCE, EventType.DEBT_BALANCE)
    return {(event.type, event.role, event.wallet, event.amount) for event in events if event.type not in ledger}


def test_morpho__supplied_borrowed_and_repaid_over_months__ledger_is_position_and_market_is_on_every_event(
    life: Life,
) -> None:
    lend_to_borrower(life)
    life.morpho.chain.skip(3 * BLOCKS_A_MONTH)
    life.call(BORROWER, "repay", 100 * WAD, NONE, address_text(BORROWER), b"")
    life.morpho.chain.skip(BLOCKS_A_MONTH)
    _, shares, _ = life.morpho.position(life.market.id, BORROWER)

    repaid = life.call(BORROWER, "repay", NONE, shares, address_text(BORROWER), b"")
    withdrawn = life.call(BORROWER, "withdrawCollateral", 1_000 * WAD, address_text(BORROWER), address_text(BORROWER))

    assert life.morpho.position(life.market.id, BORROWER) == (0, 0, 0)
    ((_, _, _, amount),) = told(repaid)
    assert amount > 600 * WAD  # the rest of the loan, with four months of interest
    assert told(withdrawn) == {(EventType.WITHDRAWN, Role.OWNER, BORROWER, 1_000 * WAD)}
    assert {event.market for event in life.events} == {life.market.id}


def test_morpho__repaid__amount_is_what_left_the_wallet(life: Life) -> None:
    lend_to_borrower(life)
    life.morpho.chain.skip(BLOCKS_A_MONTH)
    _, shares, _ = life.morpho.position(life.market.id, BORROWER)
    before = life.morpho.chain.view(life.market.loan, TOKEN_BALANCE, BORROWER)

    repaid = life.call(BORROWER, "repay", NONE, shares // 3, address_text(BORROWER), b"")

    paid = before - life.morpho.chain.view(life.market.loan, TOKEN_BALANCE, BORROWER)
    assert told(repaid) == {(EventType.REPAID, Role.OWNER, BORROWER, paid)}


def test_morpho__interest_accrues__fee_recipient_holds_the_shares_that_the_contract_made_for_it(life: Life) -> None:
    lend_to_borrower(life)
    life.morpho.chain.skip(12 * BLOCKS_A_MONTH)

    accrued = life.call(OWNER, "accrueInterest")

    (entry,) = accrued
    supply_shares, _, _ = life.morpho.position(life.market.id, TREASURY)
    assert (entry.type, entry.wallet, entry.asset) == (EventType.SUPPLY_BALANCE, TREASURY, life.market.loan)
    assert entry.scaled_delta == supply_shares > 0
    # 7 % of the supply is lent out, at 7 % a year: 49 of interest and a bit on 700, a tenth of it is the fee
    assert 4 * WAD < entry.amount < 6 * WAD


def test_morpho__somebody_else_pays_or_receives__is_an_event_of_its_own(life: Life) -> None:
    supplied = life.call(FRIEND, "supply", 50 * WAD, NONE, address_text(LENDER), b"")
    pledged = life.call(FRIEND, "supplyCollateral", 500 * WAD, address_text(BORROWER), b"")
    borrowed = life.call(BORROWER, "borrow", 300 * WAD, NONE, address_text(BORROWER), address_text(FRIEND))
    repaid = life.call(FRIEND, "repay", 100 * WAD, NONE, address_text(BORROWER), b"")
    withdrawn = life.call(LENDER, "withdraw", 20 * WAD, NONE, address_text(LENDER), address_text(FRIEND))
    released = life.call(BORROWER, "withdrawCollateral", WAD, address_text(BORROWER), address_text(FRIEND))

    found = [told(events) for events in (supplied, pledged, borrowed, repaid, withdrawn, released)]
    expected = [
        (EventType.SUPPLIED, LENDER, Role.PAYER, 50 * WAD),
        (EventType.SUPPLIED, BORROWER, Role.PAYER, 500 * WAD),
        (EventType.BORROWED, BORROWER, Role.RECIPIENT, 300 * WAD),
        (EventType.REPAID, BORROWER, Role.PAYER, 100 * WAD),
        (EventType.WITHDRAWN, LENDER, Role.RECIPIENT, 20 * WAD),
        (EventType.WITHDRAWN, BORROWER, Role.RECIPIENT, WAD),
    ]
    assert found == [
        {(type, Role.OWNER, owner, amount), (type, role, FRIEND, amount)} for type, owner, role, amount in expected
    ]


def test_morpho__authorized_caller_borrows__debt_is_the_owners_and_the_caller_has_no_event(life: Life) -> None:
    life.call(BORROWER, "supplyCollateral", 1_000 * WAD, address_text(BORROWER), b"")
    life.act(BORROWER, life.morpho.address, life.morpho.calldata("setAuthorization", address_text(FRIEND), True))

    borrowed = life.call(FRIEND, "borrow", 5 * WAD, NONE, address_text(BORROWER), address_text(BORROWER))

    assert {event.wallet for event in borrowed} == {BORROWER}


def test_morpho__collateral_falls__liquidation_is_told_to_both_and_the_rest_of_the_position_stays(life: Life) -> None:
    lend_to_borrower(life)
    life.act(OWNER, life.market.oracle, SET_PRICE(ORACLE_UNIT * 85 // 100))
    before = life.morpho.position(life.market.id, BORROWER)

    events = life.call(LIQUIDATOR, "liquidate", address_text(BORROWER), 100 * WAD, NONE, b"")

    after = life.morpho.position(life.market.id, BORROWER)
    owner, liquidator = (event for event in events if event.type is EventType.LIQUIDATED)
    assert (owner.role, owner.wallet, owner.counterparty) == (Role.OWNER, BORROWER, LIQUIDATOR)
    assert (liquidator.role, liquidator.wallet, liquidator.counterparty) == (Role.LIQUIDATOR, LIQUIDATOR, BORROWER)
    assert (owner.asset, owner.second_asset) == (life.market.loan, life.market.collateral)
    assert owner.second_amount == before[2] - after[2] == 100 * WAD
    # 100 collateral at .85 is 85, less the incentive: the factor is 1 / (1 - .3 * (1 - .8)) = 1.0638…
    assert owner.amount == pytest.approx(85 * WAD / 1.0638297872340425, rel=1e-12)
    assert not [event for event in events if event.type is EventType.BAD_DEBT]


def test_morpho__collateral_is_gone_before_the_debt__the_rest_is_bad_debt_and_no_debt_is_left(life: Life) -> None:
    lend_to_borrower(life)
    life.morpho.chain.skip(BLOCKS_A_MONTH)
    life.act(OWNER, life.market.oracle, SET_PRICE(ORACLE_UNIT // 2))

    events = life.call(LIQUIDATOR, "liquidate", address_text(BORROWER), 1_000 * WAD, NONE, b"")

    assert life.morpho.position(life.market.id, BORROWER) == (0, 0, 0)
    (bad_debt,) = (event for event in events if event.type is EventType.BAD_DEBT)
    owner = next(event for event in events if event.type is EventType.LIQUIDATED)
    # 1,000 collateral at .5 is 500, and 470 after the incentive; what was owed beyond that is lost
    assert owner.amount == pytest.approx(470 * WAD, rel=1e-12)
    assert bad_debt.wallet == BORROWER
    assert 230 * WAD < bad_debt.amount < 240 * WAD
    entries = [event for event in events if event.type is EventType.DEBT_BALANCE]
    assert [event.amount for event in entries] == [owner.amount, bad_debt.amount]
    assert len({event.id for event in events}) == len(events)


def test_morpho__state_from_its_facts__is_the_same_state(life: Life) -> None:
    again = MorphoBlue().restore(life.state.deployment, life.state.facts())

    assert again == life.state
    assert again.market(life.market.id).fee_wad == WAD // 10


STEPS = 400
"""Of a random play; about half of them revert."""


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_morpho__random_play__ledger_is_position_after_every_step(life: Life, seed: int) -> None:
    chance = random.Random(seed)  # a play, no secret
    for account in WALLETS:
        for other in WALLETS:
            if other != account:
                allowed = life.morpho.calldata("setAuthorization", address_text(other), True)
                life.act(account, life.morpho.address, allowed)
    done: set[str] = set()

    for _ in range(STEPS):
        life.morpho.chain.skip(chance.randrange(BLOCKS_A_MONTH))
        caller, owner, receiver = (address_text(chance.choice(WALLETS)) for _ in range(3))
        amount = chance.choice((1, chance.randrange(1, 3_000) * WAD, chance.randrange(10**21)))
        shares = chance.randrange(10**27)
        either = chance.choice(((amount, NONE), (NONE, shares)))
        function, *arguments = chance.choice(
            (
                ("supply", *either, owner, b""),
                ("withdraw", *either, owner, receiver),
                ("borrow", *either, owner, receiver),
                ("repay", *either, owner, b""),
                ("supplyCollateral", amount, owner, b""),
                ("withdrawCollateral", amount, owner, receiver),
                ("liquidate", owner, *either, b""),
                ("setFee", chance.randrange(25) * WAD // 100),
            )
        )
        sender = OWNER if function == "setFee" else Address(bytes.fromhex(caller[2:]))
        try:
            if function == "liquidate":
                life.act(OWNER, life.market.oracle, SET_PRICE(ORACLE_UNIT * chance.randrange(5, 130) // 100))
                held = {each: life.morpho.position(life.market.id, each) for each in WALLETS}
                debtor = max(held, key=lambda each: held[each][1])
                collateral = held[debtor][2]
                arguments = [address_text(debtor), chance.choice((collateral, collateral // 3)), NONE, b""]
            life.call(sender, function, *arguments)
            done.add(function)
        except Reverted:
            continue

    moved = {"supply", "withdraw", "borrow", "repay", "supplyCollateral", "withdrawCollateral"}
    assert done == {*moved, "liquidate", "setFee"}
