"""The attestation service on real parts: its processes, its database roles, its registry, and scores to feed it."""

import json
import secrets
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bonafides import database
from bonafides.bus import TopicPartition
from bonafides.hashing import keccak
from bonafides.json_rpc import JsonRpc
from bonafides.kafka_bus import KafkaBusAdmin, KafkaBusProducer, KafkaConnection
from bonafides.messages import AttestationChanged, Message, ScoreIssued, decode, encode
from bonafides.topics import ATTESTATION_STATUS, SCORES_ISSUED, TOPICS, dead_letter_topic, partition_of
from bonafides.types import (
    Address,
    AdverseReason,
    AsOf,
    BlockRef,
    ChainId,
    Digest,
    ModelClass,
    ScoreFlag,
    address_text,
    band_of,
)
from bonafides.verify.rpc import RpcChainView
from bonafides.verify.typed_data import Domain
from bonafides_attestation.chain import Chain
from bonafides_attestation.deployment import Deployment, NodeDeployer, deploy_registry
from bonafides_attestation.keys import new_keystore
from bonafides_attestation.publication import Patience
from bonafides_attestation.publisher import FeeRules, Publisher
from bonafides_attestation.registry import ROOT_PUBLISHED, Registry
from bonafides_lab.processes import Process
from bonafides_lab.stack.anvil import LocalAnvil
from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaTopicPartition
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url

ROLE_PASSWORD = "attestation-tests"
PASSWORD = "keystore of the tests"
DEVELOPMENT_ACCOUNT = Address(bytes.fromhex("f39fd6e51aad88f6f4ce6ab8827279cfffb92266"))  # anvil's first
DEVELOPMENT_CHAIN = ChainId(31337)
ROLES = {name: f"bonafides_attestation_{name}" for name in ("issuer", "publisher", "api")}
WAIT_S = 60


def wait_for(claim: Callable[[], bool], what: str, timeout_s: float = WAIT_S) -> None:
    """Fail the test when the claim does not come true in time."""
    deadline = time.monotonic() + timeout_s
    while not claim():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what}")
        time.sleep(0.1)


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_score(
    number: int,
    as_of_time: int,
    model_id: Digest,
    *,
    chain_id: ChainId = DEVELOPMENT_CHAIN,
    score: int | None = None,
    model_class: ModelClass = ModelClass.SYNTHETIC,
    flags: ScoreFlag = ScoreFlag.NONE,
    run: bytes = b"",
) -> ScoreIssued:
    """A finalized score of a wallet that follows from `number` and `run`."""
    points = 500 + number % 300 if score is None else score
    wallet = Address(keccak(b"wallet", run, number.to_bytes(8))[:20])
    return ScoreIssued(
        score_id=keccak(b"score", run, number.to_bytes(8), as_of_time.to_bytes(8), model_id),
        wallets=(wallet,),
        as_of=AsOf((BlockRef(chain_id, number + 1, keccak(b"block", number.to_bytes(8)), as_of_time),)),
        model_id=model_id,
        model_class=model_class,
        score=points,
        band=band_of(points),
        pd_bps=321,
        coverage_digest=keccak(b"coverage"),
        reasons=(AdverseReason.HIGH_LEVERAGE,),
        flags=flags,
    )


@dataclass
class AttestationStack:
    """Registry, keys, topics, roles and settings of one test."""

    folder: Path
    admin_url: str
    kafka_bootstrap: str
    anvil: LocalAnvil
    model_id: Digest = field(default_factory=lambda: Digest(secrets.token_bytes(32)))
    settings: dict[str, str] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)
    deployment: Deployment = field(init=False)
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.engine = database.connect(self.admin_url)
        database.migrate(self.engine, schemas=["attestation"])
        with database.transaction(self.engine) as connection:
            for role in ROLES.values():
                connection.execute(text(f"ALTER ROLE {role} PASSWORD '{ROLE_PASSWORD}'"))
        admin = KafkaBusAdmin(KafkaConnection(self.kafka_bootstrap), "tests")
        admin.ensure_topics((*TOPICS, *(dead_letter_topic(topic) for topic in TOPICS)), 1)
        admin.close()
        (self.folder / "password").write_text(PASSWORD)
        (self.folder / "role").write_text(ROLE_PASSWORD)
        attester, publisher = (self._key(name) for name in ("attester", "publisher"))
        self.anvil.rpc.call("anvil_setBalance", address_text(publisher), hex(10**18))
        self.deployment = deploy_registry(
            self.rpc, NodeDeployer(DEVELOPMENT_ACCOUNT), attester=attester, publisher=publisher
        )

    @property
    def rpc(self) -> JsonRpc:
        return JsonRpc(self.anvil.address, 10.0)

    @property
    def domain(self) -> Domain:
        return Domain(ChainId(self.deployment.chain_id), self.deployment.registry)

    @property
    def registry(self) -> Registry:
        return Registry(Chain(self.rpc), self.domain)

    @property
    def chain_view(self) -> RpcChainView:
        return RpcChainView(self.anvil.address)

    def role_url(self, name: str) -> str:
        """Database URL of a role, without its password."""
        url = make_url(self.admin_url)
        return f"postgresql://{ROLES[name]}@{url.host}:{url.port}/{url.database}"

    def role_engine(self, name: str) -> Engine:
        return database.connect(self.role_url(name), ROLE_PASSWORD)

    def environment(self, name: str, **changes: str) -> dict[str, str]:
        """The variables of one process."""
        values = {
            "environment": "development",
            "database_url": self.role_url(name),
            "database_password_file": str(self.folder / "role"),
            "kafka_bootstrap": self.kafka_bootstrap,
            "kafka_session_timeout_s": "6",
            "health_port": "0",
            "rpc_url": self.anvil.address,
            "chain_id": str(self.deployment.chain_id),
            "registry": address_text(self.deployment.registry),
            "allowed_models": f"0x{self.model_id.hex()}=synthetic",
            "issue_for": "all",
            "batch_max_age_s": "0.5",
            "turn_s": "0.1",
            "lease_s": "1",
            "attester_keystore_file": str(self.folder / "attester.json"),
            "attester_password_file": str(self.folder / "password"),
            "publisher_keystore_file": str(self.folder / "publisher.json"),
            "publisher_password_file": str(self.folder / "password"),
            "low_balance_gwei": "1",
            **self.settings,
            **changes,
        }
        return {f"BONAFIDES_ATTESTATION_{key.upper()}": value for key, value in values.items()}

    def start(self, name: str, **changes: str) -> Process:
        """Start `issuer`, `publisher` or `api` as a process of its own."""
        argv = [sys.executable, "-m", "bonafides_attestation", name]
        process = Process.start(name, argv, self.environment(name, **changes), self.folder)
        self.processes.append(process)
        return process

    def publisher(self, **changes: int) -> Publisher:
        """A publisher in this process, for tests that look between its steps."""
        from bonafides.clock import SystemClock
        from bonafides.outbox import Outbox
        from bonafides_attestation.keys import open_keystore
        from bonafides_attestation.leases import Lease
        from bonafides_attestation.tables import publisher_outbox
        from bonafides_attestation.transactions import TransactionSigner

        secret = open_keystore(self.folder / "publisher.json", self.folder / "password", "PUBLISHER")
        engine = self.role_engine("publisher")
        producer = KafkaBusProducer(KafkaConnection(self.kafka_bootstrap), "tests")
        return Publisher(
            engine=engine,
            lease=Lease(engine, "publisher", 30),
            registry=self.registry,
            signer=TransactionSigner(secret, self.domain),
            patience=Patience(changes.get("bump_after_blocks", 3), 60),
            fee_rules=FeeRules(10**12, 1),
            finality_depth=None,
            outbox=Outbox(engine, publisher_outbox, producer),
            clock=SystemClock(),
        )

    def produce(self, messages: Sequence[ScoreIssued]) -> None:
        """Put scores on `scores-issued.v1`."""
        self.produce_raw([(partition_of(m.wallets[0], SCORES_ISSUED), encode(m)) for m in messages])

    def produce_raw(self, records: Sequence[tuple[int, bytes]]) -> None:
        producer = KafkaBusProducer(KafkaConnection(self.kafka_bootstrap), "tests")
        for partition, value in records:
            producer.send(SCORES_ISSUED.name, partition, value)
        producer.flush()
        producer.close()

    def read_topic(self, topic: str) -> list[tuple[TopicPartition, Message]]:
        """Every message of a topic so far."""
        consumer = KafkaConsumer(bootstrap_servers=[self.kafka_bootstrap], enable_auto_commit=False)
        partitions = [KafkaTopicPartition(topic, p) for p in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        found: list[tuple[TopicPartition, Message]] = []
        while any(consumer.position(p) < ends[p] for p in partitions):
            for at, records in consumer.poll(timeout_ms=500).items():
                found += [(TopicPartition(at.topic, at.partition), decode(record.value)) for record in records]
        consumer.close()
        return found

    def statuses(self, score_id: Digest) -> list[AttestationChanged]:
        """The statuses of one score, in order: they share a partition."""
        return [
            message
            for _, message in self.read_topic(ATTESTATION_STATUS.name)
            if isinstance(message, AttestationChanged) and message.score_id == score_id
        ]

    def scalar(self, question: str, **values: object) -> object:
        """One value, read by the owner of the schema."""
        with database.transaction(self.engine) as connection:
            return connection.scalar(text(question), values)

    def rows(self, question: str, **values: object) -> list[tuple[object, ...]]:
        with database.transaction(self.engine) as connection:
            return [tuple(row) for row in connection.execute(text(question), values)]

    def batch_states(self) -> list[str]:
        return [str(row[0]) for row in self.rows("SELECT state FROM attestation.batches ORDER BY id")]

    def documents_final(self) -> int:
        """Signed documents of final batches."""
        return int(
            str(
                self.scalar(
                    "SELECT count(*) FROM attestation.documents d JOIN attestation.batches b ON b.id = d.batch_id "
                    "WHERE d.state = 'signed' AND b.state = 'final'"
                )
            )
        )

    def published_roots(self) -> list[Digest]:
        """Roots in the registry's log, in order."""
        logs = Chain(self.rpc).logs(self.deployment.registry, [ROOT_PUBLISHED], 0)
        return [Digest(log.topics[1]) for log in logs]

    def now(self) -> int:
        """Time of the newest block."""
        return Chain(self.rpc).head().timestamp

    def close(self) -> None:
        """End what was started here."""
        for process in self.processes:
            if process.is_running():
                process.kill()
        self.engine.dispose()

    def logs(self) -> str:
        """Everything that the processes wrote."""
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    def _key(self, name: str) -> Address:
        return new_keystore(self.folder / f"{name}.json", PASSWORD, scrypt_n=2**12)


def http_get(url: str) -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers and body, errors included."""
    return _fetch(urllib.request.Request(url))


def http_post(url: str, body: object) -> tuple[int, Mapping[str, str], bytes]:
    """The same for a JSON body."""
    return _fetch(urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"}))


def _fetch(request: urllib.request.Request) -> tuple[int, Mapping[str, str], bytes]:
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, dict(response.headers), response.read()
    except urllib.error.HTTPError as exc:
        return exc.code, dict(exc.headers), exc.read()
