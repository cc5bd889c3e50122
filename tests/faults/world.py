"""What a run plays in: a real chain with a history, a real broker, a real database, the settings of our processes."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bonafides.errors import MissingTool
from bonafides_lab.market.artifacts import Artifacts
from bonafides_lab.market.deployment import Deployment, deployments_yaml
from bonafides_lab.market.play import genesis_timestamp, play
from bonafides_lab.stack.anvil import AnvilOptions
from bonafides_lab.stack.kafka import LocalKafka
from bonafides_lab.stack.machine import DOCKER_VARIABLE
from bonafides_lab.stack.node_tools import aave_artifacts_folder
from bonafides_lab.stack.postgres import LocalPostgres
from bonafides_lab.stack.resolver import local_stack
from bonafides_lab.system.preparation import prepare_database, prepare_topics
from bonafides_lab.system.processes import Service, System

from tests.faults.load import Load
from tests.faults.node_proxy import NodeProxy
from tests.faults.schedule import DEEPEST_REORG

LOCAL_PROCESSES = {DOCKER_VARIABLE: "never"}  # a container cannot be stopped as a process can
CHAIN_ID = 31337
SLOTS_IN_AN_EPOCH = (DEEPEST_REORG + 2) // 2  # finalized is two epochs behind the head, so no reorg reaches it
LEASE_S = 2.0
SESSION_TIMEOUT_S = 2.0
INGEST_SETTINGS = {
    "chain_id": str(CHAIN_ID),
    "poll_interval_s": "0.2",
    "lease_s": str(LEASE_S),
    "window_blocks": "2",  # so that the history takes many turns, and faults meet them
    "rpc_timeout_s": "3",  # a half-open connection is noticed while it still is one
    "boundary_interval_s": "3",
    "scoring_interval_s": "15",
}
SCORING_SETTINGS = {"chain_ids": str(CHAIN_ID), "poll_max_records": "100"}


@dataclass
class World:
    """Everything that runs beside our processes. The chain's thread of people is not started yet."""

    folder: Path
    broker: LocalKafka
    database: LocalPostgres
    rpc_url: str
    proxy: NodeProxy
    deployment: Deployment
    load: Load
    system: System


@contextmanager
def faulty_world(folder: Path, seed: int, days: int) -> Iterator[World]:
    """Start broker, database and chain, play `days` days of history, prepare database and topics.

    Raises MissingTool where there is no Apache Kafka: another broker would lose its topics when it is killed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)  # PostgreSQL's own user must be able to pass through
    end = int(time.time()) - 60
    options = AnvilOptions(start_timestamp=genesis_timestamp(end, days), slots_in_an_epoch=SLOTS_IN_AN_EPOCH)
    with ExitStack() as at_the_end:
        stack = at_the_end.enter_context(local_stack(folder, anvil=options, environ=LOCAL_PROCESSES))
        broker, database = stack.broker, stack.database
        if not isinstance(broker, LocalKafka) or not isinstance(database, LocalPostgres):
            raise MissingTool(
                f"faults need Apache Kafka and PostgreSQL as local processes; saw {broker.detail}, {database.detail}: "
                "install Java 17 and Maven, then `bonafides lab stack tools`"
            )
        artifacts = Artifacts(aave_artifacts_folder() / "contracts")
        deployment = play(stack.rpc_url, artifacts, end_timestamp=end, seed=seed, days=days).deployment
        load = Load(stack.rpc_url, deployment, seed)
        load.open()
        proxy = NodeProxy(urlsplit(stack.rpc_url).port or 0)
        proxy.start()
        at_the_end.callback(proxy.close)

        access = prepare_database(stack.postgres_url, folder / "secrets")
        prepare_topics(stack.kafka_bootstrap)
        (registry := folder / "deployments.yaml").write_text(deployments_yaml(deployment))
        settings = {
            Service.INGEST: INGEST_SETTINGS | {"rpc_url": proxy.url, "deployments_file": str(registry)},
            Service.SCORING_WORKER: SCORING_SETTINGS,
        }
        system = System(folder, stack.kafka_bootstrap, access, settings, SESSION_TIMEOUT_S)
        at_the_end.callback(system.stop)
        yield World(folder, broker, database, stack.rpc_url, proxy, deployment, load, system)
