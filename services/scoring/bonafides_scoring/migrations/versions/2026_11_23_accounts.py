"""What addresses are, and who owns them.

Revision ID: 2026_11_23_accounts
"""

from alembic import op

revision = "2026_11_23_accounts"
down_revision = "2026_11_23_markets"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE scoring.account_fact (
    id BYTEA NOT NULL,
    fork_epoch BIGINT NOT NULL,
    decoder_version INTEGER NOT NULL,
    chain_id BIGINT NOT NULL,
    account BYTEA NOT NULL,
    kind TEXT NOT NULL,
    owners BYTEA[] NOT NULL,
    threshold BIGINT NOT NULL,
    source TEXT NOT NULL,
    block_number BIGINT NOT NULL,
    block_hash BYTEA NOT NULL,
    block_timestamp BIGINT NOT NULL,
    tx_index BIGINT,
    log_index BIGINT,
    log_offset BIGINT NOT NULL,
    PRIMARY KEY (id, fork_epoch, decoder_version)
);
CREATE INDEX account_fact_by_account ON scoring.account_fact (account, chain_id, block_number);
COMMENT ON COLUMN scoring.account_fact.source IS
    'source of links in the registry; empty: the account''s code';
COMMENT ON COLUMN scoring.account_fact.tx_index IS 'null, like log_index: as of the end of the block';
COMMENT ON COLUMN scoring.account_fact.log_offset IS 'where this copy was first read in its partition';
"""


def upgrade() -> None:
    """Make the table; the worker fills it from the log."""
    op.execute(TABLE)
    op.execute("GRANT SELECT, INSERT ON scoring.account_fact TO bonafides_scoring_worker")
    op.execute("GRANT SELECT ON scoring.account_fact TO bonafides_scoring_api")
