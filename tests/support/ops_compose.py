"""docker-compose.yml as compose sees it, without an engine: merged, its variables filled in."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import yaml
from bonafides.types import Json

from tests.support.ops_helm import REPOSITORY, mapping, sequence

COMPOSE_FILE = REPOSITORY / "docker-compose.yml"
PROCESSES = ("ingest", "scoring-worker", "scoring-api", "issuer", "publisher", "attestation-api")
JOBS = ("migrate", "role-passwords", "topics")
SERVERS = ("kafka", "postgres", "anvil")

_VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<word>[^}]*))?\})")


def compose_program() -> list[str] | None:
    """Docker Compose, when this machine has it; it needs no engine to check a file."""
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    if docker := shutil.which("docker"):
        asked = subprocess.run([docker, "compose", "version"], capture_output=True, check=False, timeout=60)
        if asked.returncode == 0:
            return [docker, "compose"]
    return None


def run_compose(program: list[str], env_file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Docker Compose on our file, with the variables of `env_file` alone."""
    command = [*program, "--env-file", str(env_file), "--file", str(COMPOSE_FILE), *arguments]
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)


@cache
def compose_file() -> Mapping[str, Json]:
    """The file with anchors and merges resolved, variables still as they are written."""
    return mapping(yaml.safe_load(COMPOSE_FILE.read_text()))


def service(name: str) -> Mapping[str, Json]:
    """One service."""
    return mapping(mapping(compose_file()["services"])[name])


def services() -> Mapping[str, Mapping[str, Json]]:
    """All services by name."""
    return {name: mapping(value) for name, value in mapping(compose_file()["services"]).items()}


def environment_of(name: str, variables: Mapping[str, str]) -> dict[str, str]:
    """The variables of a service, filled in as compose does it."""
    given = mapping(service(name).get("environment") or {})
    return {key: fill_in(str(value), variables) for key, value in given.items()}


def fill_in(text: str, variables: Mapping[str, str]) -> str:
    """`${NAME}`, `${NAME:-default}`, `${NAME:?message}` and `$$`. Raises KeyError for a missing one."""

    def replace(found: re.Match[str]) -> str:
        name = found["name"]
        if name is None:
            return "$"
        if value := variables.get(name):
            return value
        if found["kind"] == "-":
            return str(found["word"])
        raise KeyError(f"{name}: {found['word']}")

    return _VARIABLE.sub(replace, text)


def secrets_of(name: str) -> dict[str, str]:
    """Path inside the container → secret, of a service."""
    found = {}
    for entry in sequence(service(name).get("secrets") or []):
        match entry:
            case str():
                found[f"/run/secrets/{entry}"] = entry
            case _:
                found[f"/run/secrets/{mapping(entry)['target']}"] = str(mapping(entry)["source"])
    return found


def read_env_file(path: Path) -> dict[str, str]:
    """The variables that a .env file sets."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}
