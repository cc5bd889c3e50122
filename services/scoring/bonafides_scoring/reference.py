"""The position at which a wallet without open debt is scored, so that all such wallets are asked the same question."""

from dataclasses import dataclass

from bonafides_scoring import interest


@dataclass(frozen=True, slots=True)
class ReferencePosition:
    """One asset without a dollar peg against dollar debt. Fixed by the model's manifest, never by a setting."""

    asset: str
    """Symbol of the collateral, for people to read."""
    debt_usd: int
    liquidation_threshold_bps: int
    health_factor_bps: int
    """Above 10,000, the liquidation line."""

    @property
    def collateral_usd(self) -> int:
        """Collateral that gives this health factor, rounded down to whole dollars."""
        return self.debt_usd * self.health_factor_bps // self.liquidation_threshold_bps

    @property
    def debt_to_collateral_bps(self) -> int:
        """Debt over collateral."""
        return interest.PERCENTAGE_FACTOR * self.debt_usd // self.collateral_usd

    @property
    def price_buffer_bps(self) -> int:
        """Fall of the collateral's price that leads to liquidation: 1 - 1/health factor."""
        return interest.PERCENTAGE_FACTOR - interest.PERCENTAGE_FACTOR**2 // self.health_factor_bps
