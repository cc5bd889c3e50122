"""PostgreSQL: connections, one role a process, and migrations of one schema a service.

No process reads another's schema; the grants stand in the migrations. What belongs together is written in one
transaction, and nothing calls the network inside it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from importlib.resources import as_file, files

from sqlalchemy import Connection, Engine, MetaData, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from bonafides.errors import InvalidSettings, Unavailable

ROLES = (
    "bonafides_ingest",
    "bonafides_scoring_worker",
    "bonafides_scoring_api",
    "bonafides_attestation_issuer",
    "bonafides_attestation_publisher",
    "bonafides_attestation_api",
)
"""One login role a process; what each may touch is granted by the migrations."""

IDLE_IN_TRANSACTION_S = 30.0
"""A process that stands still inside a transaction (frozen, or cut off without a word) holds its row locks until the
server ends the session: a lease, for one, that nobody could take over. Between two statements ours compute for seconds
at most."""
_MIGRATION_LOCK = 0x626F6E61  # "bona": two migration jobs at once take turns


def connect(
    url: str,
    password: str | None = None,
    *,
    pool_size: int = 4,
    idle_in_transaction_s: float = IDLE_IN_TRANSACTION_S,
) -> Engine:
    """An engine for `postgresql://role@host:port/database`; the password comes apart from it, from a file.

    The server ends a session of it that says nothing for so long inside a transaction, whose next statement then raises
    Unavailable.

    Raises InvalidSettings when the URL is of another database or malformed.
    """
    try:
        parsed = make_url(url)
    except Exception as exc:
        raise InvalidSettings("the database URL is malformed: expected postgresql://role@host:port/database") from exc
    if parsed.get_backend_name() != "postgresql":
        raise InvalidSettings(f"the database must be PostgreSQL, saw {parsed.get_backend_name()}")
    parsed = parsed.set(drivername="postgresql+psycopg")
    if password is not None:
        parsed = parsed.set(password=password)
    return create_engine(
        parsed,
        pool_size=pool_size,
        pool_pre_ping=True,
        hide_parameters=True,  # an error's text may reach a log, and parameters hold wallets and salts
        connect_args={
            "connect_timeout": 5,
            "options": "-c lock_timeout=10000 -c timezone=UTC"
            f" -c idle_in_transaction_session_timeout={int(idle_in_transaction_s * 1000)}",
        },
    )


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction: committed at the end, rolled back on any error.

    Raises Unavailable when the server does not answer or the connection breaks. A commit whose answer was lost may have
    happened: every writer must be able to do it again.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except (OperationalError, InterfaceError) as exc:
        raise Unavailable(f"the database does not answer: {_cause(exc)}") from exc
    except DBAPIError as exc:
        if exc.connection_invalidated:
            raise Unavailable("the database closed the connection") from exc
        raise


def check(engine: Engine) -> None:
    """Ask the server for one row. Raises Unavailable."""
    with transaction(engine) as connection:
        connection.execute(text("SELECT 1"))


def _cause(exc: DBAPIError) -> str:
    """The first line of the driver's message: it names host and role, never a password or a row."""
    return str(exc.orig).splitlines()[0] if exc.orig and str(exc.orig) else type(exc).__name__


def migrations() -> dict[str, str]:
    """Package of each schema's migrations, by schema name, from the entry points `bonafides.migrations`."""
    return {entry.name: entry.value for entry in sorted(entry_points(group="bonafides.migrations"))}


def migrate(engine: Engine, *, schemas: list[str] | None = None) -> None:
    """Bring every schema to its head, making schemas and roles that are missing. Safe to run twice and at once.

    The engine's role must own the schemas and may create roles. New roles cannot log in until the operator gives each a
    password (`ALTER ROLE … PASSWORD`).
    """
    from alembic import command  # 10 MB that no service needs
    from alembic.config import Config

    with transaction(engine) as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        present = set(connection.scalars(text("SELECT rolname FROM pg_roles")))
        for role in ROLES:
            if role not in present:
                connection.execute(text(f'CREATE ROLE "{role}" LOGIN'))
        for schema, package in migrations().items():
            if schemas is not None and schema not in schemas:
                continue
            connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'))
            with as_file(files(package)) as folder:
                config = Config()
                config.set_main_option("script_location", str(folder))
                config.attributes["connection"] = connection
                config.attributes["schema"] = schema
                command.upgrade(config, "head")


def run_migration_environment(metadata: MetaData) -> None:
    """What each `migrations/env.py` calls: run inside the connection that `migrate` opened."""
    from alembic import context

    schema = context.config.attributes["schema"]
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        version_table_schema=schema,
        include_schemas=True,
        include_name=lambda name, kind, _: name == schema if kind == "schema" else True,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()
