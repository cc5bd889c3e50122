"""One wallet's part of what whole receipts say, decoded as the scan decodes them. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bonafides.events import LendingEvent, WalletDeadLetter
from bonafides.types import ZERO_ADDRESS, Address

from bonafides_ingest.catalogue import protocol_of
from bonafides_ingest.chain import Log
from bonafides_ingest.protocols.decoded import HoleKey, RefusedLog, hole_keys
from bonafides_ingest.protocols.state import DeploymentState


@dataclass(frozen=True, slots=True)
class WalletPart:
    """What some transactions say of one wallet."""

    events: tuple[LendingEvent, ...]
    letters: tuple[WalletDeadLetter, ...]
    """Holes in its history."""
    nobodys: int
    """Logs that could not be read and name no wallet: they may be its own."""


@dataclass
class WalletHistory:
    """A wallet's history with one deployment, read transaction by transaction, in canonical order."""

    wallet: Address
    state: DeploymentState
    """As it is before the next transaction."""
    waiting: Sequence[Log]
    """The configuration that is not read yet, in canonical order."""
    _holes: set[HoleKey] = field(default_factory=set)

    def read(self, receipts: Sequence[Log], fork_epoch: int) -> WalletPart:
        """Whole receipts, in canonical order and behind those that were read before."""
        if not receipts:
            return WalletPart((), (), 0)
        end = receipts[-1].position.order
        count = next((n for n, log in enumerate(self.waiting) if log.position.order > end), len(self.waiting))
        earlier, self.waiting = self.waiting[:count], self.waiting[count:]
        logs = {log.position.order: log for log in (*earlier, *receipts)}  # a receipt may hold some of both
        ordered = [logs[order] for order in sorted(logs)]
        self.state, decoded = protocol_of(self.state).decode_logs(self.state, ordered, fork_epoch)
        refused = list(self._told_once(decoded.refused))
        return WalletPart(
            tuple(event for event in decoded.events if event.wallet == self.wallet),
            tuple(
                WalletDeadLetter(refusal.log.position, refusal.deployment, self.wallet, refusal.reason)
                for refusal in refused
                if self.wallet in refusal.wallets
            ),
            sum(not refusal.wallets for refusal in refused),
        )

    def _told_once(self, refused: Iterable[RefusedLog]) -> Iterable[RefusedLog]:
        """Without what says again that this wallet, or nobody, has a hole. The first of its like is the scan's, too."""
        for refusal in refused:
            if not refusal.is_hole:
                yield refusal
                continue
            new = {key for key in hole_keys(refusal) if key[2] in (self.wallet, ZERO_ADDRESS)} - self._holes
            self._holes |= new
            if new:
                yield refusal
