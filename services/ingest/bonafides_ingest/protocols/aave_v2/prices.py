"""Prices of an oracle that answers in another currency than USD: Aave V2's on Ethereum and Polygon, in wei of ETH.

```
price of an asset (USD · 1e8) = answer of its feed · answer of the base currency's feed (USD · 1e8) / the base's unit
price of the base asset       = answer of the base currency's feed: the oracle asks no feed for it
```

Rounded down. A price changes when either feed answers; it is unknown when either is, and stale when either is.

Source: `AaveOracle.getAssetPrice` of @aave/protocol-v2@1.0.1.
"""

from dataclasses import dataclass

from bonafides.events import BlockRange
from bonafides.types import ZERO_ADDRESS, Address
from pydantic import BaseModel, ConfigDict, Field

from bonafides_ingest.protocols.aave.prices import AavePrices
from bonafides_ingest.registry_entries import RegistryAddress


class BaseCurrency(BaseModel):
    """The currency that an oracle answers in, where it is not USD."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    asset: RegistryAddress
    """Its token (WETH), which the oracle answers one unit for."""
    decimals: int = Field(default=18, ge=0, le=77)
    """Of the oracle's answers."""
    usd_feed: RegistryAddress | None = None
    """The feed of its price in USD with 8 decimals. Without one every price is unknown."""


@dataclass(frozen=True)
class BasePrices(AavePrices):
    """What the logs up to some point say about the prices of one market whose oracle answers in `base`."""

    base: BaseCurrency | None = None
    """None: in USD with 8 decimals."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.base is None or self.base.usd_feed is None:
            return
        assets = dict(self.assets_by_aggregator)
        for aggregator in self.timeline(self.base.usd_feed).aggregators:
            assets[aggregator] = self.assets
        object.__setattr__(self, "assets_by_aggregator", assets)

    @property
    def feeds(self) -> frozenset[Address]:
        return super().feeds | self.base_feeds

    @property
    def base_feeds(self) -> frozenset[Address]:
        """The base currency's feed, where there is one."""
        return frozenset() if self.base is None or self.base.usd_feed is None else frozenset({self.base.usd_feed})

    @property
    def assets(self) -> tuple[Address, ...]:
        return tuple(sorted({*self.sources, *(() if self.base is None else (self.base.asset,))}))

    def answering(self, asset: Address, at_end_of: int) -> tuple[Address, ...]:
        of_base = tuple(self.timeline(feed).at_end_of(at_end_of) for feed in self.base_feeds)
        if self.base is not None and asset == self.base.asset:
            return of_base
        return (*super().answering(asset, at_end_of), *of_base)

    def price_of(self, asset: Address, at_end_of: int) -> tuple[int, ...]:
        if self.base is None:
            return super().price_of(asset, at_end_of)
        if self.base.usd_feed is None:
            return (0,)
        in_usd = self.answered_by(self.base.usd_feed, at_end_of)
        if asset == self.base.asset:
            return in_usd
        in_base = super().price_of(asset, at_end_of)
        unit: int = 10**self.base.decimals
        ends = [*in_base[1:], *in_usd[1:]]
        return (in_base[0] * in_usd[0] // unit, *([min(ends)] if ends else []))

    def assets_changed_at(self, block_number: int) -> tuple[Address, ...]:
        block = BlockRange(block_number, block_number)
        if any(self.timeline(feed).changes(block) for feed in self.base_feeds):
            return self.assets
        return super().assets_changed_at(block_number)

    def forgot_base(self, blocks: BlockRange) -> bool:
        """Whether an answer of the base currency's feed is needed in these blocks and not remembered.

        Then everyone's latest answers are: it makes the price of every asset.
        """
        needed: set[Address] = set()
        for timeline in (self.timeline(feed) for feed in self.base_feeds):
            needed |= {timeline.at_end_of(blocks.first - 1), *(phase.aggregator for phase in timeline.changes(blocks))}
        return not needed <= {ZERO_ADDRESS, *self.answers}
