"""Providers that fail or lie by script, each over real HTTP in front of one true chain."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

from bonafides.json_rpc import NodeRefused
from bonafides.types import Json
from bonafides_ingest.protocols.aave_v3 import events as abi

from tests.support.ingest_logs import ORACLE, POOL, ChainOfLogs, address
from tests.support.ingest_node import Answer, FakeNode

FINALIZED, HEAD = 60, 68
WATCHED = frozenset({POOL, ORACLE})
TIMEOUT_S = 0.4
_SLOW_S = 1.5
_OTHER = "0x" + "11" * 32
_EMPTY_BLOOM = "0x" + "00" * 256


def true_chain() -> ChainOfLogs:
    """Our logs in final blocks, in the last of them, and in live ones; a stranger's in every block."""
    chain = ChainOfLogs(head=FINALIZED)
    for block in range(1, HEAD + 1):
        chain.emit(block, 0, address("stranger"), abi.USER_EMODE_SET, address(f"user {block}"), 1)
        if block % 7 in (3, 4):
            chain.emit(block, 1, POOL, abi.USER_EMODE_SET, address("alice"), block % 5)
            chain.emit(block, 1, POOL, abi.USER_EMODE_SET, address("alice"), block % 5)
        if block in (12, FINALIZED, HEAD - 1):
            chain.emit(block, 2, ORACLE, abi.ASSET_SOURCE_UPDATED, address("asset"), address(f"feed {block}"))
    return chain


def honest_node(chain: ChainOfLogs) -> FakeNode:
    """Tells the truth about it."""
    node = FakeNode(chain)
    node.live_blocks = HEAD - FINALIZED
    return node


class Line(StrEnum):
    """What happens to an answer on its way."""

    GOOD = "good"
    SLOW = "slow"
    """It comes after the reader has given up."""
    NEVER = "never"
    """The connection is open, and nothing comes: half-open."""
    HALF = "half"
    """The first half comes."""
    TOO_MANY = "429"
    TOO_MANY_FOR_1_S = "429, Retry-After: 1"
    PAGE = "200 with a web page"
    GATEWAY = "502"


@dataclass(frozen=True)
class BadProvider:
    """One script."""

    name: str
    lie: Callable[[FakeNode], dict[str, Answer]] = lambda _: {}
    """Replaces the answers of methods."""
    line: Line = Line.GOOD
    is_caught: bool = False
    """Whether it contradicts itself, so that it must be called a liar."""
    is_wrong_from_the_start: bool = False
    """Whether the check at the start refuses it."""


@contextmanager
def served(node: FakeNode, line: Line = Line.GOOD) -> Iterator[str]:
    """The URL of a provider that answers as this node."""
    closing = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each answer waits 40 ms for the reader's acknowledgement of its headers

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answers = [_answered(node, call) for call in (asked if isinstance(asked, list) else [asked])]
            body = json.dumps(answers if isinstance(asked, list) else answers[0]).encode()
            status = {Line.TOO_MANY: 429, Line.TOO_MANY_FOR_1_S: 429, Line.GATEWAY: 502}.get(line, 200)
            if line is Line.NEVER:
                closing.wait()
            if line is Line.SLOW:
                closing.wait(_SLOW_S)
            if line in (Line.NEVER, Line.SLOW):
                self.close_connection = True
                return
            if line is not Line.GOOD and line is not Line.HALF:
                body = b"<html>hello</html>"
            self.send_response(status)
            if line is Line.TOO_MANY_FOR_1_S:
                self.send_header("Retry-After", "1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if line is Line.HALF:
                self.wfile.write(body[: len(body) // 2])
                self.wfile.flush()
                closing.wait()
                self.close_connection = True
                return
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: tests show what failed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _answered(node: FakeNode, call: dict[str, Any]) -> dict[str, Json]:
    try:
        return {"jsonrpc": "2.0", "id": call["id"], "result": node.answer(call["method"], list(call["params"]))}
    except NodeRefused as exc:
        return {"jsonrpc": "2.0", "id": call["id"], "error": {"code": exc.code, "message": exc.message}}


def _is_live(params: list[Any]) -> bool:
    return "blockHash" in params[0]


def _logs(change: Callable[[list[Any]], Json], *, final: bool = True, live: bool = True) -> dict[str, Answer]:
    """The answers to `eth_getLogs`, changed, where there are any logs."""
    return {
        "eth_getLogs": lambda truth, params: change(truth) if truth and (live if _is_live(params) else final) else truth
    }


def _first(**changes: Json) -> Callable[[list[Any]], Json]:
    return lambda logs: [logs[0] | changes, *logs[1:]]


def _invented(logs: list[Any]) -> Json:
    """One more log like the last of the answer, right behind it."""
    return [*logs, logs[-1] | {"logIndex": hex(int(logs[-1]["logIndex"], 16) + 1)}]


def _lagging(node: FakeNode) -> dict[str, Answer]:
    """Every second request is answered by a node that ends 25 blocks below the head."""
    end, requests = HEAD - 25, count()
    behind = False

    def head(truth: Any, _: list[Any]) -> Json:
        nonlocal behind
        behind = next(requests) % 2 == 0
        return hex(end) if behind else truth

    def logs(truth: Any, _: list[Any]) -> Json:
        return [log for log in truth if not behind or int(log["blockNumber"], 16) <= end]

    def block(truth: Any, _: list[Any]) -> Any:
        return truth if not behind or truth is None or int(truth["number"], 16) <= end else None

    return {"eth_blockNumber": head, "eth_getLogs": logs, "eth_getBlockByNumber": block}


def _silent_above(end: int) -> Callable[[FakeNode], dict[str, Answer]]:
    """Headers of all blocks, but logs of the lower ones alone: the logs come from a node that lags."""
    return lambda _: {
        "eth_getLogs": lambda truth, _: [log for log in truth if int(log["blockNumber"], 16) <= end],
    }


def _beyond_the_range(node: FakeNode) -> dict[str, Answer]:
    """Logs of three blocks more than were asked for."""

    def logs(truth: Any, params: list[Any]) -> Any:
        if _is_live(params):
            return truth
        return node._logs(params[0] | {"toBlock": hex(int(params[0]["toBlock"], 16) + 3)})

    return {"eth_getLogs": logs}


def _suggested_range_fails(node: FakeNode) -> dict[str, Answer]:
    """Names a range that it then refuses, too; gives three blocks at once."""

    def logs(truth: Any, params: list[Any]) -> Any:
        if _is_live(params):
            return truth
        first, last = (int(params[0][end], 16) for end in ("fromBlock", "toBlock"))
        if last - first > 10:
            words = (
                f"query returned more than 10000 results. Try with this block range [{hex(first)}, {hex(first + 9)}]."
            )
            raise NodeRefused("eth_getLogs", -32005, words)
        if last - first > 2:
            raise NodeRefused("eth_getLogs", -32008, "Response is too big")
        return truth

    return {"eth_getLogs": logs}


def _syncing(end: int, *, says_so: bool) -> Callable[[FakeNode], dict[str, Answer]]:
    """Knows blocks up to `end`, and calls one below it final."""

    def lies(node: FakeNode) -> dict[str, Answer]:
        def block(truth: Any, params: list[Any]) -> Any:
            if params[0] in ("finalized", "latest"):
                return node._header(end - 5 if params[0] == "finalized" else end)
            return truth if truth is not None and int(truth["number"], 16) <= end else None

        state: Json = {"currentBlock": hex(end), "highestBlock": hex(HEAD)} if says_so else False
        return {
            "eth_syncing": lambda *_: state,
            "eth_blockNumber": lambda *_: hex(end),
            "eth_getBlockByNumber": block,
            "eth_getLogs": lambda truth, _: [log for log in truth if int(log["blockNumber"], 16) <= end],
        }

    return lies


def _without_receipt(node: FakeNode) -> dict[str, Answer]:
    """Leaves a transaction of ours out of its logs and out of its receipts alike."""
    gone = {"0x" + log.position.tx_hash.hex() for log in node.chain.logs if log.position.block.number % 7 == 3}

    def rest(truth: Any, _: list[Any]) -> Json:
        return [entry for entry in truth if entry["transactionHash"] not in gone or int(_number(entry), 16) % 7 != 3]

    def _number(entry: Any) -> str:
        return str(entry.get("blockNumber") or (entry["logs"] or [{"blockNumber": "0x0"}])[0]["blockNumber"])

    return {"eth_getLogs": rest, "eth_getBlockReceipts": rest}


def _logs_and_receipts_empty(node: FakeNode) -> dict[str, Answer]:
    """Leaves our logs out of its answers and of the receipts alike, and names every transaction."""

    def receipts(truth: Any, _: list[Any]) -> Json:
        ours = {"0x" + watched.hex() for watched in WATCHED}
        return [receipt | {"logs": [log for log in receipt["logs"] if log["address"] not in ours]} for receipt in truth]

    return {"eth_getLogs": lambda *_: [], "eth_getBlockReceipts": receipts}


def _block(change: Callable[[Any, list[Any]], Json]) -> Callable[[FakeNode], dict[str, Answer]]:
    return lambda _: {"eth_getBlockByNumber": lambda truth, params: change(truth, params) if truth else truth}


def _head_is_final(node: FakeNode) -> dict[str, Answer]:
    """Calls the newest block final, as providers do that know no finality."""
    return _block(lambda block, params: node._header(HEAD) if params[0] == "finalized" else block)(node)


def _far_ahead(node: FakeNode) -> dict[str, Answer]:
    """Calls a block its head, and final, that nobody has."""
    far: dict[str, Json] = {"number": hex(10**9), "hash": _OTHER}
    return _block(lambda block, params: block | far if params[0] in ("finalized", "latest") else block)(node)


def _every_other_log(which: int) -> Callable[[FakeNode], dict[str, Answer]]:
    return lambda _: _logs(lambda logs: [log for number, log in enumerate(logs) if number % 2 == which])


BAD_PROVIDERS = (
    BadProvider("lagging behind a balancer", _lagging),
    BadProvider("logs from a node that lags", _silent_above(HEAD - 25), is_caught=True),
    BadProvider("truncating at 3 logs", lambda _: _logs(lambda logs: logs[:3]), is_caught=True),
    BadProvider("truncating inside a block", lambda _: _logs(lambda logs: logs[:-1]), is_caught=True),
    BadProvider("logs beyond the range", _beyond_the_range, is_caught=True),
    BadProvider("wrong bloom", _block(lambda block, _: block | {"logsBloom": _EMPTY_BLOOM}), is_caught=True),
    BadProvider("nothing in final windows", lambda _: _logs(lambda _: [], live=False), is_caught=True),
    BadProvider("nothing in live blocks", lambda _: _logs(lambda _: [], final=False), is_caught=True),
    BadProvider("nothing, in receipts neither", _logs_and_receipts_empty, is_caught=True),
    BadProvider("429", line=Line.TOO_MANY),
    BadProvider("429 with Retry-After", line=Line.TOO_MANY_FOR_1_S),
    BadProvider(
        "wrong chain", lambda _: {"eth_chainId": lambda *_: "0x1"}, is_caught=True, is_wrong_from_the_start=True
    ),
    BadProvider("slow", line=Line.SLOW),
    BadProvider("half-open, silent", line=Line.NEVER),
    BadProvider("half-open, half an answer", line=Line.HALF),
    BadProvider("a web page", line=Line.PAGE),
    BadProvider("bad gateway", line=Line.GATEWAY),
    BadProvider("suggested range that fails", _suggested_range_fails),
    BadProvider("still syncing", _syncing(FINALIZED - 20, says_so=True)),
    BadProvider("stale head", _syncing(FINALIZED - 20, says_so=False)),
    BadProvider("finalized = latest", _head_is_final),
    BadProvider("head far ahead", _far_ahead),
    BadProvider("disagrees: even logs", _every_other_log(0), is_caught=True),
    BadProvider("disagrees: odd logs", _every_other_log(1), is_caught=True),
    BadProvider("invented log", lambda _: _logs(_invented), is_caught=True),
    BadProvider("one log twice", lambda _: _logs(lambda logs: [*logs, logs[0]]), is_caught=True),
    BadProvider("removed: true", lambda _: _logs(_first(removed=True)), is_caught=True),
    BadProvider("receipt left out", _without_receipt, is_caught=True),
    BadProvider("wrong block hash", lambda _: _logs(_first(blockHash=_OTHER)), is_caught=True),
    BadProvider("wrong place in the block", lambda _: _logs(_first(transactionIndex="0x5")), is_caught=True),
    BadProvider("other data", lambda _: _logs(_first(data="0x" + "07" * 32)), is_caught=True),
    BadProvider(
        "blocks that do not hang together",
        _block(lambda block, _: block | {"parentHash": _OTHER} if int(block["number"], 16) % 9 == 4 else block),
        is_caught=True,
    ),
    BadProvider(
        "another block than asked",
        _block(lambda block, params: block | {"number": "0x1"} if params[0] == hex(HEAD - 3) else block),
        is_caught=True,
    ),
)
