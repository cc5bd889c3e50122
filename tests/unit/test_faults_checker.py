"""The checker's own rules, by hand: which rows count, what is lost, doubled, invented, altered, what logs leave."""

import ast
import sys
from pathlib import Path

import pytest

from tests.faults import chain_truth, checker
from tests.faults.chain_truth import RAY, Fact, Log, Market, facts_of, read_market
from tests.faults.checker import Row, compare, counting, not_read

pytestmark = pytest.mark.unit

POOL, CONFIGURATOR, A_TOKEN, DEBT_TOKEN, ASSET, TREASURY = ("0x" + f"{number:02x}" * 20 for number in range(1, 7))
ANNA, BEN, CARL = ("0x" + letter * 40 for letter in "abc")
MARKET = Market(
    POOL,
    {A_TOKEN: ("supply_balance", ASSET), DEBT_TOKEN: ("debt_balance", ASSET)},
    frozenset({"0x" + "0" * 40, POOL, A_TOKEN, DEBT_TOKEN, TREASURY}),
    first_block=1,
)
BLOCK = "0x" + "77" * 32


def log(address: str, topic0: str, *topics: str, data: tuple[int, ...] = ()) -> Log:
    return {
        "address": address,
        "topics": [topic0, *("0x" + topic[2:].rjust(64, "0") for topic in topics)],
        "data": "0x" + "".join(f"{word:064x}" for word in data),
        "blockHash": BLOCK,
        "blockNumber": "0x5",
        "logIndex": "0x3",
    }


def said(given: Log) -> list[tuple[str, str, str, int, int]]:
    return [(fact.wallet, fact.type, fact.role, fact.amount, fact.scaled_delta) for fact in facts_of(given, MARKET)]


def fact(wallet: str = ANNA, amount: int = 5, log_index: int = 3) -> Fact:
    return Fact(BLOCK, log_index, wallet, "supplied", "owner", ASSET, amount)


def row(id_: bytes, epoch: int, block: int, version: int = 1) -> Row:
    return Row(id_, epoch, version, block, fact())


def test_checker__its_imports__are_the_standard_library_psycopg_and_itself() -> None:
    allowed = sys.stdlib_module_names | {"psycopg", "tests.faults.chain_truth"}

    for module in (checker, chain_truth):
        assert module.__file__ is not None
        for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or "."] if isinstance(node, ast.ImportFrom) else []
            assert [name for name in names if name not in allowed and name.split(".")[0] not in allowed] == []


def test_counting__copies_of_one_id__the_highest_epoch_then_version_counts() -> None:
    rows = [row(b"a", 1, 10), row(b"a", 2, 10, version=1), row(b"a", 2, 10, version=2), row(b"a", 1, 10, version=9)]

    kept = counting(rows, [(1, 0), (2, 11)])

    assert [(one.epoch, one.version) for one in kept] == [(2, 2)]


def test_counting__epoch_opened_at_a_lower_block_since__the_row_is_void() -> None:
    epochs = [(1, 0), (2, 50), (4, 30)]
    rows = [row(b"a", 1, 29), row(b"b", 1, 30), row(b"c", 2, 49), row(b"d", 3, 30), row(b"e", 4, 30), row(b"f", 1, 60)]

    assert [one.id for one in counting(rows, epochs)] == [b"a", b"e"]


def test_compare__each_kind_of_difference__has_its_own_count() -> None:
    expected = [fact(ANNA), fact(BEN), fact(CARL)]
    clean = {"lost": 0, "doubled": 0, "invented": 0, "altered": 0}

    assert compare(expected, expected) == clean
    assert compare(expected, expected[1:]) == clean | {"lost": 1}
    assert compare(expected, [*expected, fact(BEN)]) == clean | {"doubled": 1}
    assert compare(expected, [*expected, fact(BEN, log_index=4)]) == clean | {"invented": 1}
    assert compare(expected, [fact(ANNA, amount=6), *expected[1:]]) == clean | {"altered": 1}
    assert compare(expected, [*expected, fact(BEN, amount=6)]) == clean | {"doubled": 1}


def test_not_read__ranges__their_holes_are_counted_once() -> None:
    assert not_read([("a", 1, 5), ("a", 6, 10)], 1, 10) == 0
    assert not_read([("a", 6, 12), ("a", 1, 7)], 1, 10) == 0
    assert not_read([("a", 1, 4), ("a", 6, 8)], 1, 10) == 1 + 2
    assert not_read([("a", 0, 10), ("b", 3, 10)], 1, 10) == 2
    assert not_read([], 1, 10) == 10


def test_facts__pool_events__are_told_to_the_owner_and_to_the_other_wallet() -> None:
    supply = log(POOL, chain_truth.SUPPLY, ASSET, ANNA, "0x0", data=(int(BEN, 16), 70))
    withdraw = log(POOL, chain_truth.WITHDRAW, ASSET, ANNA, ANNA, data=(70,))
    call = log(POOL, chain_truth.LIQUIDATION, A_TOKEN, ASSET, ANNA, data=(9, 8, int(CARL, 16), 0))

    assert said(supply) == [(ANNA, "supplied", "owner", 70, 0), (BEN, "supplied", "payer", 70, 0)]
    assert said(withdraw) == [(ANNA, "withdrawn", "owner", 70, 0)]
    assert said(call) == [(ANNA, "liquidated", "owner", 9, 0), (CARL, "liquidated", "liquidator", 9, 0)]


def test_facts__token_logs__move_scaled_balances_rounded_half_up() -> None:
    index = 2 * RAY
    mint = log(A_TOKEN, chain_truth.MINT, BEN, ANNA, data=(111, 10, index))
    shrinking = log(DEBT_TOKEN, chain_truth.MINT, ANNA, ANNA, data=(4, 10, index))
    burn = log(DEBT_TOKEN, chain_truth.BURN, ANNA, ANNA, data=(90, 10, index))
    interest = log(A_TOKEN, chain_truth.MINT, ANNA, ANNA, data=(10, 10, index))
    transfer = log(A_TOKEN, chain_truth.BALANCE_TRANSFER, ANNA, BEN, data=(7, index))

    assert said(mint) == [(ANNA, "supply_balance", "owner", 101, 51)]
    assert said(shrinking) == [(ANNA, "debt_balance", "owner", 6, -3)]
    assert said(burn) == [(ANNA, "debt_balance", "owner", 100, -50)]
    assert said(interest) == []
    assert said(transfer) == [
        (ANNA, "supply_balance", "owner", 14, -7),
        (BEN, "supply_balance", "owner", 14, 7),
        (ANNA, "transferred", "sender", 14, 0),
        (BEN, "transferred", "receiver", 14, 0),
    ]


def test_facts__protocol_itself__is_no_wallet() -> None:
    fee = log(A_TOKEN, chain_truth.BALANCE_TRANSFER, ANNA, TREASURY, data=(7, RAY))

    assert said(fee) == [(ANNA, "supply_balance", "owner", 7, -7)]
    assert said(log(BEN, chain_truth.MINT, ANNA, ANNA, data=(5, 0, RAY))) == []
    assert said(log(POOL, "0x" + "99" * 32, ANNA)) == []


def test_market__its_own_logs__name_tokens_and_treasury() -> None:
    stable = "0x" + "0d" * 20
    listing = log(
        CONFIGURATOR,
        chain_truth.RESERVE_INITIALIZED,
        ASSET,
        A_TOKEN,
        data=(int(stable, 16), int(DEBT_TOKEN, 16), 0),
    )
    first = log(A_TOKEN, chain_truth.INITIALIZED, ASSET, POOL, data=(int(TREASURY, 16), 0))

    market = read_market([first, listing], POOL, CONFIGURATOR)

    assert market.tokens == MARKET.tokens
    assert market.not_wallets == MARKET.not_wallets | {CONFIGURATOR}
    assert market.first_block == 5
