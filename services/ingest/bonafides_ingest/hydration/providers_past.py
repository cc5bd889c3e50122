"""`past.PastSource` over several providers: a question goes to one as a whole, and a lie is found out there.

Where one found nothing, another one is asked; where it found something, now and then. If they disagree, each has to
show the receipts of the blocks in question: whose receipts are not what it said is benched.
"""

import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from random import Random, SystemRandom
from typing import Final

import structlog
from bonafides.errors import Unavailable
from bonafides.events import BlockRange
from bonafides.types import BlockRef, ChainId

from bonafides_ingest.chain import Log, Window
from bonafides_ingest.hydration.node import NodePast
from bonafides_ingest.hydration.past import PastSource
from bonafides_ingest.protocols.search import Criteria
from bonafides_ingest.sources.node_reader import NodeReader
from bonafides_ingest.sources.providers.failover import Providers
from bonafides_ingest.sources.providers.provider import Provider
from bonafides_ingest.sources.providers.refusals import CallRefused

CONFIRMED_ONE_IN: Final = 4
"""Of the windows in which something was found."""
MOST_CONFIRMING_S: Final = 5.0
"""Of one window: a provider may give a few blocks at once of what another gave as a whole, and whoever asks must be
heard of by its group."""

log = structlog.get_logger(__name__)


class ProvidersPast(PastSource):
    """The final past, from whichever provider answers. Not for several threads.

    `most_blocks` are never exceeded; a provider is asked for as many at first as the scan asks of it.
    """

    def __init__(
        self,
        providers: Providers,
        chain_id: ChainId,
        *,
        most_blocks: int = 100_000,
        random: Random | None = None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._providers, self._chain_id, self._most_blocks = providers, chain_id, most_blocks
        self._random, self._timer = random or SystemRandom(), timer
        self._pasts: dict[Provider, NodePast] = {}
        """What each learned about itself stays its own."""
        self._answered: Provider | None = None
        """Who answered last."""

    def find(self, wanted: BlockRange, criteria: Sequence[Criteria]) -> Window:
        return self._ask(wanted.last, lambda past: past.find(wanted, criteria))

    def receipts(self, found: Sequence[Log], criteria: Sequence[Criteria]) -> tuple[Log, ...]:
        last = max(log.position.block.number for log in found)
        return self._ask(last, lambda past: past.receipts(found, criteria))

    def is_confirmed(self, window: Window, criteria: Sequence[Criteria]) -> bool:
        finder, first, last = self._answered, window.range.first, window.range.last
        since = self._timer()
        if finder is None or (window.logs and self._random.randrange(CONFIRMED_ONE_IN)):
            return False
        while first <= last:
            rest = BlockRange(first, last)
            try:
                again = self._ask(last, partial(_find, rest, criteria), but=finder)
            except Unavailable as exc:
                log.warning("no other provider confirms a hydration", reason=str(exc))
                return False
            here = [
                found for found in window.logs if again.range.first <= found.position.block.number <= again.range.last
            ]
            if here != list(again.logs):
                self._settle(finder, here, again.logs, criteria)
            first = again.range.last + 1
            if first <= last and self._timer() - since > MOST_CONFIRMING_S:
                log.info("a hydration is not confirmed to its end: the other provider gives few blocks at once")
                return False
        return True

    def block(self, number: int) -> BlockRef:
        return self._providers.block(number)

    def _settle(
        self, finder: Provider, found: Sequence[Log], again: Sequence[Log], criteria: Sequence[Criteria]
    ) -> None:
        """Have both show receipts of the blocks they tell apart; whoever is caught is benched. Raises Unavailable."""
        other = self._answered
        numbers = {log.position.block.number for log in set(found) ^ set(again)}
        for provider, logs in ((finder, found), (other, again)):
            mine = [log for log in logs if log.position.block.number in numbers]
            self._ask(max(numbers), partial(_prove, numbers, criteria, mine), only=provider)
        names = ", ".join(provider.name for provider in (finder, other) if provider)
        raise Unavailable(
            f"providers {names} have other logs of one wallet, and each shows receipts that agree with its own: "
            "ask a third one"
        )

    def _ask[T](
        self,
        last: int,
        question: Callable[[NodePast], T],
        but: Provider | None = None,
        only: Provider | None = None,
    ) -> T:
        def asked(provider: Provider) -> T:
            if provider is but or (only is not None and provider is not only):
                raise CallRefused(f"provider {provider.name} is not asked again")
            answer = question(self._past_of(provider))
            self._answered = provider
            return answer

        return self._providers.final(last, asked)

    def _past_of(self, provider: Provider) -> NodePast:
        if provider not in self._pasts:
            self._pasts[provider] = NodePast(
                NodeReader(provider.rpc, self._chain_id),
                blocks=provider.source.pace.blocks,
                most_blocks=self._most_blocks,
                timer=self._timer,
            )
        return self._pasts[provider]


def _find(wanted: BlockRange, criteria: Sequence[Criteria], past: NodePast) -> Window:
    return past.find(wanted, criteria)


def _prove(numbers: Collection[int], criteria: Sequence[Criteria], logs: Sequence[Log], past: NodePast) -> None:
    past.prove(numbers, criteria, logs)
