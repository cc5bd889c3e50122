"""Tables of the schema `ingest`: what of each chain was read and sent."""

from bonafides.offsets import offsets_table
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

SCHEMA = "ingest"
metadata = MetaData(schema=SCHEMA)

chain = Table(
    "chain",
    metadata,
    Column("chain_id", BigInteger, primary_key=True, autoincrement=False),
    Column("lease_token", Uuid, comment="Who reads the chain now."),
    Column("lease_until", DateTime(timezone=True), comment="By the database's clock."),
    Column("epoch", BigInteger, nullable=False, server_default="0", comment="Fork epoch opened last."),
    Column("tip_number", BigInteger, comment="The cursor: everything up to here was flushed."),
    Column("tip_hash", LargeBinary),
    Column("tip_timestamp", BigInteger),
    Column("final_number", BigInteger, comment="Up to here blocks were taken as final; never goes back."),
    Column("registry", LargeBinary, nullable=False, server_default="", comment="Digest of what it is read by."),
    Column("pending_partitions", ARRAY(Integer), nullable=False, comment="Got something since the last boundary."),
    Column("log_identity", Text, comment="Cluster and topics that the cursor speaks of."),
)

fork_epoch = Table(
    "fork_epoch",
    metadata,
    Column("chain_id", BigInteger, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("fork_block", BigInteger, nullable=False),
    Column("opened_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    ForeignKeyConstraint(["chain_id"], ["ingest.chain.chain_id"], name="fork_epoch_of_chain"),
)

done_range = Table(
    "done_range",
    metadata,
    Column("chain_id", BigInteger, primary_key=True, autoincrement=False),
    Column("deployment", Text, primary_key=True),
    Column("first_block", BigInteger, primary_key=True, autoincrement=False),
    Column("last_block", BigInteger, nullable=False, comment="Inclusive."),
    Column("last_hash", LargeBinary, comment="Of the last block."),
    Column("last_timestamp", BigInteger, comment="Of the last block."),
    ForeignKeyConstraint(["chain_id"], ["ingest.chain.chain_id"], name="done_range_of_chain"),
)

claim = Table(
    "claim",
    metadata,
    Column("chain_id", BigInteger, primary_key=True, autoincrement=False),
    Column("deployment", Text, primary_key=True, comment="Or source of links: one replica reads it at a time."),
    Column("first_block", BigInteger, nullable=False),
    Column("last_block", BigInteger, nullable=False, comment="Inclusive; final."),
    Column("token", Uuid, nullable=False, comment="Who reads it."),
    Column("until", DateTime(timezone=True), nullable=False, comment="By the database's clock; then it is free again."),
    ForeignKeyConstraint(["chain_id"], ["ingest.chain.chain_id"], name="claim_of_chain"),
)

replica = Table(
    "replica",
    metadata,
    Column("chain_id", BigInteger, primary_key=True, autoincrement=False),
    Column("token", Uuid, primary_key=True),
    Column("seen_until", DateTime(timezone=True), nullable=False, comment="Counts as alive until then."),
    ForeignKeyConstraint(["chain_id"], ["ingest.chain.chain_id"], name="replica_of_chain"),
)

live_block = Table(
    "live_block",
    metadata,
    Column("chain_id", BigInteger, primary_key=True, autoincrement=False),
    Column(
        "number", BigInteger, primary_key=True, autoincrement=False, comment="From the newest final one up to the head."
    ),
    Column("hash", LargeBinary, nullable=False),
    Column("parent_hash", LargeBinary, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    ForeignKeyConstraint(["chain_id"], ["ingest.chain.chain_id"], name="live_block_of_chain"),
)

read_window = Table(
    "read_window",
    metadata,
    Column("chain_id", BigInteger, primary_key=True, autoincrement=False),
    Column("deployment", Text, primary_key=True),
    Column("first_block", BigInteger, primary_key=True, autoincrement=False),
    Column("last_block", BigInteger, nullable=False, comment="Inclusive."),
    Column("logs", BigInteger, nullable=False, comment="Of its contracts, that were read."),
    Column("digest", LargeBinary, nullable=False, comment="Of the set of these logs: what the audit compares."),
    Column("filter_key", LargeBinary, nullable=False, comment="Which logs were asked for: see log_filter."),
    ForeignKeyConstraint(["chain_id"], ["ingest.chain.chain_id"], name="read_window_of_chain"),
)

log_filter = Table(
    "log_filter",
    metadata,
    Column("chain_id", BigInteger, primary_key=True, autoincrement=False),
    Column("key", LargeBinary, primary_key=True, comment="LogFilter.key."),
    Column("contracts", ARRAY(LargeBinary), nullable=False, comment="That were watched in a window."),
    Column("topics_anywhere", ARRAY(LargeBinary), nullable=False),
    ForeignKeyConstraint(["chain_id"], ["ingest.chain.chain_id"], name="log_filter_of_chain"),
)

deployment = Table(
    "deployment",
    metadata,
    Column("chain_id", BigInteger, primary_key=True, autoincrement=False),
    Column("deployment", Text, primary_key=True),
    Column("contracts", ARRAY(LargeBinary), nullable=False, comment="The registry's, whose logs were read."),
    ForeignKeyConstraint(["chain_id"], ["ingest.chain.chain_id"], name="deployment_of_chain"),
)

deployment_fact = Table(
    "deployment_fact",
    metadata,
    Column("chain_id", BigInteger, primary_key=True, autoincrement=False),
    Column("deployment", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("key", Text, primary_key=True, comment="What tells it from others of its kind."),
    Column("value", JSONB, nullable=False, comment="As the logs up to the cursor say."),
    ForeignKeyConstraint(["chain_id"], ["ingest.chain.chain_id"], name="deployment_fact_of_chain"),
)

feed_phase = Table(
    "feed_phase",
    metadata,
    Column("chain_id", BigInteger, primary_key=True, autoincrement=False),
    Column("feed", LargeBinary, primary_key=True, comment="What oracles name: a proxy, or what answers itself."),
    Column("from_block", BigInteger, primary_key=True, autoincrement=False, comment="First one at whose end it holds."),
    Column("known_to", BigInteger, nullable=False, comment="Inclusive; behind it nobody looked, or could."),
    Column("number", BigInteger, nullable=False, comment="The proxy's phaseId; 0: the feed answers itself."),
    Column("aggregator", LargeBinary, nullable=False, comment="Emits the answers."),
    ForeignKeyConstraint(["chain_id"], ["ingest.chain.chain_id"], name="feed_phase_of_chain"),
)

boundary = Table(
    "boundary",
    metadata,
    Column("chain_id", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False, comment="1, 2, 3 … without holes."),
    Column("message", LargeBinary, nullable=False, comment="The bytes that go to market.v1, now and when sent again."),
    Column("partitions", ARRAY(Integer), nullable=False, comment="Partitions of wallet-events.v1 that are told."),
    Column("block_number", BigInteger, nullable=False),
    Column("is_scoring", Boolean, nullable=False),
    Column("is_to_all", Boolean, nullable=False),
    Column("is_final", Boolean, nullable=False, server_default="true", comment="Its block was finalized."),
    Column("epoch", BigInteger, nullable=False, server_default="0", comment="The newest fork epoch when it was made."),
    Column("is_sent", Boolean, nullable=False),
    Column("made_at", Float(53), nullable=False, comment="Unix seconds, wall clock: paces the next ones."),
    ForeignKeyConstraint(["chain_id"], ["ingest.chain.chain_id"], name="boundary_of_chain"),
)
Index("boundary_to_send", boundary.c.chain_id, boundary.c.number, postgresql_where=~boundary.c.is_sent)

dead_letter = Table(
    "dead_letter",
    metadata,
    Column("chain_id", BigInteger, primary_key=True, autoincrement=False),
    Column("deployment", Text, primary_key=True),
    Column("block_hash", LargeBinary, primary_key=True),
    Column("log_index", Integer, primary_key=True, autoincrement=False),
    Column("block_number", BigInteger, nullable=False),
    Column("is_wallet_known", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("decoder_version", Integer, nullable=False),
    Column("tx_hash", LargeBinary),
    Column("tx_index", Integer),
    Column("block_timestamp", BigInteger),
    Column("address", LargeBinary, comment="Of the contract."),
    Column("topics", ARRAY(LargeBinary)),
    Column("payload", LargeBinary, comment="The log's data, as it came."),
    Column("mended_at", DateTime(timezone=True), comment="When a later decoder could read it; null: not yet."),
    ForeignKeyConstraint(["chain_id"], ["ingest.chain.chain_id"], name="dead_letter_of_chain"),
)

hole = Table(
    "hole",
    metadata,
    Column("chain_id", BigInteger, primary_key=True, autoincrement=False),
    Column("deployment", Text, primary_key=True),
    Column("contract", LargeBinary, primary_key=True, comment="Whose log is not read, by design."),
    Column("wallet", LargeBinary, primary_key=True, comment="Zero: nobody's that is known."),
    Column("reason", Text, primary_key=True),
    Column("block_number", BigInteger, nullable=False, comment="Of the first such log."),
    Column("log_index", Integer, nullable=False),
    Column("decoder_version", Integer, nullable=False),
    ForeignKeyConstraint(["chain_id"], ["ingest.chain.chain_id"], name="hole_of_chain"),
)

consumer_offset = offsets_table(metadata, SCHEMA)
