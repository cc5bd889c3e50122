"""What must be there before the first process starts: schemas, roles with passwords, topics."""

import secrets
from dataclasses import dataclass
from pathlib import Path

from bonafides import database
from bonafides.kafka_bus import KafkaBusAdmin, KafkaConnection
from bonafides.topics import TOPICS, dead_letter_topic
from psycopg import sql
from sqlalchemy import Engine
from sqlalchemy.engine import make_url


@dataclass(frozen=True, slots=True)
class RoleAccess:
    """How one process reaches the database."""

    url: str
    """Without the password."""
    password_file: Path


def write_secret(path: Path, secret: str) -> Path:
    """Write a secret that only this user can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(secret + "\n")
    return path


def prepare_database(admin_url: str, folder: Path) -> dict[str, RoleAccess]:
    """Migrate every schema and give each role a password, in a file of its own; by role name.

    A password file that exists is used again: roles belong to the whole server, and another database on it must not
    lock out the processes of the first.
    """
    engine = database.connect(admin_url)
    try:
        database.migrate(engine)
        return {role: _give_password(engine, admin_url, role, folder) for role in database.ROLES}
    finally:
        engine.dispose()


def _give_password(engine: Engine, admin_url: str, role: str, folder: Path) -> RoleAccess:
    file = folder / f"{role}.password"
    password = file.read_text().strip() if file.exists() else secrets.token_urlsafe(24)
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        if driver is None:
            raise RuntimeError("the pool gave no connection")
        statement = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(password))
        driver.execute(statement)
        driver.commit()
    admin = make_url(admin_url)
    url = f"postgresql://{role}@{admin.host}:{admin.port}/{admin.database}"
    return RoleAccess(url, write_secret(file, password))


def prepare_topics(bootstrap: str) -> None:
    """Create all topics and their dead-letter topics, one copy each."""
    admin = KafkaBusAdmin(KafkaConnection(bootstrap), "bonafides-lab")
    try:
        admin.ensure_topics((*TOPICS, *(dead_letter_topic(topic) for topic in TOPICS)), 1)
    finally:
        admin.close()
