"""What must be known of deployments to decode any one of their transactions: found once, and remembered.

Final blocks never change, so the next wallet only asks for what came since.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bonafides.events import BlockRange

from bonafides_ingest.catalogue import protocol_of
from bonafides_ingest.chain import Log
from bonafides_ingest.deployments import Deployment
from bonafides_ingest.hydration.past import PastSource
from bonafides_ingest.protocols.search import Criteria, merged
from bonafides_ingest.protocols.state import DeploymentState


@dataclass
class Configuration:
    """The configuration of the deployments that can be read wallet by wallet. A few thousand logs at most."""

    states: Mapping[str, DeploymentState]
    """By deployment, as it is before its first log."""
    logs: dict[str, tuple[Log, ...]] = field(default_factory=dict)
    """By deployment, in canonical order."""
    known_to: int = -1

    @classmethod
    def of(cls, deployments: Sequence[Deployment]) -> "Configuration":
        """Of those that can be read so; nothing is known yet."""
        states = {entry.id: protocol_of(entry).restore(entry, {}) for entry in deployments}
        can = {name: state for name, state in states.items() if protocol_of(state).configuration(state, ()) is not None}
        return cls(can, dict.fromkeys(can, ()))

    def read_to(self, source: PastSource, last: int) -> Iterator[int]:
        """Read on to block `last`; gives the last block known after each question."""
        first = min((state.deployment.from_block for state in self.states.values()), default=0)
        while self.known_to < last:
            blocks, asked = BlockRange(max(first, self.known_to + 1), last), self._criteria({})
            if not merged(_flat(asked)) or blocks.first > last:
                self.known_to = last
                return
            while True:
                window = source.find(blocks, merged(_flat(asked)))
                found = {
                    name: tuple(log for log in window.logs if _fits(self.states[name], criteria, log))
                    for name, criteria in asked.items()
                }
                grown = self._criteria(found)
                if grown == asked:
                    break
                blocks, asked = window.range, grown  # they name contracts that were not asked about
            self.logs = {name: self.logs[name] + new for name, new in found.items()}
            self.known_to = window.range.last
            yield self.known_to

    def _criteria(self, found: Mapping[str, Sequence[Log]]) -> "dict[str, tuple[Criteria, ...]]":
        return {
            name: protocol_of(state).configuration(state, (*self.logs[name], *found.get(name, ()))) or ()
            for name, state in self.states.items()
        }


def _flat(asked: Mapping[str, Sequence[Criteria]]) -> Iterator[Criteria]:
    return (one for criteria in asked.values() for one in criteria)


def _fits(state: DeploymentState, criteria: Sequence[Criteria], log: Log) -> bool:
    return state.deployment.covers(log.position.block.number) and any(one.fit(log) for one in criteria)
