"""What was read against what the receipts show."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest
from bonafides.events import BlockRange
from bonafides.json_rpc import NodeLied
from bonafides.types import BlockRef, Digest
from bonafides_ingest.auditing.audit import AuditReport, run_audit, without_digest
from bonafides_ingest.auditing.receipts import NodeReceipts
from bonafides_ingest.chain import Log
from bonafides_ingest.log_digest import LogFilter, LogSet, digest_of
from bonafides_ingest.read_windows import ReadLogs, StoredWindow
from bonafides_ingest.sources.node_reader import NodeReader
from hypothesis import given
from hypothesis import strategies as st

from tests.support.ingest_logs import CHAIN, ChainOfLogs, address, block_at
from tests.support.ingest_node import FakeNode

pytestmark = pytest.mark.unit

TOKEN, POOL, STRANGER = address("token"), address("pool"), address("stranger")
TOPIC = Digest(b"\x01" * 32)
FILTER = LogFilter(frozenset({TOKEN, POOL}))


def a_chain() -> ChainOfLogs:
    chain = ChainOfLogs(head=200)
    for block in range(1, 200, 3):
        for tx, emitter in enumerate((TOKEN, STRANGER, POOL, TOKEN)):
            chain.emit_raw(block, tx, emitter, (TOPIC,), block.to_bytes(32))
    return chain


@dataclass
class Truth:
    """`BlockLogs` of a chain that is known."""

    chain: ChainOfLogs

    def blocks(self, wanted: BlockRange) -> Iterator[tuple[BlockRef, tuple[Log, ...]]]:
        for number in range(wanted.first, wanted.last + 1):
            yield block_at(number), tuple(log for log in self.chain.logs if log.position.block.number == number)


def window(
    chain: ChainOfLogs, first: int, last: int, read: Callable[[list[Log]], list[Log]] = lambda logs: logs
) -> StoredWindow:
    logs = [log for log in chain.logs if first <= log.position.block.number <= last and FILTER.takes(log)]
    return StoredWindow("aave", BlockRange(first, last), ReadLogs(FILTER, digest_of(read(logs))))


def audit(chain: ChainOfLogs, *windows: StoredWindow) -> AuditReport:
    return run_audit(Truth(chain), windows, lambda step: step())


def places(report: AuditReport) -> list[list[tuple[int, int]]]:
    return [[(log.block, log.log_index) for log in found.missing] for found in report.mismatches]


def test_audit__everything_was_read__finds_nothing() -> None:
    chain = a_chain()

    report = audit(chain, window(chain, 1, 90), window(chain, 91, 200), window(chain, 40, 120))

    assert report == AuditReport(
        3, sum(w.read.logs.count for w in (window(chain, 1, 90), window(chain, 91, 200), window(chain, 40, 120))), ()
    )


LOSSES: dict[str, Callable[[list[Log]], list[Log]]] = {
    "one log": lambda logs: logs[:7] + logs[8:],
    "a block": lambda logs: [log for log in logs if log.position.block.number != 31],
    "the tail": lambda logs: logs[:-11],
    "one contract": lambda logs: [log for log in logs if log.address != POOL],
    "one contract from some block on": lambda logs: [
        log for log in logs if log.address != POOL or log.position.block.number < 60
    ],
    "any two": lambda logs: logs[:3] + logs[4:40] + logs[41:],
    "all": lambda _: [],
}


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES.keys())
def test_audit__logs_were_lost__names_their_places(lose: Callable[[list[Log]], list[Log]]) -> None:
    chain = a_chain()
    mine = [log for log in chain.logs if log.position.block.number <= 100 and FILTER.takes(log)]
    kept = lose(mine)

    report = audit(chain, window(chain, 1, 100, lose), window(chain, 101, 200))

    assert places(report) == [[(log.position.block.number, log.position.log_index) for log in mine if log not in kept]]
    assert report.mismatches[0].window.blocks == BlockRange(1, 100)


@given(st.sets(st.integers(0, 99), min_size=1, max_size=99))
def test_audit__any_logs_were_lost__is_never_silent_and_names_none_that_was_read(lost: set[int]) -> None:
    chain = a_chain()
    mine = [log for log in chain.logs if log.position.block.number <= 100 and FILTER.takes(log)]
    kept = [log for number, log in enumerate(mine) if number not in lost]

    (found,) = audit(chain, window(chain, 1, 100, lambda _: kept)).mismatches

    read = {(log.position.block.number, log.position.log_index) for log in kept}
    assert not read & {(log.block, log.log_index) for log in found.missing}


def test_audit__a_log_was_invented__says_how_many() -> None:
    chain = a_chain()
    invented = replace(chain.logs[0], payload=b"\x99")

    (found,) = audit(chain, window(chain, 1, 100, lambda logs: [*logs, invented])).mismatches

    assert "at least 1 were invented" in found.text()


def test_audit__a_log_was_exchanged__says_that_they_are_not_the_same() -> None:
    chain = a_chain()

    (found,) = audit(
        chain, window(chain, 1, 100, lambda logs: [replace(logs[0], payload=b"\x99"), *logs[1:]])
    ).mismatches

    assert "not the same" in found.text()


def test_without_digest__blocks_of_no_window__are_named_by_deployment() -> None:
    chain = a_chain()

    found = without_digest(
        BlockRange(10, 150), {"aave": BlockRange(1, 10**9), "new": BlockRange(120, 10**9)}, [window(chain, 1, 90)]
    )

    assert found == {"aave": (BlockRange(91, 150),), "new": (BlockRange(120, 150),)}


def test_log_set__of_a_filter_that_did_not_know_a_contract_yet__does_not_miss_its_logs() -> None:
    chain = a_chain()
    narrow = LogFilter(frozenset({TOKEN}))
    logs = [log for log in chain.logs if log.position.block.number <= 100]
    early = StoredWindow("aave", BlockRange(1, 100), ReadLogs(narrow, narrow.read(logs)))

    assert audit(chain, early, window(chain, 101, 200)).mismatches == ()
    assert early.read.logs != LogSet()


def test_node_receipts__an_honest_node__gives_all_logs_of_every_block() -> None:
    chain = a_chain()
    node = NodeReceipts(NodeReader(FakeNode(chain), CHAIN))

    read = list(node.blocks(BlockRange(5, 20)))

    assert read == list(Truth(chain).blocks(BlockRange(5, 20)))


def test_node_receipts__a_log_is_left_out_of_a_receipt__is_a_lie() -> None:
    node = FakeNode(a_chain())
    node.lies["eth_getBlockReceipts"] = lambda receipts, _: [*receipts[:1], {**receipts[1], "logs": []}, *receipts[2:]]

    with pytest.raises(NodeLied, match="left out"):
        list(NodeReceipts(NodeReader(node, CHAIN)).blocks(BlockRange(7, 7)))
