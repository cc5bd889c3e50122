"""Reading dead letters again: what a mended decoder says of a chain is, in the end, what it had said from the start."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from bonafides.errors import InvalidInput, InvariantViolation, Unavailable
from bonafides.events import BlockRange, LendingEvent, MarketPoint
from bonafides.messages import EventBatch, MarketBatch, decode
from bonafides.testing.memory_bus import MemoryAdmin, MemoryBroker, MemoryProducer
from bonafides.topics import MARKET, TOPICS, WALLET_EVENTS, dead_letter_topic, partition_of
from bonafides.types import Address, BlockRef, Digest
from bonafides_ingest.chain import Window
from bonafides_ingest.dead_letters import replay as replay_module
from bonafides_ingest.dead_letters.checkpoint import Checkpoint, CheckpointFile
from bonafides_ingest.dead_letters.mending import Mended, read_both
from bonafides_ingest.dead_letters.replay import CONSEQUENCES, GONE, SILENT, Replay, ReplayReport
from bonafides_ingest.dead_letters.store import Place
from bonafides_ingest.decoders import DECODER_VERSION
from bonafides_ingest.feeds import DirectFeeds
from bonafides_ingest.outgoing import letter_records, records_of
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.protocols.decoded import Decoded

from tests.support.ingest_dead_letters import BROKEN, OLDER, KeptLetters, letters_of, older_decoder, read_all
from tests.support.ingest_logs import DEPLOYMENT, RAY, ChainOfLogs, address, block_at

pytestmark = pytest.mark.unit

ALICE, BOB = address("alice"), address("bob")
DONE = (BlockRange(1, 100),)


@dataclass
class World:
    """A chain, the log it was sent to, and its letters."""

    chain: ChainOfLogs
    broker: MemoryBroker
    letters: KeptLetters

    def replay(self, producer: MemoryProducer | None = None, *, is_dry: bool = False) -> ReplayReport:
        sender = None if is_dry else producer or MemoryProducer(self.broker)
        return Replay(self.chain, DirectFeeds(), self.letters, sender).run(DEPLOYMENT, self.letters.open, DONE)

    def said(self) -> dict[bytes, LendingEvent | MarketPoint]:
        """As consumers keep it: of copies the newest; the same precedence must have the same content."""
        kept: dict[bytes, LendingEvent | MarketPoint] = {}
        for at, values in self.broker.logs.items():
            if at.topic not in (WALLET_EVENTS.name, MARKET.name):
                continue
            for value in values:
                batch = decode(value)
                facts: tuple[LendingEvent | MarketPoint, ...] = ()
                if isinstance(batch, EventBatch):
                    facts = batch.events
                elif isinstance(batch, MarketBatch):
                    facts = batch.points
                for fact in facts:
                    if isinstance(fact, LendingEvent):
                        assert at.partition == partition_of(fact.wallet, WALLET_EVENTS)
                    known = kept.setdefault(fact.id, fact)
                    assert known.precedence != fact.precedence or known == fact, "one event, two contents"
                    kept[fact.id] = max(known, fact, key=lambda one: one.precedence)
        return kept


def told(facts: object) -> set[object]:
    """What facts say, apart from when and by which decoder."""
    assert isinstance(facts, list | tuple)
    return {
        (fact.id, fact.wallet, fact.type, fact.amount, fact.scaled_delta, fact.counterparty)
        if isinstance(fact, LendingEvent)
        else (fact.id, fact.kind, fact.asset, fact.values)
        for fact in facts
    }


def world_of(chain: ChainOfLogs, read: Decoded) -> World:
    broker = MemoryBroker()
    MemoryAdmin(broker).ensure_topics((*TOPICS, *(dead_letter_topic(topic) for topic in TOPICS)), 1)
    producer = MemoryProducer(broker)
    for record in (*records_of([read]), *letter_records(read.refused)):
        producer.send(record.topic, record.partition, record.value)
    producer.flush()
    return World(chain, broker, letters_of(read))


@pytest.fixture
def chain() -> ChainOfLogs:
    chain = ChainOfLogs()
    weth = chain.list_reserve(1, "WETH")
    for block, wallet in ((5, ALICE), (25, ALICE), (45, BOB)):
        chain.emit(block, 3, weth.a_token, abi.MINT, wallet, wallet, 100 + block, 0, RAY)
    for block, price in ((20, 2 * 10**8), (40, 3 * 10**8)):
        chain.emit(block, 0, weth.feed, abi.ANSWER_UPDATED, price, block, 0)
    return chain


def test_replay__events_of_wallets_could_not_be_read__the_log_is_as_if_they_had_been(chain: ChainOfLogs) -> None:
    with older_decoder(abi.MINT, blocks=BlockRange(20, 50)):
        world = world_of(chain, read_all(chain)[0])

    report = world.replay()

    assert (report.mended, report.events, world.letters.open) == (2, 2, [])
    assert told([*world.said().values()]) == told((read := read_all(chain)[0]).events + read.points)
    mended = [fact for fact in world.said().values() if fact.position.block.number in (25, 45)]
    assert {fact.precedence for fact in mended} == {(world.letters.now, DECODER_VERSION)}
    (settled,) = world.letters.settled
    assert settled.wallets == {ALICE, BOB}
    assert settled.partitions == {partition_of(wallet, WALLET_EVENTS) for wallet in (ALICE, BOB)}


def test_replay__a_price_could_not_be_read__it_is_sent_and_those_around_it_stay(chain: ChainOfLogs) -> None:
    with older_decoder(abi.ANSWER_UPDATED, blocks=BlockRange(20, 20)):
        world = world_of(chain, read_all(chain)[0])
    before = len(world.said())

    report = world.replay()

    assert (report.mended, world.letters.open) == (1, [])
    assert told([*world.said().values()]) == told((read := read_all(chain)[0]).events + read.points)
    assert len(world.said()) == before + 1


def test_replay__the_listing_of_an_asset_could_not_be_read__says_that_all_must_be_read_again(
    chain: ChainOfLogs,
) -> None:
    usdc = chain.list_reserve(30, "USDC")
    chain.emit(60, 3, usdc.a_token, abi.MINT, BOB, BOB, 100, 0, RAY)
    with older_decoder(abi.RESERVE_INITIALIZED, blocks=BlockRange(30, 30)):
        world = world_of(chain, read_all(chain)[0])
    before = world.said()

    report = world.replay()

    assert (report.mended, report.unfinished) == (0, 1)
    assert [letter.reason for letter in world.letters.open] == [CONSEQUENCES]
    assert world.said() == before


def test_replay__the_decoder_is_not_mended__the_letter_stays_with_its_reason_and_its_version(
    chain: ChainOfLogs,
) -> None:
    with older_decoder(abi.MINT, blocks=BlockRange(20, 30)):
        world = world_of(chain, read_all(chain)[0])
    with older_decoder(abi.MINT, version=DECODER_VERSION):
        report = world.replay()

    assert (report.mended, report.still_unreadable) == (0, 1)
    assert [(letter.reason, letter.decoder_version) for letter in world.letters.open] == [(BROKEN, OLDER)]


class DyingProducer(MemoryProducer):
    """Dies when all of it is in the log, and nobody knows."""

    def flush(self) -> None:
        super().flush()
        raise Unavailable("the process dies")


def test_replay__killed_between_flush_and_commit__run_again_it_changes_nothing_more(chain: ChainOfLogs) -> None:
    with older_decoder(abi.MINT, blocks=BlockRange(20, 50)):
        world = world_of(chain, read_all(chain)[0])
    with pytest.raises(Unavailable):
        world.replay(DyingProducer(world.broker))
    after_death = world.said()

    report = world.replay()

    assert (report.mended, world.letters.open) == (2, [])
    assert after_death.items() <= world.said().items()
    assert told([*world.said().values()]) == told((read := read_all(chain)[0]).events + read.points)


def test_replay__dry_run__counts_and_sends_and_settles_nothing(chain: ChainOfLogs) -> None:
    with older_decoder(abi.MINT, blocks=BlockRange(20, 50)):
        world = world_of(chain, read_all(chain)[0])
    before, letters = world.said(), dict(world.letters.letters)

    report = world.replay(is_dry=True)

    assert (report.mended, report.events) == (2, 2)
    assert (world.said(), world.letters.letters) == (before, letters)


def test_replay__run_after_an_attempt_of_the_same_version__other_content_goes_over_what_an_older_one_sent(
    chain: ChainOfLogs,
) -> None:
    with older_decoder(abi.MINT, blocks=BlockRange(20, 50)):
        world = world_of(chain, read_all(chain)[0])
    with older_decoder(abi.MINT, version=DECODER_VERSION):
        assert world.replay().still_unreadable == 2

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replay_module, "read_both", _with_other_content)
        report = world.replay()

    assert (report.mended, report.unfinished, world.letters.open) == (2, 0, [])


def test_replay__its_contract_left_the_registry__that_letter_alone_stays_open(chain: ChainOfLogs) -> None:
    with older_decoder(abi.MINT, blocks=BlockRange(20, 50)):
        world = world_of(chain, read_all(chain)[0])
    world.chain.logs = [log for log in world.chain.logs if log.position.block.number != 25]

    report = world.replay()

    assert (report.mended, report.still_unreadable) == (1, 1)
    assert [(letter.block_number, letter.reason) for letter in world.letters.open] == [(25, GONE)]


def test_replay__more_waits_than_is_held__counts_the_letters_behind_as_unread(
    chain: ChainOfLogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    usdc = chain.list_reserve(30, "USDC")
    chain.emit(35, 3, usdc.a_token, abi.MINT, BOB, BOB, 100, 0, RAY)
    with older_decoder(abi.RESERVE_INITIALIZED, blocks=BlockRange(30, 30)):
        world = world_of(chain, read_all(chain)[0])
    with older_decoder(abi.MINT, blocks=BlockRange(45, 45)):
        world.letters.letters |= letters_of(read_all(chain)[0]).letters
    monkeypatch.setattr(replay_module, "MOST_HELD", 0)

    replay = Replay(Stepwise(chain), DirectFeeds(), world.letters, MemoryProducer(world.broker))
    report = replay.run(DEPLOYMENT, world.letters.open, DONE)

    assert (report.mended, report.unfinished, report.unread) == (0, 1, 1)


def test_replay__todays_decoder_says_nothing_of_the_wallet__the_letter_stays_open_and_says_so(
    chain: ChainOfLogs,
) -> None:
    with older_decoder(abi.ANSWER_UPDATED, blocks=BlockRange(20, 20)):
        world = world_of(chain, read_all(chain)[0])
    (place,) = world.letters.letters
    world.letters.letters[place] = replace(world.letters.letters[place], is_wallet_known=True)

    report = world.replay()

    assert (report.mended, report.unfinished, report.points) == (0, 1, 1)
    assert [letter.reason for letter in world.letters.open] == [SILENT]


def test_replay__the_block_is_not_on_the_chain_any_more__stops(chain: ChainOfLogs) -> None:
    with older_decoder(abi.MINT, blocks=BlockRange(20, 30)):
        world = world_of(chain, read_all(chain)[0])
    world.chain.logs = [log for log in world.chain.logs if log.position.block.number != 25]

    (place,) = world.letters.letters
    other = Place(Digest(b"\x11" * 32), place.log_index)
    world.letters.letters = {other: replace(world.letters.letters[place], place=other)}

    with pytest.raises(InvariantViolation, match=r"block 25.*not on the chain"):
        world.replay()


def test_replay__run_again_from_a_checkpoint__reads_on_from_there_and_says_the_same(
    chain: ChainOfLogs, tmp_path: Path
) -> None:
    with older_decoder(abi.MINT, blocks=BlockRange(40, 50)):
        world = world_of(chain, read_all(chain)[0])
    kept = CheckpointFile(tmp_path / "replay.json")
    dry = Replay(Stepwise(chain), DirectFeeds(), world.letters, None, on_checkpoint=_until(39, kept))
    dry.run(DEPLOYMENT, world.letters.open, DONE)
    chain.fetches.clear()

    replay = Replay(chain, DirectFeeds(), world.letters, MemoryProducer(world.broker))
    report = replay.run(DEPLOYMENT, world.letters.open, DONE, kept.load(DEPLOYMENT))

    assert (report.mended, [blocks.first for blocks in chain.fetches]) == (1, [40])
    assert told([*world.said().values()]) == told((read := read_all(chain)[0]).events + read.points)


def test_checkpoint__of_another_entry_of_the_registry__is_not_taken(chain: ChainOfLogs, tmp_path: Path) -> None:
    kept = CheckpointFile(tmp_path / "replay.json")
    kept.save(Checkpoint(block_at(39), read_all(chain)[1]))

    assert kept.load(DEPLOYMENT) is not None
    assert kept.load(DEPLOYMENT.model_copy(update={"from_block": 2})) is None


def test_checkpoint__a_file_of_something_else__is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "deployments.yaml"
    path.write_text("version: 1")

    with pytest.raises(InvalidInput, match=r"deployments\.yaml is no checkpoint"):
        CheckpointFile(path).load(DEPLOYMENT)


def _with_other_content(*arguments: Any) -> Mended:
    return replace(read_both(*arguments), is_other_content=True)


def _until(block: int, kept: CheckpointFile) -> Callable[[Checkpoint], None]:
    return lambda checkpoint: kept.save(checkpoint) if checkpoint.last.number <= block else None


class Stepwise(ChainOfLogs):
    """A node that answers for ten blocks at a time, up to a multiple of ten minus one."""

    def __init__(self, chain: ChainOfLogs) -> None:
        super().__init__(chain.head, chain.logs)

    def fetch(
        self,
        wanted: BlockRange,
        addresses: frozenset[Address],
        parent: BlockRef | None,
        topics_anywhere: frozenset[Digest] = frozenset(),
    ) -> Window:
        last = min(wanted.last, wanted.first // 10 * 10 + 9)
        return super().fetch(BlockRange(wanted.first, last), addresses, parent, topics_anywhere)
