"""The registry that ships: it loads, and every line in it says where it is from."""

import re
from collections.abc import Iterator
from importlib.resources import files

import pytest
import yaml
from bonafides.hashing import checksum_address
from bonafides.types import ChainId, Protocol, parse_address
from bonafides_ingest.accounts.link_sources import LinkKind
from bonafides_ingest.deployments import Registry
from bonafides_ingest.protocols.aave_v3.rounding import Rounding
from bonafides_ingest.protocols.aave_v3.state import AaveV3Deployment
from bonafides_ingest.protocols.compound_v3.state import CompoundV3Deployment
from bonafides_ingest.registry import load_registry
from bonafides_ingest.registry_entries import SOURCE

pytestmark = pytest.mark.unit

CHAINS = {1: "ethereum", 8453: "base", 42161: "arbitrum", 10: "optimism", 137: "polygon"}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry(None)


@pytest.fixture(scope="module")
def text() -> str:
    return (files("bonafides_ingest") / "deployments.yaml").read_text("utf-8")


def _addresses(value: object) -> Iterator[str]:
    match value:
        case dict():
            for key, held in value.items():
                yield from (*_addresses(key), *_addresses(held))
        case list():
            for held in value:
                yield from _addresses(held)
        case str() if value.startswith("0x"):
            yield value
        case _:
            return


def test_packaged_registry__each_chain__has_lending_deployments(registry: Registry) -> None:
    for chain_id, name in CHAINS.items():
        on_it = registry.of_chain(ChainId(chain_id))

        assert {Protocol.AAVE_V3, Protocol.COMPOUND_V3, Protocol.MORPHO_BLUE} <= {entry.protocol for entry in on_it}
        assert all(name in entry.id.split("-") for entry in on_it)
        assert all(name in link.id.split("-") for link in registry.links_of_chain(ChainId(chain_id)))
        assert LinkKind.SAFE_FACTORY in {link.kind for link in registry.links_of_chain(ChainId(chain_id))}


def test_packaged_registry__together__names_every_protocol_and_kind_of_link(registry: Registry) -> None:
    assert {entry.protocol for entry in registry.deployments} == set(Protocol)
    assert {link.kind for link in registry.links} == set(LinkKind)
    assert not any(entry.development for entry in (*registry.deployments, *registry.links))


def test_packaged_registry__no_contract_stands_in_two_deployments_of_a_chain(registry: Registry) -> None:
    held = [(entry.chain_id, contract) for entry in registry.deployments for contract in entry.contracts()]

    assert len(held) == len(set(held))


def test_packaged_registry__every_address__is_written_with_its_checksum(text: str) -> None:
    written = list(_addresses(yaml.safe_load(text)))

    assert len(written) > 500
    assert [address for address in written if checksum_address(parse_address(address)) != address] == []


def test_packaged_registry__every_source__names_a_version_or_a_commit(text: str) -> None:
    file = yaml.safe_load(text)
    entries = [*file["deployments"], *file["links"], *file["feeds"]]
    versions = [version for entry in entries for version in entry.get("pool_versions", [])]
    sources = [held["source"] for held in (*entries, *versions)]
    # Where a comment behind an address names one: package@version or repository@commit, nothing vaguer.
    remarks = [
        word.rstrip(",") for line in text.splitlines() for word in line.partition("  # ")[2].split() if "@" in word
    ]

    assert len(remarks) > 100
    for source in (*sources, *remarks):
        assert re.match(SOURCE, source), source
        assert re.search(r"@(\d+\.\d+\.\d+|[0-9a-f]{40})$", source), source


def test_packaged_registry__aave_v3__goes_from_rounding_to_rounding_once(registry: Registry) -> None:
    order = list(Rounding)
    for entry in registry.deployments:
        if isinstance(entry, AaveV3Deployment):
            passed = [order.index(version.rounding) for version in entry.pool_versions]
            assert passed == sorted(passed), entry.id


def test_packaged_registry__comets__log_what_is_left_but_the_first_one_of_which_no_source_says_since_when(
    registry: Registry,
) -> None:
    comets = [entry for entry in registry.deployments if isinstance(entry, CompoundV3Deployment)]

    assert len(comets) > 15
    assert {entry.id for entry in comets if not entry.logs_rest(entry.from_block)} == {"compound-v3-ethereum-usdc"}


def test_packaged_registry__feeds__have_a_bound(registry: Registry) -> None:
    assert {feed.chain_id for feed in registry.feeds} <= set(CHAINS)
    assert all(feed.max_age_s > 1200 for feed in registry.feeds)
