"""Who owns which account from which log on, and what the wallets of events are.

Revision ID: 2026_11_23_fifth_accounts
"""

from alembic import op

revision = "2026_11_23_fifth_accounts"
down_revision = "2026_11_23_fourth_feed_phase"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both tables. Of what was read before, wallets become known as they appear again."""
    op.execute(
        """
        CREATE TABLE ingest.link (
            chain_id BIGINT NOT NULL,
            account BYTEA NOT NULL,
            block_number BIGINT NOT NULL,
            log_index BIGINT NOT NULL,
            tx_index BIGINT NOT NULL,
            block_hash BYTEA NOT NULL,
            block_timestamp BIGINT NOT NULL,
            source TEXT NOT NULL,
            kind TEXT NOT NULL,
            owners BYTEA[] NOT NULL,
            threshold BIGINT NOT NULL,
            PRIMARY KEY (chain_id, account, block_number, log_index),
            CONSTRAINT link_of_chain FOREIGN KEY(chain_id) REFERENCES ingest.chain (chain_id)
        );
        COMMENT ON COLUMN ingest.link.source IS 'Id of the registry''s source of links.';
        COMMENT ON COLUMN ingest.link.owners IS 'From this log on, to the account''s next row.';

        CREATE TABLE ingest.account (
            chain_id BIGINT NOT NULL,
            account BYTEA NOT NULL,
            kind TEXT,
            block_number BIGINT,
            PRIMARY KEY (chain_id, account),
            CONSTRAINT account_of_chain FOREIGN KEY(chain_id) REFERENCES ingest.chain (chain_id)
        );
        CREATE INDEX account_to_ask ON ingest.account (chain_id, account) WHERE kind IS NULL;
        COMMENT ON COLUMN ingest.account.kind IS 'Null until the node was asked.';
        COMMENT ON COLUMN ingest.account.block_number IS 'As of the end of this block.';
        GRANT SELECT, INSERT, UPDATE, DELETE ON ingest.link TO bonafides_ingest;
        GRANT SELECT, INSERT, UPDATE ON ingest.account TO bonafides_ingest;
        """
    )
