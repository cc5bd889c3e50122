"""The one wheel that all images install: everything they need is in it, and nothing of a working copy."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.ops_helm import REPOSITORY

pytestmark = pytest.mark.chart

PACKAGES = {
    "shared/bonafides",
    "services/ingest/bonafides_ingest",
    "services/scoring/bonafides_scoring",
    "services/attestation/bonafides_attestation",
    "services/lab/bonafides_lab",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def _committed() -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", *sorted(PACKAGES)], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout: there is no list of committed files")
    return {name for name in listed.stdout.split("\0") if name and (REPOSITORY / name).is_file()}


def _in_wheel(name: str) -> str:
    package = next(package for package in PACKAGES if name.startswith(f"{package}/"))
    return f"{Path(package).name}{name.removeprefix(package)}"


def test_wheel__of_this_checkout__holds_every_committed_file_of_the_packages(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())

    missing = {name for name in _committed() if _in_wheel(name) not in names}

    assert missing == set()


@pytest.mark.parametrize("suffix", [".avsc", ".ubj", "MODEL_CARD.md", "/migrations/env.py", "CreditScoreRegistry.json"])
def test_wheel__data_that_is_no_code__is_in_it(wheel: zipfile.ZipFile, suffix: str) -> None:
    assert any(name.endswith(suffix) for name in wheel.namelist())


def test_wheel__what_tools_left_in_the_folders__is_not_in_it(wheel: zipfile.ZipFile) -> None:
    left = ("node_modules/", "__pycache__/", ".cache/", ".env", ".parquet")

    assert [name for name in wheel.namelist() if any(word in name for word in left)] == []
    assert sum(entry.file_size for entry in wheel.infolist()) < 40_000_000


def test_wheel__its_entry_points__lead_to_modules_that_it_holds(wheel: zipfile.ZipFile) -> None:
    entry_points = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    modules = {
        line.partition("=")[2].strip().partition(":")[0]
        for line in wheel.read(entry_points).decode().splitlines()
        if "=" in line
    }

    paths = {module.replace(".", "/") for module in modules}

    names = set(wheel.namelist())
    assert {path for path in paths if f"{path}.py" not in names and f"{path}/__init__.py" not in names} == set()
