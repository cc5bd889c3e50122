"""What an address is and who owns it: facts beside the events, that later ones replace.

Two ways of knowing, each with its own line of facts per account:

```
logs   factory made it ─► ds_proxy / safe / urn with its owners ─► owners change ─► …    from a log on, to the next
code   the node was asked once ─► externally_owned / contract / delegated / gateway      as of the end of a block
```
That somebody is named as an owner is the account's word, never the owner's consent: anyone may make a Safe for others,
and a Safe may be told to emit any event. Whose histories count together is decided by signatures.
"""

import struct
from dataclasses import dataclass

from bonafides.hashing import sha256
from bonafides.types import AccountKind, Address, BlockRef, Digest

NO_LOG = 2**32 - 1
"""In an id, the log index of a fact that no log says."""


@dataclass(frozen=True, slots=True)
class AccountFact:
    """One account, from a place of its chain on."""

    block: BlockRef
    tx_index: int | None
    """With `log_index` the log that says so; None of both for what the code says at the end of the block."""
    log_index: int | None
    fork_epoch: int
    decoder_version: int
    source: str
    """Id of the registry's source of links; empty for what the code says."""
    account: Address
    kind: AccountKind
    owners: tuple[Address, ...] = ()
    """Ascending. Empty where there is none, or the logs do not tell."""
    threshold: int = 0
    """How many owners must agree; 0 exactly where `owners` is empty."""

    @property
    def id(self) -> Digest:
        """`sha256(chain_id u64 ‖ block_hash ‖ log_index u32 ‖ account)`, big-endian."""
        index = NO_LOG if self.log_index is None else self.log_index
        place = struct.pack(">Q32sI", self.block.chain_id, self.block.hash, index)
        return sha256(b"bonafides/account-fact/1", place, self.account)

    @property
    def order(self) -> tuple[int, int, int]:
        """(block, tx_index, log_index): a fact without a log stands behind those of its block."""
        if self.tx_index is None or self.log_index is None:
            return (self.block.number, NO_LOG, NO_LOG)
        return (self.block.number, self.tx_index, self.log_index)

    @property
    def precedence(self) -> tuple[int, int]:
        """Among copies of one fact the highest wins."""
        return (self.fork_epoch, self.decoder_version)
