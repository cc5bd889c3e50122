"""Who answered for price feeds, kept beside log files: the one thing about prices that no log says."""

import json
from collections.abc import Sequence
from pathlib import Path

from bonafides.errors import InvalidInput
from bonafides.types import Address, address_text, parse_address

from bonafides_ingest.feeds import KnownPhase, PhaseMemory

FILE_NAME = "feeds.json"


class FeedFile:
    """`feeds.PhaseMemory` in a folder of log files."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._phases = _read(self._path)

    def phases(self, feed: Address) -> tuple[KnownPhase, ...]:
        return self._phases.get(feed, ())

    def remember(self, feed: Address, phases: Sequence[KnownPhase]) -> None:
        self._phases[feed] = tuple(phases)
        rows = {
            address_text(known): [
                [phase.from_block, phase.known_to, phase.number, address_text(phase.aggregator)] for phase in told
            ]
            for known, told in sorted(self._phases.items())
        }
        partial = self._path.with_name(f"{FILE_NAME}.partial")
        partial.write_text(json.dumps(rows, indent=1) + "\n")
        partial.replace(self._path)

    def hand_to(self, memory: PhaseMemory) -> None:
        """Let another memory know what it does not know yet, or not as far."""
        for feed, phases in self._phases.items():
            known = memory.phases(feed)
            if phases and (not known or known[-1].known_to < phases[-1].known_to):
                memory.remember(feed, phases)


def _read(path: Path) -> dict[Address, tuple[KnownPhase, ...]]:
    try:
        found = json.loads(path.read_text())
        return {
            parse_address(feed): tuple(
                KnownPhase(int(first), int(known_to), int(number), parse_address(aggregator))
                for first, known_to, number, aggregator in phases
            )
            for feed, phases in found.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError, InvalidInput) as exc:
        raise InvalidInput(f"{path.name} is not what an export writes beside log files: export again") from exc
