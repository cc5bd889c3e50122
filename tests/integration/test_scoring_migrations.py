"""The migrations of the schema `scoring` on a real PostgreSQL."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from bonafides import database
from bonafides_scoring.store.accounts import account_fact
from bonafides_scoring.store.progress import partition_progress
from bonafides_scoring.store.tables import metadata

pytestmark = pytest.mark.integration


def test_migrations__applied_twice__leave_exactly_the_tables_of_the_code(fresh_database: str) -> None:
    engine = database.connect(fresh_database)
    for _ in range(2):
        database.migrate(engine, schemas=["scoring"])

    options = {
        "include_schemas": True,
        "compare_type": True,
        "version_table_schema": "scoring",
        "include_name": lambda name, kind, _: name == "scoring" if kind == "schema" else True,
    }
    with database.transaction(engine) as connection:
        difference = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    engine.dispose()

    assert difference == []
    # Tables of modules of their own.
    assert account_fact.metadata is metadata
    assert partition_progress.metadata is metadata
