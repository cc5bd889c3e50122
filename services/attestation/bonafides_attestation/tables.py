"""Tables of the schema `attestation`. What each process may touch is granted in the migrations.

```
results ──close a batch──► batches ◄── leaf_hashes          the publisher's side: no wallet, no score, no salt
   │                          │  ▲
   └──────► documents ────────┘  └── attempts, revocations
              └── seeds                                     deleting one seed is erasure
```
"""

from enum import StrEnum

from bonafides.messages import WithdrawalKind
from bonafides.offsets import offsets_table
from bonafides.outbox import outbox_table
from sqlalchemy import (
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
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from bonafides_attestation.states import (
    BatchState,
    DocumentState,
    Refusal,
    ResultState,
    RevocationReason,
)

SCHEMA = "attestation"
metadata = MetaData(schema=SCHEMA)


def _closed(name: str, kind: type[StrEnum], *, nullable: bool = False) -> Column[str]:
    """A column that holds members of a closed list. A CHECK, not a type: a new member is an ordinary migration."""
    members = ", ".join(f"'{member.value}'" for member in kind)
    return Column(name, Text, CheckConstraint(f"{name} in ({members})"), nullable=nullable)


results = Table(
    "results",
    metadata,
    Column("subject_key", LargeBinary, primary_key=True, comment="sha256 over the subject's sorted wallets"),
    Column("score_id", LargeBinary, nullable=False, comment="score id, or result id of an unscorable answer"),
    Column("payload", LargeBinary, nullable=False, comment="the message as it came: ScoreIssued or UnscorableIssued"),
    Column("wallets", LargeBinary, nullable=False, comment="20 bytes each, ascending"),
    Column("as_of_time", BigInteger, nullable=False),
    _closed("state", ResultState),
    _closed("reason", Refusal, nullable=True),
    Column("waiting_since", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
Index("results_waiting", results.c.waiting_since, postgresql_where=text("state = 'waiting'"))
Index("results_score", results.c.score_id)

withdrawals = Table(
    "withdrawals",
    metadata,
    Column("score_id", LargeBinary, primary_key=True),
    _closed("kind", WithdrawalKind),
    Column("withdrawn_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="kept for ever: the score may come after its withdrawal, or come again",
)

batches = Table(
    "batches",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("registry", LargeBinary, nullable=False),
    Column("first_index", BigInteger, nullable=False),
    Column("size", Integer, nullable=False),
    _closed("state", BatchState),
    Column("root", LargeBinary, nullable=True, comment="set at the hand-over; the publisher rebuilds and compares it"),
    Column("epoch", BigInteger, nullable=True),
    Column("closed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("closed_at_block", BigInteger, nullable=False, comment="head that its first index was read at, or before"),
    Column("handed_over_at", DateTime(timezone=True), nullable=True),
    Column("tx_hash", LargeBinary, nullable=True),
    Column("block_number", BigInteger, nullable=True),
    Column("block_hash", LargeBinary, nullable=True),
    Column("published_at", BigInteger, nullable=True, comment="Unix seconds of the block"),
    Column("final_at", DateTime(timezone=True), nullable=True),
    Column("problem", Text, nullable=True, comment="why it is stuck"),
    Column("root_first_index", BigInteger, nullable=True, comment="of a stuck batch whose root is published elsewhere"),
    Column("root_count", BigInteger, nullable=True, comment="indexes that this root has on the registry"),
    CheckConstraint("size between 1 and 65536", name="batches_size"),
    CheckConstraint("(state in ('built', 'stuck')) or (root is not null)", name="batches_root_from_queued"),
)
Index(
    "batches_first_index",
    batches.c.chain_id,
    batches.c.registry,
    batches.c.first_index,
    unique=True,
    postgresql_where=text("state <> 'stuck'"),
)
Index("batches_unfinished", batches.c.id, postgresql_where=text("state not in ('final', 'stuck')"))

leaf_hashes = Table(
    "leaf_hashes",
    metadata,
    Column("batch_id", BigInteger, ForeignKey(batches.c.id), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("revocation_index", BigInteger, nullable=False),
    Column("leaf_hash", LargeBinary, nullable=False),
    Column("is_tombstone", Boolean, nullable=False),
    Column("score_id", LargeBinary, nullable=False),
    Column("attestation_id", LargeBinary, nullable=False),
    Column("valid_until", BigInteger, nullable=False),
    Column(
        "status_partition", Integer, nullable=False, comment="of attestation-status.v1: the publisher has no wallet"
    ),
)

Index("leaf_hashes_attestation", leaf_hashes.c.attestation_id, unique=True)

documents = Table(
    "documents",
    metadata,
    Column("attestation_id", LargeBinary, primary_key=True),
    Column("score_id", LargeBinary, nullable=False),
    Column("subject_key", LargeBinary, nullable=False),
    Column("batch_id", BigInteger, ForeignKey(batches.c.id), nullable=False),
    Column("position", Integer, nullable=False),
    _closed("state", DocumentState),
    Column("wallets", LargeBinary, nullable=False, comment="20 bytes each, ascending"),
    Column("as_of", LargeBinary, nullable=False, comment="56 bytes a block, as in the as-of digest"),
    Column("leaf_values", JSONB, nullable=True, comment="every leaf by name, in the JSON form of the holder file"),
    Column("subject", LargeBinary, nullable=False),
    Column("commitment", LargeBinary, nullable=False, unique=True),
    Column("model_id", LargeBinary, nullable=False),
    Column("model_class", Text, nullable=False),
    Column("as_of_digest", LargeBinary, nullable=False),
    Column("as_of_time", BigInteger, nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    Column("valid_from", BigInteger, nullable=False),
    Column("valid_until", BigInteger, nullable=False),
    Column("revocation_index", BigInteger, nullable=False),
    Column("flags", BigInteger, nullable=False),
    Column("signer", LargeBinary, nullable=True),
    Column("signature", LargeBinary, nullable=True),
    _closed("refusal", Refusal, nullable=True),
    Column("made_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    UniqueConstraint("batch_id", "position", name="documents_place"),
    CheckConstraint("(state <> 'signed') or (signature is not null)", name="documents_signed"),
    CheckConstraint("(state = 'erased') or (leaf_values is not null)", name="documents_values"),
)
# One live document a score. A stranded one makes room for the next.
Index(
    "documents_score",
    documents.c.score_id,
    unique=True,
    postgresql_where=text("state in ('built', 'signed')"),
)
Index("documents_subject", documents.c.subject_key)

seeds = Table(
    "seeds",
    metadata,
    Column("attestation_id", LargeBinary, ForeignKey(documents.c.attestation_id), primary_key=True),
    Column("seed", LargeBinary, nullable=False),
    CheckConstraint("length(seed) = 32", name="seeds_length"),
)

revocation_runs = Table(
    "revocation_runs",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("registry", LargeBinary, nullable=False),
    _closed("state", BatchState),
    Column("tx_hash", LargeBinary, nullable=True),
    Column("block_number", BigInteger, nullable=True),
    Column("block_hash", LargeBinary, nullable=True),
    Column("final_at", DateTime(timezone=True), nullable=True),
    Column("problem", Text, nullable=True),
    comment="revocations of one transaction",
)

revocations = Table(
    "revocations",
    metadata,
    Column("attestation_id", LargeBinary, ForeignKey(documents.c.attestation_id), primary_key=True),
    _closed("reason", RevocationReason),
    Column("asked_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("run", BigInteger, ForeignKey(revocation_runs.c.id), nullable=True, comment="null: not in a run yet"),
    comment="by document, not by index: the indexes of a stranded batch are given out again",
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=True),
    Column("batch_id", BigInteger, ForeignKey(batches.c.id), nullable=True),
    Column("revocation_run", BigInteger, ForeignKey(revocation_runs.c.id), nullable=True),
    Column("sender", LargeBinary, nullable=False),
    Column("nonce", BigInteger, nullable=False),
    Column("raw_tx", LargeBinary, nullable=False),
    Column("tx_hash", LargeBinary, nullable=False, unique=True),
    Column("max_fee_wei", Numeric(40, 0), nullable=False),
    Column("tip_wei", Numeric(40, 0), nullable=False),
    Column("stored_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("stored_at_block", BigInteger, nullable=False, comment="head when it was made"),
    Column("sent_at", BigInteger, nullable=True, comment="Unix seconds of the last broadcast"),
    CheckConstraint("(batch_id is null) <> (revocation_run is null)", name="attempts_purpose"),
)
Index("attempts_batch", attempts.c.batch_id)

opt_ins = Table(
    "opt_ins",
    metadata,
    Column("wallet", LargeBinary, primary_key=True),
    Column("request_id", LargeBinary, nullable=True),
    Column("since", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("ended_at", DateTime(timezone=True), nullable=True),
)

requests = Table(
    "requests",
    metadata,
    Column("request_id", LargeBinary, primary_key=True),
    Column("wallet", LargeBinary, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("asked_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

nonces = Table(
    "nonces",
    metadata,
    Column("nonce", LargeBinary, primary_key=True),
    Column("wallet", LargeBinary, nullable=False),
    Column("expires_at", BigInteger, nullable=False, comment="Unix seconds, exclusive"),
    Column("used_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

erasures = Table(
    "erasures",
    metadata,
    Column("attestation_id", LargeBinary, primary_key=True),
    Column("request_id", LargeBinary, nullable=True),
    Column("asked_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("done_at", DateTime(timezone=True), nullable=True),
)

audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=True),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("route", Text, nullable=False, comment="template, never the path"),
    Column("attestation_id", LargeBinary, nullable=True),
    Column("reader", Text, nullable=False, comment="pseudonym of a wallet that proved itself, or `anybody`"),
    Column("consent_mode", Text, nullable=False),
    Column("http_status", Integer, nullable=False),
    comment="append-only: nobody but the owner of the schema may change a row",
)
Index("audit_attestation", audit.c.attestation_id)

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)

consumer_offset = offsets_table(metadata, SCHEMA)
# One each: in the issuer's stand dead letters, which are scores beside their wallets.
issuer_outbox = outbox_table(metadata, SCHEMA, "issuer_outbox")
publisher_outbox = outbox_table(metadata, SCHEMA, "publisher_outbox")
