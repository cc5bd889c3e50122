"""Who owns what, as logs say it. Pure.

```
DSProxy   factory: Created(owner, proxy) ─► proxy: LogSetOwner …
Safe      proxy: SafeSetup(owners, threshold) ─► factory: ProxyCreation(proxy, singleton), in one transaction
                 ─► proxy: AddedOwner, RemovedOwner, ChangedThreshold, ChangedMasterCopy …
urn       manager: NewCdp(owner, cdp) ─► manager: give(cdp, owner) …
```
- Only accounts that a listed factory made are believed, and of its Safes only those of a listed singleton.
- A log of a factory or manager that cannot be read is a dead letter. One of an account is none: whoever owns it can
  make it emit anything (`execute`, `delegatecall`), and a flood of dead letters stops the service. What emits nonsense,
  or goes over to code that is not listed, is a mere contract from there on, without owners.
- An account is told once a transaction, as it is at its end: `swapOwner` of a Safe with one owner removes it before it
  adds the other.
- A Safe of more than `MOST_OWNERS` is a mere contract too, from there on: its maker pays once for its owners, and each
  of its facts would repeat them.
- What a source said that is no longer listed is said anew, at the same log, by the one that takes its account over.
- A delegatecall can change owners without any event. Nobody but the owners can have it done; no log tells of it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from bonafides.accounts import AccountFact
from bonafides.errors import InvalidMessage
from bonafides.types import ZERO_ADDRESS, AccountKind, Address

from bonafides_ingest.accounts import link_events as abi
from bonafides_ingest.accounts.link_sources import LinkKind, LinkSource
from bonafides_ingest.accounts.urns import urn_of
from bonafides_ingest.chain import Log
from bonafides_ingest.decoders import DECODER_VERSION, EventCodec
from bonafides_ingest.protocols.decoded import RefusedLog

MOST_OWNERS = 256
"""Of a Safe that is followed: a fact then has 5 KB at most, and a full record 270 KB, of the megabyte that fits."""

type Place = tuple[Address, int, int]
"""Account, block number and log index of a fact."""


@dataclass(frozen=True, slots=True)
class ReadLinks:
    """What a stretch of logs says about owners, in canonical order."""

    facts: tuple[AccountFact, ...]
    refused: tuple[RefusedLog, ...]


type _Told = tuple[AccountKind, tuple[Address, ...], int]
"""Kind, owners and threshold of a fact."""


@dataclass(frozen=True, slots=True)
class _Held:
    """An account of a source at some point."""

    source: LinkSource
    kind: AccountKind
    owners: frozenset[Address] = frozenset()
    """Empty of a Safe that is not set up yet."""
    threshold: int = 1

    @property
    def told(self) -> _Told:
        owners = tuple(sorted(self.owners - {ZERO_ADDRESS}))
        return self.kind, owners, self.threshold if owners else 0

    @property
    def is_half_changed(self) -> bool:
        return self.kind is AccountKind.SAFE and self.threshold > len(self.owners)


def read_links(
    sources: Sequence[LinkSource],
    known: Mapping[Address, AccountFact],
    logs: Sequence[Log],
    fork_epoch: int,
    void: Collection[Place] = (),
) -> ReadLinks:
    """What logs in canonical order say about owners.

    `known` holds the newest fact before these logs of every account that emitted one of them, where there is one.
    `logs` may hold those of strangers. At the places in `void` a fact is told even where nothing changed: it replaces
    what was sent there and is believed no more.
    """
    reader = _LinkReader(sources, known, fork_epoch, void)
    for _, transaction in groupby(logs, key=lambda log: log.position.tx_hash):
        reader.read_transaction(tuple(transaction))
    return ReadLinks(tuple(reader.facts), tuple(reader.refused))


class _LinkReader:
    """Reads on from what is known; lives for one call of `read_links`."""

    def __init__(
        self,
        sources: Iterable[LinkSource],
        known: Mapping[Address, AccountFact],
        fork_epoch: int,
        void: Collection[Place],
    ) -> None:
        self.facts: list[AccountFact] = []
        self.refused: list[RefusedLog] = []
        self._fork_epoch, self._void = fork_epoch, frozenset(void)
        self._by_address = {source.address: source for source in sources}
        by_id = {source.id: source for source in sources}
        self._held = {
            account: _Held(by_id[fact.source], fact.kind, frozenset(fact.owners), fact.threshold or 1)
            for account, fact in known.items()
            if fact.source in by_id and fact.kind.is_linked
        }
        self._told = {account: held.told for account, held in self._held.items()}
        self._seen: dict[Address, list[Log]] = {}
        """Of the transaction, the logs about each account."""
        self._changed: dict[Address, Log] = {}
        """Of the transaction, the last log that changed an account."""

    def read_transaction(self, logs: Sequence[Log]) -> None:
        self._seen, self._changed = {}, {}
        for log in logs:  # a Safe's setup stands before the log that says who made it
            source = self._factory_of(log)
            if source and source.kind is LinkKind.SAFE_FACTORY:
                self._make_safe(source, log)
        for log in logs:
            source = self._factory_of(log)
            if source:
                self._read_factory(source, log)
            elif log.topics and log.address in self._held:
                self._read_account(self._held[log.address], log)
        told = {account: self._tell(account, seen) for account, seen in self._seen.items()}
        self.facts += sorted((fact for facts in told.values() for fact in facts), key=lambda fact: fact.order)

    def _factory_of(self, log: Log) -> LinkSource | None:
        source = self._by_address.get(log.address)
        return source if source and log.topics and source.covers(log.position.block.number) else None

    def _make_safe(self, source: LinkSource, log: Log) -> None:
        try:
            created = _created_safe(log)
        except InvalidMessage:
            return  # refused, with its reason, in its turn
        if created and created[1] in source.singletons:
            self._held.setdefault(created[0], _Held(source, AccountKind.SAFE))

    def _read_factory(self, source: LinkSource, log: Log) -> None:
        try:
            match source.kind:
                case LinkKind.DS_PROXY_FACTORY:
                    if log.topics[0] == abi.DS_PROXY_CREATED.topic0:
                        _, owner, proxy, _ = abi.DS_PROXY_CREATED.decode(log)
                        self._hold(log, proxy, _Held(source, AccountKind.DS_PROXY, frozenset({owner})))
                case LinkKind.SAFE_FACTORY:
                    created = _created_safe(log)
                    if created and created[0] in self._held:
                        self._seen.setdefault(created[0], []).append(log)
                case LinkKind.MAKER_CDP_MANAGER:
                    if found := _urn_owner(source.address, log):
                        self._hold(log, found[0], _Held(source, AccountKind.URN, frozenset({found[1]})))
        except InvalidMessage as exc:
            self.refused.append(RefusedLog(log, source.id, str(exc), (), is_market=False))

    def _read_account(self, held: _Held, log: Log) -> None:
        if not held.source.covers(log.position.block.number):
            return
        try:
            match held.kind:
                case AccountKind.DS_PROXY:
                    changed = _set_owner(held, log)
                case AccountKind.SAFE:
                    changed = _changed_safe(held, log)
                case _:
                    changed = held  # given up earlier in the transaction
        except InvalidMessage:
            changed = _Held(held.source, AccountKind.CONTRACT)
        self._hold(log, log.address, changed)

    def _hold(self, log: Log, account: Address, held: _Held) -> None:
        self._seen.setdefault(account, []).append(log)
        # What an urn's owner was is not looked up: each word of the manager counts as news.
        if held.kind is AccountKind.URN or self._held.get(account) != held:
            self._changed[account] = log
        self._held[account] = held

    def _tell(self, account: Address, seen: Sequence[Log]) -> list[AccountFact]:
        """What an account is at the end of the transaction, where that is new."""
        held, before = self._held[account], self._told.get(account)
        if held.is_half_changed and (held.owners or (before or held.told) != held.told):
            held = _Held(held.source, AccountKind.CONTRACT)
        places = [log for log in seen if (account, log.position.block.number, log.position.log_index) in self._void]
        if before != held.told or held.kind is AccountKind.URN:
            places.append(self._changed.get(account, seen[-1]))
        self._held[account], self._told[account] = held, held.told
        if held.kind is AccountKind.CONTRACT:
            del self._held[account]
        return [self._fact(log, account, held) for log in {log.position.log_index: log for log in places}.values()]

    def _fact(self, log: Log, account: Address, held: _Held) -> AccountFact:
        kind, owners, threshold = held.told
        return AccountFact(
            block=log.position.block,
            tx_index=log.position.tx_index,
            log_index=log.position.log_index,
            fork_epoch=self._fork_epoch,
            decoder_version=DECODER_VERSION,
            source=held.source.id,
            account=account,
            kind=kind,
            owners=owners,
            threshold=threshold,
        )


def _created_safe(log: Log) -> tuple[Address, Address] | None:
    """Proxy and singleton of a factory's log; None for another event."""
    return _either(abi.PROXY_CREATION, abi.PROXY_CREATION_1_3, log)


def _urn_owner(manager: Address, log: Log) -> tuple[Address, Address] | None:
    """Urn and its owner from here on; None for another event."""
    if log.topics[0] == abi.NEW_CDP.topic0:
        _, owner, cdp = abi.NEW_CDP.decode(log)
    elif log.topics[0] == abi.GIVE.topic0:
        _, cdp, owner = abi.GIVE.decode(log)
    else:
        return None
    if not 0 < cdp < 2**64:
        raise InvalidMessage("a cdp out of range: the manager counts them from 1")
    return urn_of(manager, cdp), owner


def _set_owner(held: _Held, log: Log) -> _Held:
    if log.topics[0] != abi.LOG_SET_OWNER.topic0:
        return held
    return replace(held, owners=frozenset(abi.LOG_SET_OWNER.decode(log)))


def _changed_safe(held: _Held, log: Log) -> _Held:
    """A Safe after one of its logs. Raises InvalidMessage where no Safe of listed code would emit it."""
    topic0 = log.topics[0]
    if topic0 == abi.SAFE_SETUP.topic0:
        _, owners, threshold, _, _ = abi.SAFE_SETUP.decode(log)
        held = replace(held, owners=frozenset(owners), threshold=threshold)
    elif added := _either(abi.ADDED_OWNER, abi.ADDED_OWNER_1_3, log):
        held = replace(held, owners=held.owners | frozenset(added))
    elif removed := _either(abi.REMOVED_OWNER, abi.REMOVED_OWNER_1_3, log):
        held = replace(held, owners=held.owners - frozenset(removed))
    elif topic0 == abi.CHANGED_THRESHOLD.topic0:
        held = replace(held, threshold=abi.CHANGED_THRESHOLD.decode(log)[0])
    elif topic0 == abi.CHANGED_MASTER_COPY.topic0:
        (singleton,) = abi.CHANGED_MASTER_COPY.decode(log)
        if singleton not in held.source.singletons:
            raise InvalidMessage("a Safe goes over to code that is not listed")
    if len(held.owners) > MOST_OWNERS:
        raise InvalidMessage("a Safe of more owners than are followed")
    if held.threshold == 0:
        raise InvalidMessage("a Safe needs no owner's word any more")
    return held


def _either[T](new: EventCodec[T], old: EventCodec[T], log: Log) -> T | None:
    """The arguments of an event that has two forms; None for another event."""
    if log.topics[0] != new.topic0:
        return None
    return (old if len(log.topics) == old.topics else new).decode(log)
