"""Kafka and PostgreSQL in containers, where a Docker engine really answers (the command alone is not enough)."""

import importlib.util
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from bonafides.errors import InvalidInput, Unavailable

from bonafides_lab.processes import free_port
from bonafides_lab.stack.broker_readiness import broker_answers
from bonafides_lab.stack.postgres import SUPERUSER, new_password, postgres_answers

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

KAFKA_IMAGE = "apache/kafka:4.1.0"
POSTGRES_IMAGE = "postgres:18"
PING_TIMEOUT_S = 3
READY_TIMEOUT_S = 120
_LOOPBACK = ("127.0.0.1", "localhost")


def docker_problem() -> str | None:
    """None when a Docker engine of this machine answers, else why it is not used."""
    if importlib.util.find_spec("testcontainers") is None:
        return "testcontainers is not installed"
    from docker.errors import DockerException  # type: ignore[import-untyped]
    from testcontainers.core.docker_client import DockerClient

    try:
        docker = DockerClient(timeout=PING_TIMEOUT_S)
        docker.client.ping()
        host = docker.host()
        docker.client.close()
    except (DockerException, OSError, ValueError):
        return "no Docker engine answers"
    return None if host in _LOOPBACK else f"the Docker engine is at {host}, not on this machine"


class DockerServer:
    """A container whose port stays the same over `kill` and `start`; testcontainers removes it when we die."""

    def __init__(
        self,
        detail: str,
        make_container: Callable[[], "DockerContainer"],
        address: str,
        is_ready: Callable[[], bool],
    ) -> None:
        self.detail = detail
        self.address = address
        self._make_container = make_container
        self._is_ready = is_ready
        self._container: DockerContainer | None = None

    def start(self) -> None:
        from docker.errors import DockerException
        from testcontainers.core.exceptions import ContainerConnectException, ContainerStartException

        try:
            if self._container is None:
                self._container = self._make_container()
                self._container.start()
            else:
                self._container.get_wrapped_container().start()
        except (DockerException, ContainerStartException, ContainerConnectException, OSError) as exc:
            raise Unavailable(f"Docker could not start {self.detail}: {exc}") from exc
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not self._is_ready():
            if time.monotonic() > deadline:
                raise Unavailable(f"{self.detail} did not answer within {READY_TIMEOUT_S} s:\n{self._last_lines()}")
            time.sleep(0.1)

    def stop(self) -> None:
        if self._container is not None:
            self._container.get_wrapped_container().stop()

    def kill(self) -> None:
        if self._container is None:
            raise InvalidInput(f"{self.detail} was not started")
        self._container.get_wrapped_container().kill()

    def close(self) -> None:
        if self._container is not None:
            self._container.stop()  # removes it
            self._container = None

    def _last_lines(self) -> str:
        if self._container is None:
            return ""
        output = b"".join(self._container.get_logs())
        return "\n".join(output.decode(errors="replace").splitlines()[-20:])


def docker_kafka() -> DockerServer:
    """Apache Kafka's own image, in KRaft mode."""
    port = free_port()
    environment = {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{port}",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_INTER_BROKER_LISTENER_NAME": "PLAINTEXT",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_BROKER_SESSION_TIMEOUT_MS": "3000",
        "KAFKA_BROKER_HEARTBEAT_INTERVAL_MS": "500",
    }
    return DockerServer(
        f"Apache Kafka ({KAFKA_IMAGE}, Docker)",
        lambda: _container(KAFKA_IMAGE, environment, 9092, port),
        f"127.0.0.1:{port}",
        lambda: broker_answers(port),
    )


def docker_postgres() -> DockerServer:
    """The official PostgreSQL image, with a random password."""
    port, password = free_port(), new_password()
    address = f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{port}/postgres"
    environment = {"POSTGRES_USER": SUPERUSER, "POSTGRES_PASSWORD": password}
    return DockerServer(
        f"PostgreSQL ({POSTGRES_IMAGE}, Docker)",
        lambda: _container(POSTGRES_IMAGE, environment, 5432, port),
        address,
        lambda: postgres_answers(address),
    )


def _container(image: str, environment: dict[str, str], inner_port: int, port: int) -> "DockerContainer":
    from testcontainers.core.container import DockerContainer

    container = DockerContainer(image, env=environment)
    # docker-py takes the pair; testcontainers types the port alone, which would open it to the whole network.
    container.ports[f"{inner_port}/tcp"] = ("127.0.0.1", port)  # type: ignore[assignment]
    return container
