"""gaps, audit and dlq as an operator runs them: the real process, broker, PostgreSQL, anvil and Aave V3."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from bonafides import database
from bonafides_ingest.log_digest import LogSet
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_lab.stack.postgres import create_database, drop_database
from bonafides_lab.stack.resolver import local_stack
from sqlalchemy import text

from tests.support.ingest_logs import address, encode_event
from tests.support.ingest_market import LiveMarket, played_market
from tests.support.ingest_process import IngestSetup, prepare_database, prepare_topics, write_registry

pytestmark = pytest.mark.integration

SCORED = '"is_scoring": true'
BORROWER = address("a borrower")


@dataclass(frozen=True)
class Ended:
    """A command that came to its end."""

    code: int
    output: str


@dataclass(frozen=True)
class Read:
    """A chain that was read, two logs of which nobody can read."""

    setup: IngestSetup
    live: LiveMarket

    def command(self, *arguments: str) -> Ended:
        process = self.setup.start_command("-".join(part.strip("-") for part in arguments), *arguments)
        return Ended(process.wait(120), process.log_path.read_text())

    def execute(self, statement: str, **values: object) -> None:
        engine = database.connect(self.setup.admin_url)
        with database.transaction(engine) as connection:
            connection.execute(text(statement), values)
        engine.dispose()

    def rows(self, query: str) -> list[tuple[object, ...]]:
        engine = database.connect(self.setup.admin_url)
        with database.transaction(engine) as connection:
            found = [tuple(row) for row in connection.execute(text(query))]
        engine.dispose()
        return found


@pytest.fixture(scope="module")
def bootstrap(stack_folder: Path) -> Iterator[str]:
    with local_stack(stack_folder / "operator", postgres=False, chain=False) as stack:
        prepare_topics(stack.kafka_bootstrap)
        yield stack.kafka_bootstrap


@pytest.fixture(scope="module")
def live(stack_folder: Path) -> Iterator[LiveMarket]:
    with played_market(stack_folder / "operator", days=20) as live:
        contracts = live.market.deployment
        values = (contracts.reserves[0].token, BORROWER, BORROWER, 50, 2, 0, 0)
        topics, payload = encode_event(abi.BORROW, values)
        live.emit_as(contracts.pool, topics, payload[:-1])
        live.emit_as(contracts.reserves[0].feed, [abi.ANSWER_UPDATED.topic0], b"")
        live.finalize()
        yield live


@pytest.fixture(scope="module")
def read(
    bootstrap: str, live: LiveMarket, local_postgres: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Read]:
    folder = tmp_path_factory.mktemp("operator")
    url = create_database(local_postgres, "ingest_operator")
    prepare_database(url)
    registry = write_registry(folder, live.market.deployment)
    setup = IngestSetup(folder, bootstrap, url, live.url, registry)
    before = Read(setup, live).command("gaps")
    assert before.code == 1
    assert "everything" in before.output
    process = setup.start("ingest", window_blocks="20")
    process.wait_until(lambda: SCORED in process.log_path.read_text(), "a scoring boundary", 120)
    assert process.terminate() == 0
    yield Read(setup, live)
    drop_database(local_postgres, "ingest_operator")


def test_gaps__everything_was_read__says_none_and_ends_with_zero(read: Read) -> None:
    ended = read.command("gaps")

    assert ended.code == 0
    assert "none" in ended.output


def test_gaps__a_range_is_missing__names_it_and_ends_with_one(read: Read) -> None:
    (before,) = read.rows("SELECT first_block FROM ingest.done_range")
    read.execute("UPDATE ingest.done_range SET first_block = first_block + 7")

    ended = read.command("gaps")

    read.execute("UPDATE ingest.done_range SET first_block = :first", first=before[0])
    assert ended.code == 1
    assert f"{before[0]}–{int(str(before[0])) + 6}" in ended.output


def test_audit__everything_was_read__compares_all_windows_and_ends_with_zero(read: Read) -> None:
    ended = read.command("audit", "0", "100000000")

    assert (ended.code, ", 0 differ" in ended.output) == (0, True), ended.output
    (logs,) = read.rows("SELECT sum(logs) FROM ingest.read_window")
    assert f"{logs[0]:,} logs compared" in ended.output
    assert int(str(logs[0])) > 100


def test_audit__with_events__the_log_holds_just_what_the_receipts_say(read: Read) -> None:
    ended = read.command("audit", "10", "60", "--events")

    assert ended.code == 0, ended.output
    assert re.search(r"[1-9]\d* events and market points compared: 0 missing, 0 invented", ended.output)


def test_audit__a_window_lacks_logs__names_deployment_and_blocks_and_ends_with_one(read: Read) -> None:
    query = "SELECT first_block, last_block, logs, digest FROM ingest.read_window WHERE logs > 3 ORDER BY 1 LIMIT 1"
    ((first, last, logs, digest),) = read.rows(query)
    change = "UPDATE ingest.read_window SET logs = :logs, digest = :digest WHERE first_block = :first"
    read.execute(change, logs=0, digest=LogSet().to_bytes(), first=first)

    ended = read.command("audit", str(first), str(last))

    read.execute(change, logs=logs, digest=digest, first=first)
    assert ended.code == 1
    assert f"blocks {first}–{last}: the store has 0 logs, the receipts show {logs}; not read" in ended.output


def test_audit__a_window_was_never_committed__says_that_there_is_nothing_to_compare(read: Read) -> None:
    (window,) = read.rows("SELECT first_block, last_block FROM ingest.read_window ORDER BY 1 LIMIT 1")
    read.execute("CREATE TABLE ingest.kept AS SELECT * FROM ingest.read_window")
    read.execute("DELETE FROM ingest.read_window WHERE first_block = :first", first=window[0])

    ended = read.command("audit", str(window[0]), str(window[1]))

    read.execute("INSERT INTO ingest.read_window SELECT * FROM ingest.kept WHERE first_block = :f", f=window[0])
    read.execute("DROP TABLE ingest.kept")
    assert ended.code == 1
    assert f"blocks {window[0]}–{window[1]}: not read, or read before digests were kept" in ended.output


def test_dlq_list__two_logs_cannot_be_read__shows_them_without_a_wallet(read: Read) -> None:
    ended = read.command("dlq", "list", "--topics")

    assert ended.code == 0
    blocks = [str(row[0]) for row in read.rows("SELECT block_number FROM ingest.dead_letter")]
    assert len(blocks) == 2
    assert all(block in ended.output for block in blocks)
    assert BORROWER.hex() not in ended.output.lower()
    assert "wallet-events.v1.dlq" in ended.output


def test_dlq_replay__logs_that_nobody_can_read__keeps_them_with_todays_reason(read: Read) -> None:
    read.execute("UPDATE ingest.dead_letter SET decoder_version = 1, reason = 'of an older decoder'")

    dry = read.command("dlq", "replay", "--dry-run")
    assert {row[0] for row in read.rows("SELECT decoder_version FROM ingest.dead_letter")} == {1}
    ended = read.command("dlq", "replay")

    assert (dry.code, ended.code) == (1, 1)
    assert "0 letters mended: 0 events, 0 market points; 2 still cannot be read" in ended.output
    rows = read.rows("SELECT decoder_version, mended_at, reason <> 'of an older decoder' FROM ingest.dead_letter")
    assert rows == [(1, None, True)] * 2


@pytest.mark.parametrize("command", ["list", "replay"])
def test_dlq__a_deployment_that_nobody_knows__names_those_there_are(read: Read, command: str) -> None:
    (known,) = read.rows("SELECT DISTINCT deployment FROM ingest.done_range")

    ended = read.command("dlq", command, "--deployment", "aave-v3-typo")

    assert ended.code == 2
    assert "aave-v3-typo" in ended.output
    assert str(known[0]) in ended.output
