"""Tables of the schema `scoring`. What each process may touch is granted in the migrations.

```
wallet-events.v1 ─► event, wallet_dead_letter, hydration ─┐                      ┌─► score, unscorable ─► outbox
                    partition_progress, unfolded          ├─► wallet_snapshot ───┤
market.v1 ────────► market_point, boundary, fork_epoch ───┘                      └─► latest_result, provisional_result
any of them ──────► unreadable_record
attestation-status.v1 ─► attestation          API reads ─► access_log
```

What comes from the log is only ever added, each copy with the offset it was read at, so that "what was known when this
score was made" stays a query: the copies below an offset, the highest precedence first.
"""

from typing import Any

from bonafides.offsets import offsets_table
from bonafides.outbox import outbox_table
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    func,
)

SCHEMA = "scoring"
metadata = MetaData(schema=SCHEMA)

_UINT256 = Numeric(78, 0)  # 2**256 has 78 decimal digits


def _position_columns() -> list[Column[Any]]:
    """Where something stands in its chain."""
    return [
        Column("chain_id", BigInteger, nullable=False),
        Column("block_number", BigInteger, nullable=False),
        Column("block_hash", LargeBinary, nullable=False),
        Column("block_timestamp", BigInteger, nullable=False),
        Column("tx_hash", LargeBinary, nullable=False),
        Column("tx_index", BigInteger, nullable=False),
        Column("log_index", BigInteger, nullable=False),
    ]


event = Table(
    "event",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("fork_epoch", BigInteger, primary_key=True),
    Column("decoder_version", Integer, primary_key=True),
    Column("wallet", LargeBinary, nullable=False),
    Column("partition", Integer, nullable=False, comment="of wallet-events.v1"),
    *_position_columns(),
    Column("sub_index", Integer, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("deployment", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("counterparty", LargeBinary),
    Column("asset", LargeBinary, nullable=False),
    Column("amount", _UINT256, nullable=False),
    Column("second_asset", LargeBinary),
    Column("second_amount", _UINT256, nullable=False),
    Column("scaled_delta", _UINT256, nullable=False),
    Column("index_ray", _UINT256, nullable=False),
    Column("market", LargeBinary, comment="isolated market inside the deployment; null: all assets are one pool"),
    Column("content", LargeBinary, nullable=False, comment="sha256 of the event's own encoding: what it says"),
    Column("log_offset", BigInteger, nullable=False, comment="where this copy was first read in its partition"),
    Index("event_by_wallet", "wallet", "chain_id", "block_number"),
    Index("event_by_partition", "partition", "chain_id", "block_number"),
)

wallet_dead_letter = Table(
    "wallet_dead_letter",
    metadata,
    Column("wallet", LargeBinary, primary_key=True),
    Column("chain_id", BigInteger, primary_key=True),
    Column("block_hash", LargeBinary, primary_key=True),
    Column("log_index", BigInteger, primary_key=True),
    Column("sub_index", Integer, primary_key=True, server_default="-1", comment="event of the log; -1: the whole log"),
    Column("block_number", BigInteger, nullable=False),
    Column("deployment", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("log_offset", BigInteger, nullable=False),
)

unreadable_record = Table(
    "unreadable_record",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("log_offset", BigInteger, primary_key=True, autoincrement=False),
    Column("reason", Text, nullable=False),
    Column(
        "mended_offset",
        BigInteger,
        comment="set by an operator: below this offset of the partition all that was lost stands again; null: lost",
    ),
)

hydration = Table(
    "hydration",
    metadata,
    Column("wallet", LargeBinary, primary_key=True),
    Column("chain_id", BigInteger, primary_key=True),
    Column("block_number", BigInteger, primary_key=True),
    Column("block_hash", LargeBinary, nullable=False),
    Column("block_timestamp", BigInteger, nullable=False),
    Column("record", LargeBinary, nullable=False, comment="the message as it came"),
    Column("log_offset", BigInteger, nullable=False),
)

market_point = Table(
    "market_point",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("fork_epoch", BigInteger, primary_key=True),
    Column("decoder_version", Integer, primary_key=True),
    *_position_columns(),
    Column("sub_index", Integer, nullable=False),
    Column("deployment", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("asset", LargeBinary, nullable=False),
    Column("category", Integer, nullable=False),
    Column("values", ARRAY(_UINT256), nullable=False),
    Column("market", LargeBinary, comment="isolated market inside the deployment; null: all assets are one pool"),
    Column("content", LargeBinary, nullable=False),
    Column("log_offset", BigInteger, nullable=False),
    Index("market_point_by_offset", "chain_id", "log_offset"),
)

boundary = Table(
    "boundary",
    metadata,
    Column("chain_id", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("block_number", BigInteger, nullable=False),
    Column("finality", Text, nullable=False),
    Column("is_scoring", Boolean, nullable=False),
    Column("record", LargeBinary, nullable=False, comment="the message as it came"),
    Column("log_offset", BigInteger, nullable=False, unique=True),
)

fork_epoch = Table(
    "fork_epoch",
    metadata,
    Column("chain_id", BigInteger, primary_key=True),
    Column("epoch", BigInteger, primary_key=True),
    Column("fork_block", BigInteger, nullable=False),
    Column("boundary_number", BigInteger, nullable=False, comment="the first boundary that lists it"),
)

scoring_due = Table(
    "scoring_due",
    metadata,
    Column("partition", Integer, primary_key=True),
    Column("market_offset", BigInteger, primary_key=True, comment="the boundary's place in market.v1: the order"),
    Column("chain_id", BigInteger, nullable=False),
    Column("boundary_number", BigInteger, nullable=False),
)

unfolded = Table(
    "unfolded",
    metadata,
    Column("wallet", LargeBinary, primary_key=True),
    Column("chain_id", BigInteger, primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("first_block", BigInteger, nullable=False, comment="snapshots from this block on are not to be trusted"),
    Index("unfolded_by_partition", "partition", "chain_id"),
)

wallet_snapshot = Table(
    "wallet_snapshot",
    metadata,
    Column("wallet", LargeBinary, primary_key=True),
    Column("chain_id", BigInteger, primary_key=True),
    Column("block_number", BigInteger, primary_key=True, comment="holds every event up to and with this block"),
    Column("partition", Integer, nullable=False),
    Column("state", LargeBinary, nullable=False, comment="canonical bytes"),
    Index("wallet_snapshot_by_partition", "partition", "chain_id", "block_number"),
)


def _result_columns() -> list[Column[Any]]:
    """What every answer about a wallet says, score or not."""
    return [
        Column("wallets", ARRAY(LargeBinary), nullable=False),
        Column("partition", Integer, nullable=False),
        Column("as_of", ARRAY(LargeBinary), nullable=False, comment="block references, `digests.encode_block`"),
        Column("as_of_time", BigInteger, nullable=False),
        Column("chain_id", BigInteger, nullable=False, comment="chain of the boundary that called for it"),
        Column("boundary_number", BigInteger, nullable=False),
        Column("event_offset", BigInteger, nullable=False, comment="events read below this offset were known"),
        Column("market_offset", BigInteger, nullable=False, comment="market facts read below this offset were known"),
        Column("model_id", LargeBinary, nullable=False),
        Column("model_class", Text, nullable=False),
        Column("coverage", Text, nullable=False, comment="JSON: what had been read of each deployment"),
        Column("event_set_digest", LargeBinary, nullable=False),
        Column("made_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    ]


score = Table(
    "score",
    metadata,
    Column("score_id", LargeBinary, primary_key=True, comment="digest of the receipt"),
    *_result_columns(),
    Column("score", SmallInteger, CheckConstraint("score BETWEEN 300 AND 850", name="score_range"), nullable=False),
    Column("band", Text, nullable=False),
    Column("pd_bps", Integer, CheckConstraint("pd_bps BETWEEN 1 AND 9999", name="pd_bps_range"), nullable=False),
    Column("flags", BigInteger, nullable=False),
    Column("reasons", ARRAY(Text), nullable=False),
    Column("receipt", LargeBinary, nullable=False, comment="canonical bytes"),
    Column("explanation", Text, nullable=False, comment="JSON"),
    Column("code_version", Text, nullable=False),
)

unscorable = Table(
    "unscorable",
    metadata,
    Column("result_id", LargeBinary, primary_key=True),
    *_result_columns(),
    Column("reason", Text, nullable=False),
)

provisional_result = Table(
    "provisional_result",
    metadata,
    Column("wallet", LargeBinary, primary_key=True),
    *_result_columns(),
    Column("origin", Text, nullable=False, comment="head: a boundary above finalized; hydration: a history on demand"),
    Column("block_number", BigInteger, nullable=False, comment="of chain_id: up to where it saw"),
    Column("score", SmallInteger),
    Column("band", Text),
    Column("pd_bps", Integer),
    Column("flags", BigInteger),
    Column("reasons", ARRAY(Text)),
    Column("reason", Text),
    CheckConstraint("(score IS NULL) <> (reason IS NULL)", name="provisional_result_one_answer"),
)

latest_result = Table(
    "latest_result",
    metadata,
    Column("wallet", LargeBinary, primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("score_id", LargeBinary, ForeignKey(score.c.score_id)),
    Column("result_id", LargeBinary, ForeignKey(unscorable.c.result_id)),
    Column("as_of_time", BigInteger, nullable=False),
    Column("market_offset", BigInteger, nullable=False),
    Column("basis", LargeBinary, nullable=False, comment="digest of what was known of the wallet"),
    Column("health_factor_bps", BigInteger, comment="lowest of its accounts as of the score; null without debt"),
    CheckConstraint("(score_id IS NULL) <> (result_id IS NULL)", name="latest_result_one_answer"),
    Index("latest_result_by_partition", "partition"),
)

attestation = Table(
    "attestation",
    metadata,
    Column("attestation_id", LargeBinary, primary_key=True),
    Column("score_id", LargeBinary, nullable=False),
    Column("status", Text, nullable=False),
    Column("revocation_index", BigInteger),
    Column("valid_until", BigInteger),
    Column("log_offset", BigInteger, nullable=False),
    Index("attestation_by_score", "score_id"),
)

access_log = Table(
    "access_log",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=True),
    Column("read_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("route", Text, nullable=False, comment="the template, never the path"),
    Column("wallet", LargeBinary, comment="whose answer was read; the borrower may ask for these rows"),
    Column("score_id", LargeBinary),
    Column("consent_mode", Text, nullable=False),
    Column("http_status", SmallInteger, nullable=False),
    Index("access_log_by_wallet", "wallet", "read_at"),
)

consumer_offset = offsets_table(metadata, SCHEMA)
outbox = outbox_table(metadata, SCHEMA)
