"""Hydration by the real process on a real broker, PostgreSQL and anvil: asked for by the command, whatever dies."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from bonafides.events import Hydrated, LendingEvent
from bonafides.messages import decode
from bonafides.topics import WALLET_EVENTS
from bonafides.types import Address, address_text
from bonafides_lab.processes import Process
from bonafides_lab.stack.resolver import local_stack

from tests.support.ingest_market import LiveMarket, played_market
from tests.support.ingest_process import (
    IngestSetup,
    ReadLog,
    end_offsets,
    prepare_database,
    prepare_topics,
    read_log,
    write_registry,
)

pytestmark = pytest.mark.integration

SCORED = '"is_scoring": true'
SESSION_S = "6"  # the broker's least: after it the group misses a member that was killed


@pytest.fixture(scope="module")
def bootstrap(stack_folder: Path) -> Iterator[str]:
    with local_stack(stack_folder / "hydration", postgres=False, chain=False) as stack:
        prepare_topics(stack.kafka_bootstrap)
        yield stack.kafka_bootstrap


@pytest.fixture(scope="module")
def live(stack_folder: Path) -> Iterator[LiveMarket]:
    with played_market(stack_folder / "hydration", days=60) as market:
        yield market


@pytest.fixture
def setup(bootstrap: str, fresh_database: str, live: LiveMarket, tmp_path: Path) -> IngestSetup:
    prepare_database(fresh_database)
    return IngestSetup(tmp_path, bootstrap, fresh_database, live.url, write_registry(tmp_path, live.market.deployment))


def _log_of(process: Process) -> str:
    return process.log_path.read_text()


def _hydrated(log: ReadLog) -> list[Hydrated]:
    found = [decode(record.value) for record in log.records if record.at.topic == WALLET_EVENTS.name]
    return [message for message in found if isinstance(message, Hydrated)]


def _of(log: ReadLog, wallet: Address) -> list[LendingEvent]:
    return [event for event in log.events() if event.wallet == wallet]


def _ask(setup: IngestSetup, wallet: Address, name: str, *options: str) -> Process:
    return setup.start_command(name, "hydrate", address_text(wallet), *options, rpc_url="", database_url="")


def test_hydrate__process_runs__sends_the_wallets_history_and_its_boundary_and_the_command_ends(
    setup: IngestSetup, live: LiveMarket
) -> None:
    wallet = next(iter(live.market.liquidated))
    process = setup.start("hydration")
    process.wait_until(lambda: SCORED in _log_of(process), "a scoring boundary", 120)
    starts = end_offsets(setup.bootstrap)

    command = _ask(setup, wallet, "hydrate", "--wait")

    assert command.wait(150) == 0, _log_of(command)
    assert "read up to block" in _log_of(command)
    sent = read_log(setup.bootstrap, starts)
    (hydrated,) = _hydrated(sent)
    assert hydrated.wallet == wallet
    scanned = {event.id: event for event in _of(read_log(setup.bootstrap, {}), wallet)}
    again = _of(sent, wallet)
    assert {event.id for event in again} == set(scanned)
    assert {event.wallet for event in sent.events()} == {wallet}
    assert process.terminate() == 0
    assert wallet.hex() not in _log_of(process).lower()


@pytest.mark.parametrize("point", ["hydration.after_produce", "hydration.before_commit"])
def test_hydrate__process_is_killed__the_next_one_answers(setup: IngestSetup, live: LiveMarket, point: str) -> None:
    wallet = next(iter(live.market.liquidated))
    starts = end_offsets(setup.bootstrap)
    first = setup.start("first", crash_at=point, kafka_session_timeout_s=SESSION_S)
    command = _ask(setup, wallet, "hydrate", "--wait")
    assert first.wait(150) == -signal.SIGKILL, _log_of(first)

    second = setup.start("second", kafka_session_timeout_s=SESSION_S)
    assert command.wait(150) == 0, _log_of(command)
    second.wait_until(lambda: "wallet hydrated" in _log_of(second), "the same request again", 120)

    assert second.terminate() == 0
    hydrations = [hydrated for hydrated in _hydrated(read_log(setup.bootstrap, starts)) if hydrated.wallet == wallet]
    assert hydrations
    assert len({(hydrated.block, hydrated.coverage) for hydrated in hydrations}) == 1


def test_hydrate__nobody_runs__command_says_so_and_ends_with_1(setup: IngestSetup, live: LiveMarket) -> None:
    command = _ask(setup, live.market.wallets[0].address, "hydrate", "--wait", "--patience", "2")

    assert command.wait(60) == 1
    assert "no word of the request" in _log_of(command)
