"""First tables of the attestation service, and who may touch them.

Revision ID: 2026_11_23_first
"""

from alembic import op

revision = "2026_11_23_first"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE attestation.audit (
    id BIGSERIAL NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    route TEXT NOT NULL,
    attestation_id BYTEA,
    reader TEXT NOT NULL,
    consent_mode TEXT NOT NULL,
    http_status INTEGER NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX audit_attestation ON attestation.audit (attestation_id);
COMMENT ON TABLE attestation.audit IS 'append-only: nobody but the owner of the schema may change a row';
COMMENT ON COLUMN attestation.audit.route IS 'template, never the path';
COMMENT ON COLUMN attestation.audit.reader IS 'pseudonym of a wallet that proved itself, or `anybody`';
CREATE TABLE attestation.batches (
    id BIGSERIAL NOT NULL,
    chain_id BIGINT NOT NULL,
    registry BYTEA NOT NULL,
    first_index BIGINT NOT NULL,
    size INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state in ('built', 'queued', 'sent', 'mined', 'final', 'stuck')),
    root BYTEA,
    epoch BIGINT,
    closed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    closed_at_block BIGINT NOT NULL,
    handed_over_at TIMESTAMP WITH TIME ZONE,
    tx_hash BYTEA,
    block_number BIGINT,
    block_hash BYTEA,
    published_at BIGINT,
    final_at TIMESTAMP WITH TIME ZONE,
    problem TEXT,
    root_first_index BIGINT,
    root_count BIGINT,
    PRIMARY KEY (id),
    CONSTRAINT batches_size CHECK (size between 1 and 65536),
    CONSTRAINT batches_root_from_queued CHECK ((state in ('built', 'stuck')) or (root is not null))
);
CREATE UNIQUE INDEX batches_first_index ON attestation.batches (chain_id, registry, first_index)
    WHERE state <> 'stuck';
CREATE INDEX batches_unfinished ON attestation.batches (id) WHERE state not in ('final', 'stuck');
COMMENT ON COLUMN attestation.batches.root IS 'set at the hand-over; the publisher rebuilds and compares it';
COMMENT ON COLUMN attestation.batches.closed_at_block IS 'head that its first index was read at, or before';
COMMENT ON COLUMN attestation.batches.published_at IS 'Unix seconds of the block';
COMMENT ON COLUMN attestation.batches.problem IS 'why it is stuck';
COMMENT ON COLUMN attestation.batches.root_first_index IS 'of a stuck batch whose root is published elsewhere';
COMMENT ON COLUMN attestation.batches.root_count IS 'indexes that this root has on the registry';
CREATE TABLE attestation.consumer_offset (
    consumer_group TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    next_offset BIGINT NOT NULL,
    cluster_id TEXT NOT NULL,
    topic_id TEXT NOT NULL,
    PRIMARY KEY (consumer_group, topic, partition)
);
CREATE TABLE attestation.erasures (
    attestation_id BYTEA NOT NULL,
    request_id BYTEA,
    asked_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    done_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (attestation_id)
);
CREATE TABLE attestation.leases (
    name TEXT NOT NULL,
    holder TEXT NOT NULL,
    token BIGINT NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (name)
);
CREATE TABLE attestation.nonces (
    nonce BYTEA NOT NULL,
    wallet BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (nonce)
);
COMMENT ON COLUMN attestation.nonces.expires_at IS 'Unix seconds, exclusive';
CREATE TABLE attestation.opt_ins (
    wallet BYTEA NOT NULL,
    request_id BYTEA,
    since TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (wallet)
);
CREATE TABLE attestation.issuer_outbox (
    id BIGSERIAL NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    payload BYTEA NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    sent_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id)
);
CREATE INDEX issuer_outbox_unsent ON attestation.issuer_outbox (id) WHERE sent_at is null;
CREATE TABLE attestation.publisher_outbox (
    id BIGSERIAL NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    payload BYTEA NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    sent_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id)
);
CREATE INDEX publisher_outbox_unsent ON attestation.publisher_outbox (id) WHERE sent_at is null;
CREATE TABLE attestation.requests (
    request_id BYTEA NOT NULL,
    wallet BYTEA NOT NULL,
    purpose TEXT NOT NULL,
    signature BYTEA NOT NULL,
    asked_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (request_id)
);
CREATE TABLE attestation.results (
    subject_key BYTEA NOT NULL,
    score_id BYTEA NOT NULL,
    payload BYTEA NOT NULL,
    wallets BYTEA NOT NULL,
    as_of_time BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state in ('waiting', 'issued', 'refused', 'unscorable', 'withdrawn')),
    reason TEXT CHECK (reason in (
        'synthetic_on_live_chain', 'model_not_allowed', 'flag_not_attestable', 'inconsistent', 'expired',
        'key_not_valid', 'life_too_long', 'not_ours', 'withdrawn'
    )),
    waiting_since TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (subject_key)
);
CREATE INDEX results_score ON attestation.results (score_id);
CREATE INDEX results_waiting ON attestation.results (waiting_since) WHERE state = 'waiting';
COMMENT ON COLUMN attestation.results.subject_key IS 'sha256 over the subject''s sorted wallets';
COMMENT ON COLUMN attestation.results.score_id IS 'score id, or result id of an unscorable answer';
COMMENT ON COLUMN attestation.results.payload IS 'the message as it came: ScoreIssued or UnscorableIssued';
COMMENT ON COLUMN attestation.results.wallets IS '20 bytes each, ascending';
CREATE TABLE attestation.withdrawals (
    score_id BYTEA NOT NULL,
    kind TEXT NOT NULL CHECK (kind in ('dispute', 'recall')),
    withdrawn_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (score_id)
);
COMMENT ON TABLE attestation.withdrawals IS 'kept for ever: the score may come after its withdrawal, or come again';
CREATE TABLE attestation.revocation_runs (
    id BIGSERIAL NOT NULL,
    chain_id BIGINT NOT NULL,
    registry BYTEA NOT NULL,
    state TEXT NOT NULL CHECK (state in ('built', 'queued', 'sent', 'mined', 'final', 'stuck')),
    tx_hash BYTEA,
    block_number BIGINT,
    block_hash BYTEA,
    final_at TIMESTAMP WITH TIME ZONE,
    problem TEXT,
    PRIMARY KEY (id)
);
COMMENT ON TABLE attestation.revocation_runs IS 'revocations of one transaction';
CREATE TABLE attestation.attempts (
    id BIGSERIAL NOT NULL,
    batch_id BIGINT,
    revocation_run BIGINT,
    sender BYTEA NOT NULL,
    nonce BIGINT NOT NULL,
    raw_tx BYTEA NOT NULL,
    tx_hash BYTEA NOT NULL,
    max_fee_wei NUMERIC(40, 0) NOT NULL,
    tip_wei NUMERIC(40, 0) NOT NULL,
    stored_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    stored_at_block BIGINT NOT NULL,
    sent_at BIGINT,
    PRIMARY KEY (id),
    CONSTRAINT attempts_purpose CHECK ((batch_id is null) <> (revocation_run is null)),
    FOREIGN KEY(batch_id) REFERENCES attestation.batches (id),
    FOREIGN KEY(revocation_run) REFERENCES attestation.revocation_runs (id),
    UNIQUE (tx_hash)
);
CREATE INDEX attempts_batch ON attestation.attempts (batch_id);
COMMENT ON COLUMN attestation.attempts.stored_at_block IS 'head when it was made';
COMMENT ON COLUMN attestation.attempts.sent_at IS 'Unix seconds of the last broadcast';
CREATE TABLE attestation.documents (
    attestation_id BYTEA NOT NULL,
    score_id BYTEA NOT NULL,
    subject_key BYTEA NOT NULL,
    batch_id BIGINT NOT NULL,
    position INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state in ('built', 'signed', 'tombstone', 'stranded', 'erased')),
    wallets BYTEA NOT NULL,
    as_of BYTEA NOT NULL,
    leaf_values JSONB,
    subject BYTEA NOT NULL,
    commitment BYTEA NOT NULL,
    model_id BYTEA NOT NULL,
    model_class TEXT NOT NULL,
    as_of_digest BYTEA NOT NULL,
    as_of_time BIGINT NOT NULL,
    issued_at BIGINT NOT NULL,
    valid_from BIGINT NOT NULL,
    valid_until BIGINT NOT NULL,
    revocation_index BIGINT NOT NULL,
    flags BIGINT NOT NULL,
    signer BYTEA,
    signature BYTEA,
    refusal TEXT CHECK (refusal in (
        'synthetic_on_live_chain', 'model_not_allowed', 'flag_not_attestable', 'inconsistent', 'expired',
        'key_not_valid', 'life_too_long', 'not_ours', 'withdrawn'
    )),
    made_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (attestation_id),
    CONSTRAINT documents_place UNIQUE (batch_id, position),
    CONSTRAINT documents_signed CHECK ((state <> 'signed') or (signature is not null)),
    CONSTRAINT documents_values CHECK ((state = 'erased') or (leaf_values is not null)),
    FOREIGN KEY(batch_id) REFERENCES attestation.batches (id),
    UNIQUE (commitment)
);
CREATE UNIQUE INDEX documents_score ON attestation.documents (score_id) WHERE state in ('built', 'signed');
CREATE INDEX documents_subject ON attestation.documents (subject_key);
COMMENT ON COLUMN attestation.documents.wallets IS '20 bytes each, ascending';
COMMENT ON COLUMN attestation.documents.as_of IS '56 bytes a block, as in the as-of digest';
COMMENT ON COLUMN attestation.documents.leaf_values IS 'every leaf by name, in the JSON form of the holder file';
CREATE TABLE attestation.leaf_hashes (
    batch_id BIGINT NOT NULL,
    position INTEGER NOT NULL,
    revocation_index BIGINT NOT NULL,
    leaf_hash BYTEA NOT NULL,
    is_tombstone BOOLEAN NOT NULL,
    score_id BYTEA NOT NULL,
    attestation_id BYTEA NOT NULL,
    valid_until BIGINT NOT NULL,
    status_partition INTEGER NOT NULL,
    PRIMARY KEY (batch_id, position),
    FOREIGN KEY(batch_id) REFERENCES attestation.batches (id)
);
CREATE UNIQUE INDEX leaf_hashes_attestation ON attestation.leaf_hashes (attestation_id);
COMMENT ON COLUMN attestation.leaf_hashes.status_partition IS 'of attestation-status.v1: the publisher has no wallet';
CREATE TABLE attestation.revocations (
    attestation_id BYTEA NOT NULL,
    reason TEXT NOT NULL CHECK (reason in ('dispute', 'recall', 'superseded', 'unscorable', 'erased')),
    asked_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    run BIGINT,
    PRIMARY KEY (attestation_id),
    FOREIGN KEY(attestation_id) REFERENCES attestation.documents (attestation_id),
    FOREIGN KEY(run) REFERENCES attestation.revocation_runs (id)
);
COMMENT ON TABLE attestation.revocations
    IS 'by document, not by index: the indexes of a stranded batch are given out again';
COMMENT ON COLUMN attestation.revocations.run IS 'null: not in a run yet';
CREATE TABLE attestation.seeds (
    attestation_id BYTEA NOT NULL,
    seed BYTEA NOT NULL,
    PRIMARY KEY (attestation_id),
    CONSTRAINT seeds_length CHECK (length(seed) = 32),
    FOREIGN KEY(attestation_id) REFERENCES attestation.documents (attestation_id)
);
"""

# The publisher is hot and must not open or forge anything: no seed, document, result or wallet. Of batches it may
# change what happens on the chain, never members, order or indexes. The API reads seeds because it derives a holder
# file's salts from them at each read: salts stored beside would outlive the seed, whose deletion is the erasure.
# Issuer and publisher have an outbox and leases of their own: in the issuer's stand dead letters, which are scores
# beside their wallets, and whoever can rewrite the other's lease can stop it, or have two sign at once.
# The audit log is append-only: the API itself cannot read or change a row.
GRANTS = """
GRANT USAGE ON SCHEMA attestation
    TO bonafides_attestation_issuer, bonafides_attestation_publisher, bonafides_attestation_api;

GRANT SELECT, INSERT, UPDATE ON attestation.results, attestation.documents TO bonafides_attestation_issuer;
GRANT SELECT, INSERT, DELETE ON attestation.seeds TO bonafides_attestation_issuer;
GRANT SELECT, INSERT, UPDATE ON attestation.batches TO bonafides_attestation_issuer;
GRANT SELECT, INSERT ON attestation.leaf_hashes, attestation.withdrawals TO bonafides_attestation_issuer;
GRANT SELECT, INSERT, DELETE ON attestation.revocations TO bonafides_attestation_issuer;
GRANT SELECT ON attestation.opt_ins, attestation.requests TO bonafides_attestation_issuer;
GRANT SELECT, UPDATE ON attestation.erasures TO bonafides_attestation_issuer;
GRANT SELECT, INSERT, UPDATE ON attestation.consumer_offset TO bonafides_attestation_issuer;
GRANT USAGE ON SEQUENCE attestation.batches_id_seq TO bonafides_attestation_issuer;

GRANT SELECT ON attestation.batches, attestation.leaf_hashes, attestation.revocations
    TO bonafides_attestation_publisher;
GRANT UPDATE (state, epoch, tx_hash, block_number, block_hash, published_at, final_at, problem, root_first_index,
    root_count)
    ON attestation.batches TO bonafides_attestation_publisher;
GRANT UPDATE (run) ON attestation.revocations TO bonafides_attestation_publisher;
GRANT SELECT, INSERT, UPDATE ON attestation.attempts, attestation.revocation_runs TO bonafides_attestation_publisher;
GRANT USAGE ON SEQUENCE attestation.attempts_id_seq, attestation.revocation_runs_id_seq
    TO bonafides_attestation_publisher;

GRANT SELECT, INSERT, UPDATE ON attestation.issuer_outbox TO bonafides_attestation_issuer;
GRANT USAGE ON SEQUENCE attestation.issuer_outbox_id_seq TO bonafides_attestation_issuer;
GRANT SELECT, INSERT, UPDATE ON attestation.publisher_outbox TO bonafides_attestation_publisher;
GRANT USAGE ON SEQUENCE attestation.publisher_outbox_id_seq TO bonafides_attestation_publisher;

GRANT SELECT, INSERT, UPDATE ON attestation.leases TO bonafides_attestation_issuer, bonafides_attestation_publisher;
ALTER TABLE attestation.leases ENABLE ROW LEVEL SECURITY;
CREATE POLICY leases_of_the_issuer ON attestation.leases
    TO bonafides_attestation_issuer USING (starts_with(name, 'issuer'));
CREATE POLICY leases_of_the_publisher ON attestation.leases
    TO bonafides_attestation_publisher USING (starts_with(name, 'publisher'));

GRANT SELECT ON attestation.documents, attestation.seeds, attestation.batches, attestation.leaf_hashes,
    attestation.revocations, attestation.revocation_runs
    TO bonafides_attestation_api;
GRANT SELECT, INSERT ON attestation.requests, attestation.nonces, attestation.opt_ins, attestation.erasures
    TO bonafides_attestation_api;
GRANT INSERT ON attestation.audit TO bonafides_attestation_api;
GRANT USAGE ON SEQUENCE attestation.audit_id_seq TO bonafides_attestation_api;
"""


def upgrade() -> None:
    """Make the tables and grant them."""
    for script in (TABLES, GRANTS):
        for statement in filter(None, (part.strip() for part in script.split(";\n"))):
            op.execute(statement)
