"""One window of the chain, read and not yet sent: of lending deployments, or of the sources of account links."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import structlog
from bonafides.accounts import AccountFact
from bonafides.events import BlockRange
from bonafides.types import Address, BlockRef, Json

from bonafides_ingest import metrics
from bonafides_ingest.accounts.link_sources import LinkSource, topics_anywhere, watched_by
from bonafides_ingest.accounts.scanning import LinkMemory, scan_links
from bonafides_ingest.catalogue import protocol_of
from bonafides_ingest.chain import LogSource, Window
from bonafides_ingest.feeds import FeedTimelines
from bonafides_ingest.log_digest import LogFilter
from bonafides_ingest.outgoing import OutgoingRecord, account_records, letter_records, records_of
from bonafides_ingest.protocols.decoded import Decoded, RefusedLog, told_once
from bonafides_ingest.protocols.state import DeploymentState, FactKey
from bonafides_ingest.read_windows import ReadLogs
from bonafides_ingest.scanning import scan
from bonafides_ingest.store import new_facts

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReadWindow:
    """What a window says."""

    window: Window
    decoded: tuple[Decoded, ...]
    links: tuple[AccountFact, ...] = ()
    """Who owns which account."""
    states: Mapping[str, DeploymentState] = MappingProxyType({})
    """The deployments behind it."""
    facts: Mapping[str, Mapping[FactKey, Json]] = MappingProxyType({})
    """By deployment, what its state learned here."""
    logs: Mapping[str, ReadLogs] = MappingProxyType({})
    """By deployment or source of links, which logs these were."""

    def records(self) -> list[OutgoingRecord]:
        """As the topics get it, once the window is final."""
        return [*self.live_records(), *letter_records(self.refused)]

    def live_records(self) -> list[OutgoingRecord]:
        """What of it a fork epoch can take back."""
        return [*account_records(self.links), *records_of(self.decoded)]

    @property
    def refused(self) -> tuple[RefusedLog, ...]:
        """What could not be read, or is not by design."""
        return tuple(refusal for part in self.decoded for refusal in part.refused)

    @property
    def wallets(self) -> frozenset[Address]:
        """Whose events these are."""
        return frozenset(event.wallet for part in self.decoded for event in part.events)


def read_deployments(
    source: LogSource,
    states: Mapping[str, DeploymentState],
    wanted: BlockRange,
    parent: BlockRef | None,
    feeds: FeedTimelines,
    fork_epoch: int,
) -> ReadWindow:
    """Scan and decode a range of these deployments, or the first part of it when the provider allows no more."""
    scanned = scan(source, states, wanted, parent, feeds)
    after: dict[str, DeploymentState] = {}
    decoded: list[Decoded] = []
    for name, state in scanned.states.items():
        after[name], part = protocol_of(state).decode_logs(state, scanned.window.logs, fork_epoch, scanned.ends)
        decoded.append(replace(part, refused=told_once(part.refused)))
    facts = {name: new_facts(states[name], state) for name, state in after.items()}
    filters = {name: LogFilter(frozenset(state.watched)) for name, state in after.items()}
    logs = {name: ReadLogs(wanted, wanted.read(scanned.window.logs)) for name, wanted in filters.items()}
    return ReadWindow(scanned.window, tuple(decoded), states=after, facts=facts, logs=logs)


def read_sources_of_links(
    source: LogSource,
    memory: LinkMemory,
    sources: Sequence[LinkSource],
    wanted: BlockRange,
    parent: BlockRef | None,
    fork_epoch: int,
) -> ReadWindow:
    """Scan and decode a range of these sources of links, or the first part of it."""
    window, read = scan_links(source, memory, sources, wanted, parent, fork_epoch)
    filters = {one.id: LogFilter(watched_by([one]), topics_anywhere([one])) for one in sources}
    logs = {name: ReadLogs(wanted, wanted.read(window.logs)) for name, wanted in filters.items()}
    return ReadWindow(window, (Decoded((), (), told_once(read.refused)),), read.facts, logs=logs)


def count_window(read: ReadWindow) -> None:
    """Count what was sent of a window, and tell what was refused."""
    count_accounts(read.links)
    for part in read.decoded:
        for type, count in Counter(event.type for event in part.events).items():
            metrics.EVENTS.labels(type.value).inc(count)
        for kind, count in Counter(point.kind for point in part.points).items():
            metrics.MARKET_POINTS.labels(kind.value).inc(count)
        for refusal in part.refused:
            subject = "wallet" if refusal.wallets else "market" if refusal.is_market else "unknown_wallet"
            (metrics.HOLES if refusal.is_hole else metrics.DEAD_LETTERS).labels(subject).inc()
            log.warning(
                "log not read by design" if refusal.is_hole else "log refused",
                reason=refusal.reason,
                deployment=refusal.deployment,
                block=refusal.log.position.block.number,
                log_index=refusal.log.position.log_index,
            )


def count_accounts(facts: Sequence[AccountFact]) -> None:
    """Count facts about accounts that were sent."""
    for kind, count in Counter(fact.kind for fact in facts).items():
        metrics.ACCOUNTS.labels(kind.value).inc(count)
