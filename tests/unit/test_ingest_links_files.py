"""Links in files: decoded as the live chain would be, written and read back."""

from pathlib import Path

import pytest
from bonafides.errors import InvalidInput, InvalidMessage
from bonafides.link_files import LINKS_FILE, links_writer, read_links
from bonafides_ingest.accounts import link_events as abi
from bonafides_ingest.deployments import Registry
from bonafides_ingest.file_decoding import decode_folder
from bonafides_ingest.sources.parquet import open_log_folder

from tests.support import samples
from tests.support.ingest_accounts import PROXIES, PROXY_FACTORY, SAFE_FACTORY, SAFES, SINGLETON, read
from tests.support.ingest_files import write_files
from tests.support.ingest_logs import DEPLOYMENT, ChainOfLogs, address

pytestmark = pytest.mark.unit

ALICE, BOB, PROXY, SAFE = (address(name) for name in ("alice", "bob", "proxy", "safe"))


def test_decode_folder__several_files__writes_the_links_of_the_whole_chain(tmp_path: Path) -> None:
    chain = ChainOfLogs(head=20)
    chain.emit(2, 0, PROXY_FACTORY, abi.DS_PROXY_CREATED, ALICE, ALICE, PROXY, address("cache"))
    chain.emit(5, 0, SAFE, abi.SAFE_SETUP, SAFE_FACTORY, sorted((ALICE, BOB)), 1, bytes(20), bytes(20))
    chain.emit(5, 0, SAFE_FACTORY, abi.PROXY_CREATION, SAFE, SINGLETON)
    chain.emit(14, 0, SAFE, abi.REMOVED_OWNER, BOB)
    chain.emit(15, 0, PROXY, abi.LOG_SET_OWNER, BOB)
    topics, payload = chain.emit(16, 0, address("stranger"), abi.LOG_SET_OWNER, BOB).topics, b"\x01"
    chain.emit_raw(17, 0, PROXY_FACTORY, (abi.DS_PROXY_CREATED.topic0, *topics[1:]), payload)
    for first, last in ((0, 3), (4, 11), (12, 20)):
        write_files(tmp_path, chain, first, last)
    registry = Registry(version=1, deployments=(DEPLOYMENT,), links=(PROXIES, SAFES))

    counts = decode_folder(open_log_folder(tmp_path), registry, tmp_path / "out")

    expected = read(chain.logs, sources=(PROXIES, SAFES)).facts
    found = list(read_links(tmp_path / "out"))
    assert [(fact.order, fact.account, fact.owners) for fact in found] == [
        (fact.order, fact.account, fact.owners) for fact in expected
    ]
    assert [fact.block.number for fact in found] == [2, 5, 14, 15]
    assert (counts.links, sum(counts.refused.values())) == (4, 1)


def test_links_file__written_and_read_back__is_the_same(tmp_path: Path) -> None:
    with links_writer(tmp_path) as writer:
        writer.write([samples.safe_of_two()])

    assert list(read_links(tmp_path)) == [samples.safe_of_two()]


def test_links_file__fact_that_no_log_says__is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidMessage, match="no link"), links_writer(tmp_path) as writer:
        writer.write([samples.contract()])

    assert not (tmp_path / LINKS_FILE).exists()


def test_read_links__no_file__says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"links\.parquet cannot be read"):
        list(read_links(tmp_path))
