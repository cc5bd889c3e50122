"""The local stack as pytest fixtures, for `pytest_plugins = ["tests.support.stack_fixtures"]` in tests/conftest.py.

Each part starts when the first test asks for it and lives until the session ends. The session's header says what would
run on this machine and what is skipped.
"""

import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from bonafides_lab.stack.anvil import LocalAnvil
from bonafides_lab.stack.machine import Part, choose, look_at_machine
from bonafides_lab.stack.postgres import create_database, drop_database
from bonafides_lab.stack.resolver import local_stack
from bonafides_lab.stack.server import StackServer

_database_numbers = itertools.count(1)


def stack_report_header() -> list[str]:
    """Which broker, database and chain the tests run on, and what is skipped for want of a tool."""
    machine = look_at_machine(os.environ)
    return [f"stack {choose(part, machine, os.environ).line()}" for part in Part]


def pytest_report_header() -> list[str]:
    return stack_report_header()


@pytest.fixture(scope="session")
def stack_folder() -> Iterator[Path]:
    """A folder for servers' data and logs, which PostgreSQL's own user may pass through (pytest's own it may not)."""
    with tempfile.TemporaryDirectory(prefix="bonafides-test-stack-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.fixture(scope="session")
def kafka_server(stack_folder: Path) -> Iterator[StackServer]:
    """The session's broker as a server. It is shared: a test that kills a broker starts one of its own."""
    with local_stack(stack_folder, postgres=False, chain=False) as stack:
        yield stack.broker


@pytest.fixture(scope="session")
def local_kafka(kafka_server: StackServer) -> str:
    """Bootstrap `host:port` of the session's broker. Tests create topics with names of their own."""
    return kafka_server.address


@pytest.fixture(scope="session")
def postgres_server(stack_folder: Path) -> Iterator[StackServer]:
    """The session's PostgreSQL as a server; it is shared as well."""
    with local_stack(stack_folder, kafka=False, chain=False) as stack:
        yield stack.database


@pytest.fixture(scope="session")
def local_postgres(postgres_server: StackServer) -> str:
    """The superuser's URL of the session's PostgreSQL. Tests that write take a schema or a `fresh_database`."""
    return postgres_server.address


@pytest.fixture
def fresh_database(local_postgres: str) -> Iterator[str]:
    """The superuser's URL of an empty database, dropped after the test."""
    name = f"test_{os.getpid()}_{next(_database_numbers)}"
    url = create_database(local_postgres, name)
    yield url
    drop_database(local_postgres, name)


@pytest.fixture(scope="session")
def anvil_server(stack_folder: Path) -> Iterator[StackServer]:
    """The session's chain as a server; it is shared as well."""
    with local_stack(stack_folder, kafka=False, postgres=False) as stack:
        yield stack.chain


@pytest.fixture(scope="session")
def local_anvil(anvil_server: StackServer) -> str:
    """URL of the session's chain. Tests that move time take a `fresh_anvil`."""
    return anvil_server.address


@pytest.fixture
def fresh_anvil(tmp_path: Path) -> Iterator[LocalAnvil]:
    """A chain for one test alone (0.2 s), with `rpc` to move its time and mine."""
    with ExitStack() as on_exit:
        anvil = LocalAnvil(tmp_path / "anvil")
        on_exit.callback(anvil.close)
        anvil.start()
        yield anvil
