"""What the resolver hands out for each part of the stack, whoever runs it."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bonafides.errors import InvalidInput, Unavailable

from bonafides_lab.processes import Process, accepts_tcp, free_port

GIVEN_TIMEOUT_S = 10


class StackServer(Protocol):
    """A broker, database or chain that answers at `address`."""

    @property
    def address(self) -> str:
        """Bootstrap `host:port` of a broker; URL of a database (superuser) or of a node."""

    @property
    def detail(self) -> str:
        """Product, version and who runs it, for people."""

    def start(self) -> None:
        """Start, or start again on the same address and data, and wait until it answers."""

    def stop(self) -> None:
        """Stop in good order; `start` finds address and data again. Stopping twice is allowed."""

    def kill(self) -> None:
        """End as a crash would (SIGKILL). Raises InvalidInput when the server is not ours to kill."""

    def close(self) -> None:
        """Stop for good and give back what was borrowed outside the stack's folder."""


@dataclass(frozen=True, slots=True)
class GivenServer:
    """A server whose address came from the environment: somebody else starts and stops it."""

    address: str
    detail: str
    is_ready: Callable[[], bool]

    def start(self) -> None:
        """It runs already: only see whether it answers. Raises Unavailable after ten seconds of silence."""
        deadline = time.monotonic() + GIVEN_TIMEOUT_S
        while not self.is_ready():
            if time.monotonic() > deadline:
                raise Unavailable(f"nothing answers at the address {self.detail}")
            time.sleep(0.2)

    def stop(self) -> None:
        """Nothing to do: it is not ours."""

    def kill(self) -> None:
        raise InvalidInput(f"{self.detail} is not ours to kill: unset its variable to use a local process")

    def close(self) -> None:
        """Nothing to do: it is not ours."""


class LocalServer(ABC):
    """A server that is a child process of ours and keeps its data in `folder` between `kill` and `start`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()  # stays the same over `kill` and `start`, so that clients find the server again
        self._process: Process | None = None

    @property
    @abstractmethod
    def address(self) -> str: ...

    @property
    @abstractmethod
    def detail(self) -> str: ...

    @property
    def process(self) -> Process:
        """The running child. Raises InvalidInput when it was not started."""
        if self._process is None:
            raise InvalidInput(f"{self.detail} was not started")
        return self._process

    def start(self) -> None:
        if self._process is not None and self._process.is_running():
            return
        if accepts_tcp(self.port):  # its answers would be taken for ours
            raise Unavailable(f"{self.detail} was not started: another program listens on port {self.port}")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._process = self._launch()
        try:
            self._wait_until_ready(self._process)
        except BaseException:  # Ctrl-C too must not leave a half-started server
            self._process.kill()
            raise

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        self.process.kill()

    def close(self) -> None:
        self.stop()

    @abstractmethod
    def _launch(self) -> Process:
        """Start the program; return at once."""

    @abstractmethod
    def _wait_until_ready(self, process: Process) -> None:
        """Return when a client of the server's own kind got an answer. Raises Unavailable with the last log lines."""
