"""Prices as an Aave oracle has them, V2 and V3 alike: which feed prices an asset, who answers for it, what it answered.

```
AssetSourceUpdated   ─► which feed prices an asset from here on
Timeline (no log)    ─► which aggregator answers for a feed, block by block
AnswerUpdated        ─► an aggregator's latest answer
PriceOracleUpdated   ─► which oracle the market asks; with another one than the registry's no price is known
```

A price point says the price after its log, or at the end of its block where a phase begins. 0 says that it is unknown:
no feed, a computed one (it never answers by a log), nobody knows who answered, no positive answer, another oracle.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, Self

from bonafides.errors import InvalidMessage
from bonafides.events import BlockRange, MarketPoint, Position
from bonafides.types import ZERO_ADDRESS, Address, BlockRef, Json, MarketPointKind, address_text, parse_address

from bonafides_ingest.chain import Log
from bonafides_ingest.decoders import DECODER_VERSION
from bonafides_ingest.feeds import Timeline
from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.protocols.protocol import LendingProtocol
from bonafides_ingest.protocols.reading import Complaint, Fact, Reader, Reading
from bonafides_ingest.protocols.state import DeploymentState, FactKey


class Answer(NamedTuple):
    """What an aggregator said."""

    price: int
    """In the oracle's unit (USD · 1e8 for most); 0 where it is no price."""
    updated_at: int
    """Unix seconds, as the aggregator says."""


NO_ANSWER = Answer(0, 0)


@dataclass(frozen=True)
class AavePrices:
    """What the logs up to some point say about the prices of one market."""

    oracle: Address
    """The registry's, whose logs are read."""
    sources: Mapping[Address, Address] = MappingProxyType({})
    """Feed of each asset."""
    asked_oracle: Address | None = None
    """The price oracle that the market asks; the registry's (None) until a log names another."""
    timelines: Mapping[Address, Timeline] = MappingProxyType({})
    """By feed; one without answers itself. A restart reads them again."""
    answers: Mapping[Address, Answer] = MappingProxyType({})
    """Latest answer of each aggregator that was seen, in use yet or not. A restart forgets them."""
    assets_by_aggregator: Mapping[Address, tuple[Address, ...]] = field(init=False)
    """Whom each aggregator can price; ascending, so that points come in the same order in every replay."""

    def __post_init__(self) -> None:
        assets: dict[Address, tuple[Address, ...]] = {}
        for asset, feed in sorted(self.sources.items()):
            for aggregator in self.timeline(feed).aggregators:
                assets[aggregator] = (*assets.get(aggregator, ()), asset)
        object.__setattr__(self, "assets_by_aggregator", assets)

    @classmethod
    def restore(cls, oracle: Address, facts: Mapping[FactKey, Json]) -> Self:
        """The prices that gave these facts."""
        asked = facts.get(("asked_oracle", ""))
        return cls(
            oracle,
            sources={
                parse_address(key): parse_address(str(fact))
                for (kind, key), fact in facts.items()
                if kind == "price_source"
            },
            asked_oracle=None if asked is None else parse_address(str(asked)),
        )

    def facts(self) -> dict[FactKey, Json]:
        """What a restart must find again."""
        facts: dict[FactKey, Json] = {
            ("price_source", address_text(asset)): address_text(feed) for asset, feed in self.sources.items()
        }
        if self.asked_oracle is not None:
            facts["asked_oracle", ""] = address_text(self.asked_oracle)
        return facts

    @property
    def feeds(self) -> frozenset[Address]:
        """Every feed that prices an asset now."""
        return frozenset(self.sources.values()) - {ZERO_ADDRESS}

    @property
    def aggregators(self) -> frozenset[Address]:
        """Whose answers are watched."""
        return frozenset(self.assets_by_aggregator)

    @property
    def is_oracle_known(self) -> bool:
        """Whether the market asks the oracle whose sources are read."""
        return self.asked_oracle in (None, self.oracle)

    def timeline(self, feed: Address) -> Timeline:
        """Who answers for a feed."""
        return self.timelines.get(feed) or (Timeline(()) if feed == ZERO_ADDRESS else Timeline.direct(feed))

    @property
    def assets(self) -> tuple[Address, ...]:
        """Everything that is priced, ascending."""
        return tuple(sorted(self.sources))

    def answering(self, asset: Address, at_end_of: int) -> tuple[Address, ...]:
        """Whose answers make the asset's price at the end of a block."""
        return (self.timeline(self.sources.get(asset, ZERO_ADDRESS)).at_end_of(at_end_of),)

    def price_of(self, asset: Address, at_end_of: int) -> tuple[int, ...]:
        """Values of a price point: the price by whom answers at the end of that block, and until when it holds."""
        return self.answered_by(self.sources.get(asset, ZERO_ADDRESS), at_end_of)

    def answered_by(self, feed: Address, at_end_of: int) -> tuple[int, ...]:
        """The same of what one feed answers."""
        timeline = self.timeline(feed)
        answer = self.answers.get(timeline.at_end_of(at_end_of), NO_ANSWER) if self.is_oracle_known else NO_ANSWER
        if not answer.price or not timeline.max_age_s:
            return (answer.price,)
        return (answer.price, answer.updated_at + timeline.max_age_s)

    def assets_changed_at(self, block_number: int) -> tuple[Address, ...]:
        """Assets whose feed begins a phase at the end of this block, ascending."""
        block = BlockRange(block_number, block_number)
        return tuple(asset for asset, feed in sorted(self.sources.items()) if self.timeline(feed).changes(block))

    def with_source(self, asset: Address, feed: Address) -> Self:
        """With this feed for this asset."""
        return replace(self, sources={**self.sources, asset: feed})

    def with_oracle(self, oracle: Address) -> Self:
        """With the market asking this oracle."""
        return replace(self, asked_oracle=oracle)

    def with_timelines(self, timelines: Mapping[Address, Timeline]) -> Self:
        """With these phases of feeds, as far as they are known now."""
        return self if timelines == self.timelines else replace(self, timelines=timelines)

    def with_answers_of_watched(self) -> Self:
        """Without the answers of those who price nothing now: they are not fetched, so newer ones may be missing."""
        known = {who: answer for who, answer in self.answers.items() if who in self.assets_by_aggregator}
        return self if len(known) == len(self.answers) else replace(self, answers=known)

    def with_answer(self, log: Log) -> Self:
        """With what this AnswerUpdated says. What is watched does not change, so nothing is derived again."""
        changed = object.__new__(type(self))
        changed.__dict__.update(self.__dict__ | {"answers": {**self.answers, log.address: answer_of(log)}})
        return changed


class PricedState(DeploymentState):
    """A deployment whose prices an Aave oracle tells."""

    prices: AavePrices

    def with_prices(self, prices: AavePrices) -> Self:
        """With these prices."""
        if prices.assets_by_aggregator is not self.prices.assets_by_aggregator:
            return replace(self, prices=prices)  # type: ignore[type-var]  # every state is a dataclass
        changed = object.__new__(type(self))  # the same is watched: nothing is derived again
        changed.__dict__.update(self.__dict__ | {"prices": prices})
        return changed


class PricedProtocol[S: PricedState](LendingProtocol[S]):
    """A protocol whose prices an Aave oracle tells."""

    def before_window(self, state: S) -> S:
        return state.with_prices(state.prices.with_answers_of_watched())

    def feeds(self, state: S) -> frozenset[Address]:
        return state.prices.feeds

    def with_timelines(self, state: S, timelines: Mapping[Address, Timeline]) -> S:
        return state.with_prices(state.prices.with_timelines(timelines))

    def unanswered(self, state: S, named: frozenset[Address], blocks: BlockRange) -> frozenset[Address]:
        return unanswered(state.prices, named, blocks)

    def with_earlier_answer(self, state: S, aggregator: Address, log: Log) -> S:
        return state.with_prices(state.prices.with_answer(log))

    def close_block(self, state: S, block: BlockRef, fork_epoch: int) -> tuple[MarketPoint, ...]:
        return price_points_at_end(state, block, fork_epoch)


def answer_of(log: Log) -> Answer:
    """What a log of AnswerUpdated says.

    A price of 0 where it says none: the answer is not positive (Aave then asks a fallback oracle, which is not read
    here), or the log cannot be read.
    """
    try:
        current, _, updated_at = abi.ANSWER_UPDATED.decode(log)
    except InvalidMessage:
        return NO_ANSWER
    return Answer(current, updated_at) if current > 0 else NO_ANSWER


def price_readers[S: PricedState](oracle: StrEnum, feed: StrEnum) -> tuple[Reader[S], ...]:
    """Readers of the oracle's AssetSourceUpdated and of the aggregators' AnswerUpdated."""
    return (
        Reader((oracle,), abi.ASSET_SOURCE_UPDATED, _read_source, change=_change_source),
        Reader((feed,), abi.ANSWER_UPDATED, _read_answer, change=_change_answer, reads_any_topics=True),
    )


def read_oracle_change[S: PricedState](reading: Reading[S], oracle: Address) -> Iterator[Fact]:
    """What follows when the market asks this oracle from here on."""
    after = reading.state.prices.with_oracle(oracle)
    if after.is_oracle_known != reading.state.prices.is_oracle_known:
        for asset in after.assets:
            yield _price(reading, after, asset)
    if not after.is_oracle_known:
        yield Complaint(
            "the market changed to an oracle that the deployments registry does not know: "
            "enter the deployment with it under another id",
            is_hole=True,
        )


def price_points_at_end(state: PricedState, block: BlockRef, fork_epoch: int) -> tuple[MarketPoint, ...]:
    """The prices that change at the end of this block, because another aggregator answers from there on."""
    return tuple(
        MarketPoint(
            position=Position.at_end_of(block),
            sub_index=MarketPointKind.PRICE.code * 256,
            fork_epoch=fork_epoch,
            decoder_version=DECODER_VERSION,
            deployment=state.deployment.id,
            kind=MarketPointKind.PRICE,
            asset=asset,
            category=0,
            values=state.prices.price_of(asset, block.number),
        )
        for asset in state.prices.assets_changed_at(block.number)
    )


def unanswered(prices: AavePrices, named: Iterable[Address], blocks: BlockRange) -> frozenset[Address]:
    """Aggregators whose latest answer before these blocks is needed and not remembered.

    `named`: feeds that price an asset from one of these blocks on. Those that begin a phase here are looked at anyway.
    """
    timelines = [prices.timeline(feed) for feed in named]
    needed = {timeline.at_end_of(blocks.first - 1) for timeline in timelines}
    for timeline in (*timelines, *(prices.timeline(feed) for feed in prices.feeds)):
        needed |= {phase.aggregator for phase in timeline.changes(blocks)}
    return frozenset(needed - {ZERO_ADDRESS, *prices.answers})


def _read_source[S: PricedState](reading: Reading[S]) -> list[MarketPoint]:
    asset, feed = abi.ASSET_SOURCE_UPDATED.decode(reading.log)
    return [_price(reading, reading.state.prices.with_source(asset, feed), asset)]


def _change_source[S: PricedState](reading: Reading[S]) -> S:
    return reading.state.with_prices(reading.state.prices.with_source(*abi.ASSET_SOURCE_UPDATED.decode(reading.log)))


def _read_answer[S: PricedState](reading: Reading[S]) -> Iterator[Fact]:
    after = reading.state.prices.with_answer(reading.log)
    if after.is_oracle_known:
        block = reading.log.position.block.number
        for asset in after.assets_by_aggregator.get(reading.log.address, ()):
            # In the block of a change the old one still counts; what holds at its end is said there.
            if reading.log.address in after.answering(asset, block - 1):
                yield _price(reading, after, asset)
    try:
        abi.ANSWER_UPDATED.decode(reading.log)
    except InvalidMessage as exc:
        yield Complaint(str(exc))


def _change_answer[S: PricedState](reading: Reading[S]) -> S:
    return reading.state.with_prices(reading.state.prices.with_answer(reading.log))


def _price[S: PricedState](reading: Reading[S], after: AavePrices, asset: Address) -> MarketPoint:
    """The asset's price after this log; what became unknown is said, too, or the old price would go on."""
    values = after.price_of(asset, reading.log.position.block.number - 1)
    return reading.point(MarketPointKind.PRICE, asset, values)
