"""Which logs to ask a node for, so that the history of one wallet can be read without everybody else's.

A protocol supports that when any one transaction can be decoded by itself: with its whole receipt, and with what a few
contracts said earlier (the configuration: listings, upgrades, markets). Where what a log says depends on the logs of
other people's transactions it cannot: Compound V2 reckons with totals that every supply moves, Maker with rates that
every `fold` moves; and neither names in its topics whose position it is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bonafides.types import Address, Digest

from bonafides_ingest.protocols.reading import Routes
from bonafides_ingest.protocols.state import DeploymentState, Watched

PLACES = (1, 2, 3)
"""Of an indexed argument among the topics; 0 is the signature."""


class Emitted(Protocol):
    """A log, wherever it stands."""

    @property
    def address(self) -> Address: ...

    @property
    def topics(self) -> tuple[Digest, ...]: ...


@dataclass(frozen=True, slots=True)
class Criteria:
    """Logs of any of these contracts with one of these values at each place; an empty set stands for any value."""

    addresses: frozenset[Address]
    topics: tuple[frozenset[Digest], ...]
    """From the signature on; at most four."""

    def fit(self, log: Emitted) -> bool:
        """Whether a log is one of them."""
        return (
            log.address in self.addresses
            and len(log.topics) >= len(self.topics)
            and all(not wanted or seen in wanted for wanted, seen in zip(self.topics, log.topics, strict=False))
        )


def topic_of(address: Address) -> Digest:
    """An address as an indexed argument."""
    return Digest(bytes(12) + address)


def logs_of(addresses: Iterable[Address], signatures: Iterable[Digest]) -> Criteria:
    """These events of these contracts."""
    return Criteria(frozenset(addresses), (frozenset(signatures),))


def naming(addresses: Iterable[Address], signatures: Iterable[Digest], wallet: Address) -> tuple[Criteria, ...]:
    """These events of these contracts with the wallet as an indexed argument, whichever."""
    contracts, events, named = frozenset(addresses), frozenset(signatures), frozenset({topic_of(wallet)})
    anything = frozenset[Digest]()
    return tuple(Criteria(contracts, (events, *(anything,) * (place - 1), named)) for place in PLACES)


def wallet_signatures[S: DeploymentState](routes: Routes[S], state: S) -> frozenset[Digest]:
    """Everything that is read of contracts that speak of wallets."""
    return frozenset(topic0 for kind, topic0 in routes.signatures if kind not in state.market_kinds)


def contracts_of_wallets[S: DeploymentState](state: S) -> frozenset[Address]:
    """The contracts of a state that speak of wallets."""
    return frozenset(address for address, what in state.watched.items() if _speaks_of_wallets(state, what))


def _speaks_of_wallets(state: DeploymentState, what: Watched) -> bool:
    return what.kind not in state.market_kinds


def merged(criteria: Iterable[Criteria]) -> tuple[Criteria, ...]:
    """Fewer questions that ask for all of these logs, and perhaps for more.

    Those that name values at the same places become one: a node is asked once, whatever the number of deployments.
    """
    by_shape: dict[tuple[bool, ...], list[Criteria]] = {}
    for one in criteria:
        if one.addresses:
            by_shape.setdefault(tuple(bool(wanted) for wanted in one.topics), []).append(one)
    return tuple(_union(alike) for alike in by_shape.values())


def _union(alike: Sequence[Criteria]) -> Criteria:
    return Criteria(
        frozenset[Address]().union(*(one.addresses for one in alike)),
        tuple(
            frozenset[Digest]().union(*(one.topics[place] for one in alike)) for place in range(len(alike[0].topics))
        ),
    )
