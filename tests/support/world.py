"""A whole world for the end-to-end tests: stack, market, installation, on a chain that stands still until told.

While the chain stands still ingest makes exactly one scoring boundary, so that two runs on it score at the same block
and can be compared to the byte.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bonafides.database import connect, transaction
from bonafides_lab.demo.results import Row, read_rows, wait_until_settled
from bonafides_lab.demo.story import check_alive
from bonafides_lab.market.artifacts import Artifacts
from bonafides_lab.market.deployment import deployments_yaml
from bonafides_lab.market.play import PlayedMarket, genesis_timestamp, play
from bonafides_lab.stack.anvil import AnvilOptions
from bonafides_lab.stack.node_tools import aave_artifacts_folder
from bonafides_lab.stack.postgres import create_database
from bonafides_lab.stack.resolver import LocalStack, local_stack
from bonafides_lab.system.installation import Installation, install, make_system, shipped_model_id
from bonafides_lab.system.preparation import prepare_database, prepare_topics
from bonafides_lab.system.processes import Service, System
from sqlalchemy import Engine, text

PATIENCE_S = 240.0
BLOCKS_TO_FINALITY = 3


@dataclass
class World:
    """The stack with a played market and everything installed, nothing of ours running."""

    folder: Path
    stack: LocalStack
    market: PlayedMarket
    installation: Installation
    deployments_file: Path
    snapshot: str = ""
    _numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 100)))

    def freeze(self) -> None:
        """Finalize what there is, stop mining by the clock, and remember this state of the chain."""
        self.stack.rpc.mine(BLOCKS_TO_FINALITY)
        self.snapshot = self.stack.rpc.snapshot()

    def rewind(self) -> None:
        """Put the chain back to where it was frozen."""
        self.stack.rpc.set_interval_mining(0)
        self.stack.rpc.set_automine(True)
        self.stack.rpc.revert(self.snapshot)
        self.snapshot = self.stack.rpc.snapshot()

    def go_on(self) -> None:
        """A block a second from now on."""
        self.stack.rpc.set_interval_mining(1)

    @contextmanager
    def another_broker(self) -> Iterator[str]:
        """Bootstrap of a broker that holds our topics, empty."""
        with local_stack(self.folder / f"broker-{next(self._numbers)}", postgres=False, chain=False) as stack:
            prepare_topics(stack.kafka_bootstrap)
            yield stack.kafka_bootstrap

    def system_on(self, bootstrap: str, database: str) -> tuple[System, str]:
        """Our processes on another broker and a new database, with the same keys and registry; and its URL."""
        url = create_database(self.stack.postgres_url, database)
        folder = self.folder / database
        access = prepare_database(url, self.folder / "secrets")
        made = make_system(
            self.stack,
            folder,
            access,
            self.installation.keys,
            self.installation.registry,
            shipped_model_id(),
            self.deployments_file,
        )
        made.kafka_bootstrap = bootstrap
        return made, url


@contextmanager
def make_world(folder: Path) -> Iterator[World]:
    """Start the stack, play the market, install, freeze. Everything of it is stopped at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)
    end_timestamp = int(time.time()) - 60
    with ExitStack() as at_the_end:
        options = AnvilOptions(start_timestamp=genesis_timestamp(end_timestamp))
        stack = at_the_end.enter_context(local_stack(folder, anvil=options))
        market = play(stack.rpc_url, Artifacts(aave_artifacts_folder() / "contracts"), end_timestamp=end_timestamp)
        deployments_file = folder / "deployments.yaml"
        deployments_file.write_text(deployments_yaml(market.deployment))
        installation = install(stack, folder, deployments_file)
        at_the_end.callback(installation.system.stop)
        world = World(folder, stack, market, installation, deployments_file)
        world.freeze()
        yield world


def run_until_settled(world: World, system: System, services: Sequence[Service] = tuple(Service)) -> list[Row]:
    """Start the processes, wait for the scores on the frozen chain, let it go on, wait for the attestations."""
    for service in services:
        system.start(service)
    for running in list(system.running.values()):
        running.wait_ready()
    until(lambda: has_everybody(world, system), "everybody scored on the frozen chain", lambda: check_alive(system))
    world.go_on()
    return wait_until_settled(
        system.api_url(Service.SCORING_API),
        world.market.wallets,
        patience_s=PATIENCE_S,
        check=lambda: check_alive(system),
    )


def has_everybody(world: World, system: System) -> bool:
    """Whether every wallet that the events name has an answer."""
    rows = read_rows(system.api_url(Service.SCORING_API), world.market.wallets)
    return sum(row.answer is not None for row in rows) >= expected_answers(world)


def expected_answers(world: World) -> int:
    """Wallets of the market that touched the protocol: all but the treasury, which is no credit wallet."""
    return sum(wallet.kind != "treasury" for wallet in world.market.wallets)


def until(claim: Callable[[], bool], what: str, check: Callable[[], None] = lambda: None) -> None:
    """Wait for a claim. Fails after `PATIENCE_S`."""
    deadline = time.monotonic() + PATIENCE_S
    while not claim():
        check()
        assert time.monotonic() < deadline, f"not in {PATIENCE_S:.0f} s: {what}"
        time.sleep(0.3)


def rows_of(engine: Engine, query: str, **parameters: object) -> list[Mapping[str, object]]:
    """Rows of a query."""
    with transaction(engine) as connection:
        return [dict(row) for row in connection.execute(text(query), parameters).mappings()]


def engine_of(url: str) -> Engine:
    """An engine for the superuser."""
    return connect(url)
