"""THE FLOW of a hydration: find where the wallet is named, read those receipts, send its events, then its boundary.

It is driven step by step, a few questions to the node each, so that whoever drives it can do something in between. It
keeps nothing: after a crash the request is read again, and the events that are sent again are the same. The coverage
may differ: it speaks of the blocks that are final then, and of what a second provider confirmed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import batched, groupby

from bonafides.bus import Producer
from bonafides.events import BlockRange, Hydrated
from bonafides.messages import HistoryProgress, HistoryRequest, encode
from bonafides.topics import WALLET_EVENTS, WALLET_HISTORY_PROGRESS, Topic, partition_of
from bonafides.types import Address

from bonafides_ingest.catalogue import protocol_of
from bonafides_ingest.chain import Log, Window
from bonafides_ingest.deployments import Deployment
from bonafides_ingest.hydration.configuration import Configuration
from bonafides_ingest.hydration.coverage import hydrated_coverage
from bonafides_ingest.hydration.decoding import WalletHistory, WalletPart
from bonafides_ingest.hydration.past import FinalView, PastSource
from bonafides_ingest.outgoing import records_of
from bonafides_ingest.protocols.decoded import Decoded
from bonafides_ingest.protocols.search import Criteria, merged
from bonafides_ingest.registry_entries import RegistryEntry

RECEIPTS_AT_ONCE = 200
"""Transactions in one step: a few MB of receipts, and a fraction of a second."""


@dataclass
class Hydrator:
    """Hydrates wallets of one chain, one at a time."""

    source: PastSource
    producer: Producer
    deployments: Sequence[Deployment]
    links: Sequence[RegistryEntry]
    registry_version: int
    _configuration: Configuration = field(init=False)

    def __post_init__(self) -> None:
        self._configuration = Configuration.of(self.deployments)

    @property
    def entries(self) -> tuple[RegistryEntry, ...]:
        """Everything that stands in the coverage."""
        return (*self.deployments, *self.links)

    def hydrate(self, request: HistoryRequest, view: FinalView) -> Iterator[None]:
        """Send the history of a wallet up to the last final block, then `Hydrated`; a step each time it is asked.

        Raises Unavailable when the node or the broker does not answer: begin again.
        """
        first = min((state.deployment.from_block for state in self._configuration.states.values()), default=view.number)
        self._tell(
            request, HistoryProgress(request.request_id, request.chain_id, request.wallet, 0, view.number, False)
        )
        yield
        for _ in self._configuration.read_to(self.source, view.number):
            yield
        histories = self._histories(request.wallet, view.number)
        criteria = self._criteria(request.wallet)
        blocks = BlockRange(first, view.number)
        nobodys = dict.fromkeys(histories, 0)
        has_logs, is_confirmed = False, True
        while criteria and blocks.first <= blocks.last:
            window = self.source.find(blocks, criteria)
            yield
            is_confirmed = self.source.is_confirmed(window, criteria) and is_confirmed
            has_logs = has_logs or bool(window.logs)
            yield
            for some in batched(_transactions(window), RECEIPTS_AT_ONCE):
                logs = self.source.receipts([log for transaction in some for log in transaction], criteria)
                for name, history in histories.items():
                    part = history.read(logs, view.epoch)
                    nobodys[name] += part.nobodys
                    self._send(request.wallet, part)
                self.producer.flush()
                yield
            blocks = BlockRange(window.range.last + 1, view.number)
            if blocks.first <= blocks.last:
                self._tell(request, _progress(request, window.range.last, view))
        seen = {name: count for name, count in nobodys.items() if not self._is_unnamed(name, request.wallet)}
        if not has_logs and not is_confirmed:
            seen = {}  # nothing at all, on one node's word: no history, or a node that keeps silent
        coverage = hydrated_coverage(self.entries, self.registry_version, seen, view.number)
        hydrated = Hydrated(request.wallet, first, self.source.block(view.number), coverage)
        self._put(WALLET_EVENTS, request.wallet, encode(hydrated))
        self.producer.flush()
        self._tell(request, _progress(request, view.number, view, is_done=True))

    def _histories(self, wallet: Address, last: int) -> dict[str, WalletHistory]:
        known = self._configuration
        return {
            name: WalletHistory(wallet, state, _up_to(known.logs[name], last)) for name, state in known.states.items()
        }

    def _criteria(self, wallet: Address) -> tuple[Criteria, ...]:
        known = self._configuration
        return merged(
            one
            for name, state in known.states.items()
            for one in protocol_of(state).naming(state, known.logs[name], wallet)
        )

    def _is_unnamed(self, name: str, wallet: Address) -> bool:
        known = self._configuration
        return wallet in protocol_of(known.states[name]).unnamed(known.logs[name])

    def _send(self, wallet: Address, part: WalletPart) -> None:
        for record in records_of([Decoded(part.events, (), ())]):
            self.producer.send(record.topic, record.partition, record.value)
        for letter in part.letters:
            self._put(WALLET_EVENTS, wallet, encode(letter))

    def _tell(self, request: HistoryRequest, progress: HistoryProgress) -> None:
        self._put(WALLET_HISTORY_PROGRESS, request.wallet, encode(progress))
        self.producer.flush()

    def _put(self, topic: Topic, wallet: Address, value: bytes) -> None:
        self.producer.send(topic.name, partition_of(wallet, topic), value)


def _progress(request: HistoryRequest, complete_to: int, view: FinalView, *, is_done: bool = False) -> HistoryProgress:
    return HistoryProgress(request.request_id, request.chain_id, request.wallet, complete_to, view.number, is_done)


def _transactions(window: Window) -> list[list[Log]]:
    """What was found, by transaction, in canonical order."""
    return [list(logs) for _, logs in groupby(window.logs, key=lambda log: log.position.tx_hash)]


def _up_to(logs: Sequence[Log], last: int) -> list[Log]:
    return [log for log in logs if log.position.block.number <= last]
