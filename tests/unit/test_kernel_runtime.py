"""What a process answers its probes while it waits, turns and ends."""

import pytest
from bonafides.errors import InvariantViolation, Unavailable
from bonafides.process import StopAsked
from bonafides.runtime import Runtime
from bonafides.settings import ServiceSettings
from sqlalchemy import create_engine

from tests.support.kernel_stop import NoWait

pytestmark = pytest.mark.unit

DOWN = Unavailable("the broker does not answer")


class World:
    """A runtime whose clock moves only by its waits. Its database is in memory and answers."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.health: list[int] = []
        self.stop = NoWait(self._passed)
        self.runtime = Runtime(
            ServiceSettings(), "sample", self.stop, create_engine("sqlite://"), now=lambda: self.now_s
        )

    def _passed(self, seconds: float) -> None:
        self.now_s += seconds
        self.health.append(self.runtime.probes.answer("/healthz")[0])

    def ready(self) -> tuple[int, str]:
        status, _, body = self.runtime.probes.answer("/readyz")
        return status, body.decode().strip()


def test_wait_for__broker_down_for_half_an_hour__healthz_stays_well_and_readyz_says_for_what() -> None:
    world, said = World(), []

    def attempt() -> str:
        said.append(world.ready())
        if world.now_s < 1_800:
            raise DOWN
        return "up"

    assert world.runtime.wait_for("the broker", attempt) == "up"
    assert world.now_s >= 1_800
    assert set(world.health) == {200}
    assert set(said) == {(503, "starting: waiting for the broker")}


def test_wait_for__asked_to_stop__ends_the_start() -> None:
    world = World()
    world.stop.ask()

    with pytest.raises(StopAsked):
        world.runtime.wait_for_database()


def test_run__turns_fail_and_work_again__readyz_follows() -> None:
    world, said = World(), [World().ready()]
    outcomes = iter([DOWN, None, DOWN, None])

    def turn() -> bool:
        said.append(world.ready())
        outcome = next(outcomes, "end")
        if outcome == "end":
            world.stop.ask()
        if isinstance(outcome, Unavailable):
            raise outcome
        return True

    world.runtime.run(turn, idle_s=1.0)

    assert said == [
        (503, "starting"),
        (503, "starting: waiting for the first turn"),
        (503, str(DOWN)),
        (200, "ok"),
        (503, str(DOWN)),
        (200, "ok"),
    ]
    assert world.ready() == (503, "draining")


def test_run__something_else_is_needed__readyz_names_it() -> None:
    world, said = World(), []

    def turn() -> bool:
        if world.runtime.missing() is not None:
            said.append(world.ready())
        if len(said) == 2:
            world.stop.ask()
        return True

    world.runtime.run(turn, idle_s=1.0, needs=(lambda: None, lambda: "no partition"))

    assert said[1] == (503, "no partition")


def test_run__ends_in_order__releases_its_lease_and_closes_the_last_opened_first() -> None:
    world, done = World(), []
    world.runtime.on_exit(lambda: done.append("engine"))
    world.runtime.on_exit(lambda: _unavailable(done))

    def turn() -> bool:
        world.stop.ask()
        return False

    world.runtime.run(turn, idle_s=1.0, release=lambda: done.append("lease"))
    world.runtime.close()

    assert done == ["lease", "producer that does not answer", "engine"]


def test_run__invariant_violated__leaves_its_lease_to_run_out() -> None:
    world, released = World(), []

    def turn() -> bool:
        raise InvariantViolation("two facts")

    with pytest.raises(InvariantViolation):
        world.runtime.run(turn, idle_s=1.0, release=lambda: released.append(1))
    assert released == []


def _unavailable(done: list[str]) -> None:
    done.append("producer that does not answer")
    raise DOWN
