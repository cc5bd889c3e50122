"""Which wallets a scoring boundary scores: those whose events, prices or age call for it (DESIGN 5). Pure.

Everything that decides stands in the log, so that a replay scores the same wallets at the same blocks.
"""

from dataclasses import dataclass

from bonafides.hashing import sha256
from bonafides.types import Address, Digest

DAY_S = 86_400
_BPS = 10_000


@dataclass(frozen=True, slots=True)
class Basis:
    """What is known of a wallet at an as-of, as far as it calls for a new score."""

    digest: Digest
    """Of its folded states and of what makes its history incomplete."""
    health_factor_bps: int | None
    """The lowest of its accounts, 10,000 is the liquidation line; None without open debt."""
    as_of_time: int


def is_due(wallet: Address, last: Basis | None, now: Basis, health_factor_step_bps: int) -> bool:
    """Whether the wallet is scored again: never was, something became known, its health factor moved, or it is old.

    `health_factor_step_bps` is a share of the last health factor, fixed by the model bundle.
    """
    if last is None:
        return True
    return (
        last.digest != now.digest
        or _has_moved(last.health_factor_bps, now.health_factor_bps, health_factor_step_bps)
        or now.as_of_time - last.as_of_time >= longest_age_s(wallet)
    )


def longest_age_s(wallet: Address) -> int:
    """A day, and up to a day more by the wallet's hash: all wallets at once would be a wave every day."""
    return DAY_S + int.from_bytes(sha256(wallet)[:8]) % DAY_S


def _has_moved(last_bps: int | None, now_bps: int | None, step_bps: int) -> bool:
    if last_bps is None or now_bps is None:
        return last_bps is not now_bps
    return abs(now_bps - last_bps) * _BPS >= last_bps * step_bps
