"""Links and accounts in the real ingest process, on a real broker, PostgreSQL and anvil."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bonafides import database
from bonafides.accounts import AccountFact
from bonafides.messages import AccountBatch, decode
from bonafides.topics import WALLET_EVENTS
from bonafides.types import AccountKind, Address, address_text
from bonafides_ingest.accounts import link_events as abi
from bonafides_ingest.accounts.link_sources import LinkSource
from bonafides_lab.stack.resolver import local_stack
from sqlalchemy import text

from tests.support.ingest_accounts import PROXIES, PROXY_FACTORY, SAFE_FACTORY, SAFES, SINGLETON
from tests.support.ingest_logs import address, encode_event
from tests.support.ingest_market import LiveMarket, played_market
from tests.support.ingest_process import (
    IngestSetup,
    ReadLog,
    end_offsets,
    prepare_database,
    prepare_topics,
    read_log,
    write_registry,
)

pytestmark = pytest.mark.integration

ALICE, BOB = sorted((address("alice"), address("bob")))
PROXY, SAFE = address("proxy"), address("safe")


@pytest.fixture(scope="module")
def bootstrap(stack_folder: Path) -> Iterator[str]:
    with local_stack(stack_folder / "ingest-links", postgres=False, chain=False) as stack:
        prepare_topics(stack.kafka_bootstrap)
        yield stack.kafka_bootstrap


@pytest.fixture
def live(stack_folder: Path) -> Iterator[LiveMarket]:
    """A short market; then Alice's proxy becomes Bob's, and a listed factory makes a proxy of other code."""
    with played_market(stack_folder / "ingest-links", days=10) as market:
        market.emit_as(PROXY_FACTORY, *encode_event(abi.DS_PROXY_CREATED, (ALICE, ALICE, PROXY, address("cache"))))
        market.emit_as(PROXY, *encode_event(abi.LOG_SET_OWNER, (BOB,)))
        market.emit_as(address("stranger"), *encode_event(abi.LOG_SET_OWNER, (ALICE,)))
        market.emit_as(SAFE_FACTORY, *encode_event(abi.PROXY_CREATION, (SAFE, address("other code"))))
        market.emit_as(SAFE_FACTORY, *encode_event(abi.PROXY_CREATION_1_3, (SAFE, SINGLETON)))
        market.finalize()
        yield market


def _entry(source: LinkSource) -> str:
    singletons = ", ".join(f'"{address_text(singleton)}"' for singleton in source.singletons)
    return (
        f"- id: {source.id}\n  chain_id: {source.chain_id}\n  kind: {source.kind.value}\n  from_block: 0\n"
        f'  address: "{address_text(source.address)}"\n  singletons: [{singletons}]\n'
        f'  source: "{source.source}"\n  development: true\n'
    )


def _facts(log: ReadLog) -> list[AccountFact]:
    messages = [decode(record.value) for record in log.records if record.at.topic == WALLET_EVENTS.name]
    return [fact for message in messages if isinstance(message, AccountBatch) for fact in message.facts]


def test_ingest__links_in_the_registry__owners_and_kinds_are_in_the_log(
    bootstrap: str, fresh_database: str, live: LiveMarket, tmp_path: Path
) -> None:
    prepare_database(fresh_database)
    registry = write_registry(tmp_path, live.market.deployment)
    registry.write_text(registry.read_text().rstrip() + "\nlinks:\n" + _entry(PROXIES) + _entry(SAFES))
    starts = end_offsets(bootstrap)

    process = IngestSetup(tmp_path, bootstrap, fresh_database, live.url, registry).start(window_blocks="25")
    process.wait_until(lambda: '"is_scoring": true' in process.log_path.read_text(), "a scoring boundary", 60)
    assert process.terminate() == 0

    log = read_log(bootstrap, starts)
    facts = _facts(log)
    links = [(fact.account, fact.kind, fact.owners) for fact in facts if fact.source]
    assert sorted(links) == sorted(
        [
            (PROXY, AccountKind.DS_PROXY, (ALICE,)),
            (PROXY, AccountKind.DS_PROXY, (BOB,)),
            (SAFE, AccountKind.SAFE, ()),  # made, never set up
        ]
    )
    wallets: set[Address] = {event.wallet for event in log.events()}
    keys = {fact.account for fact in facts if fact.kind is AccountKind.EXTERNALLY_OWNED}
    assert keys == wallets
    last = log.boundaries()[-1]
    assert {fact.block.number for fact in facts if not fact.source} == {last.block.number}
    assert {(row.deployment, row.gaps) for row in last.coverage} >= {(PROXIES.id, ()), (SAFES.id, ())}
    engine = database.connect(fresh_database)
    with database.transaction(engine) as connection:
        assert connection.scalar(text("SELECT count(*) FROM ingest.account WHERE kind IS NULL")) == 0
    engine.dispose()
    written = process.log_path.read_text().lower()
    assert not any(account.hex() in written for account in (PROXY, SAFE, ALICE, BOB, *wallets))
