"""What is not read by design stands apart from the logs that cannot be read, once for each contract and wallet.

Revision ID: 2026_11_23_sixth_holes
"""

from alembic import op

revision = "2026_11_23_sixth_holes"
down_revision = "2026_11_23_fifth_accounts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table. What was refused before stays among the dead letters: it was told as such."""
    op.execute(
        """
        CREATE TABLE ingest.hole (
            chain_id BIGINT NOT NULL,
            deployment TEXT NOT NULL,
            contract BYTEA NOT NULL,
            wallet BYTEA NOT NULL,
            reason TEXT NOT NULL,
            block_number BIGINT NOT NULL,
            log_index INTEGER NOT NULL,
            decoder_version INTEGER NOT NULL,
            PRIMARY KEY (chain_id, deployment, contract, wallet, reason),
            CONSTRAINT hole_of_chain FOREIGN KEY(chain_id) REFERENCES ingest.chain (chain_id)
        );
        COMMENT ON COLUMN ingest.hole.contract IS 'Whose log is not read, by design.';
        COMMENT ON COLUMN ingest.hole.wallet IS 'Zero: nobody''s that is known.';
        COMMENT ON COLUMN ingest.hole.block_number IS 'Of the first such log.';
        GRANT SELECT, INSERT ON ingest.hole TO bonafides_ingest;
        """
    )
