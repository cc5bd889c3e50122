"""Which faults, in which order, to whom: all of it from one seed. Pure."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What goes wrong."""

    INGEST_KILL = "ingest: kill -9"
    WORKER_KILL = "worker: kill -9"
    BROKER_KILL = "broker: kill -9"
    DATABASE_KILL = "PostgreSQL: kill -9"
    DATABASE_RESTART = "PostgreSQL: immediate restart"
    REBALANCE = "workers 1 → 3 → 1"
    REORG = "reorg"
    INGEST_CRASH = "ingest: dies at a point"
    WORKER_CRASH = "worker: dies at a point"
    INGEST_FREEZE = "ingest: stopped past its lease"
    WORKER_FREEZE = "worker: stopped past its session"
    INGEST_REPLICAS = "ingest: one replica more, or less"
    NODE_RESETS = "node: connections reset"
    NODE_CUTS = "node: answers cut"
    NODE_HANGS = "node: half-open connections"
    NODE_SLOW = "node: slow"


MAIN_KINDS = (
    Kind.INGEST_KILL,
    Kind.WORKER_KILL,
    Kind.BROKER_KILL,
    Kind.DATABASE_KILL,
    Kind.DATABASE_RESTART,
    Kind.REBALANCE,
    Kind.REORG,
)
"""These come first, each once: a short run has them all."""
DECK = (*Kind, Kind.INGEST_KILL, Kind.WORKER_KILL, Kind.REORG, Kind.REORG, Kind.INGEST_CRASH, Kind.WORKER_CRASH)
"""Behind them decks like this one are shuffled and dealt."""
DEEPEST_REORG = 6
MOST_BLOCKS_BETWEEN = 3


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong."""

    number: int
    """From 1."""
    kind: Kind
    after_blocks: int
    """How far ingest's cursor moves before it, 0 for at once: on top of what the last fault left behind."""
    replica: int
    """Which of those that run, modulo their number."""
    depth: int
    """Of a reorg."""
    hold_s: float
    """How long something stays frozen, hung or away."""
    point: str = ""
    """Where it dies."""

    @property
    def detail(self) -> str:
        """What else to say of it in a line."""
        if self.kind is Kind.REORG:
            return f"{self.depth} deep"
        return self.point


def draw_faults(seed: int, runs: int, ingest_points: Sequence[str], worker_points: Sequence[str]) -> list[Fault]:
    """The schedule of a seed. The first faults of a longer run are those of a shorter one."""
    cards, dice = random.Random(f"kinds/{seed}"), random.Random(f"faults/{seed}")
    kinds = cards.sample(MAIN_KINDS, len(MAIN_KINDS))
    while len(kinds) < runs:
        kinds += cards.sample(DECK, len(DECK))
    points = {Kind.INGEST_CRASH: sorted(ingest_points), Kind.WORKER_CRASH: sorted(worker_points)}
    return [
        Fault(
            number=number,
            kind=kind,
            after_blocks=dice.randint(0, MOST_BLOCKS_BETWEEN),
            replica=dice.randrange(6),
            depth=dice.randint(1, DEEPEST_REORG),
            hold_s=round(dice.uniform(2.5, 4.5), 1),
            point=dice.choice(points[kind]) if kind in points else "",
        )
        for number, kind in enumerate(kinds[:runs], 1)
    ]
