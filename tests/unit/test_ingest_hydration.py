"""Hydration without a node: what is asked for, what is held back, and the law over made-up histories."""

from dataclasses import dataclass, field
from random import Random

import pytest
from bonafides.types import Address, Digest, Protocol
from bonafides_ingest.deployments import Deployment
from bonafides_ingest.hydration.configuration import Configuration
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.protocols.compound_v3 import events as comet_abi
from bonafides_ingest.protocols.compound_v3.state import CompoundV3Deployment
from bonafides_ingest.protocols.maker.deployment import MakerDeployment
from bonafides_ingest.protocols.search import Criteria, merged, naming, topic_of
from bonafides_ingest.registry import load_registry
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.comet_model import CometModel
from tests.support.hydration_past import Hydrations, PastOfLogs, check_every_wallet
from tests.support.ingest_logs import (
    CHAIN,
    CONFIGURATOR,
    DEPLOYMENT,
    POOL,
    RAY,
    TREASURY,
    ChainOfLogs,
    ListedReserve,
    address,
    encode_event,
)

pytestmark = pytest.mark.unit

ALICE, BOB, CAROL, COMET, DOLLAR = (address(name) for name in ("alice", "bob", "carol", "comet", "dollar"))
FEED = ListedReserve.of("WETH").feed
PEOPLE = (ALICE, BOB, CAROL, FEED, POOL, TREASURY)
"""Some of them contracts: anybody can supply for them."""


def _text(contract: Address) -> str:
    return "0x" + contract.hex()


COMET_ENTRY = CompoundV3Deployment.model_validate(
    {
        "id": "comet-test",
        "chain_id": CHAIN,
        "protocol": Protocol.COMPOUND_V3,
        "comet": _text(COMET),
        "base": _text(DOLLAR),
        "from_block": 1,
        "source": "@compound-finance/compound-js@0.6.2",
        "development": True,
    }
)


@dataclass
class Market:
    """Aave V3 and a Comet on one chain, told what happens by logs alone."""

    chain: ChainOfLogs = field(default_factory=ChainOfLogs)
    block: int = 1

    def __post_init__(self) -> None:
        self.reserves = [self.chain.list_reserve(1, "WETH")]

    def play(self, random: Random, acts: int) -> None:
        for number in range(acts):
            self.block += random.randint(0, 3)
            if number == acts // 2:
                self.block += 1
                self.reserves.append(self.chain.list_reserve(self.block, "USDC"))
                self.block += 1
            self._act(random, self.block, 10 + number)

    def _act(self, random: Random, block: int, tx: int) -> None:
        reserve, wallet, other = random.choice(self.reserves), random.choice(PEOPLE), random.choice(PEOPLE)
        emit = self.chain.emit
        match random.randrange(9):
            case 0:
                emit(block, tx, reserve.a_token, abi.MINT, wallet, other, 100, 0, RAY)
                emit(block, tx, POOL, abi.SUPPLY, reserve.asset, wallet, other, 100, 0)
            case 1:
                emit(block, tx, reserve.variable_debt_token, abi.MINT, wallet, other, 50, 0, RAY)
                emit(block, tx, POOL, abi.BORROW, reserve.asset, wallet, other, 50, 2, 0, 0)
            case 2:
                emit(block, tx, reserve.a_token, abi.BALANCE_TRANSFER, wallet, other, 10, RAY)
            case 3:
                emit(block, tx, POOL, abi.USER_EMODE_SET, wallet, 1)
            case 4:  # a treasury more: from here on it is no wallet
                new = (reserve.asset, POOL, wallet, bytes(20), 18, "Aave", "a", b"")
                emit(block, tx, reserve.a_token, abi.INITIALIZED, *new)
            case 5:
                topics, payload = encode_event(abi.REPAY, (reserve.asset, wallet, other, 1, False))
                self.chain.emit_raw(block, tx, POOL, topics, payload[:-1])
            case 6:
                emit(block, tx, reserve.variable_debt_token, abi.DISCOUNT_PERCENT_UPDATED, wallet, 0, 2_000)
            case 7:
                emit(block, tx, COMET, comet_abi.SUPPLY_COLLATERAL, wallet, other, reserve.asset, 5)
                emit(block, tx, COMET, comet_abi.TRANSFER_COLLATERAL, other, wallet, reserve.asset, 3)
            case _:
                emit(block, tx, CONFIGURATOR, abi.COLLATERAL_CONFIGURED, reserve.asset, 8000, 8250, 10500)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), acts=st.integers(2, 40), most_blocks=st.sampled_from([1, 3, 10**9]))
def test_hydration__any_history_of_two_protocols__every_wallets_events_and_holes_are_the_scans(
    seed: int, acts: int, most_blocks: int
) -> None:
    market = Market()
    market.play(Random(seed), acts)

    check_every_wallet(market.chain.logs, [DEPLOYMENT, COMET_ENTRY], most_blocks=most_blocks)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), acts=st.integers(1, 40))
def test_hydration__any_life_of_comets_base__every_wallets_events_are_the_scans(seed: int, acts: int) -> None:
    random, model = Random(seed), CometModel(COMET)
    for _ in range(acts):
        model.is_bundling = random.random() < 0.3
        model.supply_index += random.randrange(10**12)
        model.borrow_index += random.randrange(10**12)
        who, other = random.choice(PEOPLE[:3]), random.choice(PEOPLE[:3])
        action = random.choice((model.supply, model.withdraw, model.transfer))
        action(who, other, random.randrange(1, 10**6))
    if model.chain.logs:
        check_every_wallet(model.chain.logs, [COMET_ENTRY])


def test_hydration__two_wallets__ask_once_for_the_configuration() -> None:
    market = Market()
    market.play(Random(1), 30)
    logs = sorted(market.chain.logs, key=lambda log: log.position.order)
    past = PastOfLogs(logs)
    hydrations = Hydrations(past, [DEPLOYMENT], market.block)
    hydrations.of(ALICE)
    first = len(past.finds)

    hydrations.of(BOB)

    assert (first, len(past.finds)) == (3, 4)  # listings, their tokens besides, the wallet; the other wallet


def test_hydration__ever_more_final_blocks__configuration_goes_on_where_it_was() -> None:
    market = Market()
    market.play(Random(2), 40)
    logs = sorted(market.chain.logs, key=lambda log: log.position.order)
    past, configuration = PastOfLogs(logs), Configuration.of([DEPLOYMENT])
    for last in (0, 1, market.block // 2, market.block // 2, market.block):
        list(configuration.read_to(past, last))
    whole = Configuration.of([DEPLOYMENT])
    list(whole.read_to(PastOfLogs(logs), market.block))

    assert configuration.logs == whole.logs


@pytest.mark.parametrize("name", ["compound-v2-ethereum", "maker-ethereum"])
def test_hydration__protocol_whose_logs_hang_together__stands_as_a_gap(name: str) -> None:
    (entry,) = [entry for entry in load_registry(None).deployments if entry.id == name]
    chain = ChainOfLogs()
    chain.emit(1, 0, address("somebody"), abi.USER_EMODE_SET, ALICE, 1)

    sent = Hydrations(PastOfLogs(chain.logs), [entry], entry.from_block + 10).of(ALICE)

    (coverage,) = sent.hydrated[0].coverage
    assert [(gap.first, gap.last) for gap in coverage.gaps] == [(entry.from_block, entry.from_block + 10)]
    assert sent.events == ()


def test_hydration__unreadable_log_of_nobody_in_the_wallets_transaction__is_counted_in_the_coverage() -> None:
    chain = ChainOfLogs()
    chain.list_reserve(1, "WETH")
    chain.emit(2, 0, POOL, abi.USER_EMODE_SET, ALICE, 1)
    topics, payload = encode_event(abi.USER_EMODE_SET, (BOB, 1))
    chain.emit_raw(2, 0, POOL, topics[:1], payload)

    sent = Hydrations(PastOfLogs(chain.logs), [DEPLOYMENT], 5).of(ALICE)

    assert [coverage.dead_letters for coverage in sent.hydrated[0].coverage] == [1]
    assert sent.letters == ()


def test_hydration__blocks_above_the_last_final_one__are_not_read() -> None:
    chain = ChainOfLogs()
    chain.list_reserve(1, "WETH")
    for block in (3, 4, 5):
        chain.emit(block, 0, POOL, abi.USER_EMODE_SET, ALICE, block)

    sent = Hydrations(PastOfLogs(chain.logs), [DEPLOYMENT], 4, epoch=9).of(ALICE)

    assert [(event.amount, event.fork_epoch) for event in sent.events] == [(3, 9), (4, 9)]


def test_merged__same_places__become_one_question() -> None:
    first, second = naming([POOL], [abi.SUPPLY.topic0], ALICE), naming([COMET], [comet_abi.SUPPLY.topic0], ALICE)

    asked = merged((*first, *second))

    anything, named = frozenset[Digest](), frozenset({topic_of(ALICE)})
    contracts, events = frozenset({POOL, COMET}), frozenset({abi.SUPPLY.topic0, comet_abi.SUPPLY.topic0})
    assert asked == (
        Criteria(contracts, (events, named)),
        Criteria(contracts, (events, anything, named)),
        Criteria(contracts, (events, anything, anything, named)),
    )


@pytest.mark.parametrize("entry", load_registry(None).deployments, ids=lambda entry: entry.id)
def test_configuration__packaged_registry__is_known_of_all_but_maker_and_compound_v2(entry: Deployment) -> None:
    is_hydrated = entry.id in Configuration.of([entry]).states

    assert is_hydrated == (entry.protocol not in (Protocol.COMPOUND_V2, Protocol.MAKER))
    assert isinstance(entry, MakerDeployment) <= (not is_hydrated)
