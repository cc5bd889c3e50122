"""Forks that have a name: each converges to what a replay of the chain says, in log, tables, states and scores.

`check_converged` also holds every boundary on the way to its word: what a consumer knows there is what a replay of that
block's branch says, also of branches that are gone now.
"""

from collections.abc import Iterator
from itertools import count

import pytest
from bonafides.errors import InvariantViolation, Unavailable
from bonafides.types import Finality
from bonafides_ingest.lease import Lease
from bonafides_ingest.sources.providers.refusals import NodeBehind

from tests.support.forking_chain import Block
from tests.support.forking_checks import LogReader, check_converged
from tests.support.forking_dangers import Danger, Strike
from tests.support.forking_market import LAST_WALLET, MARKETS, Act, ActKind
from tests.support.forking_node import Orphans
from tests.support.forking_system import LEASE_S, ForkDatabase, ForkSystem, fork_database, newest_read, rows

pytestmark = pytest.mark.integration

_nonces = count(1_000_000)


@pytest.fixture(scope="module")
def stored(local_postgres: str) -> Iterator[ForkDatabase]:
    with fork_database(local_postgres) as made:
        yield made


@pytest.fixture
def system(stored: ForkDatabase) -> Iterator[ForkSystem]:
    """Ten blocks, of which five are final, all of them read."""
    made = ForkSystem(stored)
    made.chain.extend(*(_block(number) for number in range(2, 11)))
    made.chain.finalize(5)
    made.run()
    made.run_worker()
    assert newest_read(made) == (10, made.chain.head.ref.hash)
    yield made
    made.close()


def _block(seed: int) -> tuple[Act, ...]:
    """A supply and a debt of one of the wallets, and at times a price."""
    wallet = seed % 3
    acts = [_act(ActKind.SUPPLY, wallet, 50 + seed), _act(ActKind.BORROW, wallet, 10 + seed)]
    return (*acts, _act(ActKind.PRICE, 0, seed)) if seed % 4 == 0 else tuple(acts)


def _act(kind: ActKind, wallet: int = 0, amount: int = 1, market: int = 0) -> Act:
    return Act(kind, next(_nonces), wallet, amount, market)


def _read_live(system: ForkSystem) -> None:
    """Everything up to the head is read, and the worker has it."""
    system.run()
    system.run_worker()
    assert newest_read(system) == (system.chain.head.number, system.chain.head.ref.hash)


def _settle(system: ForkSystem) -> LogReader:
    system.settle()
    return check_converged(system)


def _heads(reader: LogReader) -> list[int]:
    return [boundary.block.number for boundary in reader.boundaries if boundary.finality is Finality.HEAD]


def _told(reader: LogReader, blocks: list[Block]) -> int:
    """How many of these blocks a boundary of the head named."""
    named = {boundary.block for boundary in reader.boundaries if boundary.finality is Finality.HEAD}
    return len(named.intersection(block.ref for block in blocks))


def test_fork__straight_chain__is_read_live_and_then_final(system: ForkSystem) -> None:
    reader = _settle(system)

    assert _heads(reader)
    assert sum(boundary.is_scoring for boundary in reader.boundaries) >= 1


@pytest.mark.parametrize(
    ("depth", "longer"), [(depth, longer) for depth in range(1, 6) for longer in (-1, 0, 2) if depth + longer]
)
def test_fork__of_any_depth_above_finality__voids_the_old_branch(system: ForkSystem, depth: int, longer: int) -> None:
    gone = system.chain.replace(10 - depth, *(_block(20 + number) for number in range(depth + longer)))
    _read_live(system)

    reader = _settle(system)

    assert _told(reader, gone) >= 1
    assert any(epoch.fork_block == 11 - depth for b in reader.boundaries for epoch in b.fork_epochs)


def test_fork__twice_in_one_place__leaves_the_last_branch(system: ForkSystem) -> None:
    for seed in (20, 30):
        system.chain.replace(7, *(_block(seed + number) for number in range(3)))
        _read_live(system)

    _settle(system)


def test_fork__nested__leaves_the_innermost_branch(system: ForkSystem) -> None:
    system.chain.replace(6, *(_block(20 + number) for number in range(5)))
    _read_live(system)
    system.chain.replace(9, *(_block(30 + number) for number in range(4)))
    _read_live(system)
    system.chain.replace(8, *(_block(40 + number) for number in range(3)))
    _read_live(system)

    _settle(system)


def test_fork__and_back__counts_the_first_branch_once(system: ForkSystem) -> None:
    first = system.chain.head
    system.chain.replace(7, *(_block(20 + number) for number in range(3)))
    _read_live(system)
    second = system.chain.head
    for tip in (first, second, first):
        system.chain.go_to(tip)
        _read_live(system)

    reader = _settle(system)

    assert system.chain.is_canonical(first)
    assert _told(reader, [first]) == _told(reader, [second]) == 1


def test_fork__and_back_between_two_looks__goes_on_as_if_nothing_had_been(system: ForkSystem) -> None:
    first = system.chain.head
    epochs = rows(system.stored.owner, "SELECT count(*) AS n FROM ingest.fork_epoch")
    system.chain.replace(7, *(_block(20 + number) for number in range(3)))
    system.chain.go_to(first)
    system.chain.extend(_block(30))
    _read_live(system)

    assert rows(system.stored.owner, "SELECT count(*) AS n FROM ingest.fork_epoch") == epochs
    _settle(system)


def test_fork__head_goes_back_without_another_branch__ends_in_the_replay(system: ForkSystem) -> None:
    system.chain.replace(8)
    system.run()
    system.chain.extend(_block(20), _block(21), _block(22))
    _read_live(system)

    _settle(system)


def test_fork__seen_by_the_parent_of_the_next_block_alone__voids_the_old_branch(system: ForkSystem) -> None:
    gone = system.chain.replace(9, _block(20), _block(21))  # block 10 is another one, and the head is 11
    _read_live(system)

    reader = _settle(system)

    assert _told(reader, gone) == 1


def test_fork__during_a_backfill_of_a_second_deployment__fills_what_is_missing(system: ForkSystem) -> None:
    system.chain.extend([_act(ActKind.SUPPLY, 1, 5, market=1)], [_act(ActKind.BORROW, 1, 7, market=1)])
    _read_live(system)
    system.register_market()
    for seed in (20, 30, 40):
        system.turn()
        system.chain.replace(8, *([*_block(seed + n), _act(ActKind.SUPPLY, 2, seed, market=1)] for n in range(3)))
    _read_live(system)

    reader = _settle(system)

    assert {row.deployment for row in reader.boundaries[-1].coverage} == {m.deployment.id for m in MARKETS}


@pytest.mark.parametrize("is_down", [False, True])
@pytest.mark.parametrize("final", [7, 13, 30])
def test_fork__final_before_anybody_looked__is_read_as_final(system: ForkSystem, final: int, *, is_down: bool) -> None:
    if is_down:
        system.kill()
        system.end_leases()
    gone = system.chain.replace(6, *(_block(20 + number) for number in range(30)))
    system.chain.finalize(final)
    _read_live(system)

    reader = _settle(system)

    assert _told(reader, gone) >= 1


@pytest.mark.parametrize("ends", ["killed", "stopped"])
def test_fork__while_ingest_is_down__is_found_at_the_start(system: ForkSystem, ends: str) -> None:
    if ends == "stopped":
        system.stop()
    else:
        system.kill()
        system.end_leases()
    gone = system.chain.replace(7, *(_block(20 + number) for number in range(4)))
    _read_live(system)

    reader = _settle(system)

    assert _told(reader, gone) >= 1


def test_restart__without_a_fork__goes_on(system: ForkSystem) -> None:
    system.kill()
    system.end_leases()
    system.chain.extend(_block(20), _block(21))
    _read_live(system)

    _settle(system)


def test_fork__of_the_same_transactions__counts_them_in_their_new_blocks(system: ForkSystem) -> None:
    acts = [act for block in system.chain.head.down() if block.number > 7 for act in block.acts][::-1]
    system.chain.replace(7, acts[:1], (), acts[1:])
    _read_live(system)

    _settle(system)


def test_fork__of_the_block_that_listed_a_reserve__forgets_its_tokens(system: ForkSystem) -> None:
    system.chain.extend([_act(ActKind.LIST, 0, 5)], _block(20))
    _read_live(system)
    system.chain.replace(10, _block(21), [_act(ActKind.LIST, 1, 6)], _block(22))
    _read_live(system)

    _settle(system)


@pytest.mark.parametrize("is_restarted", [False, True])
def test_fork__above_a_reserve_that_was_listed_live__keeps_its_tokens(
    system: ForkSystem, *, is_restarted: bool
) -> None:
    system.chain.extend([_act(ActKind.LIST, 0, 5)], _block(20), _block(21))
    _read_live(system)
    system.chain.finalize(11)
    _read_live(system)
    if is_restarted:
        system.kill()
        system.end_leases()
    system.chain.replace(12, [_act(ActKind.SUPPLY, LAST_WALLET, 7)], _block(22))
    _read_live(system)

    _settle(system)


def test_fork__of_blocks_with_logs_that_cannot_be_read__leaves_no_dead_letter(system: ForkSystem) -> None:
    system.chain.extend([_act(ActKind.UNREADABLE_OF_WALLET, 0), _act(ActKind.UNREADABLE_OF_NOBODY)], _block(20))
    _read_live(system)
    system.chain.replace(10, _block(21), [_act(ActKind.UNREADABLE_OF_WALLET, 1)])
    _read_live(system)

    _settle(system)

    letters = rows(system.stored.owner, "SELECT block_number FROM ingest.dead_letter")
    assert [row["block_number"] for row in letters] == [12]


@pytest.mark.parametrize("orphans", list(Orphans))
def test_fork__between_any_two_questions__reads_no_mixture(system: ForkSystem, orphans: Orphans) -> None:
    system.is_scoring, system.node.orphans = False, orphans
    for calls in range(1, 16):
        system.chain.extend(_block(20), _block(21))
        system.node.after_calls(calls, lambda: _fork_at(system, system.chain.head.number - 1))
        system.turn()
        _read_live(system)

    _settle(system)


def _fork_at(system: ForkSystem, keep: int) -> None:
    system.chain.replace(keep, *(_block(50 + number) for number in range(3)))


@pytest.mark.parametrize("strike", [s for s in Strike if s is not Strike.SLEEPS])
@pytest.mark.parametrize("is_at_commit", [False, True])
def test_turn__struck_at_any_effect_between_two_forks__ends_in_the_replay(
    system: ForkSystem, strike: Strike, *, is_at_commit: bool
) -> None:
    system.is_scoring = False  # what a worker makes of the log is the same for all of them
    for effect in range(1, 7):
        _fork_at(system, 8)
        if effect % 2:
            system.turn()  # takes the old branch back; the next turn sends the new one
        system.turn(danger=Danger(effect, strike, is_at_commit))
        system.end_leases()
        _fork_at(system, 9)
        _read_live(system)

    assert system.stored.ingest_dangers.struck
    _settle(system)


@pytest.mark.parametrize("strike", [s for s in Strike if s is not Strike.SLEEPS])
def test_graduation__struck_at_any_commit__ends_in_the_replay(system: ForkSystem, strike: Strike) -> None:
    """Blocks become final while new ones come and the process is struck, again and again."""
    for effect in range(1, 12):
        system.chain.extend(_block(effect))
        system.chain.finalize(system.chain.head.number - 4)
        system.turn(danger=Danger(effect, strike, is_at_commit=True))
        system.end_leases()

    _read_live(system)
    _settle(system)


@pytest.mark.parametrize("strike", [s for s in Strike if s is not Strike.SLEEPS])
def test_worker__struck_at_any_commit_between_two_forks__ends_in_the_replay(system: ForkSystem, strike: Strike) -> None:
    for effect in range(1, 5):
        _fork_at(system, 8)
        system.run()
        system.work(Danger(effect, strike, is_at_commit=True))
        system.work()
        _fork_at(system, 9)
        _read_live(system)

    _settle(system)


@pytest.mark.parametrize("effect", range(1, 4))
@pytest.mark.parametrize("forks", [False, True])
def test_zombie__sends_under_its_old_epoch_after_a_take_over__is_void(
    system: ForkSystem, effect: int, *, forks: bool
) -> None:
    system.chain.extend(_block(20), _block(21))
    if forks:
        system.when_asleep = lambda: _fork_at(system, 9)
    system.turn(danger=Danger(effect, Strike.SLEEPS))
    for _ in range(3):  # it wakes, and finds that it is one
        system.turn()
    system.run(1)

    assert system.stored.ingest_dangers.struck
    _settle(system)


def test_lease__comes_back_after_another_replica_had_it__goes_on_from_what_that_one_told(system: ForkSystem) -> None:
    """Without a pause in which the first would have seen that it lost it."""
    for number in (1, 0, 1, 0):
        system.end_leases()
        system.chain.extend(_block(20 + number))
        system.run(number)

    _settle(system)


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("final", [5, 8, 25])
def test_conflict__below_finality__stops_and_rewinds_nothing(
    system: ForkSystem, final: int, *, is_restarted: bool
) -> None:
    before, sent = _everything(system), {at: len(log) for at, log in system.broker.logs.items()}
    if is_restarted:
        system.stop()
    system.chain.replace_even_final(3, *(_block(20 + number) for number in range(final + 4)))
    system.chain.finalize(final)

    for _ in range(2):  # starting again skips nothing
        with pytest.raises(InvariantViolation):
            system.run()

    assert _everything(system) == before
    assert {at: len(log) for at, log in system.broker.logs.items()} == sent


def _everything(system: ForkSystem) -> object:
    owner = system.stored.owner
    return [
        rows(owner, "SELECT tip_number, tip_hash, final_number FROM ingest.chain"),
        rows(owner, "SELECT * FROM ingest.done_range ORDER BY deployment, first_block"),
        rows(owner, "SELECT * FROM ingest.live_block ORDER BY number"),
        rows(owner, "SELECT number FROM ingest.boundary ORDER BY number"),
        rows(owner, "SELECT * FROM ingest.dead_letter"),
    ]


def test_node__still_syncing__is_waited_for_and_nothing_else(system: ForkSystem) -> None:
    before, sent = _everything(system), {at: len(log) for at, log in system.broker.logs.items()}
    system.node.is_syncing = True

    for _ in range(5):
        system.turn()

    assert [type(failure) for failure in system.failures] == [NodeBehind] * 5
    assert _everything(system) == before
    assert {at: len(log) for at, log in system.broker.logs.items()} == sent
    system.node.is_syncing = False
    _settle(system)


def test_fork__deeper_after_the_answer_to_a_rewind_was_lost__voids_what_the_first_branch_said(
    system: ForkSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.chain.replace(7, *(_block(20 + number) for number in range(4)))
    head = system.replica(0)._head
    assert head is not None
    rewind = head.ring.rewind

    def lost(lease: Lease, above: int, partitions: frozenset[int]) -> Lease:
        rewind(lease, above, partitions)
        raise Unavailable("the answer to the commit was lost")

    with monkeypatch.context() as patch:
        patch.setattr(head.ring, "rewind", lost)
        system.turn()
    system.chain.replace(5, *(_block(40 + number) for number in range(7)))
    _read_live(system)

    assert [type(failure) for failure in system.failures] == [Unavailable]
    _settle(system)


def test_fork__deeper_after_a_rewind_and_final_before_anybody_looked__voids_what_the_first_branch_said(
    system: ForkSystem,
) -> None:
    system.chain.replace(7, *(_block(20 + number) for number in range(4)))
    system.turn()  # takes the old branch back and sends nothing yet
    system.chain.replace(5, *(_block(40 + number) for number in range(12)))
    system.chain.finalize(12)
    _read_live(system)

    _settle(system)


def test_fork__deeper_after_a_rewind_while_a_second_deployment_begins__voids_what_the_first_branch_said(
    system: ForkSystem,
) -> None:
    system.register_market()
    system.turn()
    system.chain.replace(7, *(_block(20 + number) for number in range(4)))
    system.turn()
    system.chain.replace(5, *(_block(40 + number) for number in range(8)))
    _read_live(system)

    _settle(system)


def test_lease__holders_node_answers_for_no_logs__another_replica_follows_the_head(
    system: ForkSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.run(1)
    holder = system.replica(0)

    def refused(*_: object) -> None:
        raise Unavailable("quota used up until the end of the month")

    monkeypatch.setattr(holder.head_source, "logs_of", refused)
    monkeypatch.setattr(holder.source, "fetch", refused)
    for seed in range(4):
        system.chain.extend(_block(20 + seed))
        for number in (0, 1):
            system.turn(number)
        system.clock.time += LEASE_S / 2
    system.run(1)

    assert newest_read(system) == (14, system.chain.head.ref.hash)
