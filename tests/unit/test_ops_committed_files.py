"""No committed file may name a registry's host or a path of one machine; locks carry hashes and no addresses."""

import json
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

REPOSITORY = Path(__file__).parents[2]

# Put together from pieces, so that this file passes its own test.
REGISTRY_HOSTS = re.compile(
    "|".join(
        [
            r"\bpypi\." + "org",
            "python" + r"hosted\.org",
            r"registry\." + r"npmjs\.",
            r"registry\." + r"yarnpkg\.",
            r"repo\d?\." + r"maven\.",
            r"repo\." + r"maven\.apache",
            r"deb\." + r"debian\.org",
            r"security\." + r"debian\.org",
            r"proxy\." + r"golang\.org",
        ]
    ),
    re.IGNORECASE,
)
INDEX_OPTIONS = re.compile("|".join([r"--(extra-)?index" + "-url", "--find" + "-links", "--trusted" + "-host"]))
MACHINE_PATHS = re.compile(
    r"(?<![\w.$}/-])(?:"
    + "|".join(["/" + r"work/\w", "/" + r"root/[\w.]", "/" + r"home/[a-z]\w*/", "/" + r"Users/\w", "/" + r"tmp/[\w.]"])
    + ")"
)
ADDRESS = re.compile(r"https?://|git\+|file:")


@cache
def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout: there is no list of committed files")
    return [path for name in listed.stdout.split("\0") if name and (path := REPOSITORY / name).is_file()]


def _lines_with(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    found = []
    for path in paths:
        text = path.read_bytes().decode("utf-8", errors="replace")
        if pattern.search(text):
            found += [
                f"{path.relative_to(REPOSITORY)}:{number}"
                for number, line in enumerate(text.splitlines(), 1)
                if pattern.search(line)
            ]
    return found


def _locks(suffix: str) -> list[Path]:
    return [path for path in _tracked() if path.name.endswith(suffix)]


def test_committed_files__all__name_no_registry_host() -> None:
    assert _lines_with(REGISTRY_HOSTS, _tracked()) == []


def test_committed_files__all__name_no_path_of_a_machine() -> None:
    assert _lines_with(MACHINE_PATHS, _tracked()) == []


def test_committed_files__all__name_no_package_index() -> None:
    assert _lines_with(INDEX_OPTIONS, [path for path in _tracked() if path.suffix != ".md"]) == []


@pytest.mark.parametrize(
    "line",
    [
        "https://" + "pypi." + "org/simple",
        "see " + "/wo" + "rk/x.txt",
        "cd /tm" + "p/x",
        "'/ro" + "ot/.cache'",
        "deb." + "debian.org/debian",
    ],
)
def test_patterns__such_a_line__is_found(line: str) -> None:
    assert REGISTRY_HOSTS.search(line) or MACHINE_PATHS.search(line)


@pytest.mark.parametrize("line", ["https://example.org/a", "framework/x", "./home/page", "a pypi package", "${HOME}/x"])
def test_patterns__an_innocent_line__is_not(line: str) -> None:
    assert not REGISTRY_HOSTS.search(line)
    assert not MACHINE_PATHS.search(line)


def test_python_locks__each_requirement__has_a_version_and_hashes_and_no_address() -> None:
    locks = [path for path in _locks(".lock") if path.parent.name == "requirements"]

    assert {path.stem for path in locks} >= {"base", "service", "ingest", "scoring", "attestation", "dev", "build"}
    for path in locks:
        text = path.read_text()
        requirements = re.findall(r"^[A-Za-z0-9].*$", text, flags=re.MULTILINE)
        assert requirements, path.name
        assert not ADDRESS.search(text), path.name
        for requirement in requirements:
            assert "==" in requirement, f"{path.name}: {requirement}"
            assert requirement.endswith("\\"), f"{path.name}: {requirement} has no hash"


def test_node_locks__each_package__has_an_integrity_and_no_address() -> None:
    locks = _locks("package-lock.json")

    assert locks
    for path in locks:
        packages: dict[str, dict[str, object]] = json.loads(path.read_text())["packages"]
        for name, package in packages.items():
            assert "resolved" not in package or package.get("link"), f"{path.parent.name}: {name}"
            if name.startswith("node_modules/") and not package.get("link"):
                assert package.get("integrity"), f"{path.parent.name}: {name}"
