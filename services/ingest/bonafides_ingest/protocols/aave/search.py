"""How the history of one wallet is found in a market of Aave V2 or V3.

All parties of what the Pool and its tokens say are indexed somewhere in the transaction, but for some:

```
not indexed in          who                  named, in the same transaction, by
V3 Supply               payer                the aToken's Mint (caller)
V2 Deposit              payer                the underlying's Transfer(payer → aToken)
V2, V3 Borrow           recipient            the debt token's Mint (caller)
V2, V3 LiquidationCall  liquidator           the aToken's Burn (target) or BalanceTransfer, or, where interest outgrew
                                             the Burn, the underlying's Transfer(aToken → liquidator)
```

So an underlying that logs no Transfer as ERC-20 says hides a V2 payer. It is somebody else's position that is paid.
"""

from collections.abc import Iterable, Iterator, Sequence

from bonafides.errors import InvalidMessage
from bonafides.types import ZERO_ADDRESS, Address

from bonafides_ingest.chain import Log
from bonafides_ingest.decoders import EventCodec
from bonafides_ingest.protocols.aave.reserves import ReserveTokens
from bonafides_ingest.protocols.aave_v3.events import TRANSFER
from bonafides_ingest.protocols.search import Criteria, topic_of

type _Listed = tuple[Address, Address, Address, Address, Address]
"""Asset, aToken, stable debt token, variable debt token, rate strategy."""


def listed(found: Sequence[Log], configurator: Address, codec: EventCodec[_Listed]) -> tuple[ReserveTokens, ...]:
    """Every reserve that was ever listed. One whose listing cannot be read has no tokens that are."""
    return tuple(_listed(found, configurator, codec))


def _listed(found: Sequence[Log], configurator: Address, codec: EventCodec[_Listed]) -> Iterator[ReserveTokens]:
    for log in found:
        if log.address == configurator and log.topics[:1] == (codec.topic0,):
            try:
                asset, a_token, stable, variable, _ = codec.decode(log)
            except InvalidMessage:
                continue  # refused, with its reason, when it is decoded
            yield ReserveTokens(asset, a_token, stable, variable)


def tokens(reserves: Iterable[ReserveTokens]) -> frozenset[Address]:
    """Their aTokens and debt tokens."""
    found = {token for r in reserves for token in (r.a_token, r.stable_debt_token, r.variable_debt_token)}
    return frozenset(found - {ZERO_ADDRESS})


def payments(reserves: Sequence[ReserveTokens], wallet: Address) -> tuple[Criteria, ...]:
    """What a wallet paid into these reserves, or got out of them."""
    assets = frozenset(reserve.asset for reserve in reserves)
    transfer, named = frozenset({TRANSFER.topic0}), frozenset({topic_of(wallet)})
    pools = frozenset(topic_of(reserve.a_token) for reserve in reserves)
    if not pools:
        return ()
    return (Criteria(assets, (transfer, named, pools)), Criteria(assets, (transfer, pools, named)))
