"""Sources of links for tests, and short words for what their logs say."""

from collections.abc import Sequence

from bonafides.accounts import AccountFact
from bonafides.types import Address
from bonafides_ingest.accounts.link_sources import LinkKind, LinkSource
from bonafides_ingest.accounts.links import ReadLinks, read_links
from bonafides_ingest.chain import Log

from tests.support.ingest_logs import CHAIN, address

PROXY_FACTORY, SAFE_FACTORY, CDP_MANAGER = (address(name) for name in ("proxy factory", "safe factory", "manager"))
SINGLETON = address("singleton")


def link_source(
    kind: LinkKind, contract: Address, *, from_block: int = 1, singletons: Sequence[Address] = ()
) -> LinkSource:
    """As the registry has it."""
    return LinkSource.model_validate(
        {
            "id": kind.value.replace("_", "-"),
            "chain_id": CHAIN,
            "kind": kind.value,
            "address": "0x" + contract.hex(),
            "singletons": ["0x" + singleton.hex() for singleton in singletons],
            "from_block": from_block,
            "source": "@safe-global/safe-contracts@1.4.1",
            "development": True,
        }
    )


PROXIES = link_source(LinkKind.DS_PROXY_FACTORY, PROXY_FACTORY)
SAFES = link_source(LinkKind.SAFE_FACTORY, SAFE_FACTORY, singletons=[SINGLETON])
URNS = link_source(LinkKind.MAKER_CDP_MANAGER, CDP_MANAGER)
SOURCES = (PROXIES, SAFES, URNS)


def read(logs: Sequence[Log], known: Sequence[AccountFact] = (), sources: Sequence[LinkSource] = SOURCES) -> ReadLinks:
    """`read_links` of logs behind these facts, under fork epoch 1."""
    return read_links(sources, {fact.account: fact for fact in known}, logs, 1)


def owners_told(facts: Sequence[AccountFact]) -> list[tuple[int, tuple[Address, ...], int]]:
    """(block, owners, threshold) of each fact."""
    return [(fact.block.number, fact.owners, fact.threshold) for fact in facts]
