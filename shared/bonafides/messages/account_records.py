"""Account facts as the plain records that Avro writes, and back."""

from typing import Any

from bonafides.accounts import AccountFact
from bonafides.ranges import MAX_U32, in_range, plain_text
from bonafides.types import AccountKind, Address, BlockRef

type Record = dict[str, Any]  # as in `records`: it does not leave this package


def account_record(fact: AccountFact, block: Record) -> Record:
    return {
        "block": block,
        "tx_index": fact.tx_index,
        "log_index": fact.log_index,
        "fork_epoch": fact.fork_epoch,
        "decoder_version": fact.decoder_version,
        "source": fact.source,
        "account": fact.account,
        "kind": fact.kind.value,
        "owners": list(fact.owners),
        "threshold": fact.threshold,
    }


def account_from(r: Record, block: BlockRef) -> AccountFact:
    """Raises ValueError for values outside their meaning."""
    kind, owners = AccountKind(r["kind"]), tuple(Address(owner) for owner in r["owners"])
    if list(owners) != sorted(set(owners)):
        raise ValueError("owners are ascending, each once")
    if (r["tx_index"] is None) != (r["log_index"] is None) or (r["log_index"] is None) != (r["source"] == ""):
        raise ValueError("a fact that a log says has tx_index, log_index and source, another none of them")
    if kind.is_linked and r["log_index"] is None:
        raise ValueError("that an account belongs to others is said by a log")
    if owners and not kind.is_linked:
        raise ValueError("owners of an account that has none")
    return AccountFact(
        block=block,
        tx_index=None if r["tx_index"] is None else in_range("tx_index", r["tx_index"], MAX_U32),
        log_index=None if r["log_index"] is None else in_range("log_index", r["log_index"], MAX_U32 - 1),
        fork_epoch=in_range("fork_epoch", r["fork_epoch"]),
        decoder_version=in_range("decoder_version", r["decoder_version"]),
        source=plain_text("source", r["source"]),
        account=Address(r["account"]),
        kind=kind,
        owners=owners,
        threshold=in_range("threshold", r["threshold"], len(owners), lowest=min(len(owners), 1)),
    )
