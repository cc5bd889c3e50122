"""Fees of the publisher's transactions (EIP-1559), in wei per gas. Pure."""

from dataclasses import dataclass

BUMP_NUMERATOR, BUMP_DENOMINATOR = 12, 10
"""Both fees × 1.2: nodes want at least 10 % (geth) or 12.5 % (others) more to replace a transaction."""
LEAST_TIP_WEI = 10**7  # 0.01 gwei, as lido-oracle clamps it: a tip of nothing is mined by nobody
HIGHEST_TIP_WEI = 10 * 10**9


@dataclass(frozen=True, slots=True)
class Fees:
    """What a transaction offers."""

    max_fee_wei: int
    tip_wei: int


def suggested_fees(base_fee_wei: int, tip_wei: int, ceiling_wei: int) -> Fees | None:
    """Fees for a first attempt: room for the base fee to double. None when even today's fee is above the ceiling."""
    tip = min(max(tip_wei, LEAST_TIP_WEI), HIGHEST_TIP_WEI)
    if base_fee_wei + tip > ceiling_wei:
        return None
    return Fees(min(2 * base_fee_wei + tip, ceiling_wei), tip)


def bumped_fees(previous: Fees, suggested: Fees | None, ceiling_wei: int) -> Fees | None:
    """Fees for a replacement at the same nonce: both at least 1.2 times as high. None when the ceiling forbids it."""
    max_fee, tip = _bump(previous.max_fee_wei), _bump(previous.tip_wei)
    if suggested is not None:
        max_fee, tip = max(max_fee, suggested.max_fee_wei), max(tip, suggested.tip_wei)
    return Fees(max_fee, tip) if max_fee <= ceiling_wei else None


def _bump(wei: int) -> int:
    return max(wei + 1, -(-wei * BUMP_NUMERATOR // BUMP_DENOMINATOR))
