"""One world for all end-to-end tests: the stack, a played market, and one run of our six processes on it."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from bonafides_lab.demo.results import Row
from sqlalchemy import Engine

from tests.support.world import World, engine_of, make_world, run_until_settled


@dataclass(frozen=True)
class Story:
    """A run that has ended well: every score attested for good, the processes still up."""

    world: World
    rows: list[Row]
    database: Engine


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    with (
        tempfile.TemporaryDirectory(prefix="bonafides-e2e-", ignore_cleanup_errors=True) as folder,
        make_world(Path(folder)) as made,
    ):
        yield made


@pytest.fixture(scope="session")
def story(world: World) -> Iterator[Story]:
    engine = engine_of(world.stack.postgres_url)
    yield Story(world, run_until_settled(world, world.installation.system), engine)
    engine.dispose()
