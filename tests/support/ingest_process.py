"""The real ingest process on a real stack: started, killed, and its records read back."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bonafides import database
from bonafides.bus import Record, TopicPartition
from bonafides.events import Boundary, BoundaryMark, LendingEvent, MarketPoint, WalletDeadLetter
from bonafides.kafka_bus import KafkaBusAdmin, KafkaConnection
from bonafides.messages import EventBatch, LogDeadLetter, MarketBatch, decode
from bonafides.topics import MARKET, TOPICS, WALLET_EVENTS, dead_letter_topic
from bonafides_lab.market.deployment import Deployment as MarketDeployment
from bonafides_lab.market.deployment import deployments_yaml
from bonafides_lab.processes import Process
from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaTopicPartition
from sqlalchemy import text
from sqlalchemy.engine import make_url

ROLE, PASSWORD = "bonafides_ingest", "of-the-test"
DEAD_LETTER_TOPICS = (dead_letter_topic(WALLET_EVENTS), dead_letter_topic(MARKET))


def write_registry(folder: Path, deployment: MarketDeployment) -> Path:
    """The deployments file of a played market."""
    path = folder / "deployments.yaml"
    listed = deployments_yaml(deployment)
    path.write_text(listed if listed.lstrip().startswith("version") else f"version: 1\ndeployments:\n{listed}")
    return path


def prepare_database(admin_url: str) -> None:
    """Migrate schema ingest, and let the service's role in with a password."""
    engine = database.connect(admin_url)
    database.migrate(engine, schemas=["ingest"])
    with database.transaction(engine) as connection:
        connection.execute(text(f"ALTER ROLE {ROLE} PASSWORD '{PASSWORD}'"))
    engine.dispose()


def prepare_topics(bootstrap: str) -> None:
    admin = KafkaBusAdmin(KafkaConnection(bootstrap), "test")
    admin.ensure_topics((*TOPICS, *(dead_letter_topic(topic) for topic in TOPICS)), 1)
    admin.close()


def end_offsets(bootstrap: str) -> dict[TopicPartition, int]:
    admin = KafkaBusAdmin(KafkaConnection(bootstrap), "test")
    try:
        return admin.end_offsets([WALLET_EVENTS.name, MARKET.name, *(topic.name for topic in DEAD_LETTER_TOPICS)])
    finally:
        admin.close()


@dataclass(frozen=True)
class IngestSetup:
    """Everything that one ingest process is told."""

    folder: Path
    bootstrap: str
    admin_url: str
    rpc_url: str
    registry: Path
    chain_id: int = 31337

    def environment(self, **changes: str) -> dict[str, str]:
        password_file = self.folder / "password"
        password_file.write_text(PASSWORD)
        url = make_url(self.admin_url)
        variables = {
            "environment": "development",
            "database_url": f"postgresql://{ROLE}@{url.host}:{url.port}/{url.database}",
            "database_password_file": str(password_file),
            "kafka_bootstrap": self.bootstrap,
            "rpc_url": self.rpc_url,
            "chain_id": str(self.chain_id),
            "deployments_file": str(self.registry),
            "health_port": "0",
            "poll_interval_s": "0.1",
            "lease_s": "2",
            "follow_head": "false",
        } | changes
        return {f"BONAFIDES_INGEST_{name.upper()}": value for name, value in variables.items()}

    def start(self, name: str = "ingest", **changes: str) -> Process:
        python_path = {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}
        argv = [sys.executable, "-m", "bonafides_ingest"]
        return Process.start(name, argv, self.environment(**changes) | python_path, self.folder)

    def start_command(self, name: str, *arguments: str, **changes: str) -> Process:
        """`bonafides ingest …` with these arguments; `rpc_url=""` leaves the node out."""
        python_path = {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}
        argv = [sys.executable, "-c", "from bonafides.command_line import main; main()", "ingest", *arguments]
        variables = {name: value for name, value in self.environment(**changes).items() if value}
        return Process.start(name, argv, variables | python_path, self.folder)


@dataclass
class ReadLog:
    """What stands in the topics from some offsets on, decoded, in order per partition."""

    records: list[Record] = field(default_factory=list)

    def _messages(self, topic: str) -> list[tuple[int, object]]:
        return [(record.at.partition, decode(record.value)) for record in self.records if record.at.topic == topic]

    def events(self) -> list[LendingEvent]:
        """With the copies that crashes leave."""
        batches = [message for _, message in self._messages(WALLET_EVENTS.name) if isinstance(message, EventBatch)]
        return [event for batch in batches for event in batch.events]

    def distinct_events(self) -> dict[bytes, LendingEvent]:
        """By id: what a consumer that dedupes keeps."""
        kept: dict[bytes, LendingEvent] = {}
        for event in self.events():
            if event.id not in kept or event.precedence > kept[event.id].precedence:
                kept[event.id] = event
        return kept

    def points(self) -> list[MarketPoint]:
        batches = [message for _, message in self._messages(MARKET.name) if isinstance(message, MarketBatch)]
        return [point for batch in batches for point in batch.points]

    def boundaries(self) -> list[Boundary]:
        return [message for _, message in self._messages(MARKET.name) if isinstance(message, Boundary)]

    def marks(self) -> list[tuple[int, BoundaryMark]]:
        """(partition, mark) in order per partition."""
        found = self._messages(WALLET_EVENTS.name)
        return [(partition, message) for partition, message in found if isinstance(message, BoundaryMark)]

    def wallet_dead_letters(self) -> list[WalletDeadLetter]:
        return [m for _, m in self._messages(WALLET_EVENTS.name) if isinstance(m, WalletDeadLetter)]

    def log_dead_letters(self) -> list[LogDeadLetter]:
        found = [message for topic in DEAD_LETTER_TOPICS for _, message in self._messages(topic.name)]
        return [message for message in found if isinstance(message, LogDeadLetter)]


def read_log(bootstrap: str, starts: Mapping[TopicPartition, int]) -> ReadLog:
    """All records from these offsets to the end as it is now."""
    ends = end_offsets(bootstrap)
    wanted = {at: end for at, end in ends.items() if end > starts.get(at, 0)}
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="none")
    found: dict[TopicPartition, list[Record]] = {at: [] for at in wanted}
    try:
        consumer.assign([KafkaTopicPartition(*at) for at in wanted])
        for at in wanted:
            consumer.seek(KafkaTopicPartition(*at), starts.get(at, 0))
        while any(not found[at] or found[at][-1].offset < end - 1 for at, end in wanted.items()):
            for at, records in consumer.poll(timeout_ms=500).items():
                place = TopicPartition(at.topic, at.partition)
                found[place] += [Record(place, record.offset, record.value) for record in records]
    finally:
        consumer.close(autocommit=False)
    return ReadLog([record for at in sorted(found) for record in found[at]])
