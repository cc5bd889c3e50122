"""What a protocol makes of logs."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from bonafides.events import LendingEvent, MarketPoint
from bonafides.types import ZERO_ADDRESS, Address

from bonafides_ingest.chain import Log


@dataclass(frozen=True, slots=True)
class RefusedLog:
    """A log that will never be right, or that is not read by design."""

    log: Log
    deployment: str
    reason: str
    wallets: tuple[Address, ...]
    """The wallets it names, where its topics say so beyond doubt: their history has a hole now."""
    is_market: bool
    """Whether it speaks of a market and no wallet."""
    is_hole: bool = False
    """Whether it is not read by design: told once for all its like, and never counted against the chain's limit."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a stretch of logs says, in canonical order."""

    events: tuple[LendingEvent, ...]
    points: tuple[MarketPoint, ...]
    refused: tuple[RefusedLog, ...]


type HoleKey = tuple[str, Address, Address, str]
"""Deployment, contract, wallet (zero: nobody's that is known), reason: what tells a hole from others."""


def hole_keys(refusal: RefusedLog) -> tuple[HoleKey, ...]:
    """One for each wallet that has the hole, or a single one."""
    wallets = refusal.wallets or (ZERO_ADDRESS,)
    return tuple((refusal.deployment, refusal.log.address, wallet, refusal.reason) for wallet in wallets)


def told_once(refused: Iterable[RefusedLog]) -> tuple[RefusedLog, ...]:
    """Without what says again of a hole that it is there. Logs that cannot be read all stay."""
    known: set[HoleKey] = set()
    kept: list[RefusedLog] = []
    for refusal in refused:
        new = [key for key in hole_keys(refusal) if key not in known]
        if not refusal.is_hole:
            kept.append(refusal)
        elif new:
            known.update(new)
            kept.append(replace(refusal, wallets=tuple(wallet for _, _, wallet, _ in new if wallet != ZERO_ADDRESS)))
    return tuple(kept)
