"""First tables of the ingest service, and who may touch them.

Revision ID: 2026_11_23_first
"""

from alembic import op

revision = "2026_11_23_first"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE ingest.chain (
    chain_id BIGINT NOT NULL,
    lease_token UUID,
    lease_until TIMESTAMP WITH TIME ZONE,
    epoch BIGINT DEFAULT '0' NOT NULL,
    tip_number BIGINT,
    tip_hash BYTEA,
    tip_timestamp BIGINT,
    pending_partitions INTEGER[] NOT NULL,
    log_identity TEXT,
    PRIMARY KEY (chain_id)
);
COMMENT ON COLUMN ingest.chain.lease_token IS 'Who reads the chain now.';
COMMENT ON COLUMN ingest.chain.lease_until IS 'By the database''s clock.';
COMMENT ON COLUMN ingest.chain.epoch IS 'Fork epoch opened last.';
COMMENT ON COLUMN ingest.chain.tip_number IS 'The cursor: everything up to here was flushed.';
COMMENT ON COLUMN ingest.chain.pending_partitions IS 'Got something since the last boundary.';
COMMENT ON COLUMN ingest.chain.log_identity IS 'Cluster and topics that the cursor speaks of.';
CREATE TABLE ingest.boundary (
    chain_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    message BYTEA NOT NULL,
    partitions INTEGER[] NOT NULL,
    block_number BIGINT NOT NULL,
    is_scoring BOOLEAN NOT NULL,
    is_to_all BOOLEAN NOT NULL,
    is_sent BOOLEAN NOT NULL,
    made_at FLOAT(53) NOT NULL,
    PRIMARY KEY (chain_id, number),
    CONSTRAINT boundary_of_chain FOREIGN KEY(chain_id) REFERENCES ingest.chain (chain_id)
);
CREATE INDEX boundary_to_send ON ingest.boundary (chain_id, number) WHERE NOT is_sent;
COMMENT ON COLUMN ingest.boundary.number IS '1, 2, 3 … without holes.';
COMMENT ON COLUMN ingest.boundary.message IS 'The bytes that go to market.v1, now and when sent again.';
COMMENT ON COLUMN ingest.boundary.partitions IS 'Partitions of wallet-events.v1 that are told.';
COMMENT ON COLUMN ingest.boundary.made_at IS 'Unix seconds, wall clock: paces the next ones.';
CREATE TABLE ingest.dead_letter (
    chain_id BIGINT NOT NULL,
    deployment TEXT NOT NULL,
    block_hash BYTEA NOT NULL,
    log_index INTEGER NOT NULL,
    block_number BIGINT NOT NULL,
    is_wallet_known BOOLEAN NOT NULL,
    reason TEXT NOT NULL,
    decoder_version INTEGER NOT NULL,
    PRIMARY KEY (chain_id, deployment, block_hash, log_index),
    CONSTRAINT dead_letter_of_chain FOREIGN KEY(chain_id) REFERENCES ingest.chain (chain_id)
);
CREATE TABLE ingest.done_range (
    chain_id BIGINT NOT NULL,
    deployment TEXT NOT NULL,
    first_block BIGINT NOT NULL,
    last_block BIGINT NOT NULL,
    PRIMARY KEY (chain_id, deployment, first_block),
    CONSTRAINT done_range_of_chain FOREIGN KEY(chain_id) REFERENCES ingest.chain (chain_id)
);
COMMENT ON COLUMN ingest.done_range.last_block IS 'Inclusive.';
CREATE TABLE ingest.fork_epoch (
    chain_id BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    fork_block BIGINT NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (chain_id, epoch),
    CONSTRAINT fork_epoch_of_chain FOREIGN KEY(chain_id) REFERENCES ingest.chain (chain_id)
);
CREATE TABLE ingest.price_source (
    chain_id BIGINT NOT NULL,
    deployment TEXT NOT NULL,
    asset BYTEA NOT NULL,
    feed BYTEA NOT NULL,
    PRIMARY KEY (chain_id, deployment, asset),
    CONSTRAINT price_source_of_chain FOREIGN KEY(chain_id) REFERENCES ingest.chain (chain_id)
);
CREATE TABLE ingest.reserve (
    chain_id BIGINT NOT NULL,
    deployment TEXT NOT NULL,
    asset BYTEA NOT NULL,
    a_token BYTEA NOT NULL,
    stable_debt_token BYTEA NOT NULL,
    variable_debt_token BYTEA NOT NULL,
    decimals INTEGER NOT NULL,
    treasury BYTEA NOT NULL,
    PRIMARY KEY (chain_id, deployment, asset),
    CONSTRAINT reserve_of_chain FOREIGN KEY(chain_id) REFERENCES ingest.chain (chain_id)
);
"""

GRANTS = """
GRANT USAGE ON SCHEMA ingest TO bonafides_ingest;
GRANT SELECT, INSERT, UPDATE, DELETE ON ingest.chain, ingest.done_range, ingest.reserve, ingest.price_source
    TO bonafides_ingest;
GRANT SELECT, INSERT, UPDATE ON ingest.boundary TO bonafides_ingest;
GRANT SELECT, INSERT ON ingest.fork_epoch, ingest.dead_letter TO bonafides_ingest;
"""


def upgrade() -> None:
    """Create the tables and grant what DESIGN's process table allows, no more."""
    op.execute(TABLES)
    op.execute(GRANTS)
