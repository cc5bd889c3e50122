"""Asking the node what the wallets of events are: a key's own accounts, contracts, gateways.

It is asked at the cursor, once that is the newest finalized block: a fact above the cursor would be void after the next
start (DESIGN 4), and only archive nodes know the code at old blocks. So a backfill asks when it has come to its end.
"""

from collections.abc import Collection, Sequence
from typing import Protocol

from bonafides.accounts import AccountFact
from bonafides.types import AccountKind, Address, BlockRef

from bonafides_ingest.accounts.kinds import kind_of_code
from bonafides_ingest.decoders import DECODER_VERSION

MOST_AT_ONCE = 500
"""Accounts to a turn: their codes, of at most 24 KB each, are 12 MB, and a turn stays far below the lease."""


class CodeSource(Protocol):
    """Knows the code at addresses. Files of logs do not: what they leave unknown is asked when a node is there."""

    def codes(self, accounts: Sequence[Address], block: BlockRef) -> Sequence[bytes]:
        """The code at each of these at the end of a finalized block.

        Raises Unavailable: the node does not answer, does not know the block, or was caught lying.
        """


def ask(
    source: CodeSource, unknown: Sequence[Address], gateways: Collection[Address], block: BlockRef, fork_epoch: int
) -> tuple[AccountFact, ...]:
    """What these accounts are at the end of a block. A gateway is what the registry says. Raises Unavailable."""
    asked = [account for account in unknown if account not in gateways]
    codes = source.codes(asked, block) if asked else ()
    kinds = dict.fromkeys(unknown, AccountKind.GATEWAY)
    kinds |= {account: kind_of_code(code) for account, code in zip(asked, codes, strict=True)}
    return tuple(
        AccountFact(
            block=block,
            tx_index=None,
            log_index=None,
            fork_epoch=fork_epoch,
            decoder_version=DECODER_VERSION,
            source="",
            account=account,
            kind=kind,
        )
        for account, kind in kinds.items()
    )
