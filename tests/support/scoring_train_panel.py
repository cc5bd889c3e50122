"""A made-up panel in milliseconds, without events: careful and careless wallets, and features that tell them apart."""

import numpy as np
from bonafides.hashing import sha256
from bonafides.types import Address
from bonafides_scoring.features.schema import FEATURES, PLACE_OF
from bonafides_scoring.training.panels.panel import UNKNOWN, Panel, Stratum
from bonafides_scoring.wallet_state import SECONDS_PER_DAY

START = 1_600_000_000 // SECONDS_PER_DAY * SECONDS_PER_DAY


def made_up_panel(seed: int, wallets: int, days: int, step_days: int = 7) -> Panel:
    """A row for each wallet and week; a quarter of the wallets return after a pause now and then.

    The risk comes of the health factor and of carelessness, which shows in two features of the record.
    """
    rng = np.random.default_rng(seed)
    cutoffs = np.arange(0, days, step_days)
    place = np.repeat(np.arange(wallets), len(cutoffs))
    day = np.tile(cutoffs, wallets)
    returning = (place % 4 == 0) & (rng.random(len(place)) < 0.1)
    care = rng.random(wallets)[place]
    features = np.array([rng.integers(spec.lowest, spec.highest + 1, len(place)) for spec in FEATURES], np.float32).T
    health = np.where(returning, 16_000, 10_500 + rng.gamma(2, 3_000, len(place)))
    features[:, PLACE_OF["health_factor_bps"]] = np.floor(health)
    features[:, PLACE_OF["liquidation_days"]] = rng.binomial(5, 1 - care)
    features[:, PLACE_OF["repayments_180d"]] = np.floor(5 * np.clip(care + rng.normal(0, 0.2, len(place)), 0, 1))
    log_odds = 1.5 - 3.5 * care - (health - 12_000) / 2_500
    risk = 1 / (1 + np.exp(-log_odds))
    labels = (rng.random(len(place)) < risk).astype(np.int64)
    later = np.maximum(labels, rng.random(len(place)) < risk).astype(np.int64)
    names = [_wallet(number) for number in range(wallets)]
    order = sorted(range(len(place)), key=lambda row: (names[place[row]], day[row]))
    return Panel(
        features=features[order],
        labels=labels[order],
        labels_90d=np.where(day + 90 <= days, later, UNKNOWN)[order],
        cutoffs=START + day[order] * SECONDS_PER_DAY,
        wallets=tuple(names[place[row]] for row in order),
        chains=np.full(len(place), 31337, dtype=np.int64),
        strata=np.where(returning, Stratum.RETURNING.value, Stratum.OPEN_DEBT.value)[order],
    )


def _wallet(number: int) -> Address:
    return Address(sha256(b"made-up", number.to_bytes(4))[:20])
