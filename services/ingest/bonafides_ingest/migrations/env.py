"""Alembic environment: the kernel opens the connection and takes the lock."""

from bonafides.database import run_migration_environment

from bonafides_ingest.tables import metadata

run_migration_environment(metadata)
