"""Maker (multi-collateral DAI): the Vat's logged calls to events of wallets and facts of the market. Pure.

`market` is the ilk on every event. The ledger is in the Vat's own units; its sums over a wallet's urns equal
`vat.urns(ilk, urn)`:

```
supply_balance  the ilk's token  ink (wad)  at the index that makes it the token's smallest unit: 1 ray for 18 decimals
debt_balance    DAI              art (wad)  at the ilk's rate: debt = art · rate, which only `fold` changes
```

- A wallet's events are those of the urns that it owns: an urn of the CdpManager belongs to the owner of its cdp, any
  other is its own owner. `give` moves a position with its debt, as `fork` does.
- Amounts of DAI: what is borrowed is rounded down to what can be taken out, what is repaid up to what it takes.
- Collateral in an urn is always in use; there is nothing to enable.
- What happens in an ilk whose token the registry does not tell is passed over. An owner who comes to owe in it is told
  so, once per ilk: his history has a hole.

Sources: vat.sol, dog.sol, clip.sol, cat.sol, spot.sol of makerdao/dss; cdpManager.sol of makerdao/dss-cdp-manager;
ABI of @makerdao/dai-plugin-mcd@1.8.5.
"""

from collections.abc import Mapping, Sequence

from bonafides.errors import InvalidMessage
from bonafides.types import ZERO_ADDRESS, Address, Json

from bonafides_ingest.chain import Log
from bonafides_ingest.deployments import Deployment
from bonafides_ingest.protocols.maker import events as abi
from bonafides_ingest.protocols.maker.deployment import MakerDeployment
from bonafides_ingest.protocols.maker.facts import restore_state
from bonafides_ingest.protocols.maker.liquidations import CLIP, LIQUIDATION_READERS
from bonafides_ingest.protocols.maker.moves import OWNER_READERS
from bonafides_ingest.protocols.maker.state import MakerState
from bonafides_ingest.protocols.maker.vat import VAT_READERS
from bonafides_ingest.protocols.protocol import Discovery, LendingProtocol
from bonafides_ingest.protocols.reading import Routes
from bonafides_ingest.protocols.state import FactKey


class Maker(LendingProtocol[MakerState]):
    """Maker."""

    deployment_type = MakerDeployment
    routes = Routes.of((*VAT_READERS, *OWNER_READERS, *LIQUIDATION_READERS))

    def restore(self, deployment: Deployment, facts: Mapping[FactKey, Json]) -> MakerState:
        return restore_state(deployment, facts)

    def discover(self, state: MakerState, logs: Sequence[Log]) -> Discovery:
        """The auction houses that the Dog names."""
        found: set[Address] = set()
        for log in logs:
            if log.address != state.deployment.dog or not log.topics:
                continue
            try:
                if log.topics[0] == abi.CLIP_FILED.topic0:
                    _, what, clipper = abi.CLIP_FILED.decode(log)
                    found |= {clipper} if what == CLIP else set()
                elif log.topics[0] == abi.BARK.topic0:
                    found.add(abi.BARK.decode(log)[5])
            except InvalidMessage:
                continue  # refused, with its reason, when it is decoded
        return Discovery(frozenset(found - {*state.watched, ZERO_ADDRESS}))
