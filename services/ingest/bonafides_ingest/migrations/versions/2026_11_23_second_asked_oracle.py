"""Which oracle a market asks, so that a price that became unknown stays so after a restart.

Revision ID: 2026_11_23_second_asked_oracle
"""

from alembic import op

revision = "2026_11_23_second_asked_oracle"
down_revision = "2026_11_23_first"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.execute(
        """
        CREATE TABLE ingest.asked_oracle (
            chain_id BIGINT NOT NULL,
            deployment TEXT NOT NULL,
            oracle BYTEA NOT NULL,
            read_oracle BYTEA NOT NULL,
            PRIMARY KEY (chain_id, deployment),
            CONSTRAINT asked_oracle_of_chain FOREIGN KEY(chain_id) REFERENCES ingest.chain (chain_id)
        );
        COMMENT ON COLUMN ingest.asked_oracle.oracle IS 'Whom the market asks for prices; no row: the registry''s.';
        COMMENT ON COLUMN ingest.asked_oracle.read_oracle IS 'The registry''s, whose price sources were read.';
        GRANT SELECT, INSERT, UPDATE ON ingest.asked_oracle TO bonafides_ingest;
        """
    )
