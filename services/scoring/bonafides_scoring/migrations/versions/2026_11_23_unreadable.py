"""What could not be read is remembered: whole records, and single events of a log.

Revision ID: 2026_11_23_unreadable
"""

from alembic import op

revision = "2026_11_23_unreadable"
down_revision = "2026_11_23_first"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE scoring.unreadable_record (
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    log_offset BIGINT NOT NULL,
    reason TEXT NOT NULL,
    mended_offset BIGINT,
    PRIMARY KEY (topic, partition, log_offset)
);
COMMENT ON COLUMN scoring.unreadable_record.mended_offset IS
    'set by an operator: below this offset of the partition all that was lost stands again; null: lost';
ALTER TABLE scoring.wallet_dead_letter
    ADD COLUMN sub_index INTEGER DEFAULT -1 NOT NULL,
    DROP CONSTRAINT wallet_dead_letter_pkey,
    ADD PRIMARY KEY (wallet, chain_id, block_hash, log_index, sub_index);
COMMENT ON COLUMN scoring.wallet_dead_letter.sub_index IS 'event of the log; -1: the whole log';
"""


def upgrade() -> None:
    """Make the table and the column. The worker adds records; that one is mended is for the owner to say."""
    op.execute(TABLES)
    op.execute("GRANT SELECT, INSERT ON scoring.unreadable_record TO bonafides_scoring_worker")
    op.execute("GRANT SELECT ON scoring.unreadable_record TO bonafides_scoring_api")
