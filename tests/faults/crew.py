"""The replicas of ingest and of the worker: started, killed, stopped and missed."""

import os
import signal
import urllib.request
from dataclasses import dataclass, field
from itertools import count

from bonafides_lab.system.processes import Running, Service, System

from tests.faults.progress import Stuck

SIGKILLED = -9
MOST_SURPRISES = 4
LEASE_HELD = "bonafides_ingest_lease_held 1.0"


@dataclass
class Crew:
    """Who runs. A replica that ends by itself is a finding: it is noted, and another starts in its place."""

    system: System
    surprises: list[str] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))
    _armed: set[int] = field(default_factory=set)

    def start(self, service: Service, crash_at: str = "") -> Running:
        """One replica more; with `crash_at` it kills itself when it gets there."""
        more = {"crash_at": crash_at} if crash_at else {}
        running = self.system.start(service, replica=next(self._numbers), **more)
        if crash_at:
            self._armed.add(running.process.pid)
        return running

    def members(self, service: Service) -> list[Running]:
        """Those that run, the oldest first."""
        return [running for running in self.system.running.values() if running.service is service]

    def one(self, service: Service, number: int) -> Running:
        """One of them: `number` counts on from the oldest, round and round."""
        members = self.members(service)
        return members[number % len(members)]

    def kill(self, running: Running) -> None:
        """SIGKILL, as a power cut."""
        running.process.kill()
        self._forget(running)

    def stop(self, running: Running) -> None:
        """SIGTERM, as an orchestrator that makes room."""
        code = running.process.terminate(grace_s=45.0)  # longer than a flush may take
        if code != 0:
            self.surprises.append(f"{running.process.name} was asked to stop and ended with {code}")
        self._forget(running)

    def freeze(self, running: Running) -> None:
        """SIGSTOP: it holds what it holds and does nothing."""
        os.kill(running.process.pid, signal.SIGSTOP)

    def thaw(self, running: Running) -> None:
        """SIGCONT: a zombie that believes nothing has happened."""
        os.kill(running.process.pid, signal.SIGCONT)

    def keep(self, service: Service, number: int) -> None:
        """At most so many: the newest go in good order."""
        for running in self.members(service)[number:]:
            self.stop(running)

    def fill(self, service: Service, number: int = 1) -> None:
        """At least so many."""
        while len(self.members(service)) < number:
            self.start(service)

    def has_died(self, running: Running) -> bool:
        """Whether an armed one got to its point; it is then gone."""
        if running.process.is_running():
            return False
        if running.process.exit_code() != SIGKILLED:
            self._note(running)
        self._forget(running)
        return True

    def look_after(self) -> None:
        """Note who has ended unasked, and start another. Raises Stuck when that does not help."""
        for running in list(self.system.running.values()):
            if running.process.is_running() or running.process.pid in self._armed:
                continue
            self._note(running)
            self._forget(running)
            if len(self.surprises) >= MOST_SURPRISES:
                raise Stuck(f"{len(self.surprises)} processes ended by themselves")
            self.start(running.service)

    def lease_holder(self) -> Running | None:
        """The replica of ingest that says that it reads the chain."""
        return next((one for one in self.members(Service.INGEST) if LEASE_HELD in _metrics(one)), None)

    def _note(self, running: Running) -> None:
        code, lines = running.process.exit_code(), running.process.tail(4)
        self.surprises.append(f"{running.process.name} ended by itself with {code}:\n{lines}")

    def _forget(self, running: Running) -> None:
        self._armed.discard(running.process.pid)
        for name, other in list(self.system.running.items()):
            if other is running:
                del self.system.running[name]


def _metrics(running: Running) -> str:
    try:
        with urllib.request.urlopen(f"{running.health_url}/metrics", timeout=1) as response:
            return str(response.read().decode())
    except OSError:  # not up yet, or frozen
        return ""
