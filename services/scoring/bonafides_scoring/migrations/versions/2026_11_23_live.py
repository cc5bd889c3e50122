"""Blocks above finalized: how far a partition has folded what is final, and from which block a provisional answer is.

Revision ID: 2026_11_23_live
"""

from alembic import op

revision = "2026_11_23_live"
down_revision = "2026_11_23_accounts"
branch_labels = None
depends_on = None

# Provisional answers live for minutes: those of before are made again rather than given a block that nobody knows.
STATEMENTS = """
ALTER TABLE scoring.partition_progress ADD COLUMN final_block BIGINT DEFAULT -1 NOT NULL;
COMMENT ON COLUMN scoring.partition_progress.final_block IS
    'of the newest finalized boundary that was folded to; -1: none';
DELETE FROM scoring.provisional_result;
ALTER TABLE scoring.provisional_result
    ADD COLUMN origin TEXT NOT NULL,
    ADD COLUMN block_number BIGINT NOT NULL;
COMMENT ON COLUMN scoring.provisional_result.origin IS
    'head: a boundary above finalized; hydration: a history on demand';
COMMENT ON COLUMN scoring.provisional_result.block_number IS 'of chain_id: up to where it saw';
DROP INDEX scoring.wallet_snapshot_by_partition;
CREATE INDEX wallet_snapshot_by_partition ON scoring.wallet_snapshot (partition, chain_id, block_number);
"""


def upgrade() -> None:
    """Add the columns, and let the index find what stands above a block."""
    op.execute(STATEMENTS)
