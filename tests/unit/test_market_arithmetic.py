"""Encoding, valuation and the liquidator's arithmetic, against other implementations and by hand."""

import pytest
from bonafides.types import Address, address_text, parse_address
from bonafides_lab.market import methods
from bonafides_lab.market.actions import ALL, Verb
from bonafides_lab.market.borrowers import make_borrower
from bonafides_lab.market.calldata import Method, create_address
from bonafides_lab.market.habits import WITH_COMPANION, Kind
from bonafides_lab.market.liquidations import expected_profit_usd, find_liquidations
from bonafides_lab.market.people import DEMO_COUNTS, MIX, demo_borrowers, mixed_borrowers, wallets_of_market
from bonafides_lab.market.reserves import USDC, WETH
from bonafides_lab.market.simulate import DEFAULT_SEED
from bonafides_lab.market.wallets import private_key, wallet_of
from eth_abi.abi import encode

from tests.support.market_people import HELPER, QUOTES, standing

pytestmark = pytest.mark.unit

KNOWN_DEPLOYER = parse_address("0x6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0")
"""An account whose first contract addresses stand in many clients' tests of CREATE."""
LIQUIDATORS = [Address(bytes([number]) * 20) for number in (1, 2, 3)]


def test_method__supply__is_what_eth_abi_encodes() -> None:
    token, wallet = Address(b"\xaa" * 20), Address(b"\xbb" * 20)

    calldata = methods.SUPPLY(token, 10**30, wallet, 0)

    types = ["address", "uint256", "address", "uint16"]
    assert calldata[4:] == encode(types, [address_text(token), 10**30, address_text(wallet), 0])


def test_method__selector__is_the_well_known_one() -> None:
    assert Method("transfer(address,uint256)").selector.hex() == "a9059cbb"
    assert Method("balanceOf(address)").selector.hex() == "70a08231"


@pytest.mark.parametrize(
    ("nonce", "contract"),
    [
        (0, "0xcd234a471b72ba2f1ccf0a70fcaba648a5eecd8d"),
        (1, "0x343c43a37d37dff08ae8c4a11544c718abb4fcf8"),
        (2, "0xf778b86fa74e846c4f0a1fbd1335fe81c00a0c91"),
    ],
)
def test_create_address__known_account__known_contracts(nonce: int, contract: str) -> None:
    assert address_text(create_address(KNOWN_DEPLOYER, nonce)) == contract


def test_wallet_of__private_key__belongs_to_it_and_differs_by_seed_and_role() -> None:
    from eth_account import Account

    account = Account.from_key(private_key(7, "borrower/3"))

    assert bytes.fromhex(account.address[2:]) == wallet_of(7, "borrower/3")
    assert len({wallet_of(7, "borrower/3"), wallet_of(8, "borrower/3"), wallet_of(7, "borrower/4")}) == 3


def test_standing__weth_and_usdc_against_debt__is_worth_what_the_hand_says() -> None:
    position = standing(weth=10, usdc=1_000, owes_usdc=12_000)

    assert position.total_supply_usd == pytest.approx(21_000)
    assert position.borrowing_capacity_usd == pytest.approx(20_000 * 0.805 + 1_000 * 0.77)
    assert position.health_factor == pytest.approx((20_000 * 0.83 + 1_000 * 0.80) / 12_000)
    assert (position.largest_supply, position.largest_debt) == (WETH, USDC)


def test_standing__no_debt__has_an_infinite_health_factor() -> None:
    assert standing(weth=1).health_factor == float("inf")


def test_base_units__dollars__are_rounded_down_and_never_negative() -> None:
    assert QUOTES.base_units(WETH, 3_000) == 15 * 10**17
    assert QUOTES.base_units(USDC, -5) == 0


def test_expected_profit__half_closes_above_95__all_below() -> None:
    half, whole = standing(weth=10, owes_usdc=17_000), standing(weth=10, owes_usdc=18_000)

    assert (half.health_factor > 0.95, whole.health_factor < 0.95) == (True, True)
    assert expected_profit_usd(half) == pytest.approx(8_500 * 0.05)
    assert expected_profit_usd(whole) == pytest.approx(18_000 * 0.05)


def test_find_liquidations__positions_under_water__one_call_each_dealt_out_in_turn() -> None:
    wallets = [Address(bytes([0x40 + number]) * 20) for number in range(3)]
    under_water = [(wallet, standing(weth=10, owes_usdc=18_000)) for wallet in wallets]

    calls = find_liquidations(under_water, LIQUIDATORS, already_done=0)

    assert [call.other for call in calls] == wallets
    assert [call.sender for call in calls] == LIQUIDATORS
    assert [call.verb for call in calls] == [Verb.LIQUIDATE, Verb.LIQUIDATE_FOR_ATOKENS, Verb.LIQUIDATE]
    assert all((call.reserve, call.collateral_reserve, call.amount) == (USDC, WETH, ALL) for call in calls)


def test_find_liquidations__bonus_below_the_gas__is_left_under_water() -> None:
    dust = standing(weth=0.01, owes_usdc=19)

    assert find_liquidations([(HELPER, dust)], LIQUIDATORS, already_done=0) == []


def test_demo_borrowers__at_least_40_of_every_kind_named() -> None:
    people = demo_borrowers(7, 365)

    assert len(people) >= 40
    assert {person.kind for person in people} == set(DEMO_COUNTS)
    assert set(MIX) == set(Kind)
    assert len({wallet.address for wallet in wallets_of_market(7, people)}) == len(wallets_of_market(7, people))


def test_mixed_borrowers__of_the_training_seed__share_no_wallet_with_the_demo() -> None:
    trained = {wallet.address for wallet in wallets_of_market(DEFAULT_SEED, mixed_borrowers(DEFAULT_SEED, 200, 365))}
    shown = {wallet.address for wallet in wallets_of_market(7, demo_borrowers(7, 365))}

    assert trained.isdisjoint(shown)


def test_make_borrower__same_arguments__same_habits_which_differ_within_a_kind() -> None:
    first, again, other = (make_borrower(3, index, Kind.GAMBLER, days=365) for index in (0, 0, 1))

    assert first == again
    assert first.habits != other.habits


@pytest.mark.parametrize("kind", list(Kind))
def test_make_borrower__every_kind__has_sound_habits(kind: Kind) -> None:
    for index in range(50):
        person = make_borrower(11, index, kind, days=365)
        habits = person.habits

        assert sum(share for _, share in habits.collateral) == pytest.approx(1.0)
        assert 0 <= habits.joins_on_day < 365
        assert habits.wealth_usd > 0
        assert all(
            0 <= chance <= 1 for chance in (habits.attention, habits.discipline, habits.doubles_down, habits.spends)
        )
        assert habits.rescue_to >= habits.rescue_below
        assert (person.companion is not None) == (kind in WITH_COMPANION)
