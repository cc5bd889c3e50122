"""The compose job that gives each database role its password, run by a real shell and psql on a real PostgreSQL."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from bonafides import database
from bonafides.errors import Unavailable
from bonafides_lab.stack.postgres import find_postgres
from bonafides_lab.stack.resolver import local_stack
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url

from tests.support.ops_compose import fill_in, service
from tests.support.ops_helm import sequence

pytestmark = pytest.mark.integration

# What breaks a script that quotes carelessly.
AWKWARD_PASSWORD = "a'b\"c $HOME `id` \\ :x"


@pytest.fixture
def admin_url() -> Iterator[URL]:
    """A PostgreSQL of its own: roles belong to a whole server, and other tests use the same ones."""
    with tempfile.TemporaryDirectory(prefix="bonafides-test-roles-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        with local_stack(Path(folder), kafka=False, chain=False) as stack:
            yield make_url(stack.database.address)


def _run_job(admin: URL, secrets: Path) -> subprocess.CompletedProcess[str]:
    script = fill_in(str(sequence(service("role-passwords")["command"])[0]), {})
    here = (
        script.replace("/run/secrets", str(secrets))
        .replace("--host=postgres", f"--host={admin.host} --port={admin.port}")
        .replace("--username=bonafides_owner", f"--username={admin.username}")
        .replace("--dbname=bonafides", f"--dbname={admin.database}")
    )
    path = f"{find_postgres().folder}:{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-eu", "-c", here], capture_output=True, text=True, check=False, timeout=60, env={"PATH": path}
    )


def _log_in(admin: URL, role: str, password: str) -> str:
    engine = database.connect(f"postgresql://{role}@{admin.host}:{admin.port}/{admin.database}", password)
    try:
        with database.transaction(engine) as connection:
            return str(connection.scalar(text("SELECT current_user")))
    finally:
        engine.dispose()


def test_role_passwords__after_the_migration_made_the_roles__let_each_in_with_its_own(
    admin_url: URL, tmp_path: Path
) -> None:
    engine = database.connect(admin_url.render_as_string(hide_password=False))
    database.migrate(engine, schemas=[])
    engine.dispose()
    (tmp_path / "bonafides_owner").write_text(f"{admin_url.password}\n")
    for role in database.ROLES:
        (tmp_path / role).write_text(f"{role} {AWKWARD_PASSWORD}\n")

    done = _run_job(admin_url, tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    for role in database.ROLES:
        assert _log_in(admin_url, role, f"{role} {AWKWARD_PASSWORD}") == role
    with pytest.raises(Unavailable, match="password authentication failed"):
        _log_in(admin_url, database.ROLES[0], f"{database.ROLES[1]} {AWKWARD_PASSWORD}")


def test_role_passwords__before_the_roles_exist__fail_instead_of_passing_silently(
    admin_url: URL, tmp_path: Path
) -> None:
    (tmp_path / "bonafides_owner").write_text(f"{admin_url.password}\n")
    for role in database.ROLES:
        (tmp_path / role).write_text("x\n")

    done = _run_job(admin_url, tmp_path)

    assert done.returncode != 0
    assert "does not exist" in done.stderr
