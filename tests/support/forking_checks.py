"""Whether a system on a forking chain came to what a replay of the chain comes to: log, tables, states and scores."""

from dataclasses import dataclass, field

from bonafides.database import transaction
from bonafides.events import (
    Boundary,
    BoundaryMark,
    ForkEpoch,
    LendingEvent,
    MarketPoint,
    WalletDeadLetter,
    is_void,
)
from bonafides.messages import EventBatch, MarketBatch, decode
from bonafides.topics import MARKET, WALLET_EVENTS, partition_of
from bonafides.types import Address, Digest, Finality
from bonafides_scoring.fold import encode_state
from bonafides_scoring.knowledge import dead_letters_by_wallet, states_by_wallet
from bonafides_scoring.store.market import LoggedBoundary, latest_points

from tests.support.forking_market import MARKETS
from tests.support.forking_replay import BranchReplay, Replays, without_epoch
from tests.support.forking_system import ForkSystem, rows
from tests.support.ingest_logs import CHAIN

FAR = 2**62
"""Above every offset."""


@dataclass
class Copies[F: (LendingEvent, MarketPoint)]:
    """Copies of facts as a consumer keeps them: of each fact the one of the highest precedence."""

    best: dict[Digest, F] = field(default_factory=dict)
    said: dict[tuple[Digest, tuple[int, int]], F] = field(default_factory=dict)

    def add(self, fact: F) -> None:
        key = (fact.id, fact.precedence)
        assert self.said.setdefault(key, fact) == fact, "two copies of one precedence say different things"
        if fact.id not in self.best or self.best[fact.id].precedence < fact.precedence:
            self.best[fact.id] = fact

    def known(self, block_number: int, epochs: tuple[ForkEpoch, ...]) -> set[F]:
        """What counts up to a block."""
        return without_epoch(
            [
                fact
                for fact in self.best.values()
                if fact.position.block.number <= block_number
                and not is_void(fact.position.block.number, fact.fork_epoch, epochs)
            ]
        )


@dataclass
class LogReader:
    """Reads the topics as consumers do, and holds every boundary to its word."""

    system: ForkSystem
    replays: Replays
    boundaries: list[Boundary] = field(default_factory=list)

    def check(self) -> None:
        """At every boundary, in every partition that it tells: just what a replay up to its block says."""
        self._read_market()
        for number, at in enumerate(self.system.broker.partitions(WALLET_EVENTS.name)):
            self._read_partition(number, self.system.broker.logs[at])

    def epochs(self, number: int) -> tuple[ForkEpoch, ...]:
        """What the boundaries up to this one list."""
        return tuple({e for b in self.boundaries if b.number <= number for e in b.fork_epochs})

    def _read_market(self) -> None:
        (at,) = self.system.broker.partitions(MARKET.name)
        points: Copies[MarketPoint] = Copies()
        for value in self.system.broker.logs[at]:
            match decode(value):
                case MarketBatch(batch):
                    for point in batch:
                        points.add(point)
                case Boundary() as boundary if boundary.number <= len(self.boundaries):
                    assert boundary == self.boundaries[boundary.number - 1], "a boundary was sent with another content"
                case Boundary() as boundary:
                    assert boundary.number == len(self.boundaries) + 1, "a boundary is missing"
                    self.boundaries.append(boundary)
                    replay = self.replays.at(boundary.block)
                    known = points.known(boundary.block.number, self.epochs(boundary.number))
                    _compare(known, set(replay.points), boundary, "market")

    def _read_partition(self, partition: int, log: list[bytes]) -> None:
        events: Copies[LendingEvent] = Copies()
        told = 0
        for value in log:
            match decode(value):
                case EventBatch(batch):
                    for event in batch:
                        events.add(event)
                case BoundaryMark() as mark if mark.number > told:
                    told = mark.number
                    boundary = self.boundaries[mark.number - 1]
                    true = {
                        event
                        for event in self.replays.at(boundary.block).events
                        if partition_of(event.wallet, WALLET_EVENTS) == partition
                    }
                    known = events.known(boundary.block.number, self.epochs(mark.number))
                    _compare(known, true, boundary, f"partition {partition}")
                case BoundaryMark() | WalletDeadLetter():
                    pass
                case other:
                    raise AssertionError(f"a {type(other).__name__} in {WALLET_EVENTS.name}")


def check_converged(system: ForkSystem) -> LogReader:
    """Everything is read, and all of it is what a replay of the chain says. For a system that has settled."""
    head = system.chain.head
    replays = Replays(system.chain)
    replay = replays.at(head.ref)
    replay.check_ledger()
    reader = LogReader(system, replays)
    reader.check()

    last = reader.boundaries[-1]
    assert (last.block, last.finality) == (head.ref, Finality.FINALIZED)
    assert [row.deployment for row in last.coverage] == [m.deployment.id for m in MARKETS[: system.markets]]
    assert not any(row.gaps for row in last.coverage)
    _check_ingest(system, replay)
    if system.is_scoring:
        _check_scoring(system, reader, replay)
    return reader


def _compare[F: (LendingEvent, MarketPoint)](known: set[F], true: set[F], boundary: Boundary, where: str) -> None:
    """Nothing but the truth is known, and all of it that the coverage says was read."""
    invented = known - true
    assert not invented, f"{where}, boundary {boundary.number}: {len(invented)} facts of another branch: {invented}"
    read = {fact for fact in true if _is_covered(fact, boundary)}
    missing = read - known
    assert not missing, f"{where}, boundary {boundary.number}: {len(missing)} facts are missing: {missing}"


def _is_covered(fact: LendingEvent | MarketPoint, boundary: Boundary) -> bool:
    block = fact.position.block.number
    return any(
        row.deployment == fact.deployment
        and row.scanned_from <= block <= row.complete_to
        and not any(gap.first <= block <= gap.last for gap in row.gaps)
        for row in boundary.coverage
    )


def _check_ingest(system: ForkSystem, replay: BranchReplay) -> None:
    """Its tables: cursor, ranges, ring, dead letters."""
    owner, head = system.stored.owner, system.chain.head
    names = [market.deployment.id for market in MARKETS[: system.markets]]
    (chain,) = rows(owner, "SELECT * FROM ingest.chain")
    assert (chain["tip_number"], bytes(chain["tip_hash"])) == (head.number, head.ref.hash)  # type: ignore[call-overload]
    assert chain["final_number"] == head.number
    ranges = rows(owner, "SELECT * FROM ingest.done_range ORDER BY deployment, first_block")
    done = [(row["deployment"], row["first_block"], row["last_block"]) for row in ranges]
    assert done == [(name, 1, head.number) for name in names]
    ring = rows(owner, "SELECT number, hash FROM ingest.live_block")  # the newest final block alone, or none
    assert [(row["number"], row["hash"]) for row in ring] in (
        [],
        [(head.number, bytes(head.ref.hash))],
    )
    assert rows(owner, "SELECT number FROM ingest.boundary WHERE NOT is_sent") == []
    letters = rows(owner, "SELECT deployment, block_hash, log_index FROM ingest.dead_letter")
    kept = {(row["deployment"], bytes(row["block_hash"]), row["log_index"]) for row in letters}  # type: ignore[call-overload]
    true = {
        (refusal.deployment, refusal.log.position.block.hash, refusal.log.position.log_index)
        for refusal in replay.refused
        if refusal.deployment in names
    }
    assert kept == true


def _check_scoring(system: ForkSystem, reader: LogReader, replay: BranchReplay) -> None:
    """States, market and every finalized answer ever given."""
    engine, last = system.stored.scoring, reader.boundaries[-1]
    deployments = frozenset(row.deployment for row in last.coverage)
    wallets = sorted({event.wallet for event in replay.events if event.deployment in deployments})
    logged = LoggedBoundary(last, FAR)
    with transaction(engine) as connection:
        states = states_by_wallet(connection, wallets, (logged,), FAR)
        letters = dead_letters_by_wallet(connection, wallets, (logged,), FAR)
        points = latest_points(connection, last.block, below_offset=FAR, epochs=reader.epochs(last.number))
    for wallet in wallets:
        assert [encode_state(state) for state in states[wallet]] == [encode_state(replay.state(wallet, deployments))]
        assert letters.get(wallet, 0) == len(replay.letters(wallet, deployments)), "dead letters of a wallet"
    assert without_epoch(points) == set(replay.view(deployments).points.values())
    _check_results(system, reader, replay, wallets)


def _check_results(system: ForkSystem, reader: LogReader, replay: BranchReplay, wallets: list[Address]) -> None:
    owner, last = system.stored.owner, reader.boundaries[-1]
    issued: dict[tuple[int, Address], Digest] = {}
    query = (
        "SELECT score_id AS id, wallets, boundary_number FROM scoring.score UNION ALL "
        "SELECT result_id, wallets, boundary_number FROM scoring.unscorable"
    )
    for row in rows(owner, query):
        number, subject = int(str(row["boundary_number"])), row["wallets"]
        assert isinstance(subject, list)
        wallet = Address(bytes(subject[0]))
        boundary = reader.boundaries[number - 1]
        assert boundary.finality is Finality.FINALIZED, "a finalized answer at a block that was not final"
        at_boundary = reader.replays.at(boundary.block)
        issued[number, wallet] = Digest(bytes(row["id"]))  # type: ignore[call-overload]
        assert issued[number, wallet] == at_boundary.result_id(wallet, boundary), "an answer that no replay gives"
    deployments = frozenset(row.deployment for row in last.coverage)
    assert any(boundary.is_scoring and boundary.block == last.block for boundary in reader.boundaries)
    for wallet in wallets:
        numbers = [number for number, owner_of in issued if owner_of == wallet]
        assert numbers, "a wallet without an answer"
        newest = reader.boundaries[max(numbers) - 1]
        then = reader.replays.at(newest.block)
        read_then = frozenset(row.deployment for row in newest.coverage)
        assert then.state(wallet, read_then) == replay.state(wallet, deployments), "an answer that is out of date"
        assert then.letters(wallet, read_then) == replay.letters(wallet, deployments)
    for row in rows(owner, "SELECT wallet, chain_id, boundary_number FROM scoring.provisional_result"):
        boundary = reader.boundaries[int(str(row["boundary_number"])) - 1]
        block = system.chain.at(boundary.block.number)
        assert block is not None, "a provisional answer above the head"
        assert block.ref == boundary.block, "a provisional answer at a block of another branch"
    assert all(boundary.block.chain_id == CHAIN for boundary in reader.boundaries)
