"""Every process started wrongly: it says what it saw and what it expected, and shows nobody a stack trace."""

import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from bonafides.process import EXIT_SETTINGS, EXIT_USAGE
from bonafides_lab.processes import Process, free_port
from bonafides_lab.stack.anvil import AnvilOptions, LocalAnvil
from bonafides_lab.system.installation import make_keys
from bonafides_lab.system.processes import Service

pytestmark = pytest.mark.integration

NOBODY = "127.0.0.1:9"  # the discard port: nothing listens there
REGISTRY = "0x" + "12" * 20
DEPLOYMENTS = """\
version: 1
deployments:
- id: aave-v3-development
  chain_id: 31337
  protocol: aave_v3
  pool: "0x1212121212121212121212121212121212121212"
  configurator: "0x1212121212121212121212121212121212121213"
  oracle: "0x1212121212121212121212121212121212121214"
  provider: "0x1212121212121212121212121212121212121215"
  rounding: half_up
  from_block: 1
  source: "@aave/core-v3@1.19.3"
  development: true
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("bad-starts")
    (made / "deployments.yaml").write_text(DEPLOYMENTS)
    (made / "role.password").write_text("nobody checks it\n")
    make_keys(made / "keys")
    return made


@pytest.fixture(scope="module")
def other_chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A node of another chain than the settings say."""
    anvil = LocalAnvil(tmp_path_factory.mktemp("other-chain"), AnvilOptions(chain_id=1337))
    anvil.start()
    yield anvil.address
    anvil.close()


def variables(folder: Path, service: Service, rpc_url: str = f"http://{NOBODY}", **more: str) -> dict[str, str]:
    """Settings that are right in form, on a world where nobody answers."""
    chain = {"rpc_url": rpc_url, "chain_id": "31337"}
    keys = {
        "registry": REGISTRY,
        "attester_keystore_file": str(folder / "keys" / "attester.json"),
        "attester_password_file": str(folder / "keys" / "keystores.password"),
        "publisher_keystore_file": str(folder / "keys" / "publisher.json"),
        "publisher_password_file": str(folder / "keys" / "keystores.password"),
    }
    own: Mapping[Service, Mapping[str, str]] = {
        Service.INGEST: {**chain, "deployments_file": str(folder / "deployments.yaml")},
        Service.SCORING_WORKER: {"chain_ids": "31337"},
        Service.SCORING_API: {"chain_ids": "31337", "api_port": "0"},
        Service.ISSUER: {**chain, **keys},
        Service.PUBLISHER: {**chain, **keys},
        Service.ATTESTATION_API: {**chain, "registry": REGISTRY, "api_port": "0"},
    }
    common = {
        "environment": "development",
        "database_url": f"postgresql://{service.role}@{NOBODY}/bonafides",
        "database_password_file": str(folder / "role.password"),
        "kafka_bootstrap": NOBODY,
        "health_port": "0",
    }
    return {f"{service.prefix}{name}".upper(): value for name, value in {**common, **own[service], **more}.items()}


@pytest.mark.parametrize("service", Service)
def test_start__unknown_setting__refuses_and_names_it(service: Service, folder: Path, tmp_path: Path) -> None:
    env = variables(folder, service, kafka_bootstrapp="x")

    with Process.start(service.value, service.argv, env, tmp_path) as process:
        code = process.wait(30)

    assert code == EXIT_SETTINGS
    assert f"{service.prefix}KAFKA_BOOTSTRAPP" in process.tail()
    assert "Traceback" not in process.tail(100)


@pytest.mark.parametrize("service", [Service.INGEST, Service.ISSUER, Service.PUBLISHER])
def test_start__node_of_another_chain__refuses_and_names_both(
    service: Service, folder: Path, tmp_path: Path, other_chain: str, local_postgres: str, local_kafka: str
) -> None:
    env = variables(folder, service, other_chain, database_url=local_postgres, kafka_bootstrap=local_kafka)
    env.pop(f"{service.prefix}DATABASE_PASSWORD_FILE")

    with Process.start(service.value, service.argv, env, tmp_path) as process:
        code = process.wait(60)

    log = process.tail(100)
    assert code == EXIT_SETTINGS
    assert "1337" in log
    assert "31337" in log
    assert "Traceback" not in log


@pytest.mark.parametrize("service", Service)
def test_start__nobody_answers__waits_without_a_stack_trace_and_stops_when_asked(
    service: Service, folder: Path, tmp_path: Path
) -> None:
    port = free_port()
    env = variables(folder, service, health_port=str(port))

    with Process.start(service.value, service.argv, env, tmp_path) as process:
        process.wait_until(lambda: "does not answer" in process.tail(100), "a line that says who does not answer", 60)
        assert process.is_running()
        code = process.terminate(grace_s=30)

    assert code == 0
    assert "Traceback" not in process.tail(1000)
    assert "nobody checks it" not in process.tail(1000)


def test_start__crash_point_in_production__refuses(folder: Path, tmp_path: Path) -> None:
    service = Service.INGEST
    env = variables(folder, service, crash_at="ingest.after_fetch", environment="production")

    with Process.start(service.value, service.argv, env, tmp_path) as process:
        assert process.wait(30) == EXIT_SETTINGS

    assert "development" in process.tail()


@pytest.mark.parametrize(
    ("service", "setting"),
    [
        *((service, "health_port") for service in Service),
        (Service.SCORING_API, "api_port"),
        (Service.ATTESTATION_API, "api_port"),
    ],
)
def test_start__port_taken__refuses_and_names_it(service: Service, setting: str, folder: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        env = variables(folder, service, **{setting: str(port)})

        with Process.start(service.value, service.argv, env, tmp_path) as process:
            code = process.wait(30)

    said = process.tail(100)
    assert code == EXIT_SETTINGS
    assert f"{service.prefix}{setting.upper()}: 127.0.0.1:{port}" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("bonafides_ingest", ""),
        ("bonafides_scoring", " worker|api"),
        ("bonafides_attestation", " issuer|publisher|api"),
    ],
)
def test_start__process_that_there_is_not__says_which_there_are(module: str, names: str, tmp_path: Path) -> None:
    with Process.start(module, [sys.executable, "-m", module, "nonsense"], {}, tmp_path) as process:
        code = process.wait(30)

    assert code == EXIT_USAGE
    assert process.tail(100).strip().endswith(f"usage: python -m {module}{names}")
