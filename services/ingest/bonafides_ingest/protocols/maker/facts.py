"""Maker's state from the facts that were stored."""

from collections.abc import Mapping

from bonafides.errors import InvariantViolation
from bonafides.types import Address, Digest, Json, parse_address
from rpds import HashTrieMap

from bonafides_ingest.deployments import Deployment
from bonafides_ingest.protocols.maker.deployment import MakerDeployment
from bonafides_ingest.protocols.maker.state import Auction, AuctionKey, Debt, MakerState, UrnPosition
from bonafides_ingest.protocols.state import FactKey


def restore_state(deployment: Deployment, facts: Mapping[FactKey, Json]) -> MakerState:
    """The state that gave these facts."""
    if not isinstance(deployment, MakerDeployment):
        raise InvariantViolation(f"deployment {deployment.id} was handed to the reader of Maker")
    rates: dict[Digest, int] = {}
    positions: dict[Address, dict[Digest, UrnPosition]] = {}
    owners: dict[Address, Address] = {}
    clippers: dict[Address, Digest] = {}
    auctions: dict[AuctionKey, Auction | None] = {}
    holes: dict[Debt, bool] = {}
    for (kind, key), fact in facts.items():
        match kind:
            case "rate":
                rates[_digest(key)] = int(str(fact))
            case "urn":
                urn, _, ilk = key.partition("/")
                ink, art = _parts(fact, 2)
                positions.setdefault(parse_address(urn), {})[_digest(ilk)] = UrnPosition(int(ink), int(art))
            case "owner":
                owners[parse_address(key)] = parse_address(str(fact))
            case "clipper":
                clippers[parse_address(key)] = _digest(str(fact))
            case "auction":
                clipper, _, number = key.partition("/")
                auctions[parse_address(clipper), int(number)] = None if fact is None else _auction(fact)
            case "hole":
                owner, _, ilk = key.partition("/")
                holes[_digest(ilk), parse_address(owner)] = True
            case _:
                raise InvariantViolation(f"a stored fact of {deployment.id} is of the unknown kind {kind}")
    return MakerState(
        deployment,
        rates=HashTrieMap(rates),
        positions=HashTrieMap({urn: HashTrieMap(by_ilk) for urn, by_ilk in positions.items()}),
        owners=HashTrieMap(owners),
        clippers=HashTrieMap(clippers),
        auctions=HashTrieMap(auctions),
        holes=HashTrieMap(holes),
    )


def _digest(text: str) -> Digest:
    return Digest(bytes.fromhex(text))


def _auction(fact: Json) -> Auction:
    tab, due, owner = _parts(fact, 3)
    return Auction(int(tab), int(due), parse_address(owner))


def _parts(fact: Json, count: int) -> list[str]:
    if not isinstance(fact, list) or len(fact) != count:
        raise InvariantViolation(f"a stored fact of Maker is no list of {count}: the table was changed by hand")
    return [str(part) for part in fact]
