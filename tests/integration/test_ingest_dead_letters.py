"""A decoder that could not read logs is mended: the letters are replayed, and the wallets' histories are whole."""

from collections.abc import Iterator
from itertools import count

import pytest
from bonafides.database import transaction
from bonafides.errors import Unavailable
from bonafides.events import BlockRange, Boundary
from bonafides.messages import decode
from bonafides.testing.memory_bus import MemoryProducer
from bonafides.topics import MARKET
from bonafides.types import Address, Finality
from bonafides_ingest.dead_letters.replay import Replay, ReplayReport
from bonafides_ingest.dead_letters.store import DeadLetterStore
from bonafides_ingest.decoders import DECODER_VERSION
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.sources.rpc import RpcSource
from bonafides_scoring.fold import encode_state
from bonafides_scoring.knowledge import dead_letters_by_wallet, states_by_wallet
from bonafides_scoring.store.market import LoggedBoundary

from tests.support.forking_checks import FAR
from tests.support.forking_market import MARKETS, WALLETS, Act, ActKind
from tests.support.forking_replay import Replays
from tests.support.forking_system import ForkDatabase, ForkSystem, fork_database, rows
from tests.support.ingest_dead_letters import BROKEN, OLDER, older_decoder
from tests.support.ingest_logs import CHAIN

pytestmark = pytest.mark.integration

ALICE, BOB = WALLETS[:2]
DEPLOYMENT = MARKETS[0].deployment
BROKEN_BLOCKS = BlockRange(5, 6)
_nonces = count(2_000_000)


@pytest.fixture(scope="module")
def stored(local_postgres: str) -> Iterator[ForkDatabase]:
    with fork_database(local_postgres) as made:
        yield made


def _block(number: int) -> tuple[Act, ...]:
    wallet = number % 2  # Bob in odd blocks
    return (
        Act(ActKind.SUPPLY, next(_nonces), wallet, 1_000 + number),
        Act(ActKind.BORROW, next(_nonces), wallet, 10 + number),
    )


@pytest.fixture
def system(stored: ForkDatabase) -> Iterator[ForkSystem]:
    """Twelve blocks, all final and scored; an older decoder could not read the aTokens' Mint in two of them."""
    made = ForkSystem(stored)
    made.chain.extend(*(_block(number) for number in range(2, 13)))
    made.chain.finalize(12)
    with older_decoder(abi.MINT, blocks=BROKEN_BLOCKS):
        made.settle()
    yield made
    made.close()


def _letters(system: ForkSystem) -> DeadLetterStore:
    return DeadLetterStore(system.stored.ingest, CHAIN)


def _replay(system: ForkSystem, producer: MemoryProducer | None = None) -> ReplayReport:
    store = _letters(system)
    source = RpcSource(system.node, CHAIN, window_blocks=4, bloom_check_blocks=50)
    replay = Replay(source, system.replica(0).feeds, store, producer or MemoryProducer(system.broker))
    return replay.run(DEPLOYMENT, store.letters(), system.replica(0).stores.store.done_ranges()[DEPLOYMENT.id])


def _boundary(system: ForkSystem) -> LoggedBoundary:
    """The newest finalized one."""
    (at,) = system.broker.partitions(MARKET.name)
    found = [one for value in system.broker.logs[at] if isinstance(one := decode(value), Boundary)]
    return LoggedBoundary([one for one in found if one.finality is Finality.FINALIZED][-1], FAR)


def _holes(system: ForkSystem) -> dict[Address, int]:
    with transaction(system.stored.scoring) as connection:
        return dead_letters_by_wallet(connection, [ALICE, BOB], (_boundary(system),), FAR)


def _newest_answers(system: ForkSystem) -> dict[bytes, object]:
    """By wallet the reason why it has no score; None: it has one."""
    query = (
        "SELECT wallets, boundary_number, NULL AS reason FROM scoring.score UNION ALL "
        "SELECT wallets, boundary_number, reason FROM scoring.unscorable ORDER BY boundary_number"
    )
    found = {}
    for row in rows(system.stored.owner, query):
        wallets = row["wallets"]
        assert isinstance(wallets, list)
        found[bytes(wallets[0])] = row["reason"]
    return found


def test_replay__a_mended_decoder__the_histories_are_whole_and_scored(system: ForkSystem) -> None:
    assert _holes(system) == {ALICE: 1, BOB: 1}
    assert (
        _boundary(system).boundary.coverage[0].dead_letters == 2
    )  # an unread Mint of an aToken costs no wallet a debt
    assert {_newest_answers(system)[wallet] for wallet in (ALICE, BOB)} == {"history_incomplete"}
    letters = _letters(system).letters()
    assert [one.block_number for one in letters] == [5, 5, 6, 6]  # of the aToken and of the debt token
    assert {(one.reason, one.decoder_version) for one in letters} == {(BROKEN, OLDER)}

    report = _replay(system)
    system.settle()

    assert (report.mended, report.unfinished, report.still_unreadable) == (4, 0, 0)
    assert (_letters(system).letters(), _holes(system)) == ((), {})
    assert _boundary(system).boundary.coverage[0].dead_letters == 0
    replay, deployments = Replays(system.chain).at(system.chain.head.ref), frozenset({DEPLOYMENT.id})
    with transaction(system.stored.scoring) as connection:
        states = states_by_wallet(connection, [ALICE, BOB], (_boundary(system),), FAR)
    for wallet in (ALICE, BOB):
        assert [encode_state(state) for state in states[wallet]] == [encode_state(replay.state(wallet, deployments))]
        assert _newest_answers(system)[wallet] != "history_incomplete"


def test_replay__a_mended_decoder__the_next_boundary_tells_the_partitions_that_got_something(
    system: ForkSystem,
) -> None:
    assert rows(system.stored.owner, "SELECT pending_partitions FROM ingest.chain")[0]["pending_partitions"] == []

    _replay(system)

    (chain,) = rows(system.stored.owner, "SELECT pending_partitions FROM ingest.chain")
    assert len(chain["pending_partitions"]) == 2  # type: ignore[arg-type]  # Alice's and Bob's
    assert [letter.is_mended for letter in _letters(system).letters(with_mended=True)] == [True] * 4


class DyingProducer(MemoryProducer):
    """Dies when all of it is in the log, and nobody knows."""

    def flush(self) -> None:
        super().flush()
        raise Unavailable("the process dies")


def test_replay__killed_behind_the_flush_and_run_again__counts_once(system: ForkSystem) -> None:
    with pytest.raises(Unavailable):
        _replay(system, DyingProducer(system.broker))
    system.end_leases()
    system.settle()  # the flow goes on in between, under another epoch

    _replay(system)
    system.settle()

    assert _holes(system) == {}
    replay = Replays(system.chain).at(system.chain.head.ref)
    with transaction(system.stored.scoring) as connection:
        states = states_by_wallet(connection, [ALICE], (_boundary(system),), FAR)
    assert [*map(encode_state, states[ALICE])] == [encode_state(replay.state(ALICE, frozenset({DEPLOYMENT.id})))]


def test_replay__the_decoder_is_still_broken__the_row_keeps_its_version_and_the_hole_stays(
    system: ForkSystem,
) -> None:
    with older_decoder(abi.MINT, version=DECODER_VERSION):
        report = _replay(system)
    system.settle()

    assert (report.mended, report.still_unreadable) == (0, 4)
    assert {letter.decoder_version for letter in _letters(system).letters()} == {OLDER}
    assert _holes(system) == {ALICE: 1, BOB: 1}
