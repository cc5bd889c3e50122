"""First tables of the scoring service, and who may touch them.

Revision ID: 2026_11_23_first
"""

from pathlib import Path

from alembic import op

revision = "2026_11_23_first"
down_revision = None
branch_labels = None
depends_on = None

TABLES = Path(__file__).with_suffix(".sql").read_text()

# What came from the log, what was answered and who asked is never changed, whoever is connected.
APPEND_ONLY = (
    "event",
    "market_point",
    "boundary",
    "fork_epoch",
    "wallet_dead_letter",
    "hydration",
    "score",
    "unscorable",
    "access_log",
)
REFUSE_CHANGE = """
CREATE FUNCTION scoring.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'scoring.% is append-only: % refused', TG_TABLE_NAME, TG_OP;
END
$$;
"""

WORKER_APPENDS = tuple(table for table in APPEND_ONLY if table != "access_log")
WORKER_CHANGES = (
    "attestation",
    "consumer_offset",
    "latest_result",
    "outbox",
    "partition_progress",
    "provisional_result",
    "scoring_due",
    "unfolded",
    "wallet_snapshot",
)
API_READS = (*WORKER_APPENDS, "attestation", "latest_result", "provisional_result", "partition_progress")


def upgrade() -> None:
    """Make the tables, forbid changes of what is append-only, and grant."""
    op.execute(TABLES)
    op.execute(REFUSE_CHANGE)
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON scoring.{table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION scoring.refuse_change()"
        )
    op.execute("GRANT USAGE ON SCHEMA scoring TO bonafides_scoring_worker, bonafides_scoring_api")
    for table in WORKER_APPENDS:
        op.execute(f"GRANT SELECT, INSERT ON scoring.{table} TO bonafides_scoring_worker")
    for table in WORKER_CHANGES:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON scoring.{table} TO bonafides_scoring_worker")
    op.execute("GRANT USAGE ON SEQUENCE scoring.outbox_id_seq TO bonafides_scoring_worker")
    for table in API_READS:
        op.execute(f"GRANT SELECT ON scoring.{table} TO bonafides_scoring_api")
    op.execute("GRANT INSERT ON scoring.access_log TO bonafides_scoring_api")
    op.execute("GRANT USAGE ON SEQUENCE scoring.access_log_id_seq TO bonafides_scoring_api")
