"""Maker's ledger under any calls: it is what the owners' urns hold, wherever the process started again."""

from collections import defaultdict
from dataclasses import dataclass, field

import pytest
from bonafides.events import LendingEvent
from bonafides.types import Address, Digest, EventType
from bonafides_ingest.accounts.urns import urn_of
from bonafides_ingest.chain import Log
from bonafides_ingest.protocols.maker import events as abi
from bonafides_ingest.protocols.maker.protocol import Maker
from bonafides_ingest.protocols.maker.state import MakerState
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.maker_run import (
    ALICE,
    BOB,
    CAROL,
    DEPLOYMENT,
    ETH_A,
    MANAGER,
    RAY,
    WBTC_A,
    Run,
)

pytestmark = pytest.mark.unit

CDPS = 3
OWNERS = (ALICE, BOB, CAROL)
ILKS = (ETH_A, WBTC_A)
URNS = (*OWNERS, *(urn_of(MANAGER, cdp) for cdp in range(1, CDPS + 1)))
WADS = st.integers(-(10**24), 10**24)
CALLS = st.lists(
    st.one_of(
        st.tuples(st.just("frob"), st.sampled_from(ILKS), *(st.sampled_from(URNS) for _ in range(3)), WADS, WADS),
        st.tuples(st.just("grab"), st.sampled_from(ILKS), *(st.sampled_from(URNS) for _ in range(3)), WADS, WADS),
        st.tuples(st.just("fork"), st.sampled_from(ILKS), *(st.sampled_from(URNS) for _ in range(2)), WADS, WADS),
        st.tuples(st.just("fold"), st.sampled_from(ILKS), st.just(ALICE), st.integers(0, RAY)),
        st.tuples(st.just("give"), st.integers(1, CDPS), st.sampled_from(OWNERS)),
    ),
    max_size=25,
)
CODECS = {"frob": abi.FROB, "grab": abi.GRAB, "fork": abi.FORK, "fold": abi.FOLD, "give": abi.GIVE}


@dataclass
class Model:
    """What the contracts would hold, in the plainest words."""

    urns: dict[tuple[Digest, Address], list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    owners: dict[Address, Address] = field(default_factory=dict)

    def call(self, name: str, *values: object) -> None:
        match name, values:
            case "frob" | "grab", (bytes() as ilk, bytes() as urn, _, _, int() as dink, int() as dart):
                self._add(Digest(ilk), Address(urn), dink, dart)
            case "fork", (bytes() as ilk, bytes() as source, bytes() as target, int() as dink, int() as dart):
                self._add(Digest(ilk), Address(source), -dink, -dart)
                self._add(Digest(ilk), Address(target), dink, dart)
            case "give", (int() as cdp, bytes() as owner):
                self.owners[urn_of(MANAGER, cdp)] = Address(owner)

    def _add(self, ilk: Digest, urn: Address, dink: int, dart: int) -> None:
        held = self.urns[ilk, urn]
        held[0] += dink
        held[1] += dart

    def held_by(self, owner: Address, ilk: Digest) -> tuple[int, int]:
        mine = [held for (of, urn), held in self.urns.items() if of == ilk and self.owners.get(urn, urn) == owner]
        return sum(ink for ink, _ in mine), sum(art for _, art in mine)


def started() -> tuple[Run, Model]:
    run, model = Run(), Model()
    for ilk in ILKS:
        run.note_log(abi.INIT, ilk)
    for cdp in range(1, CDPS + 1):
        run.log(MANAGER, abi.NEW_CDP, CAROL, OWNERS[cdp - 1], cdp)
        model.owners[urn_of(MANAGER, cdp)] = OWNERS[cdp - 1]
    return run, model


def logs_of(calls: list[tuple[object, ...]]) -> tuple[list[Log], Model]:
    run, model = started()
    for name, *values in calls:
        emitter = {"emitter": MANAGER} if name == "give" else {}
        run.note_log(CODECS[str(name)], *values, **emitter)
        model.call(str(name), *values)
    return run.chain.logs, model


def decode(state: MakerState, logs: list[Log]) -> tuple[MakerState, tuple[LendingEvent, ...]]:
    state, decoded = Maker().decode_logs(state, logs, 0)
    assert decoded.refused == ()
    return state, decoded.events


@settings(max_examples=150, deadline=None)
@given(calls=CALLS)
def test_ledger__any_calls__sums_are_what_the_owners_urns_hold(calls: list[tuple[object, ...]]) -> None:
    logs, model = logs_of(calls)

    state, events = decode(Maker().restore(DEPLOYMENT, {}), logs)

    for ilk in ILKS:
        for owner in OWNERS:
            mine = [event for event in events if (event.wallet, event.market) == (owner, ilk)]
            assert model.held_by(owner, ilk) == (
                sum(event.scaled_delta for event in mine if event.type is EventType.SUPPLY_BALANCE),
                sum(event.scaled_delta for event in mine if event.type is EventType.DEBT_BALANCE),
            )
    assert len({event.id for event in events}) == len(events)
    for (ilk, urn), held in model.urns.items():
        by_ilk = state.positions.get(urn)
        position = by_ilk.get(ilk) if by_ilk else None
        assert [position.ink, position.art] == held if position else held == [0, 0]


@settings(max_examples=80, deadline=None)
@given(calls=CALLS, place=st.integers(0, 40))
def test_ledger__process_starts_again_anywhere__tells_the_same_events(
    calls: list[tuple[object, ...]], place: int
) -> None:
    logs, _ = logs_of(calls)
    whole, events = decode(Maker().restore(DEPLOYMENT, {}), logs)

    before, first = decode(Maker().restore(DEPLOYMENT, {}), logs[:place])
    after, second = decode(Maker().restore(DEPLOYMENT, before.facts()), logs[place:])

    assert first + second == events
    assert after == whole
    assert {**before.facts(), **after.facts_since(before)} == whole.facts()
