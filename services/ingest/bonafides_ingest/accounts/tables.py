"""Tables of the schema `ingest` about accounts."""

from sqlalchemy import ARRAY, BigInteger, Column, ForeignKeyConstraint, Index, LargeBinary, Table, Text

from bonafides_ingest.tables import metadata

link = Table(
    "link",
    metadata,
    Column("chain_id", BigInteger, primary_key=True, autoincrement=False),
    Column("account", LargeBinary, primary_key=True),
    Column("block_number", BigInteger, primary_key=True, autoincrement=False),
    Column("log_index", BigInteger, primary_key=True, autoincrement=False),
    Column("tx_index", BigInteger, nullable=False),
    Column("block_hash", LargeBinary, nullable=False),
    Column("block_timestamp", BigInteger, nullable=False),
    Column("source", Text, nullable=False, comment="Id of the registry's source of links."),
    Column("kind", Text, nullable=False),
    Column("owners", ARRAY(LargeBinary), nullable=False, comment="From this log on, to the account's next row."),
    Column("threshold", BigInteger, nullable=False),
    ForeignKeyConstraint(["chain_id"], ["ingest.chain.chain_id"], name="link_of_chain"),
)

account = Table(
    "account",
    metadata,
    Column("chain_id", BigInteger, primary_key=True, autoincrement=False),
    Column("account", LargeBinary, primary_key=True),
    Column("kind", Text, comment="Null until the node was asked."),
    Column("block_number", BigInteger, comment="As of the end of this block."),
    ForeignKeyConstraint(["chain_id"], ["ingest.chain.chain_id"], name="account_of_chain"),
)
Index("account_to_ask", account.c.chain_id, account.c.account, postgresql_where=account.c.kind.is_(None))
