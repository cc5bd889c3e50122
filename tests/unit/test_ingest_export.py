"""From a node to log files and back: what a backfill reads from them is what the node would have told it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from bonafides.errors import InvalidInput, InvalidSettings, Unavailable
from bonafides.events import BlockRange
from bonafides.types import Address, BlockRef
from bonafides_ingest.catalogue import protocol_of
from bonafides_ingest.chain import ChainSource, Log
from bonafides_ingest.deployments import Deployment
from bonafides_ingest.export import Contents, ExportAsked, Exporter, chunks_of, range_to_export
from bonafides_ingest.feed_file import FeedFile
from bonafides_ingest.feeds import DirectFeeds, KnownPhase
from bonafides_ingest.log_contents import check_begin, check_folder, content_of
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.reading import read_deployments
from bonafides_ingest.sources.parquet import ParquetSource, open_log_folder
from bonafides_ingest.sources.parquet.writing import ChunkFolder
from bonafides_ingest.sources.rpc import RpcSource

from tests.support.ingest_logs import CHAIN, DEPLOYMENT, ORACLE, POOL, RAY, ChainOfLogs, address, block_at
from tests.support.ingest_node import FakeNode

pytestmark = pytest.mark.unit

ALICE = address("alice")


@pytest.fixture
def chain() -> ChainOfLogs:
    """100 blocks. WETH is listed at 12, DAI priced from 64 on by a feed that answered at 3, 31 and 33 before."""
    made = ChainOfLogs(head=100)
    dai_feed = address("feed DAI")
    for block, answer in ((3, 7), (31, 8), (33, 9)):
        made.emit(block, 0, dai_feed, abi.ANSWER_UPDATED, answer, 1, 0)
    weth = made.list_reserve(12, "WETH")
    for block in range(13, 101, 7):
        made.emit(block, 1, weth.a_token, abi.MINT, ALICE, ALICE, 100 + block, 0, RAY)
        made.emit(block, 1, POOL, abi.SUPPLY, weth.asset, ALICE, ALICE, 100 + block, 0)
        made.emit(block, 2, address("somebody else"), abi.USER_EMODE_SET, ALICE, 1)
    dai_asset = address("asset DAI")
    made.emit(64, 3, ORACLE, abi.ASSET_SOURCE_UPDATED, dai_asset, dai_feed)
    made.logs.sort(key=lambda log: log.position.order)
    return made


def at_once(step: Callable[[], BlockRef]) -> BlockRef:
    return step()


def exporter(
    chain: ChainOfLogs,
    folder: Path,
    *,
    window_blocks: int = 9,
    deployments: Sequence[Deployment] = (DEPLOYMENT,),
    addresses: frozenset[Address] = frozenset(),
    content: str = DEPLOYMENT.id,
) -> Exporter:
    node = RpcSource(FakeNode(chain), CHAIN, window_blocks=window_blocks, bloom_check_blocks=0)
    chunks = ChunkFolder(folder, CHAIN, content)
    states = {d.id: protocol_of(d).restore(d, {}) for d in deployments}
    contents = Contents(states, DirectFeeds(), addresses)

    def on_disk(ranges: Sequence[BlockRange]) -> ChainSource:
        return ParquetSource(chunks.open(ranges), CHAIN)

    return Exporter(node, chunks, contents, on_disk, at_once)


def decoded(source: ChainSource, first: int, last: int, step: int) -> tuple[list[object], list[object]]:
    """Events and points of the deployment, read in windows of so many blocks."""
    states = {DEPLOYMENT.id: protocol_of(DEPLOYMENT).restore(DEPLOYMENT, {})}
    events: list[object] = []
    points: list[object] = []
    at = first
    while at <= last:
        read = read_deployments(source, states, BlockRange(at, min(at + step - 1, last)), None, DirectFeeds(), 0)
        states = dict(read.states)
        events += [event for part in read.decoded for event in part.events]
        points += [point for part in read.decoded for point in part.points]
        at = read.window.range.last + 1
    return events, points


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("window_blocks", [1, 4, 9, 100])
@pytest.mark.parametrize("step", [1, 7, 33, 100])
def test_export__feed_that_answered_before_it_was_known__backfill_in_any_windows_decodes_the_same(
    tmp_path: Path, chain: ChainOfLogs, window_blocks: int, step: int
) -> None:
    exporter(chain, tmp_path, window_blocks=window_blocks).run(1, BlockRange(1, 100), 10)

    from_files = decoded(ParquetSource(open_log_folder(tmp_path), CHAIN), 1, 100, step)

    assert from_files == decoded(chain, 1, 100, 100)
    assert len(from_files[0]) > 20


def test_export__range__writes_chunks_at_multiples_with_all_blocks(tmp_path: Path, chain: ChainOfLogs) -> None:
    exporter(chain, tmp_path).run(1, BlockRange(1, 95), 40)

    stems = ("00000001_to_00000039", "00000040_to_00000079", "00000080_to_00000095")
    assert names(tmp_path) == sorted(
        f"network_31337__{kind}__{s}.parquet" for kind in ("logs", "blocks") for s in stems
    )
    assert list(open_log_folder(tmp_path).read_blocks()) == [block_at(number) for number in range(1, 96)]


def test_export__stopped_at_any_chunk__goes_on_and_ends_with_the_same_files(tmp_path: Path, chain: ChainOfLogs) -> None:
    exporter(chain, tmp_path / "at once").run(1, BlockRange(1, 100), 10)
    for stop_after in range(0, 100, 10):
        stopped = exporter(chain, tmp_path / "stopped")

        def on_progress(done: int, stop_after: int = stop_after) -> None:
            if done >= stop_after:
                raise KeyboardInterrupt

        stopped.on_progress = on_progress
        with pytest.raises(KeyboardInterrupt):
            stopped.run(1, BlockRange(1, 100), 10)
    exporter(chain, tmp_path / "stopped").run(1, BlockRange(1, 100), 10)

    assert _contents(tmp_path / "stopped") == _contents(tmp_path / "at once")


def _contents(folder: Path) -> dict[str, list[object]]:
    return {path.name: pq.read_table(path).to_pylist() for path in folder.iterdir()}


@pytest.mark.parametrize("lost", ["logs__00000030_to_00000039", "blocks__00000030_to_00000039"])
def test_export__chunk_lost_later__is_fetched_again_alone(tmp_path: Path, chain: ChainOfLogs, lost: str) -> None:
    exporter(chain, tmp_path).run(1, BlockRange(1, 100), 10)
    expected = _contents(tmp_path)
    (tmp_path / f"network_31337__{lost}.parquet").unlink()
    (tmp_path / "network_31337__logs__00000090_to_00000099.parquet.partial").write_bytes(b"half")

    again = exporter(chain, tmp_path)
    again.run(1, BlockRange(1, 100), 10)

    # It holds the answer of 33, whose feed is named in a later chunk, which is on disk already.
    assert _contents(tmp_path) == expected
    assert again.logs < 10


def test_export__everything_there__asks_the_node_for_nothing(tmp_path: Path, chain: ChainOfLogs) -> None:
    exporter(chain, tmp_path).run(1, BlockRange(1, 100), 10)
    again = exporter(chain, tmp_path)
    chain.logs.clear()

    again.run(1, BlockRange(1, 100), 10)

    assert again.logs == 0


def test_export__from_a_later_block__knows_the_contracts_listed_before(tmp_path: Path, chain: ChainOfLogs) -> None:
    exporter(chain, tmp_path).run(1, BlockRange(40, 60), 10)

    found = ParquetSource(open_log_folder(tmp_path), CHAIN).fetch(BlockRange(40, 60), frozenset({POOL}), None)
    tokens = {bytes(log.address) for log in _all_logs(tmp_path)}
    assert [log.position.block.number for log in found.logs] == [41, 48, 55]
    assert address("aToken WETH") in tokens


def _all_logs(folder: Path) -> list[Log]:
    return [log for stretch in open_log_folder(folder).read_logs() for log in stretch]


def test_export__of_addresses__holds_their_logs_alone(tmp_path: Path, chain: ChainOfLogs) -> None:
    somebody = address("somebody else")

    exporter(chain, tmp_path, deployments=(), addresses=frozenset({somebody})).run(20, BlockRange(20, 60), 10)

    assert _all_logs(tmp_path) == [
        log for log in chain.logs if log.address == somebody and 20 <= log.position.block.number <= 60
    ]


def test_export__node_fails_in_the_middle_of_a_chunk__is_asked_again_and_nothing_is_lost(
    tmp_path: Path, chain: ChainOfLogs
) -> None:
    exporter(chain, tmp_path / "at once").run(1, BlockRange(1, 100), 10)
    flaky = exporter(chain, tmp_path / "flaky", window_blocks=4)
    node, calls = flaky.node, 0
    fetch = node.fetch

    def failing(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls % 3 == 0:
            raise Unavailable("the node went away")
        return fetch(*arguments)  # type: ignore[arg-type]

    node.fetch = failing  # type: ignore[assignment, method-assign]

    def retry(step: Callable[[], BlockRef]) -> BlockRef:
        while True:
            try:
                return step()
            except Unavailable:
                continue

    flaky.retry = retry
    flaky.run(1, BlockRange(1, 100), 4)
    node.fetch = fetch  # type: ignore[method-assign]

    assert decoded(ParquetSource(open_log_folder(tmp_path / "flaky"), CHAIN), 1, 100, 13) == decoded(chain, 1, 100, 100)
    assert flaky.logs + 1 >= len(_all_logs(tmp_path / "flaky"))


def test_export__folder_of_another_export__is_refused_naming_both(tmp_path: Path, chain: ChainOfLogs) -> None:
    exporter(chain, tmp_path).run(1, BlockRange(1, 20), 10)

    with pytest.raises(InvalidInput, match=r"holds the logs of aave-v3-test, asked for are those of another"):
        exporter(chain, tmp_path, content="another").run(1, BlockRange(1, 20), 10)


def _fork(from_block: int) -> Callable[[Any, list[Any]], Any]:
    """What a node of another fork makes of headers from this block on."""

    def lie(truth: dict[str, Any], params: list[Any]) -> dict[str, Any]:
        number = int(truth["number"], 16)
        changed = {"hash": "0x" + block_at(number, "other").hash.hex()} if number >= from_block else {}
        parent = {"parentHash": "0x" + block_at(number - 1, "other").hash.hex()} if number > from_block else {}
        return truth | changed | parent

    return lie


@pytest.mark.parametrize("of_addresses", [False, True])
@pytest.mark.parametrize(
    ("fork", "lost", "refused"), [(30, "00000030_to_00000039", "40–49"), (1, "00000100_to_00000100", "1–9")]
)
def test_export__resumed_from_a_node_of_another_fork__is_refused_naming_the_blocks(
    tmp_path: Path, chain: ChainOfLogs, fork: int, lost: str, refused: str, of_addresses: bool
) -> None:
    asked: dict[str, Any] = {"deployments": (), "addresses": frozenset({POOL})} if of_addresses else {}
    exporter(chain, tmp_path, **asked).run(1, BlockRange(1, 100), 10)
    for path in tmp_path.glob(f"*{lost}*"):
        path.unlink()
    node = FakeNode(chain)
    node.lies["eth_getBlockByNumber"] = _fork(fork)
    again = exporter(chain, tmp_path, **asked)
    again.node = RpcSource(node, CHAIN, window_blocks=9, bloom_check_blocks=0)
    before = _contents(tmp_path)

    with pytest.raises(InvalidInput, match=f"files of blocks {refused} end with another block than the node"):
        again.run(1, BlockRange(1, 100), 10)

    assert _contents(tmp_path) == before


EDITS: dict[str, dict[str, object]] = {
    "begins earlier": {"from_block": 0},
    "ends": {"to_block": 90},
    "another contract": {"configurator": address("another configurator")},
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_export__registry_changed_under_the_same_id__is_neither_resumed_nor_read(
    tmp_path: Path, chain: ChainOfLogs, edit: dict[str, object]
) -> None:
    now = DEPLOYMENT.model_copy(update=edit)
    exporter(chain, tmp_path, content=content_of([DEPLOYMENT])).run(1, BlockRange(1, 50), 10)
    folder = open_log_folder(tmp_path)
    check_folder(folder, [DEPLOYMENT])

    with pytest.raises(InvalidInput, match="name another folder"):
        exporter(chain, tmp_path, content=content_of([now])).run(1, BlockRange(1, 100), 10)
    with pytest.raises(InvalidSettings, match="exported with another entry of aave-v3-test"):
        check_folder(folder, [now])


def test_check_folder__entry_that_was_not_exported__is_named(tmp_path: Path, chain: ChainOfLogs) -> None:
    exporter(chain, tmp_path, content=content_of([DEPLOYMENT])).run(1, BlockRange(1, 20), 10)
    more = DEPLOYMENT.model_copy(update={"id": "aave-v3-another"})

    with pytest.raises(InvalidSettings, match="also lists aave-v3-another"):
        check_folder(open_log_folder(tmp_path), [DEPLOYMENT, more])


@pytest.mark.parametrize(
    ("done", "is_enough"),
    [({}, False), ({DEPLOYMENT.id: [BlockRange(1, 38)]}, False), ({DEPLOYMENT.id: [BlockRange(1, 39)]}, True)],
)
def test_check_begin__files_behind_what_is_missing__are_refused_naming_the_block(
    tmp_path: Path, chain: ChainOfLogs, done: dict[str, list[BlockRange]], is_enough: bool
) -> None:
    exporter(chain, tmp_path).run(1, BlockRange(40, 60), 10)
    folder = open_log_folder(tmp_path)

    if is_enough:
        check_begin(folder, [DEPLOYMENT], done)
    else:
        with pytest.raises(
            InvalidInput, match=r"begin at block 40, and aave-v3-test must be read from block (1|39) on"
        ):
            check_begin(folder, [DEPLOYMENT], done)


def test_export__folder_with_somebody_elses_parquet__is_refused(tmp_path: Path, chain: ChainOfLogs) -> None:
    from tests.support.ingest_files import write_files

    write_files(tmp_path, chain, 0, 9)

    with pytest.raises(InvalidInput, match="was not written by an export"):
        exporter(chain, tmp_path).run(1, BlockRange(1, 20), 10)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [((None, None), BlockRange(7, 90)), ((20, 30), BlockRange(20, 30)), ((0, None), BlockRange(0, 90))],
)
def test_range_to_export__what_is_left_out__is_the_deployments_start_and_finalized(
    asked: tuple[int | None, int | None], expected: BlockRange
) -> None:
    assert range_to_export(ExportAsked(Path("x"), *asked, frozenset()), [9, 7], 90) == expected


@pytest.mark.parametrize(("asked", "said"), [((None, 91), "finalized block of the node is 90"), ((50, 40), "nothing")])
def test_range_to_export__not_final_or_empty__is_refused(asked: tuple[int | None, int | None], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        range_to_export(ExportAsked(Path("x"), *asked, frozenset()), [7], 90)


def test_chunks_of__range__cuts_at_multiples() -> None:
    assert list(chunks_of(BlockRange(5, 21), 10)) == [BlockRange(5, 9), BlockRange(10, 19), BlockRange(20, 21)]


def test_feed_file__written_and_read_again__tells_the_same_and_hands_on_what_is_newer(tmp_path: Path) -> None:
    feed, other = address("feed"), address("other")
    phases = (KnownPhase(5, 9, 1, address("a")), KnownPhase(10, 40, 2, address("b")))
    FeedFile(tmp_path).remember(feed, phases)
    FeedFile(tmp_path).remember(other, phases[:1])
    (tmp_path / "memory").mkdir()
    memory = FeedFile(tmp_path / "memory")
    memory.remember(other, (KnownPhase(5, 80, 1, address("a")),))

    FeedFile(tmp_path).hand_to(memory)

    assert memory.phases(feed) == phases
    assert memory.phases(other)[0].known_to == 80
