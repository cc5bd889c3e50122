"""Compound V2's life on its real bytecode: every ledger sum is the contract's own number, exactly."""

import random
from collections import defaultdict
from dataclasses import dataclass, field

import pytest
from bonafides.events import LendingEvent, MarketPoint
from bonafides.types import Address, EventType, MarketPointKind, Protocol, Role, address_text
from bonafides_ingest.protocols.compound_v2.protocol import CompoundV2
from bonafides_ingest.protocols.compound_v2.state import CompoundV2Deployment, CompoundV2State
from bonafides_lab.market.artifacts import AbiValue, Artifacts
from bonafides_lab.market.calldata import MAX_UINT256, Method
from bonafides_lab.stack.node_tools import aave_artifacts_folder

from tests.support.compound_chain import (
    CHAIN,
    COMPOUND_SOURCE,
    EvmChain,
    Reverted,
    artifact,
    compound_artifacts_or_skip,
    wallet,
)

pytestmark = pytest.mark.integration

ETHER = 10**18
BLOCKS_PER_YEAR = 2_102_400
COIN = Address(bytes.fromhex("ee" * 20))
ADMIN, LENDER, BORROWER, FRIEND, LIQUIDATOR = (
    wallet(name) for name in ("compound admin", "lender", "borrower", "friend", "liquidator")
)
WALLETS = (LENDER, BORROWER, FRIEND, LIQUIDATOR)

BALANCE_OF = Method("balanceOf(address)")
BORROW_BALANCE_STORED = Method("borrowBalanceStored(address)")
EXCHANGE_RATE_STORED = Method("exchangeRateStored()")
BORROW_INDEX = Method("borrowIndex()")
TOTAL_SUPPLY, TOTAL_RESERVES, CASH = Method("totalSupply()"), Method("totalReserves()"), Method("getCash()")
MINT, MINT_ETHER = Method("mint(uint256)"), Method("mint()")
REDEEM, REDEEM_UNDERLYING = Method("redeem(uint256)"), Method("redeemUnderlying(uint256)")
BORROW, REPAY = Method("borrow(uint256)"), Method("repayBorrow(uint256)")
REPAY_FOR = Method("repayBorrowBehalf(address,uint256)")
LIQUIDATE = Method("liquidateBorrow(address,uint256,address)")
TRANSFER, APPROVE = Method("transfer(address,uint256)"), Method("approve(address,uint256)")
ADD_RESERVES, REDUCE_RESERVES = Method("_addReserves(uint256)"), Method("_reduceReserves(uint256)")
SET_RESERVE_FACTOR, ACCRUE = Method("_setReserveFactor(uint256)"), Method("accrueInterest()")
EXIT_MARKET, SET_PRICE = Method("exitMarket(address)"), Method("setDirectPrice(address,uint256)")


@dataclass
class Compound:
    """The deployed protocol, and what ingest made of its logs so far."""

    chain: EvmChain
    comptroller: Address
    oracle: Address
    c_ether: Address
    c_dollar: Address
    c_dai: Address
    dollar: Address
    dai: Address
    state: CompoundV2State
    events: list[LendingEvent] = field(default_factory=list)
    points: list[MarketPoint] = field(default_factory=list)
    supply: dict[tuple[Address, Address], int] = field(default_factory=lambda: defaultdict(int))
    debt: dict[tuple[Address, Address], tuple[int, int]] = field(default_factory=dict)

    def act(self, sender: Address, to: Address, calldata: bytes, *, value: int = 0) -> list[LendingEvent]:
        """A transaction; its events, after every balance was compared."""
        logs = self.chain.send(sender, to, calldata, value=value)
        self.state, decoded = CompoundV2().decode_transaction(self.state, logs, 0)
        assert decoded.refused == ()
        self.events += decoded.events
        self.points += decoded.points
        for event in decoded.events:
            if event.type is EventType.SUPPLY_BALANCE:
                self.supply[event.wallet, event.asset] += event.scaled_delta
            elif event.type is EventType.DEBT_SET:
                self.debt[event.wallet, event.asset] = (event.amount, event.index_ray)
        self.compare()
        return list(decoded.events)

    def compare(self) -> None:
        """The ledger against the contracts' view functions."""
        for c_token, market in self.state.markets.items():
            books, view = self.state.books_of(c_token), self.chain.view
            if books.total_supply:
                assert books.exchange_rate == view(c_token, EXCHANGE_RATE_STORED)
            assert (books.total_supply, books.total_reserves, books.cash, books.borrow_index) == tuple(
                view(c_token, method) for method in (TOTAL_SUPPLY, TOTAL_RESERVES, CASH, BORROW_INDEX)
            )
            for account in WALLETS:
                key = (account, market.underlying)
                assert self.supply[key] == view(c_token, BALANCE_OF, account)
                amount, index_ray = self.debt.get(key, (0, 10**27))
                owed = amount * books.borrow_index // (index_ray // 10**9)
                assert owed == view(c_token, BORROW_BALANCE_STORED, account)


@pytest.fixture
def compound() -> Compound:
    folder, chain = compound_artifacts_or_skip(), EvmChain()
    for account in (ADMIN, *WALLETS):
        chain.fund(account, 10_000 * ETHER)

    def new(name: str, *arguments: AbiValue) -> Address:
        return chain.deploy(ADMIN, artifact(folder, name), *arguments)

    tokens = Artifacts(aave_artifacts_folder() / "contracts").read("MintableERC20")
    dollar, dai = (chain.deploy(ADMIN, tokens, name, name, decimals) for name, decimals in (("USDC", 6), ("DAI", 18)))
    unitroller, implementation, oracle = new("Unitroller"), new("Comptroller"), new("SimplePriceOracle")
    chain.send(ADMIN, unitroller, Method("_setPendingImplementation(address)")(implementation))
    chain.send(ADMIN, implementation, Method("_become(address)")(unitroller))
    rates = new("JumpRateModelV2", 0, 4 * 10**16, 109 * 10**16, 8 * 10**17, address_text(ADMIN))
    common = (address_text(unitroller), address_text(rates))
    c_ether = new("CEther", *common, 2 * 10**26, "Compound Ether", "cETH", 8, address_text(ADMIN))
    delegate = new("CErc20Delegate")
    c_dollar = new(
        "CErc20Delegator",
        *(address_text(dollar), *common, 2 * 10**14, "Compound USD", "cUSDC", 8),
        *(address_text(ADMIN), address_text(delegate), b""),
    )
    dai_arguments = (address_text(dai), *common, 2 * 10**26, "Compound Dai", "cDAI", 8, address_text(ADMIN))
    c_dai = new("CErc20Immutable", *dai_arguments)
    markets = ((c_ether, COIN, 18), (c_dollar, dollar, 6), (c_dai, dai, 18))
    deployment = CompoundV2Deployment.model_validate(
        {
            "id": "compound-v2-test",
            "chain_id": CHAIN,
            "protocol": Protocol.COMPOUND_V2,
            "comptroller": address_text(unitroller),
            "markets": [
                {"c_token": address_text(c_token), "underlying": address_text(underlying), "decimals": decimals}
                for c_token, underlying, decimals in markets
            ],
            "from_block": 1,
            "source": COMPOUND_SOURCE,
            "development": True,
        }
    )
    state = CompoundV2().restore(deployment, {})
    compound = Compound(chain, unitroller, oracle, c_ether, c_dollar, c_dai, dollar, dai, state)
    compound.act(ADMIN, unitroller, Method("_setPriceOracle(address)")(oracle))
    compound.act(ADMIN, unitroller, Method("_setCloseFactor(uint256)")(5 * 10**17))
    compound.act(ADMIN, unitroller, Method("_setLiquidationIncentive(uint256)")(108 * 10**16))
    # prices in ether: a dollar is 1/2000, scaled by the decimals that it lacks
    compound.act(ADMIN, oracle, SET_PRICE(dollar, 5 * 10**14 * 10**12))
    compound.act(ADMIN, oracle, SET_PRICE(dai, 5 * 10**14))
    for c_token, _, _ in markets:
        compound.act(ADMIN, unitroller, Method("_supportMarket(address)")(c_token))
        compound.act(ADMIN, unitroller, Method("_setCollateralFactor(address,uint256)")(c_token, 75 * 10**16))
        compound.act(ADMIN, c_token, SET_RESERVE_FACTOR(10**17))
    for account in (ADMIN, *WALLETS):
        for token, c_token, unit in ((dollar, c_dollar, 10**6), (dai, c_dai, ETHER)):
            compound.act(account, token, MINT(1_000_000 * unit))
            compound.act(account, token, APPROVE(c_token, MAX_UINT256))
    return compound


def _enter(compound: Compound, account: Address, c_token: Address) -> list[LendingEvent]:
    head = Method("enterMarkets(address[])").selector + (32).to_bytes(32) + (1).to_bytes(32)
    return compound.act(account, compound.comptroller, head + c_token.rjust(32, b"\0"))


def _told(events: list[LendingEvent], *types: EventType) -> list[tuple[EventType, Role, Address, Address, int]]:
    return [(e.type, e.role, e.wallet, e.asset, e.amount) for e in events if e.type in types]


VOCABULARY = tuple(t for t in EventType if t not in (EventType.SUPPLY_BALANCE, EventType.DEBT_SET))


def test_compound_v2__years_of_supplying_borrowing_and_repaying__ledger_is_the_contracts(compound: Compound) -> None:
    c = compound
    supplied = c.act(LENDER, c.c_dollar, MINT(500_000 * 10**6))
    assert _told(supplied, *VOCABULARY) == [(EventType.SUPPLIED, Role.OWNER, LENDER, c.dollar, 500_000 * 10**6)]
    c.act(LENDER, c.c_dai, MINT(100_000 * ETHER))
    in_ether = c.act(BORROWER, c.c_ether, MINT_ETHER(), value=100 * ETHER)
    assert _told(in_ether, *VOCABULARY) == [(EventType.SUPPLIED, Role.OWNER, BORROWER, COIN, 100 * ETHER)]
    entered = _enter(c, BORROWER, c.c_ether)
    assert _told(entered, *VOCABULARY) == [(EventType.COLLATERAL_ENABLED, Role.OWNER, BORROWER, COIN, 0)]

    borrowed = c.act(BORROWER, c.c_dollar, BORROW(100_000 * 10**6))
    assert _told(borrowed, *VOCABULARY) == [
        (EventType.COLLATERAL_ENABLED, Role.OWNER, BORROWER, c.dollar, 0),  # who borrows has entered the market
        (EventType.BORROWED, Role.OWNER, BORROWER, c.dollar, 100_000 * 10**6),
    ]
    c.chain.skip(BLOCKS_PER_YEAR)
    c.act(FRIEND, c.c_dollar, ACCRUE())
    c.act(BORROWER, c.c_dollar, BORROW(10**6))
    owed, _ = c.debt[BORROWER, c.dollar]
    assert owed > 100_001 * 10**6  # a year's interest
    c.chain.skip(777)

    own = c.act(BORROWER, c.c_dollar, REPAY(30_000 * 10**6))
    assert _told(own, *VOCABULARY) == [(EventType.REPAID, Role.OWNER, BORROWER, c.dollar, 30_000 * 10**6)]
    by_friend = c.act(FRIEND, c.c_dollar, REPAY_FOR(BORROWER, 1_234_567))
    assert _told(by_friend, *VOCABULARY) == [
        (EventType.REPAID, Role.OWNER, BORROWER, c.dollar, 1_234_567),
        (EventType.REPAID, Role.PAYER, FRIEND, c.dollar, 1_234_567),
    ]
    c.chain.skip(BLOCKS_PER_YEAR // 3)
    c.act(BORROWER, c.c_dollar, REPAY(MAX_UINT256))
    assert c.debt[BORROWER, c.dollar][0] == 0

    left = c.act(BORROWER, c.comptroller, EXIT_MARKET(c.c_ether))
    assert _told(left, *VOCABULARY) == [(EventType.COLLATERAL_DISABLED, Role.OWNER, BORROWER, COIN, 0)]
    withdrawn = c.act(LENDER, c.c_dollar, REDEEM_UNDERLYING(123_456_789))
    assert _told(withdrawn, *VOCABULARY) == [(EventType.WITHDRAWN, Role.OWNER, LENDER, c.dollar, 123_456_789)]
    c.act(LENDER, c.c_dollar, REDEEM(c.supply[LENDER, c.dollar]))
    c.act(BORROWER, c.c_ether, REDEEM(c.supply[BORROWER, COIN]))
    assert c.supply[LENDER, c.dollar] == c.supply[BORROWER, COIN] == 0


def test_compound_v2__reserves_and_gifts__books_follow(compound: Compound) -> None:
    c = compound
    c.act(LENDER, c.c_dollar, MINT(50_000 * 10**6))
    c.act(BORROWER, c.c_ether, MINT_ETHER(), value=100 * ETHER)
    _enter(c, BORROWER, c.c_ether)
    c.act(BORROWER, c.c_dollar, BORROW(40_000 * 10**6))
    c.chain.skip(BLOCKS_PER_YEAR)

    c.act(ADMIN, c.c_dollar, SET_RESERVE_FACTOR(2 * 10**17))
    c.act(ADMIN, c.c_dollar, ADD_RESERVES(7_000_003))
    c.act(ADMIN, c.c_dollar, REDUCE_RESERVES(3_000_001))
    logs = c.chain.send(FRIEND, c.dollar, TRANSFER(c.c_dollar, 5_000_007))  # cash that no log of the cToken tells
    c.state, _ = CompoundV2().decode_transaction(c.state, logs, 0)
    told = c.act(FRIEND, c.c_dollar, MINT(1_000 * 10**6))

    assert _told(told, EventType.SUPPLIED)
    index = [p.values for p in c.points if p.kind is MarketPointKind.RESERVE_INDEX and p.asset == c.dollar][-1]
    assert index[2] == c.state.books_of(c.c_dollar).exchange_rate * 10**9
    assert index[3] == c.chain.view(c.c_dollar, BORROW_INDEX) * 10**9


def test_compound_v2__c_tokens_moved__is_a_position_moved_at_its_worth(compound: Compound) -> None:
    c = compound
    c.act(LENDER, c.c_dai, MINT(1_000 * ETHER))
    c.act(BORROWER, c.c_dai, MINT(1_000 * ETHER))
    _enter(c, BORROWER, c.c_dai)
    c.act(BORROWER, c.c_dai, BORROW(700 * ETHER))
    c.chain.skip(BLOCKS_PER_YEAR)
    c.act(FRIEND, c.c_dai, ACCRUE())
    tokens = 12_345_678_901
    worth = tokens * c.chain.view(c.c_dai, EXCHANGE_RATE_STORED) // ETHER

    moved = c.act(LENDER, c.c_dai, TRANSFER(FRIEND, tokens))
    lost = c.act(LENDER, c.c_dai, TRANSFER(c.c_dai, 1_000))  # by mistake, for ever; it lies there as a balance

    assert _told(moved, *VOCABULARY) == [
        (EventType.TRANSFERRED, Role.SENDER, LENDER, c.dai, worth),
        (EventType.TRANSFERRED, Role.RECEIVER, FRIEND, c.dai, worth),
    ]
    assert [(e.type, e.wallet, e.scaled_delta) for e in lost] == [(EventType.SUPPLY_BALANCE, LENDER, -1_000)]


@pytest.mark.parametrize("is_one_c_token", [False, True], ids=["of another cToken", "of the same cToken"])
def test_compound_v2__liquidation__takes_what_the_contract_takes(compound: Compound, is_one_c_token: bool) -> None:
    c = compound
    c.act(LENDER, c.c_dollar, MINT(500_000 * 10**6))
    c.act(LIQUIDATOR, c.c_dollar, MINT(10 * 10**6))
    collateral, asset = (c.c_dollar, c.dollar) if is_one_c_token else (c.c_ether, COIN)
    if is_one_c_token:
        c.act(BORROWER, c.c_dollar, MINT(200_000 * 10**6))
    else:
        c.act(BORROWER, c.c_ether, MINT_ETHER(), value=100 * ETHER)
    _enter(c, BORROWER, collateral)
    c.act(BORROWER, c.c_dollar, BORROW(149_000 * 10**6))
    c.chain.skip(100)
    if is_one_c_token:
        factor = Method("_setCollateralFactor(address,uint256)")(c.c_dollar, 5 * 10**17)
        c.act(ADMIN, c.comptroller, factor)
    else:
        c.act(ADMIN, c.oracle, SET_PRICE(c.dollar, 6 * 10**14 * 10**12))
    before = c.chain.view(collateral, BALANCE_OF, BORROWER)

    events = c.act(LIQUIDATOR, c.c_dollar, LIQUIDATE(BORROWER, 20_000 * 10**6, collateral))

    seized = before - c.chain.view(collateral, BALANCE_OF, BORROWER)
    worth = seized * c.chain.view(collateral, EXCHANGE_RATE_STORED) // ETHER
    liquidated = [e for e in events if e.type is EventType.LIQUIDATED]
    assert [(e.role, e.wallet, e.counterparty) for e in liquidated] == [
        (Role.OWNER, BORROWER, LIQUIDATOR),
        (Role.LIQUIDATOR, LIQUIDATOR, BORROWER),
    ]
    assert {(e.asset, e.amount, e.second_asset, e.second_amount) for e in liquidated} == {
        (c.dollar, 20_000 * 10**6, asset, worth)
    }
    assert _told(events, EventType.REPAID, EventType.TRANSFERRED, EventType.WITHDRAWN) == []
    got = [e.scaled_delta for e in events if e.type is EventType.SUPPLY_BALANCE and e.wallet == LIQUIDATOR]
    assert got == [seized - seized * 28 // 1000]  # the protocol keeps 2.8 %


def test_compound_v2__what_is_turned_down__changes_nothing(compound: Compound) -> None:
    c = compound
    c.act(LENDER, c.c_dollar, MINT(500_000 * 10**6))

    failed_redemption = c.act(FRIEND, c.c_dollar, REDEEM(10))  # without cTokens: a Failure log, no revert
    failed_borrow = c.act(BORROWER, c.c_dollar, BORROW(10**6))  # without collateral

    assert failed_redemption == []
    assert [e.type for e in failed_borrow] == [EventType.COLLATERAL_ENABLED]  # this much the Comptroller did
    with pytest.raises(Reverted):
        c.act(BORROWER, c.c_dai, MINT(10**40))


def test_compound_v2__restart_in_the_middle__knows_the_same(compound: Compound) -> None:
    c = compound
    c.act(LENDER, c.c_dollar, MINT(500_000 * 10**6))

    restored = CompoundV2().restore(c.state.deployment, c.state.facts())

    assert restored == c.state


@pytest.mark.parametrize("seed", [3, 5, 8])  # walks that come to a liquidation, too
def test_compound_v2__any_life_of_four_wallets__ledger_is_the_contracts_after_every_step(
    compound: Compound, seed: int
) -> None:
    """Whatever wallets do in whatever order; `act` compares every balance, debt, rate and index after each step."""
    c, dice = compound, random.Random(seed)
    c.act(LENDER, c.c_dollar, MINT(300_000 * 10**6))
    c.act(LENDER, c.c_dai, MINT(300_000 * ETHER))
    for wallet_ in WALLETS:
        c.act(wallet_, c.c_ether, MINT_ETHER(), value=20 * ETHER)
        _enter(c, wallet_, c.c_ether)
    seen: set[EventType] = set()
    for _ in range(400):
        actor, other = dice.sample(WALLETS, 2)
        c_token, unit = dice.choice([(c.c_dollar, 10**6), (c.c_dai, ETHER)])
        amount = dice.randint(1, 30_000 * unit)
        asset = c.state.markets[c_token].underlying
        held, owed = c.supply[actor, asset], c.debt.get((other, asset), (0, 0))[0]
        verb, calldata = dice.choice(
            [
                ("mint", MINT(amount)),
                ("redeem", REDEEM(dice.randint(0, held))),
                ("borrow", BORROW(amount)),
                ("repay", REPAY(amount)),
                ("repay all", REPAY(MAX_UINT256)),
                ("repay for", REPAY_FOR(other, dice.randint(1, amount))),
                ("transfer", TRANSFER(other, dice.randint(0, held))),
                ("liquidate", LIQUIDATE(other, owed // 3, c.c_ether)),
                ("price", SET_PRICE(asset, dice.randint(3, 9) * 10**14 * 10**18 // unit)),
            ]
        )
        c.chain.skip(dice.randint(1, 40_000))
        try:
            seen |= {event.type for event in c.act(actor, c.oracle if verb == "price" else c_token, calldata)}
        except Reverted:
            continue  # as often on a live chain; the state is what it was

    assert seen >= {EventType.BORROWED, EventType.REPAID, EventType.TRANSFERRED, EventType.LIQUIDATED}
