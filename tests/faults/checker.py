"""Counts what a chain should have left in the tables, and what it did. Imports nothing of the system.

    python -m tests.faults.checker --database URL --rpc URL --pool 0x… --configurator 0x…

It reads every receipt up to the finalized block and applies the two rules of the log itself: a row of epoch e at block
b is void when an epoch above e was opened at or below b; of the copies of one id the one with the highest (epoch,
decoder version) counts. Ends with 1 when anything is lost, doubled, invented, altered, scored twice or not read, or
when a wallet's sums are not what the contracts say.
"""

import argparse
import json
import sys
import urllib.request
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import batched
from typing import Any, NamedTuple

import psycopg

from tests.faults.chain_truth import Fact, Market, facts_of, number, read_market

SCALED_BALANCE_OF = "0x1da24f3e"  # the first four bytes of keccak("scaledBalanceOf(address)")
CALLS_PER_BATCH = 200
ROWS = {
    "event": "SELECT id, fork_epoch, decoder_version, block_number, block_hash, log_index, wallet, type, role, asset,"
    " amount, coalesce(second_asset, ''::bytea), second_amount, scaled_delta FROM scoring.event WHERE chain_id = %s",
    "market_point": "SELECT id, fork_epoch, decoder_version, block_number, block_hash, log_index, asset, kind,"
    " 'market', asset, values[3], ''::bytea, values[4], 0 FROM scoring.market_point"
    " WHERE chain_id = %s AND kind = 'reserve_index'",
}
SCORED_TWICE = """SELECT coalesce(sum(times - 1), 0), coalesce(sum(times), 0) FROM (
    SELECT count(*) AS times FROM (SELECT wallets, chain_id, boundary_number FROM scoring.score
        UNION ALL SELECT wallets, chain_id, boundary_number FROM scoring.unscorable) answers
    WHERE chain_id = %s GROUP BY wallets, boundary_number) answered"""


class Row(NamedTuple):
    """A copy of a fact as it stands in a table."""

    id: bytes
    epoch: int
    version: int
    block: int
    fact: Fact


@dataclass(frozen=True)
class Report:
    """What was counted. All but the first four must be 0."""

    blocks: int
    expected: int
    other_copies: int
    """Rows that do not count: void, or sent again."""
    results: int
    """Scores, and answers that there is none."""
    lost: int
    doubled: int
    invented: int
    altered: int
    sums_wrong: int
    """Ledgers of a wallet in a token whose sum is not `scaledBalanceOf`."""
    blocks_not_read: int
    scored_twice: int

    @property
    def faults(self) -> dict[str, int]:
        """What must be 0, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)[4:]}

    @property
    def is_clean(self) -> bool:
        return not any(self.faults.values())


def check(connection: psycopg.Connection[Any], rpc_url: str, pool: str, configurator: str) -> Report:
    """Count. Reads as the connection's transaction sees the tables."""
    said_id, finalized = _ask(rpc_url, [("eth_chainId", []), ("eth_getBlockByNumber", ["finalized", False])])
    chain_id, final = number(said_id), number(finalized["number"])
    receipts = _ask(rpc_url, [("eth_getBlockReceipts", [hex(block)]) for block in range(final + 1)])
    logs = [log for block in receipts for receipt in block for log in receipt["logs"]]
    market = read_market(logs, pool.lower(), configurator.lower())
    expected = [fact for log in logs for fact in facts_of(log, market)]

    epochs = connection.execute(
        "SELECT epoch, fork_block FROM scoring.fork_epoch WHERE chain_id = %s ORDER BY epoch", [chain_id]
    ).fetchall()
    rows = [_row(row) for query in ROWS.values() for row in connection.execute(query, [chain_id])]
    kept = counting(rows, [(epoch, fork_block) for epoch, fork_block in epochs])
    ranges = connection.execute(
        "SELECT deployment, first_block, last_block FROM ingest.done_range WHERE chain_id = %s", [chain_id]
    ).fetchall()
    [(twice, results)] = connection.execute(SCORED_TWICE, [chain_id]).fetchall()
    return Report(
        blocks=final + 1,
        expected=len(expected),
        other_copies=len(rows) - len(kept),
        results=int(results),
        **compare(expected, (row.fact for row in kept)),
        sums_wrong=_wrong_sums(rpc_url, market, final, expected, [row.fact for row in kept if row.block <= final]),
        blocks_not_read=not_read(ranges, market.first_block, final),
        scored_twice=int(twice),
    )


def counting(rows: Iterable[Row], epochs: Sequence[tuple[int, int]]) -> list[Row]:
    """The rows that count. `epochs`: (epoch, fork block), ascending."""
    numbers = [epoch for epoch, _ in epochs]
    lowest_fork = [min(fork for _, fork in epochs[at:]) for at in range(len(epochs))]  # of this epoch and later ones
    best: dict[bytes, Row] = {}
    for row in rows:
        later = bisect_right(numbers, row.epoch)
        if later < len(epochs) and row.block >= lowest_fork[later]:
            continue
        other = best.get(row.id)
        if other is None or (row.epoch, row.version) > (other.epoch, other.version):
            best[row.id] = row
    return list(best.values())


def compare(expected: Iterable[Fact], found: Iterable[Fact]) -> dict[str, int]:
    """How many facts are lost, doubled, invented (no log says so) or altered (it says something else)."""
    wanted, seen = Counter(expected), Counter(found)
    wanted_at = Counter(fact.place for fact in wanted.elements())
    seen_at = Counter(fact.place for fact in seen.elements())
    surplus, lost = seen_at - wanted_at, (wanted_at - seen_at).total()
    return {
        "lost": lost,
        "doubled": sum(count for place, count in surplus.items() if place in wanted_at),
        "invented": sum(count for place, count in surplus.items() if place not in wanted_at),
        "altered": (wanted - seen).total() - lost,
    }


def not_read(ranges: Iterable[tuple[str, int, int]], first: int, last: int) -> int:
    """Blocks from `first` to `last` that a deployment lacks; all of them when there is no deployment."""
    following: dict[str, int] = {}
    missing = 0
    for name, begin, end in sorted(ranges):
        missing += max(min(begin, last + 1) - following.get(name, first), 0)
        following[name] = max(following.get(name, first), end + 1)
    return missing + (sum(max(last + 1 - at, 0) for at in following.values()) if following else last + 1 - first)


def _wrong_sums(rpc_url: str, market: Market, final: int, expected: Iterable[Fact], found: Iterable[Fact]) -> int:
    token_of = {told: token for token, told in market.tokens.items()}
    sums: Counter[tuple[str, str]] = Counter()
    for fact, is_found in [*((fact, False) for fact in expected), *((fact, True) for fact in found)]:
        if token := token_of.get((fact.type, fact.asset)):
            sums[fact.wallet, token] += fact.scaled_delta * is_found  # who has none is asked about, too
    calls = [{"to": token, "data": SCALED_BALANCE_OF + wallet[2:].rjust(64, "0")} for wallet, token in sums]
    answers = _ask(rpc_url, [("eth_call", [call, hex(final)]) for call in calls])
    return sum(number(answer) != total for answer, total in zip(answers, sums.values(), strict=True))


def _row(row: tuple[Any, ...]) -> Row:
    id_, epoch, version, block, *said = row
    told: list[Any] = [_hex(value) if isinstance(value, bytes) else value for value in said]
    block_hash, log_index, wallet, type_, role, asset, amount, second, second_amount, delta = told
    numbers = int(second_amount), int(delta)  # numeric columns come as Decimal
    fact = Fact(block_hash, log_index, wallet, type_, role, asset, int(amount), second, *numbers)
    return Row(id_, epoch, version, block, fact)


def _hex(octets: bytes) -> str:
    return "0x" + octets.hex() if octets else ""


def _ask(rpc_url: str, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
    """The answers of a node, in order."""
    found: list[Any] = []
    for batch in batched(calls, CALLS_PER_BATCH):
        named = ({"method": method, "params": given} for method, given in batch)
        body = [{"jsonrpc": "2.0", "id": at, **call} for at, call in enumerate(named)]
        request = urllib.request.Request(rpc_url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as response:
            found += [answer["result"] for answer in sorted(json.load(response), key=lambda answer: answer["id"])]
    return found


def main() -> int:
    """Print the report; 1 when anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.checker")
    for name in ("--database", "--rpc", "--pool", "--configurator"):
        parser.add_argument(name, required=True)
    asked = parser.parse_args()
    with psycopg.connect(asked.database) as connection:
        report = check(connection, asked.rpc, asked.pool, asked.configurator)
    sys.stdout.write("".join(f"{field.name:16} {getattr(report, field.name)}\n" for field in fields(report)))
    return 0 if report.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
