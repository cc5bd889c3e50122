"""Apache Kafka's jars: brought by Maven, accepted only when each is the very file that was committed to.

`kafka_jars.sha256` has the format of `sha256sum`. To change Kafka's version: edit pom.xml, empty the cache, run
`mvn dependency:copy-dependencies` by hand, look at what came, and write the list anew.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bonafides.errors import InvariantViolation, MissingTool, Unavailable

from bonafides_lab.stack.folders import CACHE_FOLDER, STACK_FOLDER, only_one_installs

POM = STACK_FOLDER / "pom.xml"
CHECKSUMS = STACK_FOLDER / "kafka_jars.sha256"
JARS_FOLDER = CACHE_FOLDER / "kafka-libs"
KAFKA_VERSION = "4.1.0"  # as in pom.xml; a test compares them
OLDEST_JAVA = 17  # what Kafka 4 brokers need
DOWNLOAD_TIMEOUT_S = 600  # 43 MB; four to eight seconds from a warm mirror


@dataclass(frozen=True, slots=True)
class Java:
    """A Java runtime that answered `-version`."""

    program: Path
    major: int


def find_java() -> Java | None:
    """The `java` of PATH when it runs and is new enough for Kafka, else None."""
    program = shutil.which("java")
    if program is None:
        return None
    try:
        answer = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=30, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r'version "(\d+)', answer.stderr)
    if version is None or int(version[1]) < OLDEST_JAVA:
        return None
    return Java(Path(program), int(version[1]))


def find_maven() -> Path | None:
    """The `mvn` of PATH when it runs, else None."""
    program = shutil.which("mvn")
    if program is None:
        return None
    try:
        subprocess.run([program, "--version"], capture_output=True, timeout=60, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return Path(program)


def kafka_jars_are_cached() -> bool:
    """Whether the jars were fetched before. They are checked again before each use."""
    return JARS_FOLDER.is_dir()


def ensure_kafka_jars() -> Path:
    """The folder with Kafka's jars, fetched by Maven the first time and checked every time.

    Raises InvariantViolation when a jar is missing, unknown or different from the committed list, MissingTool without
    Maven, Unavailable when Maven fails.
    """
    with only_one_installs("kafka-libs"):
        if not kafka_jars_are_cached():
            _fetch_jars()
        check_jars(JARS_FOLDER, CHECKSUMS)
    return JARS_FOLDER


def check_jars(folder: Path, checksums: Path) -> None:
    """Compare every file of `folder` with the list. Raises InvariantViolation that names what differs."""
    expected = {name: digest for digest, name in (line.split() for line in checksums.read_text().splitlines())}
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    problems = [
        *(f"missing: {name}" for name in sorted(expected.keys() - found.keys())),
        *(f"not in the list: {name}" for name in sorted(found.keys() - expected.keys())),
        *(f"different: {name}" for name in sorted(expected.keys() & found.keys()) if expected[name] != found[name]),
    ]
    if problems:
        raise InvariantViolation(
            f"the jars in {folder} are not the ones listed in {checksums.name}: {'; '.join(problems)}. "
            f"They will not be run. Delete the folder to fetch them again"
        )


def _fetch_jars() -> None:
    maven = find_maven()
    if maven is None:
        raise MissingTool("mvn was not found on PATH, or does not run: install Maven to use Apache Kafka itself")
    # Beside the final place, so that the rename is atomic: a folder of that name is always a whole one.
    with tempfile.TemporaryDirectory(dir=CACHE_FOLDER) as scratch:
        libs, pom = Path(scratch) / "libs", Path(scratch) / "pom.xml"
        shutil.copy(POM, pom)  # Maven writes a target folder beside the pom
        command = [str(maven), "--batch-mode", "--quiet", "--file", str(pom), "dependency:copy-dependencies"]
        try:
            subprocess.run(  # noqa: S603 - our own argv, no shell
                [*command, f"-DoutputDirectory={libs}"],
                env=dict(os.environ),  # Maven needs the user's settings, proxy and mirror
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=DOWNLOAD_TIMEOUT_S,
                check=True,
            )
        except subprocess.CalledProcessError as exc:
            raise Unavailable(f"Maven could not fetch Apache Kafka:\n{(exc.stdout + exc.stderr)[-2000:]}") from exc
        except subprocess.TimeoutExpired as exc:
            raise Unavailable(f"Maven took more than {DOWNLOAD_TIMEOUT_S} s to fetch Apache Kafka") from exc
        check_jars(libs, CHECKSUMS)
        libs.rename(JARS_FOLDER)
