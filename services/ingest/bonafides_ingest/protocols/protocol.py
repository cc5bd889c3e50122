"""What every lending protocol offers to the flow. Pure: no node, no database, no settings."""

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from bonafides.events import BlockRange, MarketPoint
from bonafides.types import Address, BlockRef, Json

from bonafides_ingest.chain import Log
from bonafides_ingest.deployments import Deployment
from bonafides_ingest.feeds import Timeline
from bonafides_ingest.protocols.decoded import Decoded
from bonafides_ingest.protocols.reading import Routes, read_transaction
from bonafides_ingest.protocols.search import Criteria
from bonafides_ingest.protocols.state import DeploymentState, FactKey


@dataclass(frozen=True, slots=True)
class Discovery:
    """What some logs name and a state does not know: it must be fetched before any of them is decoded."""

    contracts: frozenset[Address] = frozenset()
    """Tokens and other contracts to watch; not the feeds."""
    feeds: frozenset[Address] = frozenset()
    """Feeds that an asset is priced by from one of these logs on."""


class LendingProtocol[S: DeploymentState](ABC):
    """One protocol. Its deployments differ by their addresses alone."""

    deployment_type: ClassVar[type[Deployment]]
    """How an entry of the registry is read."""
    routes: Routes[S]

    @abstractmethod
    def restore(self, deployment: Deployment, facts: Mapping[FactKey, Json]) -> S:
        """The state of a deployment from its `facts()`; without any, as it is before its first log."""

    def discover(self, state: S, logs: Sequence[Log]) -> Discovery:
        """The contracts that these logs name. Logs that cannot be read are passed over here."""
        return Discovery()

    def configuration(self, state: S, found: Sequence[Log]) -> tuple[Criteria, ...] | None:
        """The logs that say all that must be known to decode any one transaction of these contracts by itself.

        `found` are those that were found so far: contracts that they name are asked about, too. `state` is the
        deployment before its first log. None where a transaction cannot be decoded by itself (`search`).
        """
        return None

    def naming(self, state: S, found: Sequence[Log], wallet: Address) -> tuple[Criteria, ...]:
        """In every transaction that gives an event of this wallet, or a hole in its history, a log fits one of these.

        `found` is the whole configuration up to the last block that is asked about.
        """
        return ()

    def unnamed(self, found: Sequence[Log]) -> frozenset[Address]:
        """Wallets that get events by logs which do not name them: their history can only be scanned."""
        return frozenset()

    def decode_transaction(self, state: S, logs: Sequence[Log], fork_epoch: int) -> tuple[S, Decoded]:
        """What the logs of one transaction say, and the deployment after them. See `read_transaction`."""
        return read_transaction(self.routes, self.begin_transaction(state, logs), logs, fork_epoch, self.pass_over)

    def begin_transaction(self, state: S, logs: Sequence[Log]) -> S:
        """The state with what later logs of a transaction tell about earlier ones."""
        return state

    def pass_over(self, state: S, log: Log) -> S:
        """The state after a log of a contract that is not watched."""
        return state

    def before_window(self, state: S) -> S:
        """The state without what only logs that were not fetched could keep true."""
        return state

    def feeds(self, state: S) -> frozenset[Address]:
        """The price feeds that price an asset now."""
        return frozenset()

    def with_timelines(self, state: S, timelines: Mapping[Address, Timeline]) -> S:
        """The state with the phases of its feeds."""
        return state

    def unanswered(self, state: S, named: frozenset[Address], blocks: BlockRange) -> frozenset[Address]:
        """Aggregators whose latest answer before these blocks is needed there and not remembered.

        `named` are the feeds that the blocks' logs name.
        """
        return frozenset()

    def with_earlier_answer(self, state: S, aggregator: Address, log: Log) -> S:
        """The state with the latest answer that one of the `unanswered` gave before the window."""
        return state

    def close_block(self, state: S, block: BlockRef, fork_epoch: int) -> tuple[MarketPoint, ...]:
        """Facts that hold from the end of this block on and that no log tells: a feed began a phase."""
        return ()

    def decode_logs(
        self, state: S, logs: Sequence[Log], fork_epoch: int, ends: Sequence[BlockRef] = ()
    ) -> tuple[S, Decoded]:
        """What a stretch of logs in canonical order says: transaction by transaction.

        `ends` are the blocks, ascending, at whose end something changes that no log tells.
        """
        parts: list[Decoded] = []
        start = 0
        for end in ends:
            stop = bisect_right(logs, end.number, lo=start, key=lambda log: log.position.block.number)
            state, part = self._decode_stretch(state, logs[start:stop], fork_epoch)
            points = self.close_block(state, end, fork_epoch) if state.deployment.covers(end.number) else ()
            parts += (part, Decoded((), points, ()))
            start = stop
        state, part = self._decode_stretch(state, logs[start:], fork_epoch)
        return state, _joined([*parts, part])

    def _decode_stretch(self, state: S, logs: Sequence[Log], fork_epoch: int) -> tuple[S, Decoded]:
        parts: list[Decoded] = []
        start = 0
        for end in range(1, len(logs) + 1):
            if end == len(logs) or logs[end].position.tx_hash != logs[start].position.tx_hash:
                state, part = self.decode_transaction(state, logs[start:end], fork_epoch)
                parts.append(part)
                start = end
        return state, _joined(parts)


def _joined(parts: Sequence[Decoded]) -> Decoded:
    if len(parts) == 1:
        return parts[0]
    return Decoded(
        tuple(event for part in parts for event in part.events),
        tuple(point for part in parts for point in part.points),
        tuple(refusal for part in parts for refusal in part.refused),
    )
