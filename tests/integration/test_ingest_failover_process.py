"""The ingest process with several providers in its settings, on a real broker, PostgreSQL and anvil."""

import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from bonafides_lab.processes import free_port
from bonafides_lab.stack.resolver import local_stack

from tests.support.http_node import fixed, http_node
from tests.support.ingest_market import LiveMarket, played_market
from tests.support.ingest_process import (
    IngestSetup,
    end_offsets,
    prepare_database,
    prepare_topics,
    read_log,
    write_registry,
)

pytestmark = pytest.mark.integration

SCORED = '"is_scoring": true'


@pytest.fixture(scope="module")
def bootstrap(stack_folder: Path) -> Iterator[str]:
    """A broker of this module's own: its topics have the product's names."""
    with local_stack(stack_folder / "failover", postgres=False, chain=False) as stack:
        prepare_topics(stack.kafka_bootstrap)
        yield stack.kafka_bootstrap


@pytest.fixture(scope="module")
def live(stack_folder: Path) -> Iterator[LiveMarket]:
    """A month of a market."""
    with played_market(stack_folder / "failover", days=30) as market:
        yield market


def test_ingest__first_provider_is_gone_and_the_second_broken__reads_everything_from_the_third(
    bootstrap: str, live: LiveMarket, fresh_database: str, tmp_path: Path
) -> None:
    prepare_database(fresh_database)
    setup = IngestSetup(tmp_path, bootstrap, fresh_database, live.url, write_registry(tmp_path, live.market.deployment))
    starts, health = end_offsets(bootstrap), free_port()

    with http_node(fixed(b"<html>bad gateway</html>", 502)) as broken:
        urls = f"gone=http://127.0.0.1:{free_port()} broken={broken.url} works={live.url}"
        process = setup.start(f"ingest-{time.monotonic_ns()}", rpc_url=urls, health_port=str(health))
        process.wait_until(lambda: SCORED in process.log_path.read_text(), "a scoring boundary", 90)
        with urllib.request.urlopen(f"http://127.0.0.1:{health}/metrics", timeout=10) as response:
            shown = response.read().decode()
        assert process.terminate() == 0

    text = process.log_path.read_text()
    assert read_log(bootstrap, starts).boundaries()[-1].block.number == live.finalized()
    assert '"provider": "gone"' in text
    assert '"provider": "broken"' in text
    assert 'bonafides_ingest_provider_state{provider="works",state="ok"} 1.0' in shown
    assert not any(url in text or url in shown for url in (live.url, broken.url))
