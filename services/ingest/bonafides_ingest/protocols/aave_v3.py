"""Aave V3: the logs of one transaction to events of wallets and facts of the market. Pure.

The ledger is the truth: a wallet's position is the sum of `scaled_delta` over its `supply_balance` and `debt_balance`
entries, and equals the contracts' `scaledBalanceOf`. The Pool's events (supplied, borrowed, …) say what was meant.

- The debtor is `onBehalfOf`, not the caller. An event that touches two wallets is one event per role.
- The protocol's own contracts, its treasuries and the zero address are no credit wallets: they get no event, and are no
  counterparty. What a wallet pays to the treasury still leaves its ledger.
- Stable-rate debt has no scaled balance and no entry: a wallet that took some has a hole in its history, and is told so
  by a dead letter, never a wrong sum.
- An asset's price changes when its feed answers, and when the oracle is given another feed: then it becomes that feed's
  latest answer. A price point stands at the log that made the change. Where the price becomes unknown the point says 0:
  no answer, none that is positive, no feed, or a market that asks an oracle which the registry does not know.

Arithmetic and events: @aave/core-v3@1.19.3 (`ScaledBalanceTokenBase`, `AToken`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from bonafides.errors import InvalidMessage
from bonafides.events import LendingEvent, MarketPoint
from bonafides.types import ZERO_ADDRESS, Address, Digest

from bonafides_ingest.chain import Log
from bonafides_ingest.decoders import EventCodec
from bonafides_ingest.protocols import aave_v3_events as abi
from bonafides_ingest.protocols.aave_v3_ledger import LEDGER_READERS
from bonafides_ingest.protocols.aave_v3_market import MARKET_READERS, answer_of
from bonafides_ingest.protocols.aave_v3_pool import POOL_READERS
from bonafides_ingest.protocols.aave_v3_reading import Complaint, Reader, Reading
from bonafides_ingest.protocols.aave_v3_state import AaveV3State, ContractKind, Reserve
from bonafides_ingest.protocols.decoded import Decoded, RefusedLog

type _RouteKey = tuple[ContractKind, Digest, int]


def _routes() -> dict[_RouteKey, Reader]:
    """By kind of contract, signature and number of topics: one signature can be two events (`0x4c209b5f…`)."""
    readers = (*POOL_READERS, *LEDGER_READERS, *MARKET_READERS)
    return {
        (kind, reader.topic0, topics): reader
        for reader in readers
        for kind in reader.kinds
        for topics in (range(1, 5) if reader.reads_any_topics else (reader.topics,))
    }


_ROUTES = _routes()
_KNOWN_SIGNATURES = {(kind, topic0) for kind, topic0, _ in _ROUTES}


def decode_transaction(state: AaveV3State, logs: Sequence[Log], fork_epoch: int) -> tuple[AaveV3State, Decoded]:
    """What the logs of one transaction say, and the deployment after them.

    `logs` are in order of their index and may hold those of other contracts. A log that cannot be read is in `refused`,
    and costs the others nothing.
    """
    if reserves := _listed_reserves(state, logs):
        state = state.with_reserves(reserves)
    refused: list[RefusedLog] = []
    events: list[LendingEvent] = []
    points: list[MarketPoint] = []
    for log in logs:
        if log.position.block.number < state.deployment.from_block or not log.topics:
            continue
        watched = state.watched.get(log.address)
        if watched is None:
            state = _remember_answer(state, log)
            continue
        reader = _ROUTES.get((watched.kind, log.topics[0], len(log.topics)))
        if reader is None:
            if (watched.kind, log.topics[0]) in _KNOWN_SIGNATURES:
                reason = f"{len(log.topics)} topics for a known signature"
                refused.append(_refusal(state, log, watched.kind, (), reason))
            continue  # an event that says nothing about positions or markets
        reading = Reading(state, log, watched.asset, fork_epoch)
        try:
            found = list(reader.read(reading))
            if reader.change:
                state = reader.change(reading)
        except InvalidMessage as exc:
            refused.append(_refusal(state, log, watched.kind, reader.wallet_topics, str(exc)))
            continue
        for fact in found:
            match fact:
                case LendingEvent():
                    events.append(fact)
                case MarketPoint():
                    points.append(fact)
                case Complaint(reason):
                    refused.append(_refusal(state, log, watched.kind, reader.wallet_topics, reason))
                case _:
                    assert_never(fact)
    return state, Decoded(tuple(events), tuple(points), tuple(refused))


def decode_logs(state: AaveV3State, logs: Sequence[Log], fork_epoch: int) -> tuple[AaveV3State, Decoded]:
    """What a stretch of logs in canonical order says: transaction by transaction."""
    parts: list[Decoded] = []
    start = 0
    for end in range(1, len(logs) + 1):
        if end == len(logs) or logs[end].position.tx_hash != logs[start].position.tx_hash:
            state, part = decode_transaction(state, logs[start:end], fork_epoch)
            parts.append(part)
            start = end
    return state, Decoded(
        tuple(event for part in parts for event in part.events),
        tuple(point for part in parts for point in part.points),
        tuple(refusal for part in parts for refusal in part.refused),
    )


@dataclass(frozen=True, slots=True)
class Discovery:
    """What these logs name and `state` does not know: it must be fetched before any of them is decoded."""

    contracts: frozenset[Address]
    """Tokens and feeds to watch."""
    unanswered_feeds: frozenset[Address]
    """Feeds that an asset is priced by from one of these logs on, while their latest answer is unknown."""


def discover(state: AaveV3State, logs: Sequence[Log]) -> Discovery:
    """The contracts that these logs name. Logs that cannot be read are passed over here."""
    tokens: set[Address] = set()
    feeds: set[Address] = set()
    for log in logs:
        try:
            if _is(log, state.deployment.configurator, abi.RESERVE_INITIALIZED):
                _, a_token, stable, variable, _ = abi.RESERVE_INITIALIZED.decode(log)
                tokens |= {a_token, stable, variable}
            elif _is(log, state.deployment.oracle, abi.ASSET_SOURCE_UPDATED):
                feeds.add(abi.ASSET_SOURCE_UPDATED.decode(log)[1])
            elif _is(log, state.deployment.provider, abi.PRICE_ORACLE_UPDATED):
                feeds |= set(state.sources.values())  # when the market comes back to our oracle, they price again
        except InvalidMessage:
            continue  # refused, with its reason, when it is decoded
    known = {*state.watched, ZERO_ADDRESS}
    return Discovery(frozenset((tokens | feeds) - known), frozenset(feeds - {ZERO_ADDRESS, *state.answers}))


def _is[T](log: Log, address: Address, codec: EventCodec[T]) -> bool:
    return log.address == address and log.topics[:1] == (codec.topic0,)


def _listed_reserves(state: AaveV3State, logs: Sequence[Log]) -> list[Reserve]:
    """Reserves that this transaction lists. The aToken, whose logs come first, tells decimals and treasury.

    What cannot be read is left out here: the reader of the listing then refuses it, with the reason.
    """
    reserves: list[Reserve] = []
    for log in logs:
        if not _is(log, state.deployment.configurator, abi.RESERVE_INITIALIZED):
            continue
        try:
            asset, a_token, stable, variable, _ = abi.RESERVE_INITIALIZED.decode(log)
            initialized = [abi.INITIALIZED.decode(other) for other in logs if _is(other, a_token, abi.INITIALIZED)]
        except InvalidMessage:
            continue
        for _, _, treasury, _, decimals, *_ in initialized[-1:]:
            reserves.append(Reserve(asset, a_token, stable, variable, decimals, treasury))
    return reserves


def _remember_answer(state: AaveV3State, log: Log) -> AaveV3State:
    """Feeds answer before an oracle names them; only files show us such logs."""
    if log.topics[0] != abi.ANSWER_UPDATED.topic0:
        return state
    return state.with_answer(log.address, answer_of(log))


def _refusal(
    state: AaveV3State, log: Log, kind: ContractKind, wallet_topics: tuple[int, ...], reason: str
) -> RefusedLog:
    wallets = [
        Address(log.topics[number][12:])
        for number in wallet_topics
        if number < len(log.topics) and not any(log.topics[number][:12])
    ]
    is_market = kind in (ContractKind.CONFIGURATOR, ContractKind.ORACLE, ContractKind.PROVIDER, ContractKind.FEED)
    known = tuple(wallet for wallet in dict.fromkeys(wallets) if wallet not in state.not_wallets)
    return RefusedLog(log, state.deployment.id, reason, known, is_market)
