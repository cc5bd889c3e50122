"""What is made quickly is what its class makes."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest
from bonafides.events import LendingEvent, MarketPoint, Position
from bonafides.quick import quick
from bonafides.types import BlockRef
from bonafides_ingest.chain import Log

from tests.support import samples

pytestmark = pytest.mark.unit


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 7

    @property
    def total(self) -> int:
        return self.x + self.y


@pytest.mark.parametrize(
    "fact",
    [
        samples.event(),
        samples.price(),
        samples.event().position,
        samples.event().position.block,
        Log(samples.event().position, samples.WALLET, (), b""),
    ],
    ids=lambda fact: type(fact).__name__,
)
def test_quick__classes_that_come_by_the_million__makes_equal_objects(
    fact: LendingEvent | MarketPoint | Position | BlockRef | Log,
) -> None:
    make: Callable[..., object] = quick(type(fact))
    values = {name: getattr(fact, name) for name in type(fact).__slots__}

    made = make(**values)

    assert type(made) is type(fact)
    assert made == fact
    assert made == make(*values.values())
    assert repr(made) == repr(fact)


def test_quick__instance__is_frozen_hashable_and_whole() -> None:
    made = quick(Point)(1)

    with pytest.raises(FrozenInstanceError):
        made.x = 2  # type: ignore[misc]
    assert (made, hash(made), made.total, replace(made, x=2)) == (Point(1), hash(Point(1)), 8, Point(2))


@pytest.mark.parametrize("arguments", [(), (1, 2, 3)])
def test_quick__wrong_number_of_values__is_a_type_error(arguments: tuple[int, ...]) -> None:
    with pytest.raises(TypeError):
        quick(Point)(*arguments)


@dataclass(frozen=True)
class WithoutSlots:
    x: int


@dataclass(frozen=True, slots=True)
class WithFactory:
    x: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class WithCheck:
    x: int

    def __post_init__(self) -> None:
        raise ValueError("checked")


@dataclass(frozen=True, slots=True)
class WithBase(Point):
    z: int = 0


@pytest.mark.parametrize("kind", [WithoutSlots, WithFactory, WithCheck, WithBase, int])
def test_quick__class_that_does_more__is_refused(kind: type) -> None:
    with pytest.raises(TypeError):
        quick(kind)
