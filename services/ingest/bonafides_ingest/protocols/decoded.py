"""What a protocol makes of logs."""

from dataclasses import dataclass

from bonafides.events import LendingEvent, MarketPoint
from bonafides.types import Address

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
    """Whether it is not read by design: told like the others, but never counted against the chain's limit."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a stretch of logs says, in canonical order."""

    events: tuple[LendingEvent, ...]
    points: tuple[MarketPoint, ...]
    refused: tuple[RefusedLog, ...]
