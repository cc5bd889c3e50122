"""A chain some of whose logs an older decoder could not read, and what it sent then."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from bonafides.errors import InvalidMessage
from bonafides.events import BlockRange
from bonafides.types import Protocol
from bonafides_ingest import outgoing, store
from bonafides_ingest.catalogue import PROTOCOLS
from bonafides_ingest.dead_letters import replay
from bonafides_ingest.dead_letters.mending import place_of
from bonafides_ingest.dead_letters.store import Place, Settled, StoredLetter
from bonafides_ingest.decoders import DECODER_VERSION, EventCodec
from bonafides_ingest.protocols import reading
from bonafides_ingest.protocols.decoded import Decoded, RefusedLog
from bonafides_ingest.protocols.state import DeploymentState
from bonafides_ingest.scanning import scan

from tests.support.ingest_logs import DEPLOYMENT, ChainOfLogs

BROKEN = "an older decoder cannot read this"
OLDER = DECODER_VERSION - 1


@contextmanager
def older_decoder(codec: EventCodec[Any], *, version: int = OLDER, blocks: BlockRange | None = None) -> Iterator[None]:
    """Within it the logs of this event (in these blocks) cannot be read, and the decoder has an older version."""
    readers = PROTOCOLS[Protocol.AAVE_V3].routes.readers
    with pytest.MonkeyPatch.context() as patch:
        for key, reader in list(readers.items()):
            if key[1] == codec.topic0:

                def read(at: Any, reader: Any = reader) -> Any:
                    number = at.log.position.block.number
                    if blocks is None or blocks.first <= number <= blocks.last:
                        raise InvalidMessage(BROKEN)
                    return reader.read(at)

                patch.setitem(readers, key, replace(reader, read=read))
        for module in (outgoing, store, reading, replay):
            patch.setattr(module, "DECODER_VERSION", version)
        yield


@dataclass
class KeptLetters:
    """`replay.Letters` in memory, for one deployment."""

    letters: dict[Place, StoredLetter] = field(default_factory=dict)
    settled: list[Settled] = field(default_factory=list)
    now: int = 7

    def epoch(self) -> int:
        return self.now

    def settle(self, settled: Settled) -> None:
        self.settled.append(settled)
        for place in settled.places:
            self.letters[place] = replace(self.letters[place], is_mended=True)

    def still_unreadable(self, deployment: str, reasons: Mapping[Place, str]) -> None:
        for place, reason in reasons.items():
            self.letters[place] = replace(self.letters[place], reason=reason)

    @property
    def open(self) -> list[StoredLetter]:
        return [letter for letter in self.letters.values() if not letter.is_mended]


def read_all(chain: ChainOfLogs, epoch: int = 3, step: int = 10) -> tuple[Decoded, DeploymentState]:
    """What the flow makes of the whole chain with the decoder of now."""
    protocol = PROTOCOLS[Protocol.AAVE_V3]
    state: DeploymentState = protocol.restore(DEPLOYMENT, {})
    parts: list[Decoded] = []
    for first in range(DEPLOYMENT.from_block, chain.head + 1, step):
        blocks = BlockRange(first, min(first + step - 1, chain.head))
        scanned = scan(chain, {DEPLOYMENT.id: state}, blocks, None)
        state, part = protocol.decode_logs(scanned.states[DEPLOYMENT.id], scanned.window.logs, epoch, scanned.ends)
        parts.append(part)
    return (
        Decoded(
            tuple(event for part in parts for event in part.events),
            tuple(point for part in parts for point in part.points),
            tuple(refusal for part in parts for refusal in part.refused),
        ),
        state,
    )


def letters_of(read: Decoded, version: int = OLDER) -> KeptLetters:
    """The dead letters of what was read."""
    return KeptLetters({place_of(one.log): _letter(one, version) for one in read.refused})


def _letter(refusal: RefusedLog, version: int) -> StoredLetter:
    number, place = refusal.log.position.block.number, place_of(refusal.log)
    return StoredLetter(DEPLOYMENT.id, number, place, refusal.reason, version, bool(refusal.wallets), False)
