"""What a protocol makes of logs."""

from dataclasses import dataclass

from bonafides.events import LendingEvent, MarketPoint
from bonafides.types import Address

from bonafides_ingest.chain import Log


@dataclass(frozen=True, slots=True)
class RefusedLog:
    """A log that will never be right."""

    log: Log
    deployment: str
    reason: str
    wallets: tuple[Address, ...]
    """The wallets it names, where its topics say so beyond doubt: their history has a hole now."""
    is_market: bool
    """Whether it speaks of a market and no wallet."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a stretch of logs says, in canonical order."""

    events: tuple[LendingEvent, ...]
    points: tuple[MarketPoint, ...]
    refused: tuple[RefusedLog, ...]
