"""Reading one window of links."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from bonafides.accounts import AccountFact
from bonafides.events import BlockRange
from bonafides.types import Address, BlockRef

from bonafides_ingest.accounts.link_sources import LinkSource, topics_anywhere, watched_by
from bonafides_ingest.accounts.links import Place, ReadLinks, read_links
from bonafides_ingest.chain import LogSource, Window


class LinkMemory(Protocol):
    """Knows what was read before."""

    def newest_links(self, accounts: Iterable[Address], before: int) -> Mapping[Address, AccountFact]:
        """The newest word of logs below block `before` about each of these accounts, where there is one."""

    def void_places(self, accounts: Iterable[Address], blocks: BlockRange) -> Collection[Place]:
        """Where in these blocks something was sent about these accounts that is believed no more."""


def scan_links(
    source: LogSource,
    memory: LinkMemory,
    sources: Sequence[LinkSource],
    wanted: BlockRange,
    parent: BlockRef | None,
    fork_epoch: int,
) -> tuple[Window, ReadLinks]:
    """What these sources say in a range, or in the first part of it when the provider allows no more.

    Most contracts that emit a `LogSetOwner` are none of ours; which are, memory knows.
    """
    window = source.fetch(wanted, watched_by(sources), parent, topics_anywhere(sources))
    accounts = {log.address for log in window.logs}
    known, void = memory.newest_links(accounts, window.range.first), memory.void_places(accounts, window.range)
    return window, read_links(sources, known, window.logs, fork_epoch, void)
