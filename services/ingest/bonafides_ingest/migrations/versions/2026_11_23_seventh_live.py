"""Live blocks, several replicas, what the audit compares, dead letters with their originals, requests for hydration.

Revision ID: 2026_11_23_seventh_live
"""

from alembic import op

revision = "2026_11_23_seventh_live"
down_revision = "2026_11_23_sixth_holes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns and tables. So far only final blocks were read: the cursor is final. Windows that were read before
    have no digest, and the audit says so; older dead letters have no original here, the topic has it."""
    op.execute(
        """
        ALTER TABLE ingest.chain ADD COLUMN final_number BIGINT, ADD COLUMN registry BYTEA DEFAULT '' NOT NULL;
        COMMENT ON COLUMN ingest.chain.registry IS 'Digest of what it is read by.';
        COMMENT ON COLUMN ingest.chain.final_number IS 'Up to here blocks were taken as final; never goes back.';
        UPDATE ingest.chain SET final_number = tip_number;

        ALTER TABLE ingest.done_range ADD COLUMN last_hash BYTEA, ADD COLUMN last_timestamp BIGINT;
        COMMENT ON COLUMN ingest.done_range.last_hash IS 'Of the last block.';
        COMMENT ON COLUMN ingest.done_range.last_timestamp IS 'Of the last block.';
        UPDATE ingest.done_range SET last_hash = chain.tip_hash, last_timestamp = chain.tip_timestamp
            FROM ingest.chain
            WHERE done_range.chain_id = chain.chain_id AND done_range.last_block = chain.tip_number;

        ALTER TABLE ingest.boundary
            ADD COLUMN is_final BOOLEAN DEFAULT true NOT NULL,
            ADD COLUMN epoch BIGINT DEFAULT 0 NOT NULL;
        COMMENT ON COLUMN ingest.boundary.is_final IS 'Its block was finalized.';
        COMMENT ON COLUMN ingest.boundary.epoch IS 'The newest fork epoch when it was made.';

        CREATE TABLE ingest.claim (
            chain_id BIGINT NOT NULL,
            deployment TEXT NOT NULL,
            first_block BIGINT NOT NULL,
            last_block BIGINT NOT NULL,
            token UUID NOT NULL,
            until TIMESTAMP WITH TIME ZONE NOT NULL,
            PRIMARY KEY (chain_id, deployment),
            CONSTRAINT claim_of_chain FOREIGN KEY(chain_id) REFERENCES ingest.chain (chain_id)
        );
        COMMENT ON COLUMN ingest.claim.deployment IS 'Or source of links: one replica reads it at a time.';
        COMMENT ON COLUMN ingest.claim.last_block IS 'Inclusive; final.';
        COMMENT ON COLUMN ingest.claim.token IS 'Who reads it.';
        COMMENT ON COLUMN ingest.claim.until IS 'By the database''s clock; then it is free again.';

        CREATE TABLE ingest.replica (
            chain_id BIGINT NOT NULL,
            token UUID NOT NULL,
            seen_until TIMESTAMP WITH TIME ZONE NOT NULL,
            PRIMARY KEY (chain_id, token),
            CONSTRAINT replica_of_chain FOREIGN KEY(chain_id) REFERENCES ingest.chain (chain_id)
        );
        COMMENT ON COLUMN ingest.replica.seen_until IS 'Counts as alive until then.';

        CREATE TABLE ingest.live_block (
            chain_id BIGINT NOT NULL,
            number BIGINT NOT NULL,
            hash BYTEA NOT NULL,
            parent_hash BYTEA NOT NULL,
            timestamp BIGINT NOT NULL,
            PRIMARY KEY (chain_id, number),
            CONSTRAINT live_block_of_chain FOREIGN KEY(chain_id) REFERENCES ingest.chain (chain_id)
        );
        COMMENT ON COLUMN ingest.live_block.number IS 'From the newest final one up to the head.';

        CREATE TABLE ingest.read_window (
            chain_id BIGINT NOT NULL,
            deployment TEXT NOT NULL,
            first_block BIGINT NOT NULL,
            last_block BIGINT NOT NULL,
            logs BIGINT NOT NULL,
            digest BYTEA NOT NULL,
            filter_key BYTEA NOT NULL,
            PRIMARY KEY (chain_id, deployment, first_block),
            CONSTRAINT read_window_of_chain FOREIGN KEY(chain_id) REFERENCES ingest.chain (chain_id)
        );
        COMMENT ON COLUMN ingest.read_window.last_block IS 'Inclusive.';
        COMMENT ON COLUMN ingest.read_window.logs IS 'Of its contracts, that were read.';
        COMMENT ON COLUMN ingest.read_window.digest IS 'Of the set of these logs: what the audit compares.';
        COMMENT ON COLUMN ingest.read_window.filter_key IS 'Which logs were asked for: see log_filter.';

        CREATE TABLE ingest.log_filter (
            chain_id BIGINT NOT NULL,
            key BYTEA NOT NULL,
            contracts BYTEA[] NOT NULL,
            topics_anywhere BYTEA[] NOT NULL,
            PRIMARY KEY (chain_id, key),
            CONSTRAINT log_filter_of_chain FOREIGN KEY(chain_id) REFERENCES ingest.chain (chain_id)
        );
        COMMENT ON COLUMN ingest.log_filter.key IS 'LogFilter.key.';
        COMMENT ON COLUMN ingest.log_filter.contracts IS 'That were watched in a window.';

        ALTER TABLE ingest.dead_letter
            ADD COLUMN tx_hash BYTEA,
            ADD COLUMN tx_index INTEGER,
            ADD COLUMN block_timestamp BIGINT,
            ADD COLUMN address BYTEA,
            ADD COLUMN topics BYTEA[],
            ADD COLUMN payload BYTEA,
            ADD COLUMN mended_at TIMESTAMP WITH TIME ZONE;
        COMMENT ON COLUMN ingest.dead_letter.address IS 'Of the contract.';
        COMMENT ON COLUMN ingest.dead_letter.payload IS 'The log''s data, as it came.';
        COMMENT ON COLUMN ingest.dead_letter.mended_at IS 'When a later decoder could read it; null: not yet.';

        CREATE TABLE ingest.consumer_offset (
            consumer_group TEXT NOT NULL,
            topic TEXT NOT NULL,
            partition INTEGER NOT NULL,
            next_offset BIGINT NOT NULL,
            cluster_id TEXT NOT NULL,
            topic_id TEXT NOT NULL,
            PRIMARY KEY (consumer_group, topic, partition)
        );

        GRANT SELECT, INSERT, UPDATE, DELETE
            ON ingest.claim, ingest.replica, ingest.live_block, ingest.read_window, ingest.log_filter,
                ingest.consumer_offset
            TO bonafides_ingest;
        GRANT UPDATE ON ingest.dead_letter TO bonafides_ingest;
        """
    )
