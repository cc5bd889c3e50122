"""The container files: linted by the real hadolint, and held to what an image may hold."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ops_helm import REPOSITORY

pytestmark = pytest.mark.chart

SERVICES = ("ingest", "scoring", "attestation")
MODEL = {"xgboost", "xgboost-cpu", "numpy"}
HEAVY: dict[str, set[str]] = {"ingest": MODEL, "scoring": set(), "attestation": MODEL}
"""What an image must not hold: who reads or signs scores nothing."""
NEVER = {"shap", "pytest", "testcontainers", "pyrevm", "scikit-learn", "uv", "web3"}
"""Nor this, in any: the last is the oracle of tests alone."""


def _dockerfile(service: str) -> Path:
    return REPOSITORY / "services" / service / "Dockerfile"


def _packages(lock: str) -> set[str]:
    text = (REPOSITORY / "requirements" / f"{lock}.lock").read_text()
    return {found.lower() for found in re.findall(r"^([A-Za-z0-9._-]+)==", text, flags=re.MULTILINE)}


def _stages(service: str) -> list[str]:
    return re.split(r"^FROM ", _dockerfile(service).read_text(), flags=re.MULTILINE)[1:]


def _instructions(stage: str) -> str:
    return "\n".join(line for line in stage.splitlines() if not line.lstrip().startswith("#"))


@pytest.mark.parametrize("service", [*SERVICES, "lab"])
def test_hadolint__each_dockerfile__finds_nothing(service: str) -> None:
    hadolint = Path(sys.executable).parent / "hadolint"

    done = subprocess.run(
        [str(hadolint), str(_dockerfile(service))], capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 0, done.stdout


def test_hadolint__a_bad_dockerfile__is_refused(tmp_path: Path) -> None:
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM python:latest\nRUN pip install flask\n")

    done = subprocess.run(
        [str(Path(sys.executable).parent / "hadolint"), str(bad)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert "DL3007" in done.stdout


@pytest.mark.parametrize("service", SERVICES)
def test_locks__of_an_image__hold_no_package_that_it_must_not_have(service: str) -> None:
    packages = _packages(service)

    assert packages & (HEAVY[service] | NEVER) == set()
    assert {"sqlalchemy", "kafka-python", "prometheus-client"} <= packages


@pytest.mark.parametrize("service", SERVICES)
def test_dockerfile__each__installs_by_hash_and_without_a_compiler(service: str) -> None:
    build, _ = _stages(service)

    installs = [line for line in _instructions(build).replace("\\\n", " ").split("&&") if " install " in line]

    assert len(installs) == 3
    for line in installs[:2]:
        assert "--require-hashes" in line
        assert "--only-binary :all:" in line
    assert f"requirements/{service}.lock" in installs[1]
    assert "--no-deps --no-index /wheels/" in installs[2]
    assert "apt-get" not in _instructions(_dockerfile(service).read_text())


@pytest.mark.parametrize("service", SERVICES)
def test_dockerfile__its_last_stage__runs_as_a_number_and_holds_no_build_tool(service: str) -> None:
    _, final = _stages(service)
    instructions = _instructions(final)

    assert "USER 10001:10001" in instructions
    assert f'ENTRYPOINT ["python", "-m", "bonafides_{service}"]' in instructions
    assert re.findall(r"^COPY .*$", instructions, flags=re.MULTILINE) == [
        "COPY --from=build /opt/bonafides /opt/bonafides"
    ]
    assert "RUN " not in instructions
    assert "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt" in instructions  # for sslrootcert=system of the chart
    assert 'org.opencontainers.image.licenses="Apache-2.0"' in instructions


@pytest.mark.parametrize("service", SERVICES)
def test_dockerfile__any_builder__can_read_it(service: str) -> None:
    text = _dockerfile(service).read_text()

    assert "<<" not in text
    assert "--mount" not in text
    assert "# syntax" not in text


@pytest.mark.parametrize("service", SERVICES)
def test_dockerfile__what_it_copies__is_there_and_not_ignored(service: str) -> None:
    build, _ = _stages(service)
    kept = {
        line.removeprefix("!")
        for line in (REPOSITORY / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }

    for line in re.findall(r"^COPY (.*)$", build, flags=re.MULTILINE):
        for source in line.split()[:-1]:
            assert (REPOSITORY / source).exists(), source
            assert source.split("/")[0] in kept, source


def test_build_lock__for_the_wheel__holds_the_build_backend() -> None:
    assert "hatchling" in _packages("build")
