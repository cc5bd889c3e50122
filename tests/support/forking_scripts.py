"""Random scripts: what the chain does, what the system does, and what goes wrong, in any order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from hypothesis import strategies as st

from tests.support.forking_dangers import Danger, Strike
from tests.support.forking_market import MARKETS, WALLETS, Act, ActKind
from tests.support.forking_node import Orphans
from tests.support.forking_system import ForkSystem

type Contents = tuple[tuple[Act, ...], ...]
"""Acts of blocks. Their nonces are given when they are mined."""


class Step(Protocol):
    """One line of a script."""

    def do(self, system: ForkSystem) -> None: ...


@dataclass(frozen=True)
class Grow:
    """Blocks on the head."""

    contents: Contents

    def do(self, system: ForkSystem) -> None:
        system.chain.extend(*_numbered(system, self.contents))


@dataclass(frozen=True)
class Fork:
    """Another branch in place of the newest blocks that are not final."""

    depth: int
    """Counted down from the head, modulo what there is to replace."""
    contents: Contents
    keeps: int = 0
    """How many of the acts that were on the old branch are in the new one's first block."""

    def do(self, system: ForkSystem) -> None:
        chain = system.chain
        if room := chain.head.number - chain.finalized:
            keep = chain.head.number - 1 - self.depth % room
            old = [act for block in chain.head.down() if block.number > keep for act in block.acts][::-1]
            chain.replace(keep)
            first, *others = _numbered(system, self.contents) or [()]
            if self.contents or self.keeps:
                chain.extend((*old[: self.keeps], *first), *others)


@dataclass(frozen=True)
class GoBack:
    """A branch that was left is the chain again."""

    which: int

    def do(self, system: ForkSystem) -> None:
        chain = system.chain
        tips = [tip for tip in chain.tips if tip is not chain.head and chain.holds_final(tip)]
        if tips:
            chain.go_to(tips[self.which % len(tips)])


@dataclass(frozen=True)
class Finalize:
    """So many more blocks are final."""

    blocks: int

    def do(self, system: ForkSystem) -> None:
        system.chain.finalize(system.chain.finalized + self.blocks)


@dataclass(frozen=True)
class Turn:
    """Ingest takes a turn, with a danger in it, and the chain may do something between two of its requests."""

    replica: int = 0
    turns: int = 1
    strike: Strike | None = None
    effect: int = 1
    is_at_commit: bool = False
    calls: int = 1
    meanwhile: Step | None = None

    def do(self, system: ForkSystem) -> None:
        for _ in range(self.turns - 1):
            system.turn(self.replica)
        if (step := self.meanwhile) is not None:
            system.node.after_calls(self.calls, lambda: step.do(system))
        # Asleep inside of a commit nothing happens that is not to be seen at the next flush.
        is_at_commit = self.is_at_commit and self.strike is not Strike.SLEEPS
        system.turn(self.replica, Danger(self.effect, self.strike, is_at_commit) if self.strike else None)


@dataclass(frozen=True)
class Work:
    """The worker takes some turns."""

    turns: int = 3
    strike: Strike | None = None
    effect: int = 1

    def do(self, system: ForkSystem) -> None:
        system.work(Danger(self.effect, self.strike, is_at_commit=True) if self.strike else None)
        for _ in range(self.turns - 1):
            system.work()


@dataclass(frozen=True)
class Command:
    """Something that is done to the system as a whole."""

    name: str

    def do(self, system: ForkSystem) -> None:
        _COMMANDS[self.name](system)


_COMMANDS: dict[str, Callable[[ForkSystem], None]] = {
    "kill 0": lambda system: system.kill(0),
    "kill 1": lambda system: system.kill(1),
    "stop 0": lambda system: system.stop(0),
    "end leases": lambda system: system.end_leases(),
    "restart worker": lambda system: system.restart_worker(),
    "register market": lambda system: system.register_market(),
    "wait": lambda system: system.clock.sleep(100),
}


@dataclass(frozen=True)
class Script:
    """A whole example."""

    orphans: Orphans
    steps: tuple[Step, ...]

    def run(self, system: ForkSystem) -> None:
        system.node.orphans = self.orphans
        for step in self.steps:
            step.do(system)


def _numbered(system: ForkSystem, contents: Contents) -> list[tuple[Act, ...]]:
    """The acts with nonces that none had before."""
    return [tuple(replace(act, nonce=next(system.nonces)) for act in acts) for acts in contents]


_LIKELY: Sequence[ActKind] = (ActKind.SUPPLY, ActKind.BORROW, ActKind.PRICE)
_acts = st.builds(
    Act,
    kind=st.sampled_from([*_LIKELY, *ActKind]),
    nonce=st.just(0),
    wallet=st.integers(0, len(WALLETS) - 1),
    amount=st.integers(1, 900),
    market=st.integers(0, len(MARKETS) - 1),
)
_contents = st.lists(st.lists(_acts, max_size=3).map(tuple), max_size=4).map(tuple)
_grow = st.builds(Grow, contents=_contents.filter(bool))
_fork = st.builds(Fork, depth=st.integers(0, 7), contents=_contents, keeps=st.integers(0, 3))
_chain_steps: st.SearchStrategy[Step] = st.one_of(
    _grow, _fork, st.builds(GoBack, which=st.integers(0, 3)), st.builds(Finalize, blocks=st.integers(1, 4))
)
_turn = st.builds(Turn, replica=st.sampled_from([0, 0, 0, 1]), turns=st.integers(1, 4))
_dangerous_turn = st.builds(
    Turn,
    replica=st.sampled_from([0, 0, 0, 1]),
    turns=st.integers(1, 2),
    strike=st.none() | st.sampled_from(list(Strike)),
    effect=st.integers(1, 5),
    is_at_commit=st.booleans(),
    calls=st.integers(1, 10),
    meanwhile=st.none() | _chain_steps,
)
_work = st.builds(
    Work, turns=st.integers(1, 4), strike=st.none() | st.sampled_from(list(Strike)), effect=st.integers(1, 3)
)
_steps: st.SearchStrategy[Step] = st.one_of(
    _chain_steps, _fork, _turn, _turn, _dangerous_turn, _work, st.builds(Command, name=st.sampled_from(list(_COMMANDS)))
)
scripts = st.builds(
    Script, orphans=st.sampled_from(list(Orphans)), steps=st.lists(_steps, min_size=4, max_size=24).map(tuple)
)
"""Any of them."""
