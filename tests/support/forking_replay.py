"""What one branch of a forking chain says, read once from its first block to its last: the truth of the fork tests.

The same decoders, folds and model as the services, and nothing else of them: no range, epoch, boundary, topic or table.
The ledger that each branch keeps beside its logs (`forking_market`) holds the decoders to account.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from bonafides.digests import event_set_digest
from bonafides.errors import InvariantViolation
from bonafides.events import BlockRange, Boundary, LendingEvent, MarketPoint
from bonafides.types import Address, AsOf, BlockRef, Digest, EventType
from bonafides_ingest.catalogue import protocol_of
from bonafides_ingest.chain import Log, Window
from bonafides_ingest.protocols.decoded import Decoded, RefusedLog
from bonafides_ingest.protocols.state import DeploymentState
from bonafides_ingest.scanning import scan
from bonafides_scoring.fold import WalletState, empty_state, fold
from bonafides_scoring.market import MarketView, market_view
from bonafides_scoring.scorer import Scored, ScoreRequest, score_subject

from tests.support.forking_chain import Block, ForkingChain
from tests.support.forking_market import MARKETS
from tests.support.ingest_logs import CHAIN
from tests.support.scoring_service import shipped_bundle

LEDGER_TYPES = frozenset({EventType.SUPPLY_BALANCE, EventType.DEBT_BALANCE})


@dataclass(frozen=True)
class BranchSource:
    """`chain.ChainSource` of one branch, which it always tells the truth about."""

    head: Block

    def check_chain(self) -> None:
        """It is always the right one."""

    def finalized(self) -> int:
        return self.head.number

    def fetch(
        self,
        wanted: BlockRange,
        addresses: frozenset[Address],
        parent: BlockRef | None,
        topics_anywhere: frozenset[Digest] = frozenset(),
    ) -> Window:
        found = [
            log
            for log in self.head.branch_logs()
            if wanted.first <= log.position.block.number <= wanted.last and log.address in addresses
        ]
        return Window(wanted, tuple(found), self.block(wanted.last))

    def block(self, number: int) -> BlockRef:
        return self.head.ancestor(number).ref

    def last_log_before(self, address: Address, topic0: Digest, first: int, before: int) -> Log | None:
        found = [
            log
            for log in self.head.branch_logs()
            if first <= log.position.block.number < before and log.address == address and log.topics[0] == topic0
        ]
        return found[-1] if found else None


@dataclass
class BranchReplay:
    """What the branch that ends with `head` says about every market."""

    head: Block

    @cached_property
    def decoded(self) -> dict[str, Decoded]:
        """By deployment; fork epoch 0."""
        states: dict[str, DeploymentState] = {
            d.id: protocol_of(d).restore(d, {}) for d in (market.deployment for market in MARKETS)
        }
        if self.head.number == 0:
            return {name: Decoded((), (), ()) for name in states}
        scanned = scan(BranchSource(self.head), states, BlockRange(1, self.head.number), None)
        return {
            name: protocol_of(state).decode_logs(state, scanned.window.logs, 0, scanned.ends)[1]
            for name, state in scanned.states.items()
        }

    @cached_property
    def events(self) -> tuple[LendingEvent, ...]:
        """Of all deployments, in canonical order."""
        found = [event for part in self.decoded.values() for event in part.events]
        return tuple(sorted(found, key=lambda event: event.order))

    @cached_property
    def points(self) -> tuple[MarketPoint, ...]:
        return tuple(point for part in self.decoded.values() for point in part.points)

    @cached_property
    def refused(self) -> tuple[RefusedLog, ...]:
        return tuple(refusal for part in self.decoded.values() for refusal in part.refused)

    def check_ledger(self) -> None:
        """The events' sums are the branch's balances: the decoders left nothing out."""
        sums: Counter[tuple[str, Address, Address, EventType]] = Counter()
        for event in self.events:
            if event.type in LEDGER_TYPES:
                sums[event.deployment, event.wallet, event.asset, event.type] += event.scaled_delta
        kept = {
            (MARKETS[key.market].deployment.id, key.wallet, key.asset, key.type): balance
            for key, balance in self.head.market.ledger.items()
        }
        assert {key: n for key, n in sums.items() if n} == {key: n for key, n in kept.items() if n}

    def events_of(self, wallet: Address, deployments: frozenset[str]) -> list[LendingEvent]:
        return [event for event in self.events if event.wallet == wallet and event.deployment in deployments]

    def state(self, wallet: Address, deployments: frozenset[str]) -> WalletState:
        """The wallet's state from nothing."""
        return fold(empty_state(wallet, CHAIN), self.events_of(wallet, deployments))

    def letters(self, wallet: Address, deployments: frozenset[str]) -> set[tuple[Digest, int]]:
        """Logs of the wallet that cannot be read: (block hash, log index)."""
        return {
            (refusal.log.position.block.hash, refusal.log.position.log_index)
            for refusal in self.refused
            if wallet in refusal.wallets and refusal.deployment in deployments
        }

    def view(self, deployments: frozenset[str]) -> MarketView:
        return market_view([p for p in self.points if p.deployment in deployments], self.head.ref)

    def result_id(self, wallet: Address, boundary: Boundary) -> Digest:
        """Id of the score, or of the reason for none, that this wallet gets at a boundary without gaps."""
        deployments = frozenset(row.deployment for row in boundary.coverage)
        events = self.events_of(wallet, deployments)
        request = ScoreRequest(
            wallets=(wallet,),
            states=(self.state(wallet, deployments),) if events else (),
            views=(self.view(deployments),),
            as_of=AsOf((boundary.block,)),
            coverage=boundary.coverage,
            event_set_digest=event_set_digest(events),
            wallet_dead_letters=len(self.letters(wallet, deployments)),
        )
        result = score_subject(request, shipped_bundle())
        return result.score_id if isinstance(result, Scored) else result.result_id


@dataclass
class Replays:
    """Replays of branches by their last block, each made once."""

    chain: ForkingChain
    _made: dict[Digest, BranchReplay] = field(default_factory=dict)

    def at(self, block: BlockRef) -> BranchReplay:
        """The branch that ends with this block. Raises InvariantViolation when there never was such a block."""
        found = self.chain.blocks.get(block.hash)
        if found is None or found.ref != block:
            raise InvariantViolation(f"block {block.number} was never on the chain like this")
        if block.hash not in self._made:
            self._made[block.hash] = BranchReplay(found)
        return self._made[block.hash]


def without_epoch[F: (LendingEvent, MarketPoint)](facts: Sequence[F]) -> set[F]:
    """What these facts say, whatever epoch they were sent under."""
    return {replace(fact, fork_epoch=0) for fact in facts}
