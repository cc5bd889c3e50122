"""Whether providers have the same chain, and how far it is final for all of them.

```
 finalized   A ├───────────────┤ 140
             B ├──────────┤ 120        ──► 120 is final, and block 120 must be the same at A and B
             C ├──┤ 40, stuck              (C is left out: its head stands while others go on)
```
The lowest of those that move is taken as final, so that one provider alone can call nothing final, and each of them
can be asked for what is. One whose head moves is never left out, however far ahead another one claims to be; where its
finalized block stands it is named. Every one that answers is looked at before the first block is called final, and from
then on one at a time, so that one that is slow to fail holds nothing up for long.

Two that disagree about a final block are no matter of a vote: one of them serves a forged or a broken chain, and which
one no machine can say. Nothing is read until they agree, or the operator takes one out. The same holds where a provider
contradicts a final block that was read: only when all say that it was replaced is it so.
"""

import threading
from dataclasses import dataclass
from typing import Final

import structlog
from bonafides.errors import Unavailable
from bonafides.events import BlockRange
from bonafides.types import BlockRef

from bonafides_ingest import metrics
from bonafides_ingest.chain import BlockGone, ChainTips, LiveSource
from bonafides_ingest.sources.providers.choosing import Choice
from bonafides_ingest.sources.providers.provider import Provider
from bonafides_ingest.sources.providers.refusals import NodeBehind

LOOK_EVERY_S: Final = 15.0  # about an Ethereum slot: a provider that stands is seen within a few
FRESH_S: Final = 600.0  # what was seen earlier says nothing about now
MOST_UNCHECKED_RISE: Final = 512  # blocks between two looks; a head that rose by more is believed when it is there

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Dispute:
    one: Provider
    other: Provider
    number: int

    def __str__(self) -> str:
        return (
            f"providers {self.one.name} and {self.other.name} disagree about final block {self.number}: nothing is "
            "read until they agree; take the wrong one out of BONAFIDES_INGEST_RPC_URL"
        )


class Agreement:
    """Looks at the providers behind a choice. Threads may share `check`; the rest is for one of them."""

    def __init__(self, choice: Choice) -> None:
        self._choice = choice
        self._dispute: _Dispute | None = None
        self._lock = threading.Lock()
        self._looked_at = float("-inf")
        self._final = -1

    def check(self) -> None:
        """Raise Unavailable while two providers disagree about a final block."""
        if self._dispute is None:
            return
        with self._lock:
            dispute, now = self._dispute, self._choice.clock.now()
            if dispute is not None and now - self._looked_at >= LOOK_EVERY_S:
                self._looked_at = now
                if self._same(dispute.one, dispute.other, dispute.number):
                    log.warning("providers agree again", block=dispute.number)
                    self._dispute = None
            if self._dispute is not None:
                raise Unavailable(str(self._dispute))

    def tips(self) -> ChainTips:
        """The head of one provider, and what is final for all."""
        self.check()
        seen_by: list[Provider] = []

        def look(provider: Provider) -> ChainTips:
            seen_by[:] = [provider]
            seen = self._seen(provider, provider.source)
            if seen.head.ref.number < self._final and not self._forgot_final(seen):
                raise NodeBehind(f"provider {provider.name} has block {seen.head.ref.number}, {self._final} is final")
            return seen

        tips = self._choice.ask(look, at_head=True)
        self._look_around(seen_by[0])
        self._choice.show()
        if len(self._choice.providers) == 1:
            return tips  # nobody to agree with; what it said by mistake is not kept
        # What was called final once stays so: a provider that comes late was not asked then.
        self._final = max(self._final, self._lowest_final(tips.finalized))
        return ChainTips(tips.head, min(self._final, tips.head.ref.number))

    def confirm_conflict(self, known: BlockRef) -> None:
        """A provider said that a block that was read as final is another one now.

        Raises Unavailable unless all providers say so: while they disagree, and while one is not heard, who may know
        better. It returns where there is a single one: its word is all there is.
        """
        providers = self._choice.providers
        if len(providers) == 1:
            return
        said = {
            each: self._choice.ask_of(each, lambda asked: self._final_block(asked, known.number)) for each in providers
        }
        have = [each for each, block in said.items() if block == known]
        deny = [each for each, block in said.items() if block not in (known, None)]
        if have and deny:
            self._quarrel(deny[0], have[0], known.number)
        unheard = [each.name for each, block in said.items() if block is None]
        if have or unheard:
            if unheard:
                for name in unheard:
                    metrics.CONFLICTS_UNJUDGED.labels(name).inc()
                log.error(
                    "conflict cannot be judged: a provider does not answer", providers=unheard, block=known.number
                )
            raise Unavailable(
                f"block {known.number} was read as final and another one was shown: "
                + (
                    f"nothing is read before these are heard, too: {', '.join(unheard)}"
                    if unheard
                    else "all have it again"
                )
            )

    def check_height(self, provider: Provider, last: int) -> None:
        """Raise NodeBehind when the provider has not finalized a block: it would answer with nothing, not with no."""
        if provider.finalized < last and len(self._choice.providers) > 1:
            tips = self._seen(provider, provider.source)
            if tips.finalized < last:
                raise NodeBehind(f"provider {provider.name} has finalized block {tips.finalized}, asked was {last}")

    def _final_block(self, provider: Provider, number: int) -> BlockRef:
        self.check_height(provider, number)
        return provider.source.block(number)

    def _look_around(self, current: Provider) -> None:
        """Look at another provider when it is time to, at all of them the first time, and compare it with this one."""
        choice = self._choice
        now = choice.clock.now()
        others = sorted(
            (p for p in choice.providers if p is not current and p.next_look_at <= now and not p.wait(now)),
            key=lambda other: other.next_look_at,
        )
        if not others or now - self._looked_at < LOOK_EVERY_S:
            return
        is_first, self._looked_at = self._looked_at < 0, now
        for other in others if is_first else others[:1]:
            is_seen = choice.ask_of(other, self._glance_at) is not None
            other.was_looked_at(choice.clock.now(), is_seen=is_seen)
            if is_seen:
                self._compare(current, other)
        honest = [provider for provider in choice.providers if not provider.is_benched(now)]
        best = max((provider.head.number for provider in honest), default=-1)
        for provider in honest:
            provider.head.compare(best, now)
        self._name_who_holds_finality(now)

    def _name_who_holds_finality(self, now: float) -> None:
        """Nothing becomes final for hours where one that moves stands at its finalized block: it is not left out."""
        counted = self._counted()
        risen = [each for each in counted if now - each.finalized_since <= FRESH_S]
        lowest = min(counted, key=lambda each: each.finalized, default=None)
        for each in self._choice.providers:
            holds = each is lowest and each not in risen and any(one.finalized > each.finalized for one in risen)
            if holds and not each.holds_finality:
                log.warning(
                    "provider holds finality back: its finalized block stands while another's rises",
                    provider=each.name,
                    block=each.finalized,
                )
            each.holds_finality = holds

    def _compare(self, current: Provider, other: Provider) -> None:
        number = min(current.finalized, other.finalized)
        if number > other.agreed_to:
            is_same = self._same(current, other, number)
            if is_same:
                other.agreed_to = number
            elif is_same is not None:
                self._quarrel(current, other, number)

    def _same(self, one: Provider, other: Provider, number: int) -> bool | None:
        """Whether both show the same block; None where one does not answer."""
        mine, theirs = (self._choice.ask_of(each, lambda asked: _block(asked, number)) for each in (one, other))
        return None if mine is None or theirs is None else mine == theirs

    def _quarrel(self, one: Provider, other: Provider, number: int) -> None:
        dispute = self._dispute = _Dispute(one, other, number)
        for each in (one, other):
            metrics.PROVIDER_DISPUTES.labels(each.name).inc()
        log.error("providers disagree about a final block", providers=[one.name, other.name], block=number)
        raise Unavailable(str(dispute))

    def _glance_at(self, provider: Provider) -> ChainTips:
        return self._seen(provider, provider.lookout or provider.source)

    def _seen(self, provider: Provider, source: LiveSource) -> ChainTips:
        tips = source.tips()
        head = tips.head.ref.number
        if head > provider.head.number + MOST_UNCHECKED_RISE and len(self._choice.providers) > 1:
            try:
                source.headers(BlockRange(head, head))
            except BlockGone as exc:
                raise Unavailable(
                    f"provider {provider.name} calls block {head} its head, and does not have it"
                ) from exc
        provider.saw(self._choice.clock.now(), tips.finalized, head)
        return tips

    def _forgot_final(self, seen: ChainTips) -> bool:
        """Whether what was called final was a mistake, and is forgotten: no provider that is heard has got so far."""
        if any(provider.head.number >= self._final for provider in self._heard()):
            return False
        lowest = self._lowest_final(seen.finalized)
        log.error("no provider has a block that was taken as final", block=self._final, taken_now=lowest)
        self._final = lowest
        return True

    def _lowest_final(self, own: int) -> int:
        return min([own, *(each.finalized for each in self._counted())])

    def _counted(self) -> list[Provider]:
        """Whose finalized blocks count."""
        return [provider for provider in self._heard() if not provider.is_stuck(self._choice.stuck_after_s)]

    def _heard(self) -> list[Provider]:
        """Whose heights say something now."""
        now = self._choice.clock.now()
        return [
            provider
            for provider in self._choice.providers
            if provider.finalized >= 0 and not provider.is_benched(now) and now - provider.looked_at < FRESH_S
        ]


def _block(provider: Provider, number: int) -> BlockRef:
    return (provider.lookout or provider.source).block(number)
