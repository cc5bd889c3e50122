"""The six processes of the system as children of this one."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from bonafides_lab.processes import Process, free_port
from bonafides_lab.system.preparation import RoleAccess

READY_WITHIN_S = 90.0
"""Two busy cores start six Python processes, one of which decrypts a keystore, in a fraction of this."""


class Service(StrEnum):
    """A process of the table in docs/architecture.md."""

    INGEST = "ingest"
    SCORING_WORKER = "scoring-worker"
    SCORING_API = "scoring-api"
    ISSUER = "issuer"
    PUBLISHER = "publisher"
    ATTESTATION_API = "attestation-api"

    @property
    def argv(self) -> list[str]:
        """The command that runs it."""
        return [sys.executable, "-m", *_MODULES[self]]

    @property
    def prefix(self) -> str:
        """Prefix of its settings."""
        return _PREFIXES[_MODULES[self][0]]

    @property
    def role(self) -> str:
        """Its database role."""
        return _ROLES[self]


_MODULES = {
    Service.INGEST: ["bonafides_ingest"],
    Service.SCORING_WORKER: ["bonafides_scoring", "worker"],
    Service.SCORING_API: ["bonafides_scoring", "api"],
    Service.ISSUER: ["bonafides_attestation", "issuer"],
    Service.PUBLISHER: ["bonafides_attestation", "publisher"],
    Service.ATTESTATION_API: ["bonafides_attestation", "api"],
}
_PREFIXES = {
    "bonafides_ingest": "BONAFIDES_INGEST_",
    "bonafides_scoring": "BONAFIDES_SCORING_",
    "bonafides_attestation": "BONAFIDES_ATTESTATION_",
}
_ROLES = {
    Service.INGEST: "bonafides_ingest",
    Service.SCORING_WORKER: "bonafides_scoring_worker",
    Service.SCORING_API: "bonafides_scoring_api",
    Service.ISSUER: "bonafides_attestation_issuer",
    Service.PUBLISHER: "bonafides_attestation_publisher",
    Service.ATTESTATION_API: "bonafides_attestation_api",
}


@dataclass(frozen=True, slots=True)
class Running:
    """One process and where it answers."""

    service: Service
    process: Process
    health_url: str
    api_url: str | None

    def wait_ready(self) -> None:
        """Wait until /readyz says yes. Raises Unavailable with the process's last lines when it does not."""
        self.process.wait_http(f"{self.health_url}/readyz", READY_WITHIN_S)


@dataclass
class System:
    """Starts and stops our processes with the settings of one installation."""

    folder: Path
    kafka_bootstrap: str
    access: Mapping[str, RoleAccess]
    settings: Mapping[Service, Mapping[str, str]]
    """Settings of each process beside the common ones, without prefix."""
    session_timeout_s: float = 6.0
    """Until a member of a consumer group that was killed is missed; 6 is what a broker allows by default."""
    running: dict[str, Running] = field(default_factory=dict)

    def environment(self, service: Service, health_port: int, **more: str) -> dict[str, str]:
        """The variables of one process."""
        access = self.access[service.role]
        values = {
            "environment": "development",
            "database_url": access.url,
            "database_password_file": str(access.password_file),
            "kafka_bootstrap": self.kafka_bootstrap,
            "kafka_session_timeout_s": str(self.session_timeout_s),
            "health_port": str(health_port),
            **self.settings.get(service, {}),
            **more,
        }
        return {f"{service.prefix}{name}".upper(): value for name, value in values.items()}

    def start(self, service: Service, *, replica: int = 0, **more: str) -> Running:
        """Start a process and return at once; `more` are settings without prefix, such as `crash_at`."""
        health_port = free_port()
        api_url = None
        if service in (Service.SCORING_API, Service.ATTESTATION_API):
            port = more.setdefault("api_port", str(free_port()))
            api_url = f"http://127.0.0.1:{port}"
        name = f"{service}-{replica}" if replica else str(service)
        process = Process.start(
            name, service.argv, self.environment(service, health_port, **more), self.folder / "logs"
        )
        running = Running(service, process, f"http://127.0.0.1:{health_port}", api_url)
        self.running[name] = running
        return running

    def api_url(self, service: Service) -> str:
        """Where an API listens."""
        url = self.running[str(service)].api_url
        if url is None:
            raise KeyError(f"{service} has no API")
        return url

    def stop(self) -> dict[str, int]:
        """Ask every process to stop, the last started first; exit codes by name."""
        codes = {name: running.process.terminate() for name, running in reversed(self.running.items())}
        self.running.clear()
        return codes
