"""Random fork trees: whatever the chain, the node and the power do, the end is a replay of the chain.

`make forks EXAMPLES=n` runs more examples than `make test`, other ones each time.
"""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings

from tests.support.forking_checks import check_converged
from tests.support.forking_scripts import Script, scripts
from tests.support.forking_system import ForkDatabase, ForkSystem, fork_database

pytestmark = pytest.mark.integration

EXAMPLES = os.environ.get("FORKS_EXAMPLES")
"""How many, when more are asked for than a few that are the same each time."""


@pytest.fixture(scope="module")
def stored(local_postgres: str) -> Iterator[ForkDatabase]:
    with fork_database(local_postgres) as made:
        yield made


@settings(
    max_examples=int(EXAMPLES or 40),
    derandomize=EXAMPLES is None,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(script=scripts)
def test_forks__any_script__converges_to_a_replay_of_the_chain(stored: ForkDatabase, script: Script) -> None:
    system = ForkSystem(stored)
    try:
        script.run(system)

        system.settle()

        check_converged(system)
    finally:
        system.close()
