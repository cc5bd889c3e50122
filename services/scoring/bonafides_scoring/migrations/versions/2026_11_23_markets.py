"""Isolated markets inside a deployment.

Revision ID: 2026_11_23_markets
"""

from alembic import op

revision = "2026_11_23_markets"
down_revision = "2026_11_23_unreadable"
branch_labels = None
depends_on = None

COLUMNS = """
ALTER TABLE scoring.event ADD COLUMN market BYTEA;
ALTER TABLE scoring.market_point ADD COLUMN market BYTEA;
COMMENT ON COLUMN scoring.event.market IS
    'isolated market inside the deployment; null: all assets are one pool';
COMMENT ON COLUMN scoring.market_point.market IS
    'isolated market inside the deployment; null: all assets are one pool';
"""


def upgrade() -> None:
    """Add the columns; what stands there is of pooled deployments."""
    op.execute(COLUMNS)
