"""The committed lists of what the stack installs, and the check of Kafka's jars."""

import hashlib
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from bonafides.errors import InvariantViolation
from bonafides_lab.stack.anvil import AnvilOptions
from bonafides_lab.stack.folders import STACK_FOLDER
from bonafides_lab.stack.kafka import new_cluster_id, server_properties
from bonafides_lab.stack.kafka_jars import CHECKSUMS, KAFKA_VERSION, POM, check_jars
from bonafides_lab.stack.node_tools import FOUNDRY_VERSION

pytestmark = pytest.mark.unit

PACKAGE = json.loads((STACK_FOLDER / "package.json").read_text())
LOCK = json.loads((STACK_FOLDER / "package-lock.json").read_text())


def test_package_json__every_version__is_exact_and_locked() -> None:
    asked = PACKAGE["dependencies"] | PACKAGE["optionalDependencies"]
    pinned = {
        name: version.rpartition("@")[2] for name, version in asked.items()
    }  # npm:solc@0.8.19: another name for it

    locked = {name: LOCK["packages"][f"node_modules/{name}"]["version"] for name in pinned}

    assert locked == pinned
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in pinned.values())


def test_package_lock__every_package__has_a_hash_and_names_no_registry() -> None:
    packages = [entry for path, entry in LOCK["packages"].items() if path]

    assert all(entry["integrity"].startswith("sha512-") for entry in packages)
    assert not any("resolved" in entry for entry in packages)
    # npm also copies each package's funding address; take those lines out of a lock that was made again.
    assert "://" not in json.dumps(LOCK)


def test_foundry_version__in_code__is_the_one_in_package_json() -> None:
    versions = {version for name, version in PACKAGE["optionalDependencies"].items() if name.startswith("@foundry-rs/")}

    assert versions == {FOUNDRY_VERSION}


def test_kafka_version__in_code__is_the_one_in_the_pom_and_in_the_jar_list() -> None:
    namespace = {"m": "http://maven.apache.org/POM/4.0.0"}
    found = ET.fromstring(POM.read_text()).findall("m:dependencies/m:dependency", namespace)  # noqa: S314

    versions = {one.findtext("m:artifactId", "", namespace): one.findtext("m:version", "", namespace) for one in found}

    assert versions["kafka_2.13"] == KAFKA_VERSION
    assert f"kafka_2.13-{KAFKA_VERSION}.jar" in CHECKSUMS.read_text()


def _folder_with(tmp_path: Path, jars: dict[str, bytes]) -> Path:
    folder = tmp_path / "libs"
    folder.mkdir()
    for name, content in jars.items():
        (folder / name).write_bytes(content)
    return folder


def _list_of(tmp_path: Path, jars: dict[str, bytes]) -> Path:
    checksums = tmp_path / "jars.sha256"
    checksums.write_text("".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in jars.items()))
    return checksums


def test_check_jars__same_files__accepts(tmp_path: Path) -> None:
    jars = {"a.jar": b"a", "b.jar": b"b"}

    check_jars(_folder_with(tmp_path, jars), _list_of(tmp_path, jars))


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ({"a.jar": b"a"}, "missing: b.jar"),
        ({"a.jar": b"a", "b.jar": b"b", "c.jar": b"c"}, "not in the list: c.jar"),
        ({"a.jar": b"a", "b.jar": b"changed"}, "different: b.jar"),
    ],
)
def test_check_jars__other_files__refuses_and_names_the_jar(
    tmp_path: Path, found: dict[str, bytes], problem: str
) -> None:
    listed = {"a.jar": b"a", "b.jar": b"b"}

    with pytest.raises(InvariantViolation, match=re.escape(problem)):
        check_jars(_folder_with(tmp_path, found), _list_of(tmp_path, listed))


def test_new_cluster_id__many__are_22_characters_and_never_start_with_a_dash() -> None:
    ids = {new_cluster_id() for _ in range(1000)}

    assert len(ids) == 1000
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{21}", one) for one in ids)


def test_server_properties__listeners__are_on_loopback_alone() -> None:
    lines = server_properties(20001, 20002, Path("data")).splitlines()

    listeners = next(line for line in lines if line.startswith("listeners="))
    assert listeners == "listeners=PLAINTEXT://127.0.0.1:20001,CONTROLLER://127.0.0.1:20002"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (AnvilOptions(), "--chain-id 31337 --slots-in-an-epoch 1 --gas-limit 30000000"),
        (AnvilOptions(block_time_s=1, automine=False), "--block-time 1"),
        (AnvilOptions(automine=False), "--no-mining"),
        (AnvilOptions(start_timestamp=1_700_000_000), "--timestamp 1700000000"),
    ],
)
def test_anvil_arguments__each_option__is_on_the_command_line(options: AnvilOptions, expected: str) -> None:
    assert expected in " ".join(options.arguments())
