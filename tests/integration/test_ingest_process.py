"""The ingest process on a real broker, PostgreSQL and anvil, with the real Aave V3."""

import json
import re
import signal
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bonafides.crashpoints import CRASH_POINTS
from bonafides.events import LendingEvent
from bonafides.types import EventType, Role
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_lab.processes import Process, free_port
from bonafides_lab.stack.resolver import local_stack

from tests.support.ingest_logs import address, encode_event
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


@pytest.fixture(scope="module")
def bootstrap(stack_folder: Path) -> Iterator[str]:
    """A broker of this module's own: its topics have the product's names."""
    with local_stack(stack_folder / "ingest", postgres=False, chain=False) as stack:
        prepare_topics(stack.kafka_bootstrap)
        yield stack.kafka_bootstrap


@pytest.fixture(scope="module")
def live(stack_folder: Path) -> Iterator[LiveMarket]:
    """Four months: liquidations, transfers, delegated credit."""
    with played_market(stack_folder / "ingest", days=120) as market:
        yield market


@pytest.fixture
def setup(bootstrap: str, fresh_database: str, live: LiveMarket, tmp_path: Path) -> IngestSetup:
    prepare_database(fresh_database)
    registry = write_registry(tmp_path, live.market.deployment)
    return IngestSetup(tmp_path, bootstrap, fresh_database, live.url, registry)


def _log_of(process: Process) -> str:
    return process.log_path.read_text()


def _run_until_scored(setup: IngestSetup, **changes: str) -> Process:
    """Start, wait for a scoring boundary of this start, stop by SIGTERM; it must end with 0."""
    process = setup.start(f"ingest-{time.monotonic_ns()}", **changes)
    process.wait_until(lambda: SCORED in _log_of(process), "a scoring boundary", 60)
    assert process.terminate() == 0
    return process


def _content(event: LendingEvent) -> LendingEvent:
    return replace(event, fork_epoch=0)


def _ledger(log: ReadLog) -> Counter[tuple[bytes, bytes, EventType]]:
    sums: Counter[tuple[bytes, bytes, EventType]] = Counter()
    for event in log.distinct_events().values():
        if event.type in (EventType.SUPPLY_BALANCE, EventType.DEBT_BALANCE):
            sums[event.wallet, event.asset, event.type] += event.scaled_delta
    return Counter({key: total for key, total in sums.items() if total})


def test_ingest__played_market__ledger_equals_the_contracts_for_every_wallet(
    setup: IngestSetup, live: LiveMarket
) -> None:
    starts = end_offsets(setup.bootstrap)

    process = _run_until_scored(setup, window_blocks="40")

    log = read_log(setup.bootstrap, starts)
    last = log.boundaries()[-1]
    wallets = sorted({event.wallet for event in log.events()})
    assert set(live.market.liquidated) <= set(wallets)
    assert dict(_ledger(log)) == live.scaled_balances(wallets, last.block.number)
    assert sum(_ledger(log).values()) > 0
    liquidated = [e for e in log.events() if (e.type, e.role) == (EventType.LIQUIDATED, Role.OWNER)]
    assert Counter(e.wallet for e in liquidated) == Counter(live.market.liquidated)
    assert not log.log_dead_letters()
    text = _log_of(process).lower()
    assert not any(wallet.hex() in text for wallet in wallets)


def test_ingest__played_market__boundary_claims_all_and_stands_behind_it(setup: IngestSetup, live: LiveMarket) -> None:
    starts = end_offsets(setup.bootstrap)

    _run_until_scored(setup)

    log = read_log(setup.bootstrap, starts)
    last = log.boundaries()[-1]
    (coverage,) = last.coverage
    assert last.block.number == live.finalized()
    assert (coverage.complete_to, coverage.gaps, coverage.dead_letters) == (last.block.number, (), 0)
    assert sorted(partition for partition, mark in log.marks() if mark.number == last.number) == list(range(64))
    assert {point.kind.value for point in log.points()} == {"price", "reserve_index", "reserve_config", "rounding"}
    priced = {point.asset for point in log.points() if point.kind.value == "price"}
    assert priced == {reserve.token for reserve in live.market.deployment.reserves}


@pytest.fixture(scope="module")
def uncrashed(
    bootstrap: str, live: LiveMarket, local_postgres: str, stack_folder: Path
) -> Iterator[dict[bytes, LendingEvent]]:
    """The distinct events of a run that nothing happened to."""
    from bonafides_lab.stack.postgres import create_database, drop_database

    url = create_database(local_postgres, "ingest_uncrashed")
    prepare_database(url)
    folder = stack_folder / "ingest" / "uncrashed"
    folder.mkdir()
    starts = end_offsets(bootstrap)
    _run_until_scored(
        IngestSetup(folder, bootstrap, url, live.url, write_registry(folder, live.market.deployment)),
        window_blocks="40",
    )
    yield {key: _content(event) for key, event in read_log(bootstrap, starts).distinct_events().items()}
    drop_database(local_postgres, "ingest_uncrashed")


@pytest.mark.parametrize("point", sorted(name for name in CRASH_POINTS if name.startswith("ingest.")))
def test_ingest__killed_at_a_crash_point_and_started_again__gives_the_same_events_and_boundaries(
    setup: IngestSetup, uncrashed: dict[bytes, LendingEvent], live: LiveMarket, point: str
) -> None:
    starts = end_offsets(setup.bootstrap)
    killed = setup.start("killed", window_blocks="40", crash_at=point)
    assert killed.wait(60) == -signal.SIGKILL

    _run_until_scored(setup, window_blocks="40")

    log = read_log(setup.bootstrap, starts)
    assert {key: _content(event) for key, event in log.distinct_events().items()} == uncrashed
    boundaries = {boundary.number: boundary for boundary in log.boundaries()}
    assert len(set(log.boundaries())) == len(boundaries)
    assert sorted(boundaries) == list(range(1, len(boundaries) + 1))
    assert [b.is_scoring for _, b in sorted(boundaries.items())][-1] is True
    assert boundaries[len(boundaries)].block.number == live.finalized()
    assert boundaries[len(boundaries)].coverage[0].gaps == ()


def test_ingest__new_blocks__are_followed_and_scored_again_at_the_interval(
    setup: IngestSetup, live: LiveMarket
) -> None:
    starts = end_offsets(setup.bootstrap)
    process = setup.start(scoring_interval_s="0.5", boundary_interval_s="0.5")
    process.wait_until(lambda: _log_of(process).count(SCORED) == 1, "the first scoring boundary", 60)
    time.sleep(0.6)
    live.anvil.rpc.mine(2)

    process.wait_until(lambda: _log_of(process).count(SCORED) == 2, "the second scoring boundary", 30)

    assert process.terminate() == 0
    scoring = [boundary for boundary in read_log(setup.bootstrap, starts).boundaries() if boundary.is_scoring]
    assert [boundary.block.number for boundary in scoring] == [live.finalized() - 2, live.finalized()]


def test_gaps__before_and_after_a_run__shows_what_is_missing(setup: IngestSetup) -> None:
    before = setup.start_command("gaps-before", "gaps")
    assert (before.wait(60), "everything" in _log_of(before)) == (1, True)
    _run_until_scored(setup)

    after = setup.start_command("gaps-after", "gaps")

    assert (after.wait(60), "none" in _log_of(after)) == (0, True)


def test_ingest__second_replica__stands_by_and_takes_over_when_the_first_is_killed(setup: IngestSetup) -> None:
    first = setup.start("first", window_blocks="10")
    first.wait_until(lambda: '"lease held"' in _log_of(first), "lease", 30)
    second = setup.start("second")
    first.kill()

    second.wait_until(lambda: '"lease held"' in _log_of(second), "take-over", 30)

    assert second.terminate() == 0
    assert '"epoch": 2' in _log_of(second)


def test_ingest__running__answers_probes_and_metrics_without_addresses(setup: IngestSetup, live: LiveMarket) -> None:
    process = setup.start()
    process.wait_until(lambda: SCORED in _log_of(process), "a scoring boundary", 60)
    started = next(json.loads(line) for line in _log_of(process).splitlines() if '"started"' in line)

    def get(path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{started['health_port']}{path}", timeout=5) as answer:
            return str(answer.read().decode())

    assert (get("/healthz"), get("/readyz")) == ("ok\n", "ok\n")
    metrics = get("/metrics")
    assert process.terminate() == 0
    assert "bonafides_ingest_gap_blocks 0.0" in metrics
    assert f"bonafides_ingest_tip_block {float(live.finalized())}" in metrics
    assert 'bonafides_ingest_events_total{type="liquidated"}' in metrics
    assert 'bonafides_ingest_errors_total{class="NodeLied"} 0.0' in metrics
    assert not re.search(r"[0-9a-f]{40}", metrics)


@pytest.mark.parametrize("unreachable", ["rpc_url", "database_url", "kafka_bootstrap"])
def test_ingest__something_unreachable__waits_with_a_clear_line_and_stops_with_zero(
    setup: IngestSetup, unreachable: str
) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    value = {
        "rpc_url": f"http://{nobody}",
        "database_url": f"postgresql://bonafides_ingest@{nobody}/x",
        "kafka_bootstrap": nobody,
    }[unreachable]

    process = setup.start(**{unreachable: value})
    process.wait_until(lambda: '"event": "waiting"' in _log_of(process), "a line that says what is missing", 40)

    assert process.terminate(grace_s=30) == 0
    assert "does not answer" in _log_of(process)
    assert "Traceback" not in _log_of(process)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"chain_id": "1337"}, "the node is on chain 31337, the settings say 1337"),
        ({"chain_id": "1"}, "nothing on chain 1"),
        ({"colour": "red"}, "unknown setting BONAFIDES_INGEST_COLOUR"),
        ({"deployments_file": "/nowhere.yaml"}, "nowhere.yaml cannot be read"),
    ],
)
def test_ingest__settings_that_contradict_the_world__refuses_to_start(
    setup: IngestSetup, changes: dict[str, str], said: str
) -> None:
    if changes.get("chain_id") == "1337":
        setup.registry.write_text(setup.registry.read_text().replace("31337", "1337"))

    process = setup.start(**changes)

    assert process.wait(30) == 78
    assert said in _log_of(process)
    assert "Traceback" not in _log_of(process)


def test_ingest__first_block_lowered_after_a_run__refuses_to_start(setup: IngestSetup) -> None:
    _run_until_scored(setup)
    lowered = re.sub(r"from_block: (\d+)", lambda found: f"from_block: {int(found[1]) - 1}", setup.registry.read_text())
    setup.registry.write_text(lowered)

    process = setup.start("ingest-lowered")

    assert process.wait(30) == 78
    assert "enter it under another id" in _log_of(process)
    assert "Traceback" not in _log_of(process)


def test_ingest__malformed_logs_on_the_chain__are_dead_letters_and_the_stream_goes_on(
    bootstrap: str, fresh_database: str, stack_folder: Path, tmp_path: Path
) -> None:
    prepare_database(fresh_database)
    starts, borrower = end_offsets(bootstrap), address("a borrower")
    with played_market(stack_folder / "ingest", days=20) as live:
        contracts = live.market.deployment
        values = (contracts.reserves[0].token, borrower, borrower, 50, 2, 0, 0)
        topics, payload = encode_event(abi.BORROW, values)
        live.emit_as(contracts.pool, topics, payload[:-1])
        live.emit_as(contracts.reserves[0].feed, [abi.ANSWER_UPDATED.topic0], b"")
        topics, payload = encode_event(abi.ANSWER_UPDATED, (123, 9, 0))
        live.emit_as(contracts.reserves[1].feed, topics, payload)
        live.finalize()
        registry = write_registry(tmp_path, contracts)

        _run_until_scored(IngestSetup(tmp_path, bootstrap, fresh_database, live.url, registry))

    log = read_log(bootstrap, starts)
    assert [letter.wallet for letter in log.wallet_dead_letters()] == [borrower]
    assert {letter.payload for letter in log.log_dead_letters()} == {encode_event(abi.BORROW, values)[1][:-1], b""}
    assert log.boundaries()[-1].coverage[0].dead_letters == 1
    assert [p.values for p in log.points() if p.kind.value == "price"][-1] == (123,)
