"""Apache Kafka itself as one local process: broker and controller in KRaft mode, without Docker."""

import base64
import os
import secrets
import subprocess
from pathlib import Path

from bonafides.errors import Unavailable

from bonafides_lab.processes import Process, clean_environment, free_port
from bonafides_lab.stack.broker_readiness import wait_for_broker
from bonafides_lab.stack.kafka_jars import KAFKA_VERSION, Java, ensure_kafka_jars
from bonafides_lab.stack.server import LocalServer

READY_TIMEOUT_S = 90  # three seconds on two quiet cores, five after a SIGKILL; the rest is for busy machines
# Small heap, simple collector, quick compiler only: 350 MB resident instead of a gigabyte, and up in half the time.
JVM_OPTIONS = (
    "-Xms128m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
)


class LocalKafka(LocalServer):
    """A broker whose topics and offsets survive `kill` and `start`, on the same port."""

    def __init__(self, folder: Path, java: Java) -> None:
        super().__init__(folder)
        self._java = java
        self._controller_port = free_port()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def detail(self) -> str:
        return f"Apache Kafka {KAFKA_VERSION} (java {self._java.major}, local process)"

    def _launch(self) -> Process:
        jars = ensure_kafka_jars()
        settings = self.folder / "server.properties"
        settings.write_text(server_properties(self.port, self._controller_port, self.folder / "data"))
        if not (self.folder / "data" / "meta.properties").exists():
            self._format(jars, settings)
        return Process.start("kafka", [*self._java_command(jars), "kafka.Kafka", str(settings)], {}, self.folder)

    def _wait_until_ready(self, process: Process) -> None:
        wait_for_broker(process, self.port, READY_TIMEOUT_S)

    def _format(self, jars: Path, settings: Path) -> None:
        tool = [*self._java_command(jars), "kafka.tools.StorageTool", "format"]
        try:
            subprocess.run(  # noqa: S603 - our own argv, no shell
                [*tool, "--cluster-id", new_cluster_id(), "--config", str(settings)],
                env=clean_environment({}),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=READY_TIMEOUT_S,
                check=True,
            )
        except subprocess.CalledProcessError as exc:
            raise Unavailable(f"Kafka's storage could not be formatted:\n{(exc.stdout + exc.stderr)[-2000:]}") from exc
        except subprocess.TimeoutExpired as exc:
            raise Unavailable(f"formatting Kafka's storage took more than {READY_TIMEOUT_S} s") from exc

    def _java_command(self, jars: Path) -> list[str]:
        return [str(self._java.program), *JVM_OPTIONS, "-cp", f"{jars}{os.sep}*"]


def new_cluster_id() -> str:
    """A random id in Kafka's form (22 characters of URL-safe base64), which saves a start of Java for `random-uuid`.

    The first byte's top bit is cleared: Kafka itself never makes an id that starts with a dash, since it would read as
    an option.
    """
    number = secrets.token_bytes(16)
    return base64.urlsafe_b64encode(bytes([number[0] & 0x7F]) + number[1:]).decode().rstrip("=")


def server_properties(port: int, controller_port: int, data_folder: Path) -> str:
    """The broker's configuration: one node, one copy of everything, quick to join a group and to come back."""
    return f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data_folder}
# Topics are created on purpose, with their number of partitions.
auto.create.topics.enable=false
# One node: one copy of each internal topic, and few partitions of them (fifty by default, each a folder to recover).
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
# The first member of a group starts at once instead of waiting three seconds for others.
group.initial.rebalance.delay.ms=0
# Crash tests wait until a killed member is missed: 6 s at the least by default.
group.min.session.timeout.ms=1000
# After SIGKILL the controller refuses the broker until the dead one's session is over: nine seconds by default.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
# Each partition is recovered after SIGKILL; these are many small folders.
num.recovery.threads.per.data.dir=4
log.cleaner.dedupe.buffer.size=16777216
"""
