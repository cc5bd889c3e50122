"""What is known of a deployment as facts of any protocol, and the contracts that it was read by.

Revision ID: 2026_11_23_third_facts
"""

from alembic import op

revision = "2026_11_23_third_facts"
down_revision = "2026_11_23_second_asked_oracle"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both tables, carry over what Aave's own tables hold, and drop these."""
    op.execute(
        """
        CREATE TABLE ingest.deployment (
            chain_id BIGINT NOT NULL,
            deployment TEXT NOT NULL,
            contracts BYTEA[] NOT NULL,
            PRIMARY KEY (chain_id, deployment),
            CONSTRAINT deployment_of_chain FOREIGN KEY(chain_id) REFERENCES ingest.chain (chain_id)
        );
        COMMENT ON COLUMN ingest.deployment.contracts IS 'The registry''s, whose logs were read.';

        CREATE TABLE ingest.deployment_fact (
            chain_id BIGINT NOT NULL,
            deployment TEXT NOT NULL,
            kind TEXT NOT NULL,
            key TEXT NOT NULL,
            value JSONB NOT NULL,
            PRIMARY KEY (chain_id, deployment, kind, key),
            CONSTRAINT deployment_fact_of_chain FOREIGN KEY(chain_id) REFERENCES ingest.chain (chain_id)
        );
        COMMENT ON COLUMN ingest.deployment_fact.key IS 'What tells it from others of its kind.';
        COMMENT ON COLUMN ingest.deployment_fact.value IS 'As the logs up to the cursor say.';

        INSERT INTO ingest.deployment_fact
            SELECT chain_id, deployment, 'reserve', '0x' || encode(asset, 'hex'), jsonb_build_object(
                'a_token', '0x' || encode(a_token, 'hex'),
                'stable_debt_token', '0x' || encode(stable_debt_token, 'hex'),
                'variable_debt_token', '0x' || encode(variable_debt_token, 'hex'),
                'treasury', '0x' || encode(treasury, 'hex'),
                'decimals', decimals)
            FROM ingest.reserve
            UNION ALL
            SELECT chain_id, deployment, 'price_source', '0x' || encode(asset, 'hex'),
                to_jsonb('0x' || encode(feed, 'hex'))
            FROM ingest.price_source
            UNION ALL
            SELECT chain_id, deployment, 'asked_oracle', '', to_jsonb('0x' || encode(oracle, 'hex'))
            FROM ingest.asked_oracle;
        DROP TABLE ingest.reserve, ingest.price_source, ingest.asked_oracle;
        GRANT SELECT, INSERT, UPDATE, DELETE ON ingest.deployment, ingest.deployment_fact TO bonafides_ingest;
        """
    )
