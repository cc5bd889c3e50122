"""Which broker, database and chain a machine gets."""

from dataclasses import replace
from pathlib import Path

import pytest
from bonafides_lab.stack.kafka_jars import Java
from bonafides_lab.stack.machine import Machine, Part, Runner, choose, without_docker
from bonafides_lab.stack.node_tools import Node
from bonafides_lab.stack.postgres import PostgresPrograms

pytestmark = pytest.mark.unit

WHOLE = Machine(
    docker_problem="no Docker engine answers",
    java=Java(Path("java"), 17),
    has_maven=True,
    has_kafka_jars=False,
    packaged_broker_problem=None,
    postgres=PostgresPrograms(Path("pg"), "18.4", "embedded"),
    node=Node(Path("node"), ("npm",), "v20.0.0", "PATH"),
)
BARE = Machine("no Docker engine answers", None, False, False, "not installed", None, None)


@pytest.mark.parametrize(
    ("part", "variable"),
    [
        (Part.BROKER, "BONAFIDES_LAB_KAFKA_BOOTSTRAP"),
        (Part.DATABASE, "BONAFIDES_LAB_POSTGRES_URL"),
        (Part.CHAIN, "BONAFIDES_LAB_RPC_URL"),
    ],
)
def test_choose__address_in_environment__wins_over_docker_and_shows_no_address(part: Part, variable: str) -> None:
    machine = replace(WHOLE, docker_problem=None)

    choice = choose(part, machine, {variable: "postgresql://somebody:secret@host/db"})

    assert choice.runner is Runner.GIVEN
    assert variable in choice.line()
    assert "secret" not in choice.line()


def test_choose__empty_address_in_environment__counts_as_none() -> None:
    assert choose(Part.BROKER, WHOLE, {"BONAFIDES_LAB_KAFKA_BOOTSTRAP": ""}).runner is Runner.LOCAL


@pytest.mark.parametrize("part", [Part.BROKER, Part.DATABASE])
def test_choose__docker_answers__wins_over_local(part: Part) -> None:
    assert choose(part, replace(WHOLE, docker_problem=None), {}).runner is Runner.DOCKER


def test_choose__docker_turned_out_broken__goes_local() -> None:
    machine = without_docker(replace(WHOLE, docker_problem=None), "it cannot fetch the image")

    assert choose(Part.BROKER, machine, {}).runner is Runner.LOCAL


@pytest.mark.parametrize(
    ("java", "has_maven", "has_kafka_jars", "runner"),
    [
        (Java(Path("java"), 17), True, False, Runner.LOCAL),
        (Java(Path("java"), 17), False, True, Runner.LOCAL),  # fetched earlier: Maven is not needed again
        (Java(Path("java"), 17), False, False, Runner.PACKAGED),
        (None, True, True, Runner.PACKAGED),
    ],
)
def test_choose__java_and_maven__decide_between_kafka_and_the_packaged_broker(
    java: Java | None, has_maven: bool, has_kafka_jars: bool, runner: Runner
) -> None:
    machine = replace(WHOLE, java=java, has_maven=has_maven, has_kafka_jars=has_kafka_jars)

    assert choose(Part.BROKER, machine, {}).runner is runner


def test_choose__packaged_broker__says_loudly_that_kafka_is_skipped_and_why() -> None:
    line = choose(Part.BROKER, replace(WHOLE, java=None, has_maven=False), {}).line()

    assert "Apache Kafka itself is SKIPPED" in line
    assert "java >= 17 and mvn not found" in line


@pytest.mark.parametrize("part", list(Part))
def test_choose__nothing_there__nobody_runs_it_and_the_note_says_how_to_get_it(part: Part) -> None:
    choice = choose(part, BARE, {})

    assert choice.runner is Runner.NOBODY
    assert choice.note
