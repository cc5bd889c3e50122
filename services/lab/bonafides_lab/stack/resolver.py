"""One way to a Kafka broker, a PostgreSQL and a chain, for the demo and for the tests.

For each part: an address from the environment (BONAFIDES_LAB_KAFKA_BOOTSTRAP, BONAFIDES_LAB_POSTGRES_URL,
BONAFIDES_LAB_RPC_URL), else a Docker engine that answers, else real local processes.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bonafides.errors import InvalidInput, MissingTool, Unavailable

from bonafides_lab.stack.anvil import AnvilOptions, LocalAnvil
from bonafides_lab.stack.anvil_rpc import AnvilRpc
from bonafides_lab.stack.broker_readiness import bootstrap_answers
from bonafides_lab.stack.docker_servers import docker_kafka, docker_postgres
from bonafides_lab.stack.kafka import LocalKafka
from bonafides_lab.stack.kafka_jars import ensure_kafka_jars
from bonafides_lab.stack.machine import (
    ADDRESS_VARIABLES,
    Choice,
    Machine,
    Part,
    Runner,
    choose,
    look_at_machine,
    without_docker,
    without_kafka_jars,
)
from bonafides_lab.stack.packaged_broker import PackagedBroker
from bonafides_lab.stack.postgres import LocalPostgres, postgres_answers
from bonafides_lab.stack.server import GivenServer, StackServer

OnReady = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class LocalStack:
    """The running parts. Asking for a part that was not asked for raises InvalidInput."""

    servers: Mapping[Part, StackServer]
    notes: Mapping[Part, str] = field(default_factory=dict)

    @property
    def broker(self) -> StackServer:
        return self._server(Part.BROKER)

    @property
    def database(self) -> StackServer:
        return self._server(Part.DATABASE)

    @property
    def chain(self) -> StackServer:
        return self._server(Part.CHAIN)

    @property
    def kafka_bootstrap(self) -> str:
        """`host:port`"""
        return self.broker.address

    @property
    def postgres_url(self) -> str:
        """`postgresql://superuser:password@host:port/database`, as psycopg and libpq read it."""
        return self.database.address

    @property
    def sqlalchemy_url(self) -> str:
        """The same for SQLAlchemy, which wants the driver named."""
        return self.postgres_url.replace("postgresql://", "postgresql+psycopg://", 1)

    @property
    def rpc_url(self) -> str:
        return self.chain.address

    @property
    def rpc(self) -> AnvilRpc:
        """The calls that move the chain's time and mine blocks."""
        return AnvilRpc(self.rpc_url)

    def describe(self) -> tuple[str, ...]:
        """One line a part: what runs, and what is skipped for want of a tool."""
        return tuple(
            f"{part}: {server.detail}" + (f" [{self.notes[part]}]" if self.notes.get(part) else "")
            for part, server in self.servers.items()
        )

    def _server(self, part: Part) -> StackServer:
        if part not in self.servers:
            raise InvalidInput(f"this stack was started without a {part}")
        return self.servers[part]


@contextmanager
def local_stack(
    folder: Path,
    *,
    kafka: bool = True,
    postgres: bool = True,
    chain: bool = True,
    anvil: AnvilOptions | None = None,
    on_ready: OnReady | None = None,
    environ: Mapping[str, str] | None = None,
) -> Iterator[LocalStack]:
    """Start the parts asked for side by side, each ready to be used, and stop them at the end.

    Data and logs go to `folder`; starting again on a folder finds Kafka's and PostgreSQL's data there. What is not
    installed yet is installed first. `on_ready(part, detail)` is called in the caller's thread as each part comes up.
    Raises MissingTool with the way to get it, or Unavailable with the last log lines of what did not come up.
    """
    environ = os.environ if environ is None else environ
    asked = {Part.BROKER: kafka, Part.DATABASE: postgres, Part.CHAIN: chain}
    parts = [part for part, is_asked in asked.items() if is_asked]
    starter = _Starter(folder, look_at_machine(environ), environ, anvil if anvil is not None else AnvilOptions())
    try:
        with ThreadPoolExecutor(max_workers=len(parts) or 1, thread_name_prefix="stack") as pool:
            waiting: dict[Future[Choice], Part] = {pool.submit(starter.start, part): part for part in parts}
            choices: dict[Part, Choice] = {}
            try:
                for done in as_completed(waiting):
                    choices[waiting[done]] = done.result()
                    if on_ready is not None:
                        on_ready(waiting[done], starter.servers[waiting[done]].detail)
            except BaseException:
                starter.close()  # now, so that the other threads stop waiting for theirs
                raise
        yield LocalStack({part: starter.servers[part] for part in parts}, {part: choices[part].note for part in parts})
    finally:
        starter.close()


@dataclass(slots=True)
class _Starter:
    """Turns choices into running servers, and remembers them so that all are closed whatever happens."""

    folder: Path
    machine: Machine
    environ: Mapping[str, str]
    anvil: AnvilOptions
    servers: dict[Part, StackServer] = field(default_factory=dict)
    is_closing: bool = False

    def start(self, part: Part) -> Choice:
        machine = self.machine
        choice = choose(part, machine, self.environ)
        if choice.runner is Runner.DOCKER:
            try:
                self._start(choice)
            except Unavailable as exc:
                # The engine answers but cannot run the image, most often because it cannot fetch it.
                self.servers.pop(part).close()
                machine = without_docker(machine, str(exc))
                choice = choose(part, machine, self.environ)
            else:
                return choice
        if part is Part.BROKER and choice.runner is Runner.LOCAL:
            try:
                ensure_kafka_jars()
            except Unavailable as exc:
                choice = choose(part, without_kafka_jars(machine, str(exc)), self.environ)
        self._start(choice)
        return choice

    def close(self) -> None:
        """Close all that was started, the last first."""
        self.is_closing = True
        for server in reversed(list(self.servers.values())):
            server.close()

    def _start(self, choice: Choice) -> None:
        server = self._make_server(choice)
        self.servers[choice.part] = server
        if self.is_closing:
            raise Unavailable(f"the {choice.part} was not started: another part failed")
        server.start()

    def _make_server(self, choice: Choice) -> StackServer:
        folder = self.folder / choice.part
        match (choice.part, choice.runner):
            case (part, Runner.GIVEN):
                return _given_server(part, self.environ[ADDRESS_VARIABLES[part]])
            case (Part.BROKER, Runner.DOCKER):
                return docker_kafka()
            case (Part.BROKER, Runner.LOCAL) if self.machine.java is not None:
                return LocalKafka(folder, self.machine.java)
            case (Part.BROKER, Runner.PACKAGED):
                return PackagedBroker(folder)
            case (Part.DATABASE, Runner.DOCKER):
                return docker_postgres()
            case (Part.DATABASE, Runner.LOCAL) if self.machine.postgres is not None:
                return LocalPostgres(folder, self.machine.postgres)
            case (Part.CHAIN, Runner.LOCAL):
                return LocalAnvil(folder, self.anvil)
            case _:
                raise MissingTool(choice.line())


def _given_server(part: Part, address: str) -> GivenServer:
    def is_ready() -> bool:
        match part:
            case Part.BROKER:
                return bootstrap_answers(address)
            case Part.DATABASE:
                return postgres_answers(address)
            case Part.CHAIN:
                return _chain_answers(address)

    # The address may hold a password: name the variable, not its value.
    return GivenServer(address, f"given by {ADDRESS_VARIABLES[part]}", is_ready)


def _chain_answers(url: str) -> bool:
    try:
        AnvilRpc(url).chain_id()
    except Unavailable:
        return False
    return True
