"""The market on real Aave V3 bytecode in this process: liquidations by hand, determinism, cryo's columns."""

import hashlib
import json
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from bonafides.errors import InvalidInput, MissingTool
from bonafides.json_rpc import octets
from bonafides.types import Address, ChainId, Protocol
from bonafides_ingest.protocols.aave_v3.state import AaveV3Deployment
from bonafides_ingest.registry import load_registry
from bonafides_lab.market.actions import ALL, Action, Verb
from bonafides_lab.market.anvil_chain import anvil_under_control
from bonafides_lab.market.artifacts import Artifacts
from bonafides_lab.market.calldata import words
from bonafides_lab.market.chain import Chain
from bonafides_lab.market.deployment import deploy_market
from bonafides_lab.market.people import mixed_borrowers
from bonafides_lab.market.positions import Book, read_quotes
from bonafides_lab.market.prices import price_path
from bonafides_lab.market.pyrevm_chain import PyrevmChain
from bonafides_lab.market.reserves import USDC, WETH
from bonafides_lab.market.run import DAY_S, MarketRun
from bonafides_lab.market.simulate import DEPLOYMENTS_FILE, SUMMARY_FILE, SimulatedMarket, simulate

from tests.support.market_bench import START, Bench, KeptBlocks
from tests.support.market_chains import aave_artifacts_or_skip, anvil_from

pytestmark = pytest.mark.integration

LENDER, BORROWER, LIQUIDATOR = (Address(bytes([number]) * 20) for number in (0x11, 0x22, 0x33))
LIQUIDATION_CALL = bytes.fromhex("e413a321e8681d831f4dbccbca790d2952b56f977908e45be37335533e005286")
INTEREST_UNITS = 100
"""10,000 USDC at these rates earn under .0001 USDC in the minute that a test lasts."""


@pytest.fixture
def bench() -> Bench:
    """Ten WETH at $3,000 as collateral and 20,000 USDC of debt: health factor 30,000 * .83 / 20,000 = 1.245."""
    bench = Bench(aave_artifacts_or_skip())
    bench.fund(LENDER, USDC)
    bench.fund(BORROWER, WETH)
    bench.fund(LIQUIDATOR, USDC)
    bench.act(Action(Verb.SUPPLY, LENDER, USDC, 10**6 * 10**6))
    bench.act(Action(Verb.SUPPLY, BORROWER, WETH, 10 * 10**18))
    bench.act(Action(Verb.BORROW, BORROWER, USDC, 20_000 * 10**6))
    return bench


def liquidate(bench: Bench, verb: Verb = Verb.LIQUIDATE) -> tuple[int, int]:
    """(debt repaid in USDC units, collateral seized in wei) as the LiquidationCall log says."""
    logs = bench.act(Action(verb, LIQUIDATOR, USDC, ALL, other=BORROWER, collateral_reserve=WETH))
    (event,) = [log for log in logs if log.topics[0] == LIQUIDATION_CALL]
    repaid, seized, *_ = words(event.data)
    return repaid, seized


def test_health_factor__after_borrowing__is_the_hand_s(bench: Bench) -> None:
    assert bench.health_factor(BORROWER) == pytest.approx(1.245, abs=1e-6)


def test_liquidation__health_factor_above_95__takes_half_the_debt_and_its_bonus_less_the_fee(bench: Bench) -> None:
    bench.set_price(WETH, 2_300)  # 23,000 * .83 / 20,000 = .9545

    repaid, seized = liquidate(bench)

    assert repaid == pytest.approx(10_000 * 10**6, abs=INTEREST_UNITS)
    # 10,000 / 2,300 * 1.05 = 4.565217 WETH leave the borrower; a tenth of the bonus, .021739, is the treasury's.
    assert seized / 10**18 == pytest.approx(4.565217391 - 0.021739130, abs=1e-7)
    treasury = bench.balance(bench.deployment.reserves[WETH].a_token, bench.deployment.treasury)
    assert treasury / 10**18 == pytest.approx(0.021739130, abs=1e-7)


def test_liquidation__health_factor_below_95__takes_all_the_debt(bench: Bench) -> None:
    bench.set_price(WETH, 2_200)  # 22,000 * .83 / 20,000 = .913

    repaid, seized = liquidate(bench)

    assert repaid == pytest.approx(20_000 * 10**6, abs=2 * INTEREST_UNITS)
    assert seized / 10**18 == pytest.approx(9.545454545 - 0.045454545, abs=1e-7)  # 20,000 / 2,200 * 1.05, less fee
    assert bench.balance(bench.deployment.reserves[USDC].variable_debt_token, BORROWER) == 0


def test_liquidation__collateral_worth_less_than_the_debt__leaves_bad_debt(bench: Bench) -> None:
    bench.set_price(WETH, 1_500)

    repaid, _ = liquidate(bench)

    assert repaid / 10**6 == pytest.approx(15_000 / 1.05, rel=1e-6)  # what ten WETH pay for, with the bonus
    left = bench.balance(bench.deployment.reserves[USDC].variable_debt_token, BORROWER)
    assert left / 10**6 == pytest.approx(20_000 - 15_000 / 1.05, rel=1e-6)


def test_liquidation__for_atokens__moves_atokens_and_pays_out_no_weth(bench: Bench) -> None:
    bench.set_price(WETH, 2_300)

    _, seized = liquidate(bench, Verb.LIQUIDATE_FOR_ATOKENS)

    weth = bench.deployment.reserves[WETH]
    assert bench.balance(weth.a_token, LIQUIDATOR) == pytest.approx(seized, abs=2)
    assert bench.balance(weth.token, LIQUIDATOR) == 0


def test_book__after_a_year_of_interest__has_the_pool_s_health_factor(bench: Bench) -> None:
    bench.pass_time(365 * DAY_S)
    bench.set_price(WETH, 2_900)
    book = Book(bench.deployment)

    book.refresh(bench.chain, [(BORROWER, WETH), (BORROWER, USDC)])

    quotes = read_quotes(bench.chain, bench.deployment, [2_900 * 10**8, 60_000 * 10**8, 10**8, 10**8])
    # The pool rounds to base units of 8 decimals; ours does not.
    assert book.standing(BORROWER, quotes).health_factor == pytest.approx(bench.health_factor(BORROWER), rel=1e-8)


def test_send__a_call_that_reverts__is_reported_and_changes_nothing(bench: Bench) -> None:
    before = bench.health_factor(BORROWER)
    bench.chain.open_block(START + DAY_S)
    bench.chain.send(BORROWER, bench.deployment.pool, b"\x00\x01\x02\x03")

    block = bench.chain.close_block()

    assert block.succeeded == (False,)
    assert bench.health_factor(BORROWER) == pytest.approx(before, rel=1e-4)  # a day of interest


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SimulatedMarket:
    folder = tmp_path_factory.mktemp("market")
    return simulate(aave_artifacts_or_skip(), folder / "one", borrowers=60, days=150, seed=3)


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_simulate__same_seed__writes_the_same_bytes(small: SimulatedMarket, tmp_path: Path) -> None:
    simulate(aave_artifacts_or_skip(), tmp_path / "two", borrowers=60, days=150, seed=3)
    simulate(aave_artifacts_or_skip(), tmp_path / "other", borrowers=60, days=150, seed=4)

    assert digests(tmp_path / "two") == digests(small.folder)
    assert digests(tmp_path / "other") != digests(small.folder)


def test_simulate__small_market__has_loans_and_liquidations_and_no_revert(small: SimulatedMarket) -> None:
    assert small.aave_transactions > 400
    assert small.liquidated_wallets >= 1
    assert small.wallets_with_debt > 20
    assert small.reverted == 0


def test_simulate__logs__have_cryo_s_columns_and_types(small: SimulatedMarket) -> None:
    (path,) = small.folder.glob("network_31337__logs__*.parquet")

    columns = {field.name: str(field.type) for field in pq.read_schema(path)}

    binary = ("block_hash", "transaction_hash", "address", "topic0", "topic1", "topic2", "topic3", "data")
    numbers = ("block_number", "transaction_index", "log_index")
    expected = dict.fromkeys(binary, "binary") | dict.fromkeys(numbers, "uint32") | {"chain_id": "uint64"}
    assert columns == expected


def test_simulate__logs__stand_in_canonical_order_with_the_hashes_of_their_blocks(small: SimulatedMarket) -> None:
    (logs_path,) = small.folder.glob("*__logs__*.parquet")
    (blocks_path,) = small.folder.glob("*__blocks__*.parquet")
    logs, blocks = pq.read_table(logs_path).to_pydict(), pq.read_table(blocks_path).to_pydict()

    places = list(zip(logs["block_number"], logs["transaction_index"], logs["log_index"], strict=True))
    hash_of = dict(zip(blocks["block_number"], blocks["block_hash"], strict=True))

    assert places == sorted(set(places))
    assert blocks["block_number"] == list(range(1, len(hash_of) + 1))
    assert blocks["timestamp"] == sorted(set(blocks["timestamp"]))
    assert all(hash_of[number] == seen for number, seen in zip(logs["block_number"], logs["block_hash"], strict=True))


def test_simulate__logs__come_from_the_market_s_contracts_alone(small: SimulatedMarket) -> None:
    (path,) = small.folder.glob("*__logs__*.parquet")
    logs = pq.read_table(path).to_pydict()

    assert {Address(raw) for raw in logs["address"]} <= small.deployment.logging_contracts
    assert set(logs["chain_id"]) == {31337}
    assert len(logs["data"]) == small.logs


def test_simulate__folder__holds_no_kind_and_no_habit(small: SimulatedMarket) -> None:
    names = {path.name for path in small.folder.iterdir() if path.suffix != ".parquet"}
    summary = json.loads((small.folder / SUMMARY_FILE).read_text())

    assert names == {DEPLOYMENTS_FILE, SUMMARY_FILE}
    assert "gambler" not in (small.folder / SUMMARY_FILE).read_text()
    assert summary["logs"] == small.logs


def test_simulate__folder_in_use__is_refused(small: SimulatedMarket) -> None:
    with pytest.raises(InvalidInput, match="already holds Parquet"):
        simulate(aave_artifacts_or_skip(), small.folder, borrowers=1, days=1)


@pytest.mark.parametrize(("borrowers", "days", "chain"), [(0, 10, 31337), (10, 0, 31337), (10, 10, 1)])
def test_simulate__impossible_request__is_refused(tmp_path: Path, borrowers: int, days: int, chain: int) -> None:
    with pytest.raises(InvalidInput):
        simulate(aave_artifacts_or_skip(), tmp_path / "x", borrowers=borrowers, days=days, chain_id=ChainId(chain))


def test_artifacts__empty_folder__says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingTool, match=r"@aave/core-v3@1\.19\.3"):
        Artifacts(tmp_path)


def test_deployments_yaml__read_by_ingest__is_one_development_deployment(small: SimulatedMarket) -> None:
    (entry,) = load_registry(small.folder / DEPLOYMENTS_FILE).deployments

    assert isinstance(entry, AaveV3Deployment)
    assert (entry.pool, entry.configurator) == (small.deployment.pool, small.deployment.configurator)
    assert (entry.oracle, entry.provider) == (small.deployment.oracle, small.deployment.provider)
    assert (entry.chain_id, entry.protocol, entry.development) == (31337, Protocol.AAVE_V3, True)
    assert entry.from_block == small.deployment.first_block


def play_ten_people(chain: Chain, artifacts: Artifacts) -> None:
    path = price_path(2, 60)
    deployment = deploy_market(chain, artifacts, seed=2, start_timestamp=START, start_prices=path.days[0])
    people = mixed_borrowers(2, 10, 60)
    run = MarketRun(chain, deployment, people, path, seed=2, start_timestamp=START + DAY_S)
    run.open_market()
    for day in range(60):
        run.play_day(day)


def test_market__on_anvil_and_in_process__emits_the_same_logs() -> None:
    artifacts, sink = aave_artifacts_or_skip(), KeptBlocks()

    play_ten_people(PyrevmChain(ChainId(31337), seed=2, sink=sink), artifacts)
    with anvil_from(START - DAY_S) as url, anvil_under_control(url) as anvil:
        play_ten_people(anvil, artifacts)
        seen = anvil.rpc.call("eth_getLogs", {"fromBlock": "0x0"})

    ours = [
        (block.number, place, "0x" + log.address.hex(), tuple("0x" + topic.hex() for topic in log.topics), log.data)
        for block in sink.blocks
        for place, transaction in enumerate(block.transactions)
        for log in transaction.logs
    ]
    assert isinstance(seen, list)
    theirs = [
        (
            int(str(log["blockNumber"]), 16),
            int(str(log["transactionIndex"]), 16),
            log["address"],
            tuple(log["topics"]) if isinstance(log["topics"], list) else (),
            octets(log["data"]),
        )
        for log in seen
        if isinstance(log, dict)
    ]
    assert len(ours) > 200
    assert theirs == ours


def test_simulate__progress__reaches_the_last_day(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    started = time.monotonic()

    market = simulate(
        aave_artifacts_or_skip(),
        tmp_path / "x",
        borrowers=5,
        days=4,
        progress=lambda done, of: steps.append((done, of)),
    )

    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert 0 < market.seconds <= time.monotonic() - started
