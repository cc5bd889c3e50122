"""Who answered for each price feed, so that a replay says the same when no node remembers.

Revision ID: 2026_11_23_fourth_feed_phase
"""

from alembic import op

revision = "2026_11_23_fourth_feed_phase"
down_revision = "2026_11_23_third_facts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.execute(
        """
        CREATE TABLE ingest.feed_phase (
            chain_id BIGINT NOT NULL,
            feed BYTEA NOT NULL,
            from_block BIGINT NOT NULL,
            known_to BIGINT NOT NULL,
            number BIGINT NOT NULL,
            aggregator BYTEA NOT NULL,
            PRIMARY KEY (chain_id, feed, from_block),
            CONSTRAINT feed_phase_of_chain FOREIGN KEY(chain_id) REFERENCES ingest.chain (chain_id)
        );
        COMMENT ON COLUMN ingest.feed_phase.feed IS 'What oracles name: a proxy, or what answers itself.';
        COMMENT ON COLUMN ingest.feed_phase.from_block IS 'First one at whose end it holds.';
        COMMENT ON COLUMN ingest.feed_phase.known_to IS 'Inclusive; behind it nobody looked, or could.';
        COMMENT ON COLUMN ingest.feed_phase.number IS 'The proxy''s phaseId; 0: the feed answers itself.';
        COMMENT ON COLUMN ingest.feed_phase.aggregator IS 'Emits the answers.';
        GRANT SELECT, INSERT, UPDATE, DELETE ON ingest.feed_phase TO bonafides_ingest;
        """
    )
