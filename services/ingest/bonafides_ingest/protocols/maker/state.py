"""What of Maker must be known to read its logs.

```
init, fold                ─► rate of each ilk: debt = art · rate
frob, fork, grab          ─► ink and art of each urn: `give` moves them to another owner, and no log says how much
NewCdp, give              ─► owner of each urn of the CdpManager; any other urn is its own owner
File(ilk, "clip", clip)   ─► the auction houses (Clipper) and the ilk that each sells
Kick, Bark, Take          ─► auctions that run: what was owed when they began
any of them               ─► holes: debts in ilks whose token the registry does not tell
```

Maps that grow without end share what did not change (rpds): a log changes one urn among many thousand.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from bonafides.types import ZERO_ADDRESS, Address, Digest, Json, address_text
from rpds import HashTrieMap

from bonafides_ingest.accounts.urns import urn_of
from bonafides_ingest.protocols.maker.deployment import MakerDeployment
from bonafides_ingest.protocols.state import DeploymentState, FactKey, Watched


class ContractKind(StrEnum):
    """What a watched contract is: it decides which events it can emit."""

    VAT = "vat"
    SPOTTER = "spotter"
    DOG = "dog"
    CAT = "cat"
    CLIPPER = "clipper"
    CDP_MANAGER = "cdp_manager"


@dataclass(frozen=True, slots=True)
class UrnPosition:
    """What one urn holds of one ilk: `vat.urns(ilk, urn)`."""

    ink: int = 0
    """Locked collateral, wad."""
    art: int = 0
    """Normalised debt, wad."""

    def __bool__(self) -> bool:
        return self.ink != 0 or self.art != 0


@dataclass(frozen=True, slots=True)
class Auction:
    """A Clipper's auction that runs."""

    tab: int
    """DAI that it is to bring, with the penalty: rad."""
    due: int
    """Debt without the penalty: rad."""
    owner: Address
    """Whose debt it was."""


type AuctionKey = tuple[Address, int]
"""Clipper, and the auction's number there."""

type Debt = tuple[Digest, Address]
"""Ilk, and the owner who owes in it."""


@dataclass(frozen=True)
class MakerState(DeploymentState):
    """Maker as its logs up to some point describe it. Quoted: rpds has no generics at run time."""

    market_kinds = frozenset({ContractKind.SPOTTER})

    deployment: MakerDeployment
    rates: "HashTrieMap[Digest, int]" = field(default_factory=HashTrieMap)
    """By ilk; ray."""
    positions: "HashTrieMap[Address, HashTrieMap[Digest, UrnPosition]]" = field(default_factory=HashTrieMap)
    """By urn and ilk; an urn that was emptied stays."""
    owners: "HashTrieMap[Address, Address]" = field(default_factory=HashTrieMap)
    """By urn of the CdpManager."""
    clippers: "HashTrieMap[Address, Digest]" = field(default_factory=HashTrieMap)
    """The ilk of each."""
    auctions: "HashTrieMap[AuctionKey, Auction | None]" = field(default_factory=HashTrieMap)
    """None: it is over."""
    holes: "HashTrieMap[Debt, bool]" = field(default_factory=HashTrieMap)
    """Debts that cannot be told, and of which their owner was told that."""
    watched: Mapping[Address, Watched] = field(init=False)
    not_wallets: frozenset[Address] = field(init=False)

    def __post_init__(self) -> None:
        entry = self.deployment
        kinds: dict[Address, StrEnum] = {
            **dict.fromkeys(self.clippers, ContractKind.CLIPPER),
            **dict.fromkeys(entry.cats, ContractKind.CAT),
            entry.vat: ContractKind.VAT,
            entry.spotter: ContractKind.SPOTTER,
        }
        if entry.dog is not None:
            kinds[entry.dog] = ContractKind.DOG
        if entry.cdp_manager is not None:
            kinds[entry.cdp_manager] = ContractKind.CDP_MANAGER
        watched = {address: Watched(kind, ZERO_ADDRESS) for address, kind in kinds.items()}
        object.__setattr__(self, "watched", watched)
        object.__setattr__(self, "not_wallets", frozenset({ZERO_ADDRESS, *watched, *entry.gateways}))

    def facts(self) -> Mapping[FactKey, Json]:
        return self.facts_since(MakerState(self.deployment))

    def facts_since(self, earlier: "MakerState") -> Mapping[FactKey, Json]:
        return dict(self._facts_since(earlier))

    def _facts_since(self, earlier: "MakerState") -> Iterator[tuple[FactKey, Json]]:
        # Wads and rads as text: they are longer than the numbers that JSON's readers keep exact.
        for ilk, rate in _changed(earlier.rates, self.rates):
            yield ("rate", ilk.hex()), str(rate)
        for urn, by_ilk in _changed(earlier.positions, self.positions):
            for ilk, position in _changed(earlier.positions.get(urn, HashTrieMap()), by_ilk):
                yield ("urn", f"{address_text(urn)}/{ilk.hex()}"), [str(position.ink), str(position.art)]
        for urn, owner in _changed(earlier.owners, self.owners):
            yield ("owner", address_text(urn)), address_text(owner)
        for clipper, ilk in _changed(earlier.clippers, self.clippers):
            yield ("clipper", address_text(clipper)), ilk.hex()
        for (clipper, number), auction in _changed(earlier.auctions, self.auctions):
            fact: Json = [str(auction.tab), str(auction.due), address_text(auction.owner)] if auction else None
            yield ("auction", f"{address_text(clipper)}/{number}"), fact
        for (ilk, owner), _ in _changed(earlier.holes, self.holes):
            yield ("hole", f"{address_text(owner)}/{ilk.hex()}"), True

    def owner_of(self, urn: Address) -> Address:
        """Who owns an urn: itself, unless it is one of the CdpManager's."""
        return self.owners.get(urn, urn)

    def urn_of_cdp(self, cdp: int) -> Address:
        """The urn that the CdpManager made for a cdp, 1 ≤ cdp < 2**64."""
        return urn_of(self.deployment.cdp_manager or ZERO_ADDRESS, cdp)

    def held_by(self, urn: Address) -> Mapping[Digest, UrnPosition]:
        """What an urn holds, by ilk, ascending."""
        found = self.positions.get(urn, HashTrieMap())
        return {ilk: found[ilk] for ilk in sorted(found) if found[ilk]}

    def with_rate(self, ilk: Digest, rate: int) -> "MakerState":
        """With this rate (ray) from now on."""
        return self._with(rates=self.rates.insert(ilk, rate))

    def with_moved(self, ilk: Digest, urn: Address, dink: int, dart: int) -> "MakerState":
        """With this much more in an urn."""
        by_ilk = self.positions.get(urn, HashTrieMap())
        before = by_ilk.get(ilk, UrnPosition())
        after = UrnPosition(before.ink + dink, before.art + dart)
        return self._with(positions=self.positions.insert(urn, by_ilk.insert(ilk, after)))

    def with_owner(self, urn: Address, owner: Address) -> "MakerState":
        """With another owner of an urn."""
        return self._with(owners=self.owners.insert(urn, owner))

    def with_hole(self, debt: Debt) -> "MakerState":
        """With an owner who was told that this debt cannot be told."""
        return self._with(holes=self.holes.insert(debt, True))

    def with_auction(self, key: AuctionKey, auction: Auction | None) -> "MakerState":
        """With an auction that runs like this, or is over."""
        return self._with(auctions=self.auctions.insert(key, auction))

    def with_clipper(self, clipper: Address, ilk: Digest) -> "MakerState":
        """With another auction house: its logs are read from here on."""
        return replace(self, clippers=self.clippers.insert(clipper, ilk))

    def _with(self, **changes: object) -> "MakerState":
        # What is watched does not change, so nothing is derived again.
        changed = object.__new__(MakerState)
        changed.__dict__.update(self.__dict__ | changes)
        return changed


_MISSING = object()


def _changed[K, V](before: "HashTrieMap[K, V]", after: "HashTrieMap[K, V]") -> Iterator[tuple[K, V]]:
    """What the later map holds and the earlier one did not hold, told by identity: the maps share what stayed."""
    if after is before:
        return
    for key, value in after.items():
        if before.get(key, _MISSING) is not value:
            yield key, value
