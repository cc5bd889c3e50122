"""`past.PastSource` over several providers: a question goes to one as a whole, and a lie is found out there."""

from collections.abc import Callable, Sequence

from bonafides.events import BlockRange
from bonafides.types import BlockRef, ChainId

from bonafides_ingest.chain import Log, Window
from bonafides_ingest.hydration.node import NodePast
from bonafides_ingest.protocols.search import Criteria
from bonafides_ingest.sources.node_reader import NodeReader
from bonafides_ingest.sources.providers.failover import Providers
from bonafides_ingest.sources.providers.provider import Provider


class ProvidersPast:
    """The final past, from whichever provider answers. Not for several threads."""

    def __init__(self, providers: Providers, chain_id: ChainId) -> None:
        self._providers, self._chain_id = providers, chain_id
        self._pasts: dict[Provider, NodePast] = {}
        """What each learned about itself stays its own."""

    def find(self, wanted: BlockRange, criteria: Sequence[Criteria]) -> Window:
        return self._ask(wanted.last, lambda past: past.find(wanted, criteria))

    def receipts(self, found: Sequence[Log], criteria: Sequence[Criteria]) -> tuple[Log, ...]:
        last = max(log.position.block.number for log in found)
        return self._ask(last, lambda past: past.receipts(found, criteria))

    def block(self, number: int) -> BlockRef:
        return self._providers.block(number)

    def _ask[T](self, last: int, question: Callable[[NodePast], T]) -> T:
        return self._providers.final(last, lambda provider: question(self._past_of(provider)))

    def _past_of(self, provider: Provider) -> NodePast:
        if provider not in self._pasts:
            self._pasts[provider] = NodePast(NodeReader(provider.rpc, self._chain_id))
        return self._pasts[provider]
