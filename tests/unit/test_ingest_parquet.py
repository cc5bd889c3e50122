"""Logs from files: refused with what to add, or decoded as the live chain would be."""

import itertools
from pathlib import Path

import pyarrow as pa
import pytest
from bonafides import event_files
from bonafides.errors import InvalidInput
from bonafides_ingest.commands import app
from bonafides_ingest.deployments import Registry
from bonafides_ingest.file_decoding import decode_folder
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.protocols.aave_v3.protocol import AaveV3
from bonafides_ingest.protocols.aave_v3.state import AaveV3State
from bonafides_ingest.sources.parquet import open_log_folder
from typer.testing import CliRunner

from tests.support.ingest_files import write_files
from tests.support.ingest_logs import DEPLOYMENT, POOL, RAY, ChainOfLogs, ListedReserve, address, block_at

pytestmark = pytest.mark.unit

REGISTRY = Registry(version=1, deployments=(DEPLOYMENT,))


@pytest.fixture
def chain() -> ChainOfLogs:
    """Twenty blocks of a market, some of them without logs."""
    made = ChainOfLogs(head=20)
    weth = made.list_reserve(1, "WETH")
    for block in (3, 4, 9, 15, 19):
        made.emit(block, 0, weth.a_token, abi.MINT, address("a"), address("a"), 100 + block, 0, RAY)
        made.emit(block, 1, POOL, abi.SUPPLY, weth.asset, address("a"), address("a"), 100 + block, 0)
    return made


def test_decode_folder__several_files__equals_the_chain_decoded_at_once(tmp_path: Path, chain: ChainOfLogs) -> None:
    for first, last in ((0, 3), (4, 11), (12, 20)):
        write_files(tmp_path, chain, first, last)
    seen: list[int] = []

    counts = decode_folder(open_log_folder(tmp_path), REGISTRY, tmp_path / "out", seen.append)

    _, expected = AaveV3().decode_logs(AaveV3State(DEPLOYMENT), chain.logs, 0)
    assert tuple(event_files.read_events(tmp_path / "out")) == expected.events
    assert tuple(event_files.read_market_points(tmp_path / "out")) == expected.points
    assert list(event_files.read_blocks(tmp_path / "out")) == [block_at(number) for number in range(21)]
    assert (counts.logs, counts.events, counts.points, counts.blocks) == (15, 10, 3, 21)
    assert seen[-1] == 15


def test_decode_folder__two_deployments_share_a_feed__writes_all_in_canonical_order(
    tmp_path: Path, chain: ChainOfLogs
) -> None:
    own = {name: address(f"other {name}") for name in ("pool", "configurator", "oracle", "provider")}
    other = DEPLOYMENT.model_copy(update={"id": "aave-v3-another", **own})
    feed = ListedReserve.of("WETH").feed
    chain.emit(5, 0, other.oracle, abi.ASSET_SOURCE_UPDATED, ListedReserve.of("WETH").asset, feed)
    chain.emit(6, 0, other.pool, abi.USER_EMODE_SET, address("b"), 1)
    chain.emit(7, 0, feed, abi.ANSWER_UPDATED, 5, 2, 0)
    chain.logs.sort(key=lambda log: log.position.order)
    write_files(tmp_path, chain, 0, 20)

    registry = Registry(version=1, deployments=(DEPLOYMENT, other))
    decode_folder(open_log_folder(tmp_path), registry, tmp_path / "out")

    events = list(event_files.read_events(tmp_path / "out"))
    points = list(event_files.read_market_points(tmp_path / "out"))
    assert events == sorted(events, key=lambda event: event.order)
    assert points == sorted(points, key=lambda point: point.canonical_order)
    assert [point.deployment for point in points if point.position.block.number == 7] == [other.id, DEPLOYMENT.id]


def test_read_logs__small_stretches__never_cut_a_block(tmp_path: Path, chain: ChainOfLogs) -> None:
    write_files(tmp_path, chain, 0, 20)

    stretches = list(open_log_folder(tmp_path).read_logs(most=3))

    assert [log for stretch in stretches for log in stretch] == chain.logs
    assert len(stretches) > 2
    blocks = [{log.position.block.number for log in stretch} for stretch in stretches]
    assert all(not (one & other) for one, other in itertools.pairwise(blocks))


@pytest.mark.parametrize(
    ("without", "hint"), [("block_hash", "--include-columns block_hash"), ("data", "no column data")]
)
def test_open_log_folder__column_missing__says_how_to_add_it(
    tmp_path: Path, chain: ChainOfLogs, without: str, hint: str
) -> None:
    write_files(tmp_path, chain, 0, 20, without=[without])

    with pytest.raises(InvalidInput, match=hint):
        open_log_folder(tmp_path)


def test_open_log_folder__hexadecimal_text__says_how_to_export(tmp_path: Path, chain: ChainOfLogs) -> None:
    write_files(tmp_path, chain, 0, 20, address=pa.array(["0x" + log.address.hex() for log in chain.logs]))

    with pytest.raises(InvalidInput, match="without --hex"):
        open_log_folder(tmp_path)


def test_open_log_folder__no_blocks__says_what_to_run(tmp_path: Path, chain: ChainOfLogs) -> None:
    write_files(tmp_path, chain, 0, 20)
    next(tmp_path.glob("*__blocks__*")).unlink()

    with pytest.raises(InvalidInput, match="cryo blocks"):
        open_log_folder(tmp_path)


def test_open_log_folder__files_that_overlap__are_refused(tmp_path: Path, chain: ChainOfLogs) -> None:
    write_files(tmp_path, chain, 0, 9)
    write_files(tmp_path, chain, 9, 20)

    with pytest.raises(InvalidInput, match="overlap"):
        open_log_folder(tmp_path)


def test_read_logs__block_of_another_hash__is_refused(tmp_path: Path, chain: ChainOfLogs) -> None:
    hashes = [log.position.block.hash for log in chain.logs[:-1]] + [b"\x01" * 32]
    write_files(tmp_path, chain, 0, 20, block_hash=pa.array(hashes, pa.binary()))

    with pytest.raises(InvalidInput, match="has another hash"):
        list(open_log_folder(tmp_path).read_logs())


def test_read_logs__blocks_of_a_part_missing__is_refused(tmp_path: Path, chain: ChainOfLogs) -> None:
    write_files(tmp_path, chain, 0, 9)
    write_files(tmp_path, chain, 10, 20)
    (tmp_path / "dev__blocks__00000010_to_00000020.parquet").unlink()

    with pytest.raises(InvalidInput, match="missing in the blocks files"):
        list(open_log_folder(tmp_path).read_logs())


def test_decode_command__folder_and_registry__writes_the_three_files(tmp_path: Path, chain: ChainOfLogs) -> None:
    write_files(tmp_path, chain, 0, 20)
    d = DEPLOYMENT
    (tmp_path / "deployments.yaml").write_text(
        f"version: 1\ndeployments:\n- id: {d.id}\n  chain_id: {d.chain_id}\n  protocol: aave_v3\n"
        f'  pool: "0x{d.pool.hex()}"\n  configurator: "0x{d.configurator.hex()}"\n  oracle: "0x{d.oracle.hex()}"\n'
        f'  provider: "0x{d.provider.hex()}"\n  rounding: half_up\n  from_block: 1\n'
        f'  source: "{d.source}"\n  development: true\n'
    )
    arguments = ["decode", str(tmp_path), "--deployments", str(tmp_path / "deployments.yaml")]

    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out")])

    assert result.exit_code == 0
    assert "15 logs → 10 events, 3 market points, 21 blocks" in result.output
    assert len(list(event_files.read_events(tmp_path / "out"))) == 10
