"""One chain behind several providers: `chain.LiveSource`, and what else is asked of a node.

A range of final blocks is asked of one provider as a whole, so that its logs, headers and receipts hang together; what
one learned about itself (its pace, how far it is trusted, what it was asked about a feed) stays its own. What is asked
about the head of the chain stays with one provider while that answers. See `choosing` for who is asked, `agreement` for
what counts as final, `provider` for what happens to one that fails.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from bonafides.clock import Clock
from bonafides.errors import InvalidSettings, InvariantViolation, Unavailable
from bonafides.events import BlockRange
from bonafides.json_rpc import Call, JsonRpc, NodeRefused
from bonafides.types import Address, BlockRef, Digest, Json

from bonafides_ingest import metrics
from bonafides_ingest.chain import BlockGone, ChainTips, Header, Log, Window
from bonafides_ingest.feeds import ListedFeed, PhaseMemory
from bonafides_ingest.sources.codes import NodeCodes
from bonafides_ingest.sources.feed_phases import NodeFeeds
from bonafides_ingest.sources.providers.agreement import Agreement
from bonafides_ingest.sources.providers.choosing import Choice
from bonafides_ingest.sources.providers.provider import Provider
from bonafides_ingest.sources.providers.refusals import CallRefused, RateLimited, refusal_of


class Providers:
    """`chain.LiveSource`. A single provider is no special case, but that nobody can be asked in its place.

    Args:
        providers: at least one, in the order in which they are asked.
        clock: one that does not go back.
        stuck_after_s: a provider is passed over whose head has stood for so long below another's.
        look_back_requests: most questions about feeds in one turn; None: as many as it takes.
    """

    def __init__(
        self,
        providers: Sequence[Provider],
        clock: Clock,
        *,
        stuck_after_s: float,
        look_back_requests: int | None = None,
    ) -> None:
        for provider in providers:
            metrics.begin_provider(provider.name)
            if len(providers) > 1:
                provider.has_others()
        self._choice = Choice(providers, clock, stuck_after_s)
        self._agreement = Agreement(self._choice)
        self._look_back_requests = look_back_requests
        self.rpc: JsonRpc = _AnyRpc(self._choice, self._agreement)
        """Any provider's answers, unchecked: for questions that are checked elsewhere."""

    @property
    def window_blocks(self) -> int:
        """What would be asked for at once now."""
        return self._choice.current.source.pace.blocks

    def check_chain(self) -> None:
        """Raise InvalidSettings when one is on another chain; Unavailable when none answers."""
        failures: list[Unavailable] = []
        for provider in self._choice.providers:
            try:
                provider.source.check_chain()
            except InvalidSettings as exc:
                raise InvalidSettings(f"provider {provider.name}: {exc}") from exc
            except Unavailable as exc:
                failures.append(exc)
        if len(failures) == len(self._choice.providers):
            raise failures[0]

    def finalized(self) -> int:
        return self.tips().finalized

    def tips(self) -> ChainTips:
        return self._agreement.tips()

    def fetch(
        self,
        wanted: BlockRange,
        addresses: frozenset[Address],
        parent: BlockRef | None,
        topics_anywhere: frozenset[Digest] = frozenset(),
    ) -> Window:
        def read(provider: Provider) -> Window:
            self._agreement.check_height(provider, wanted.last)
            return provider.source.fetch(wanted, addresses, parent, topics_anywhere)

        self._agreement.check()
        try:
            return self._choice.ask(read)
        except InvariantViolation:
            if parent is not None:
                self._agreement.confirm_conflict(parent)
            raise

    def block(self, number: int) -> BlockRef:
        return self.final(number, lambda provider: provider.source.block(number))

    def blocks(self, wanted: BlockRange) -> tuple[BlockRef, ...]:
        """All blocks of a final range, which hang together."""
        return self.final(wanted.last, lambda provider: provider.source.blocks(wanted))

    def blocks_at(self, numbers: Iterable[int]) -> tuple[BlockRef, ...]:
        """These final blocks, ascending."""
        wanted = tuple(numbers)
        return self.final(max(wanted, default=0), lambda provider: provider.source.blocks_at(wanted))

    def last_log_before(self, address: Address, topic0: Digest, first: int, before: int) -> Log | None:
        return self.final(before - 1, lambda provider: provider.source.last_log_before(address, topic0, first, before))

    def headers(self, wanted: BlockRange) -> tuple[Header, ...]:
        def read(provider: Provider) -> tuple[Header, ...]:
            try:
                found = provider.source.headers(wanted)
            except BlockGone:
                self._choice.lacks_block(provider)
                raise
            self._choice.has_block(provider)
            return found

        self._agreement.check()
        return self._choice.ask(read, at_head=True)

    def logs_of(self, headers: Sequence[Header], addresses: frozenset[Address]) -> tuple[Log, ...]:
        self._agreement.check()
        return self._choice.ask(lambda provider: provider.source.logs_of(headers, addresses), at_head=True)

    def feeds(self, memory: PhaseMemory, listed: Mapping[Address, ListedFeed]) -> NodeFeeds:
        """Who answers for price feeds, asked of any."""
        return NodeFeeds(self.rpc, memory, self.finalized, listed, self._look_back_requests)

    def codes(self) -> NodeCodes:
        """The code at addresses, asked of any."""
        return NodeCodes(self.rpc)

    def confirm_conflict(self, known: BlockRef) -> None:
        self._agreement.confirm_conflict(known)

    def close(self) -> None:
        """Close this thread's connections."""
        self.rpc.close()

    def final[T](self, last: int, question: Callable[[Provider], T]) -> T:
        """The answer of one provider to a question about final blocks up to this one. Raises as `Choice.ask` does."""

        def asked(provider: Provider) -> T:
            self._agreement.check_height(provider, last)
            return question(provider)

        self._agreement.check()
        return self._choice.ask(asked)


class _AnyRpc(JsonRpc):
    """The JSON-RPC of whoever answers. A batch goes to one provider as a whole.

    What a contract refuses is its answer. What a provider refuses (a state that it forgot) another one may have, so
    NodeRefused is raised when all refuse, as the first one did.
    """

    def __init__(self, choice: Choice, agreement: Agreement) -> None:  # nothing of JsonRpc's own is used
        self._choice, self._agreement = choice, agreement

    def call(self, method: str, *params: Json) -> Json:
        return self.batch([(method, params)])[0]

    def batch(self, calls: Sequence[Call]) -> list[Json]:
        self._agreement.check()
        refused: dict[Provider, NodeRefused] = {}

        def ask(provider: Provider) -> list[Json]:
            try:
                return provider.rpc.batch(calls)
            except NodeRefused as exc:
                if exc.is_revert:
                    raise
                meaning = refusal_of(exc)
                if isinstance(meaning, RateLimited):
                    raise meaning from exc
                refused[provider] = exc
                raise CallRefused(str(exc)) from exc

        try:
            return self._choice.ask(ask)
        except Unavailable:
            now = self._choice.clock.now()
            if refused and all(provider in refused or provider.is_benched(now) for provider in self._choice.providers):
                raise next(iter(refused.values())) from None
            raise

    def close(self) -> None:
        for provider in self._choice.providers:
            provider.rpc.close()
