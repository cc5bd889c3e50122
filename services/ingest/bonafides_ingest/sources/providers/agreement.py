"""Whether providers have the same chain, and how far it is final for all of them.

```
 finalized   A ├───────────────┤ 140
             B ├──────────┤ 120        ──► 120 is final, and block 120 must be the same at A and B
             C ├──┤ 40, stuck              (C is left out: it stands while others go on)
```
The lowest of those that move is taken as final, so that one provider alone can call nothing final, and each of them
can be asked for what is. Every provider is looked at before the first block is called final, and from then on one at a
time, so that one that is slow to fail holds nothing up for long.

Two that disagree about a final block are no matter of a vote: one of them serves a forged or a broken chain, and which
one no machine can say. Nothing is read until they agree, or the operator takes one out.
"""

import threading
from dataclasses import dataclass
from typing import Final

import structlog
from bonafides.errors import Unavailable
from bonafides.types import BlockRef

from bonafides_ingest import metrics
from bonafides_ingest.chain import ChainTips, LiveSource
from bonafides_ingest.sources.providers.choosing import Choice
from bonafides_ingest.sources.providers.provider import Provider

LOOK_EVERY_S: Final = 15.0  # about an Ethereum slot: a provider that stands is seen within a few
FRESH_S: Final = 600.0  # what was seen earlier says nothing about now

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
            return self._tips_of(provider)

        tips = self._choice.ask(look, at_head=True)
        self._look_around(seen_by[0])
        self._choice.show()
        # What was called final once stays so: a provider that comes late was not asked then.
        self._final = max(self._final, self._lowest_final(tips.finalized))
        return ChainTips(tips.head, min(self._final, tips.head.ref.number))

    def refuted(self, accused: Provider, parent: BlockRef) -> None:
        """A provider says that a final block is another one now. Raises Unavailable when another one does not."""
        for other in self._choice.providers:
            if other is not accused and not other.is_benched(self._choice.clock.now()):
                theirs = self._choice.ask_of(other, lambda provider: provider.source.block(parent.number))
                if theirs == parent:
                    self._quarrel(accused, other, parent.number)

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
        for heights in ([provider.head for provider in honest], [provider.finalized for provider in honest]):
            best = max((height.number for height in heights), default=-1)
            for height in heights:
                height.compare(best, now)

    def _compare(self, current: Provider, other: Provider) -> None:
        number = min(current.finalized.number, other.finalized.number)
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

    def _tips_of(self, provider: Provider) -> ChainTips:
        return self._seen(provider, provider.source)

    def _glance_at(self, provider: Provider) -> ChainTips:
        return self._seen(provider, provider.lookout or provider.source)

    def _seen(self, provider: Provider, source: LiveSource) -> ChainTips:
        tips = source.tips()
        provider.saw(self._choice.clock.now(), tips.finalized, tips.head.ref.number)
        return tips

    def _lowest_final(self, own: int) -> int:
        now = self._choice.clock.now()
        counted = [
            provider.finalized.number
            for provider in self._choice.providers
            if not provider.is_benched(now)
            and not provider.is_stuck(self._choice.stuck_after_s)
            and provider.finalized.number >= 0
            and now - provider.looked_at < FRESH_S
        ]
        return min([own, *counted])


def _block(provider: Provider, number: int) -> BlockRef:
    return (provider.lookout or provider.source).block(number)
