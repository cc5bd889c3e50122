-- Tables of the schema `scoring`; `store/tables.py` says what each is for.
CREATE TABLE scoring.access_log (
    id BIGSERIAL NOT NULL,
    read_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    route TEXT NOT NULL,
    wallet BYTEA,
    score_id BYTEA,
    consent_mode TEXT NOT NULL,
    http_status SMALLINT NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX access_log_by_wallet ON scoring.access_log (wallet, read_at);
COMMENT ON COLUMN scoring.access_log.route IS 'the template, never the path';
COMMENT ON COLUMN scoring.access_log.wallet IS 'whose answer was read; the borrower may ask for these rows';
CREATE TABLE scoring.attestation (
    attestation_id BYTEA NOT NULL,
    score_id BYTEA NOT NULL,
    status TEXT NOT NULL,
    revocation_index BIGINT,
    valid_until BIGINT,
    log_offset BIGINT NOT NULL,
    PRIMARY KEY (attestation_id)
);
CREATE INDEX attestation_by_score ON scoring.attestation (score_id);
CREATE TABLE scoring.boundary (
    chain_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    block_number BIGINT NOT NULL,
    finality TEXT NOT NULL,
    is_scoring BOOLEAN NOT NULL,
    record BYTEA NOT NULL,
    log_offset BIGINT NOT NULL,
    PRIMARY KEY (chain_id, number),
    UNIQUE (log_offset)
);
COMMENT ON COLUMN scoring.boundary.record IS 'the message as it came';
CREATE TABLE scoring.consumer_offset (
    consumer_group TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    next_offset BIGINT NOT NULL,
    cluster_id TEXT NOT NULL,
    topic_id TEXT NOT NULL,
    PRIMARY KEY (consumer_group, topic, partition)
);
CREATE TABLE scoring.event (
    id BYTEA NOT NULL,
    fork_epoch BIGINT NOT NULL,
    decoder_version INTEGER NOT NULL,
    wallet BYTEA NOT NULL,
    partition INTEGER NOT NULL,
    chain_id BIGINT NOT NULL,
    block_number BIGINT NOT NULL,
    block_hash BYTEA NOT NULL,
    block_timestamp BIGINT NOT NULL,
    tx_hash BYTEA NOT NULL,
    tx_index BIGINT NOT NULL,
    log_index BIGINT NOT NULL,
    sub_index INTEGER NOT NULL,
    protocol TEXT NOT NULL,
    deployment TEXT NOT NULL,
    type TEXT NOT NULL,
    role TEXT NOT NULL,
    counterparty BYTEA,
    asset BYTEA NOT NULL,
    amount NUMERIC(78, 0) NOT NULL,
    second_asset BYTEA,
    second_amount NUMERIC(78, 0) NOT NULL,
    scaled_delta NUMERIC(78, 0) NOT NULL,
    index_ray NUMERIC(78, 0) NOT NULL,
    content BYTEA NOT NULL,
    log_offset BIGINT NOT NULL,
    PRIMARY KEY (id, fork_epoch, decoder_version)
);
CREATE INDEX event_by_partition ON scoring.event (partition, chain_id, block_number);
CREATE INDEX event_by_wallet ON scoring.event (wallet, chain_id, block_number);
COMMENT ON COLUMN scoring.event.partition IS 'of wallet-events.v1';
COMMENT ON COLUMN scoring.event.content IS 'sha256 of the event''s own encoding: what it says';
COMMENT ON COLUMN scoring.event.log_offset IS 'where this copy was first read in its partition';
CREATE TABLE scoring.fork_epoch (
    chain_id BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    fork_block BIGINT NOT NULL,
    boundary_number BIGINT NOT NULL,
    PRIMARY KEY (chain_id, epoch)
);
COMMENT ON COLUMN scoring.fork_epoch.boundary_number IS 'the first boundary that lists it';
CREATE TABLE scoring.hydration (
    wallet BYTEA NOT NULL,
    chain_id BIGINT NOT NULL,
    block_number BIGINT NOT NULL,
    block_hash BYTEA NOT NULL,
    block_timestamp BIGINT NOT NULL,
    record BYTEA NOT NULL,
    log_offset BIGINT NOT NULL,
    PRIMARY KEY (wallet, chain_id, block_number)
);
COMMENT ON COLUMN scoring.hydration.record IS 'the message as it came';
CREATE TABLE scoring.market_point (
    id BYTEA NOT NULL,
    fork_epoch BIGINT NOT NULL,
    decoder_version INTEGER NOT NULL,
    chain_id BIGINT NOT NULL,
    block_number BIGINT NOT NULL,
    block_hash BYTEA NOT NULL,
    block_timestamp BIGINT NOT NULL,
    tx_hash BYTEA NOT NULL,
    tx_index BIGINT NOT NULL,
    log_index BIGINT NOT NULL,
    sub_index INTEGER NOT NULL,
    deployment TEXT NOT NULL,
    kind TEXT NOT NULL,
    asset BYTEA NOT NULL,
    category INTEGER NOT NULL,
    values NUMERIC(78, 0)[] NOT NULL,
    content BYTEA NOT NULL,
    log_offset BIGINT NOT NULL,
    PRIMARY KEY (id, fork_epoch, decoder_version)
);
CREATE INDEX market_point_by_offset ON scoring.market_point (chain_id, log_offset);
CREATE TABLE scoring.outbox (
    id BIGSERIAL NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    payload BYTEA NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    sent_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id)
);
CREATE INDEX outbox_unsent ON scoring.outbox (id) WHERE sent_at IS NULL;
CREATE TABLE scoring.partition_progress (
    partition INTEGER NOT NULL,
    chain_id BIGINT NOT NULL,
    boundary_number BIGINT NOT NULL,
    PRIMARY KEY (partition, chain_id)
);
COMMENT ON COLUMN scoring.partition_progress.boundary_number IS 'the newest boundary whose mark was read';
CREATE TABLE scoring.provisional_result (
    wallet BYTEA NOT NULL,
    wallets BYTEA[] NOT NULL,
    partition INTEGER NOT NULL,
    as_of BYTEA[] NOT NULL,
    as_of_time BIGINT NOT NULL,
    chain_id BIGINT NOT NULL,
    boundary_number BIGINT NOT NULL,
    event_offset BIGINT NOT NULL,
    market_offset BIGINT NOT NULL,
    model_id BYTEA NOT NULL,
    model_class TEXT NOT NULL,
    coverage TEXT NOT NULL,
    event_set_digest BYTEA NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    score SMALLINT,
    band TEXT,
    pd_bps INTEGER,
    flags BIGINT,
    reasons TEXT[],
    reason TEXT,
    PRIMARY KEY (wallet),
    CONSTRAINT provisional_result_one_answer CHECK ((score IS NULL) <> (reason IS NULL))
);
COMMENT ON COLUMN scoring.provisional_result.as_of IS 'block references, `digests.encode_block`';
COMMENT ON COLUMN scoring.provisional_result.chain_id IS 'chain of the boundary that called for it';
COMMENT ON COLUMN scoring.provisional_result.event_offset IS 'events read below this offset were known';
COMMENT ON COLUMN scoring.provisional_result.market_offset IS 'market facts read below this offset were known';
COMMENT ON COLUMN scoring.provisional_result.coverage IS 'JSON: what had been read of each deployment';
CREATE TABLE scoring.score (
    score_id BYTEA NOT NULL,
    wallets BYTEA[] NOT NULL,
    partition INTEGER NOT NULL,
    as_of BYTEA[] NOT NULL,
    as_of_time BIGINT NOT NULL,
    chain_id BIGINT NOT NULL,
    boundary_number BIGINT NOT NULL,
    event_offset BIGINT NOT NULL,
    market_offset BIGINT NOT NULL,
    model_id BYTEA NOT NULL,
    model_class TEXT NOT NULL,
    coverage TEXT NOT NULL,
    event_set_digest BYTEA NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    score SMALLINT NOT NULL CONSTRAINT score_range CHECK (score BETWEEN 300 AND 850),
    band TEXT NOT NULL,
    pd_bps INTEGER NOT NULL CONSTRAINT pd_bps_range CHECK (pd_bps BETWEEN 1 AND 9999),
    flags BIGINT NOT NULL,
    reasons TEXT[] NOT NULL,
    receipt BYTEA NOT NULL,
    explanation TEXT NOT NULL,
    code_version TEXT NOT NULL,
    PRIMARY KEY (score_id)
);
COMMENT ON COLUMN scoring.score.score_id IS 'digest of the receipt';
COMMENT ON COLUMN scoring.score.as_of IS 'block references, `digests.encode_block`';
COMMENT ON COLUMN scoring.score.chain_id IS 'chain of the boundary that called for it';
COMMENT ON COLUMN scoring.score.event_offset IS 'events read below this offset were known';
COMMENT ON COLUMN scoring.score.market_offset IS 'market facts read below this offset were known';
COMMENT ON COLUMN scoring.score.coverage IS 'JSON: what had been read of each deployment';
COMMENT ON COLUMN scoring.score.receipt IS 'canonical bytes';
COMMENT ON COLUMN scoring.score.explanation IS 'JSON';
CREATE TABLE scoring.scoring_due (
    partition INTEGER NOT NULL,
    market_offset BIGINT NOT NULL,
    chain_id BIGINT NOT NULL,
    boundary_number BIGINT NOT NULL,
    PRIMARY KEY (partition, market_offset)
);
COMMENT ON COLUMN scoring.scoring_due.market_offset IS 'the boundary''s place in market.v1: the order';
CREATE TABLE scoring.unfolded (
    wallet BYTEA NOT NULL,
    chain_id BIGINT NOT NULL,
    partition INTEGER NOT NULL,
    first_block BIGINT NOT NULL,
    PRIMARY KEY (wallet, chain_id)
);
CREATE INDEX unfolded_by_partition ON scoring.unfolded (partition, chain_id);
COMMENT ON COLUMN scoring.unfolded.first_block IS 'snapshots from this block on are not to be trusted';
CREATE TABLE scoring.unscorable (
    result_id BYTEA NOT NULL,
    wallets BYTEA[] NOT NULL,
    partition INTEGER NOT NULL,
    as_of BYTEA[] NOT NULL,
    as_of_time BIGINT NOT NULL,
    chain_id BIGINT NOT NULL,
    boundary_number BIGINT NOT NULL,
    event_offset BIGINT NOT NULL,
    market_offset BIGINT NOT NULL,
    model_id BYTEA NOT NULL,
    model_class TEXT NOT NULL,
    coverage TEXT NOT NULL,
    event_set_digest BYTEA NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (result_id)
);
COMMENT ON COLUMN scoring.unscorable.as_of IS 'block references, `digests.encode_block`';
COMMENT ON COLUMN scoring.unscorable.chain_id IS 'chain of the boundary that called for it';
COMMENT ON COLUMN scoring.unscorable.event_offset IS 'events read below this offset were known';
COMMENT ON COLUMN scoring.unscorable.market_offset IS 'market facts read below this offset were known';
COMMENT ON COLUMN scoring.unscorable.coverage IS 'JSON: what had been read of each deployment';
CREATE TABLE scoring.wallet_dead_letter (
    wallet BYTEA NOT NULL,
    chain_id BIGINT NOT NULL,
    block_hash BYTEA NOT NULL,
    log_index BIGINT NOT NULL,
    block_number BIGINT NOT NULL,
    deployment TEXT NOT NULL,
    reason TEXT NOT NULL,
    log_offset BIGINT NOT NULL,
    PRIMARY KEY (wallet, chain_id, block_hash, log_index)
);
CREATE TABLE scoring.wallet_snapshot (
    wallet BYTEA NOT NULL,
    chain_id BIGINT NOT NULL,
    block_number BIGINT NOT NULL,
    partition INTEGER NOT NULL,
    state BYTEA NOT NULL,
    PRIMARY KEY (wallet, chain_id, block_number)
);
CREATE INDEX wallet_snapshot_by_partition ON scoring.wallet_snapshot (partition, chain_id);
COMMENT ON COLUMN scoring.wallet_snapshot.block_number IS 'holds every event up to and with this block';
COMMENT ON COLUMN scoring.wallet_snapshot.state IS 'canonical bytes';
CREATE TABLE scoring.latest_result (
    wallet BYTEA NOT NULL,
    partition INTEGER NOT NULL,
    score_id BYTEA,
    result_id BYTEA,
    as_of_time BIGINT NOT NULL,
    market_offset BIGINT NOT NULL,
    basis BYTEA NOT NULL,
    health_factor_bps BIGINT,
    PRIMARY KEY (wallet),
    CONSTRAINT latest_result_one_answer CHECK ((score_id IS NULL) <> (result_id IS NULL)),
    FOREIGN KEY(score_id) REFERENCES scoring.score (score_id),
    FOREIGN KEY(result_id) REFERENCES scoring.unscorable (result_id)
);
CREATE INDEX latest_result_by_partition ON scoring.latest_result (partition);
COMMENT ON COLUMN scoring.latest_result.basis IS 'digest of what was known of the wallet';
COMMENT ON COLUMN scoring.latest_result.health_factor_bps IS
    'lowest of its accounts as of the score; null without debt';
