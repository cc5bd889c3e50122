"""Replays and crashes of the scoring worker on a real broker and a real PostgreSQL: the end is the same table."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from bonafides import database
from bonafides.kafka_bus import KafkaBusAdmin, KafkaBusConsumer, KafkaBusProducer, KafkaConnection
from bonafides.process import Stop, retry, run_loop
from bonafides.topics import WALLET_EVENTS
from bonafides_lab.processes import free_port
from bonafides_lab.stack.resolver import local_stack
from bonafides_scoring.store.progress import partition_progress
from bonafides_scoring.store.tables import access_log, outbox, scoring_due
from bonafides_scoring.worker import GROUP
from sqlalchemy import Engine, Table, func, select

from tests.support.scoring_logs import LoggedMarket, lively_market, produce
from tests.support.scoring_service import (
    WITH_DEAD_LETTERS,
    make_worker,
    migrated,
    outcome,
    table_rows,
    throwaway_database,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

SESSION_TIMEOUT_S = 6.0  # the broker's least: so long a killed member is missed
Outcome = dict[str, list[tuple[object, ...]]]


@pytest.fixture(scope="module")
def market() -> LoggedMarket:
    return lively_market(wallets=16)


@pytest.fixture(scope="module")
def bootstrap(stack_folder: Path, market: LoggedMarket) -> Iterator[str]:
    """A broker of our own, since the topics' names are fixed, with a market's whole log in it."""
    with local_stack(stack_folder / "scoring", postgres=False, chain=False) as stack:
        kafka = KafkaConnection(stack.broker.address)
        admin, producer = KafkaBusAdmin(kafka, "test"), KafkaBusProducer(kafka, "test")
        admin.ensure_topics(WITH_DEAD_LETTERS, 1)
        produce(market.log, producer)
        admin.close()
        producer.close()
        yield stack.broker.address


@pytest.fixture(scope="module")
def by_one_worker(local_postgres: str, bootstrap: str, market: LoggedMarket) -> Outcome:
    """What one worker makes of the log, all at once."""
    with throwaway_database(local_postgres) as url, migrated(url) as engine:
        with running_worker(engine, bootstrap):
            wait_until_scored(engine, market)
        return outcome(engine)


@contextmanager
def running_worker(engine: Engine, bootstrap: str, *, max_records: int = 500) -> Iterator[list[bool]]:
    """A worker in a thread of this process, living as `__main__` lets it live; tells which turns did something."""
    kafka, stop = KafkaConnection(bootstrap), Stop()
    consumer = KafkaBusConsumer(kafka, "test", GROUP, SESSION_TIMEOUT_S)
    admin, producer = KafkaBusAdmin(kafka, "test"), KafkaBusProducer(kafka, "test")
    worker = make_worker(engine, consumer, admin, producer, max_records=max_records)
    retry(worker.start, stop, "topics", beat=lambda: None)
    turns: list[bool] = []

    def turn() -> bool:
        turns.append(worker.turn())
        return turns[-1]

    thread = threading.Thread(target=run_loop, args=(turn, stop), kwargs={"idle_s": 0.05, "beat": lambda: None})
    thread.start()
    try:
        yield turns
    finally:
        stop.ask()
        thread.join(60)
        consumer.close()
        producer.close()
        admin.close()
    assert not thread.is_alive()


def is_scored(engine: Engine, market: LoggedMarket) -> bool:
    """Whether every partition is at the last boundary, nothing is due, and the outbox is empty."""
    last = max(message.number for message in market.boundaries)

    def count(table: Table, *where: object) -> int:
        return connection.scalar(select(func.count()).select_from(table).where(*where)) or 0  # type: ignore[arg-type]

    with database.transaction(engine) as connection:
        arrived = count(partition_progress, partition_progress.c.boundary_number == last)
        return (
            arrived == WALLET_EVENTS.partitions
            and count(scoring_due) == 0
            and count(outbox, outbox.c.sent_at.is_(None)) == 0
        )


def wait_until_scored(engine: Engine, market: LoggedMarket) -> None:
    wait_until(lambda: is_scored(engine, market), "the end of the log")


def wait_until(is_so: Callable[[], bool], what: str, timeout_s: float = 150) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, f"the workers did not get to {what}"
        time.sleep(0.05)


def test_replay__three_workers_of_which_one_leaves__same_scores_receipts_and_explanations_byte_for_byte(
    local_postgres: str, bootstrap: str, market: LoggedMarket, by_one_worker: Outcome
) -> None:
    with throwaway_database(local_postgres) as url, migrated(url) as engine:
        with ExitStack() as staying:
            turns = [staying.enter_context(running_worker(engine, bootstrap, max_records=8)) for _ in range(2)]
            with running_worker(engine, bootstrap, max_records=8) as leaving:
                wait_until(lambda: any(leaving) and not is_scored(engine, market), "work for the third worker")
            wait_until_scored(engine, market)
        by_three = outcome(engine)

    assert all(any(own) for own in turns)
    assert by_three == by_one_worker
    assert len(by_one_worker["score"]) > 50


def worker_environment(url: str, bootstrap: str, crash_at: str | None) -> dict[str, str]:
    settings = {
        "ENVIRONMENT": "development",
        "DATABASE_URL": url,
        "KAFKA_BOOTSTRAP": bootstrap,
        "KAFKA_SESSION_TIMEOUT_S": str(SESSION_TIMEOUT_S),
        "CHAIN_IDS": "31337",
        "HEALTH_PORT": "0",
        "POLL_MAX_RECORDS": "60",
        "CONSENT_MODE": "open",
    }
    if crash_at:
        settings["CRASH_AT"] = crash_at
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BONAFIDES_SCORING_")}
    return kept | {f"BONAFIDES_SCORING_{name}": value for name, value in settings.items()}


@contextmanager
def process(kind: str, environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m bonafides_scoring worker|api`, killed at the end if it still lives."""
    with log.open("ab") as out:
        started = subprocess.Popen(
            [sys.executable, "-m", "bonafides_scoring", kind], env=environment, stdout=out, stderr=out
        )
    try:
        yield started
    finally:
        if started.poll() is None:
            started.kill()
        started.wait(10)


def test_worker_process__killed_at_each_of_its_crash_points_and_started_again__the_same_table(
    local_postgres: str, bootstrap: str, market: LoggedMarket, by_one_worker: Outcome, tmp_path: Path
) -> None:
    log, died_at = tmp_path / "worker.log", []
    points = (
        "worker.after_poll",
        "worker.before_commit",
        "worker.after_commit",
        "outbox.after_produce",
        "outbox.after_commit",
    )
    with throwaway_database(local_postgres) as url, migrated(url) as engine:
        for point in points:
            with process("worker", worker_environment(url, bootstrap, point), log) as worker:
                if worker.wait(120) == -signal.SIGKILL:
                    died_at.append(point)
        with process("worker", worker_environment(url, bootstrap, None), log) as worker:
            wait_until_scored(engine, market)
            worker.terminate()
            exit_code = worker.wait(30)
        after_crashes = outcome(engine)

    assert tuple(died_at) == points, log.read_text()[-2_000:]
    assert exit_code == 0
    assert after_crashes == by_one_worker


def test_worker_process__logs__name_no_wallet(
    local_postgres: str, bootstrap: str, market: LoggedMarket, tmp_path: Path
) -> None:
    log = tmp_path / "worker.log"
    with (
        throwaway_database(local_postgres) as url,
        migrated(url) as engine,
        process("worker", worker_environment(url, bootstrap, None), log) as worker,
    ):
        wait_until_scored(engine, market)
        worker.terminate()
        worker.wait(30)

    said = log.read_text().lower()
    assert '"event": "stopped"' in said
    assert [one.hex() for one in market.wallets if one.hex() in said] == []


@pytest.mark.parametrize(("point", "rows"), [("api.before_audit", 0), ("api.after_audit", 1)])
def test_api_process__killed_around_its_audit__gives_no_answer_that_is_not_in_the_log(
    local_postgres: str, bootstrap: str, tmp_path: Path, point: str, rows: int
) -> None:
    port = free_port()
    log = tmp_path / "api.log"
    with throwaway_database(local_postgres) as url, migrated(url):
        environment = worker_environment(url, bootstrap, point) | {"BONAFIDES_SCORING_API_PORT": str(port)}
        path = f"http://127.0.0.1:{port}/v1/wallets/0x{'ab' * 20}/score"
        with process("api", environment, log) as api:
            _wait_until_answers(port)
            with pytest.raises(httpx.TransportError):
                httpx.get(path)
            died = api.wait(10)
        owner = database.connect(url)
        logged = len(table_rows(owner, access_log))
        del environment["BONAFIDES_SCORING_CRASH_AT"]
        with process("api", environment, log) as api:
            _wait_until_answers(port)
            again = httpx.get(path).status_code
            api.terminate()
            exit_code = api.wait(20)
        logged_again = len(table_rows(owner, access_log))
        owner.dispose()

    assert (died, logged) == (-signal.SIGKILL, rows)
    assert (again, logged_again, exit_code) == (404, rows + 1, 0)
    assert "ab" * 20 not in log.read_text()


def _wait_until_answers(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            httpx.get(f"http://127.0.0.1:{port}/", timeout=2)
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError("the API did not start")
