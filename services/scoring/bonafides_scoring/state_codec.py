"""Canonical bytes of a wallet state: equal states give equal bytes, and bytes give the state back.

Big-endian; a time that never was is 0xffffffffffffffff. An amount is its length in one byte and then as few bytes of
two's complement as hold it: in 256 bits each, most bytes would be zero. A flow names its asset by its place among the
assets. The first byte is the version of the fold: a state of another version is not read but folded again from the
events. What few wallets have, a debt at a stable rate, stands there only where it is.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence

from bonafides.digests import encode_text
from bonafides.errors import InvalidMessage
from bonafides.types import Address, ChainId, Digest

from bonafides_scoring.wallet_state import (
    FOLD_VERSION,
    AssetFlow,
    AssetKey,
    AssetState,
    DayTally,
    PendingFlow,
    PendingTransaction,
    WalletState,
)

_NEVER = 2**64 - 1
_HEAD = struct.Struct(">B20sQ?QIIH")
_TIMES = struct.Struct(">QQQQQQQ")
_COUNTS = struct.Struct(">III?QIII")
_COUNT = struct.Struct(">I")
_TIME = struct.Struct(">Q")
_FLAGS = struct.Struct(">???")
_EMODE = struct.Struct(">H")
_DAY = struct.Struct(">IBH")
_PLACE = struct.Struct(">H")
_PENDING = struct.Struct(">QIQ?H")
_FLOW_AMOUNTS = len(AssetFlow._fields) - 1


def encode_state(state: WalletState) -> bytes:
    """The state as bytes."""
    times = (
        state.last_timestamp,
        state.first_loan,
        state.last_borrow,
        state.last_withdrawal,
        state.supplied_since,
        state.closed_at,
        state.debt_since,
    )
    order = state.last_order
    out = [
        _HEAD.pack(FOLD_VERSION, state.wallet, state.chain_id, order is not None, *(order or (0, 0, 0, 0))),
        _TIMES.pack(*[_NEVER if time is None else time for time in times]),
        _COUNTS.pack(
            state.borrow_count,
            state.repayment_count,
            state.closed_count,
            state.is_settled_debt,
            state.indebted_seconds,
            state.liquidation_count,
            state.liquidation_days,
            state.bad_debt_count,
        ),
        _COUNT.pack(len(state.liquidated_at)),
        *[_TIME.pack(time) for time in state.liquidated_at],
        _COUNT.pack(len(state.assets)),
    ]
    places: dict[AssetKey, bytes] = {}
    for place, (key, asset) in enumerate(state.assets):
        places[key] = _PLACE.pack(place)
        _add_asset(out, key, asset)
    out.append(_COUNT.pack(len(state.emodes)))
    out += [encode_text(deployment) + _EMODE.pack(mode) for deployment, mode in state.emodes]
    out.append(_COUNT.pack(len(state.days)))
    for day, marks, flows in state.days:
        out.append(_DAY.pack(day, marks, len(flows)))
        for flow in flows:
            out.append(places[flow.key])
            _add_amounts(out, flow[1:])
    out.append(b"\x00" if state.pending is None else b"\x01")
    if state.pending is not None:
        _add_pending(out, state.pending, places)
    return b"".join(out)


def decode_state(raw: bytes) -> WalletState:
    """The state of these bytes.

    Raises:
        InvalidMessage: another fold version, or not a whole state: fold the wallet's events again.
    """
    if not raw or raw[0] != FOLD_VERSION:
        raise InvalidMessage(
            f"wallet state of fold version {raw[0] if raw else None}, expected {FOLD_VERSION}: fold the events again"
        )
    reader = _Reader(raw)
    try:
        state = _read_state(reader)
    except (struct.error, UnicodeDecodeError, IndexError) as exc:
        raise InvalidMessage("wallet state ends early or is damaged: fold the events again") from exc
    if reader.at != len(raw):
        raise InvalidMessage(f"wallet state has {len(raw) - reader.at} bytes too many: fold the events again")
    return state


def _add_amounts(out: list[bytes], amounts: Iterable[int]) -> None:
    for amount in amounts:
        if amount:
            length = (amount.bit_length() + 8) >> 3  # a bit for the sign
            out.append(length.to_bytes())
            out.append(amount.to_bytes(length, signed=True))
        else:
            out.append(b"\x00")


def _add_asset(out: list[bytes], key: AssetKey, asset: AssetState) -> None:
    out += (encode_text(key.deployment), key.asset, key.market)
    out.append(_FLAGS.pack(asset.is_collateral, asset.has_untold_debt, asset.stable_principal != 0))
    _add_amounts(
        out,
        (
            asset.scaled_supply,
            asset.scaled_debt,
            asset.supplied,
            asset.withdrawn,
            asset.borrowed,
            asset.repaid,
            asset.liquidated,
            asset.seized,
            asset.bad_debt,
        ),
    )
    if asset.stable_principal:
        _add_amounts(out, (asset.stable_principal, asset.stable_rate_ray))
        out.append(_TIME.pack(asset.stable_since))


def _add_pending(out: list[bytes], pending: PendingTransaction, places: Mapping[AssetKey, bytes]) -> None:
    flows = pending.flows
    out.append(_PENDING.pack(pending.block, pending.tx_index, pending.timestamp, pending.is_liquidation, len(flows)))
    for flow in flows:
        out.append(places[flow.key])
        _add_amounts(out, flow[1:-1])
        out.append(b"\x01" if flow.sets_stable_debt else b"\x00")


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self.at = 0

    def unpack(self, layout: struct.Struct) -> tuple[int, ...]:
        values: tuple[int, ...] = layout.unpack_from(self._raw, self.at)
        self.at += layout.size
        return values

    def one(self, layout: struct.Struct) -> int:
        return self.unpack(layout)[0]

    def take(self, length: int) -> bytes:
        if self.at + length > len(self._raw):
            raise struct.error("ends early")
        self.at += length
        return self._raw[self.at - length : self.at]

    def flag(self) -> bool:
        return self.take(1) == b"\x01"

    def amounts(self, count: int) -> list[int]:
        raw, at, found = self._raw, self.at, []
        for _ in range(count):
            end = at + 1 + raw[at]
            found.append(int.from_bytes(raw[at + 1 : end], signed=True))
            at = end
        if at > len(raw):
            raise struct.error("ends early")
        self.at = at
        return found

    def text(self) -> str:
        return self.take(self.one(_PLACE)).decode()

    def key(self) -> AssetKey:
        return AssetKey(self.text(), Address(self.take(20)), Digest(self.take(32)))


def _read_state(reader: _Reader) -> WalletState:
    _, wallet, chain_id, has_order, block, tx_index, log_index, sub = _HEAD.unpack(reader.take(_HEAD.size))
    last_timestamp, first_loan, last_borrow, last_withdrawal, supplied_since, closed_at, debt_since = [
        None if time == _NEVER else time for time in reader.unpack(_TIMES)
    ]
    counts = reader.unpack(_COUNTS)
    liquidated_at = tuple([reader.one(_TIME) for _ in range(reader.one(_COUNT))])
    assets = tuple([_read_asset(reader) for _ in range(reader.one(_COUNT))])
    emodes = tuple([(reader.text(), reader.one(_EMODE)) for _ in range(reader.one(_COUNT))])
    keys = [key for key, _ in assets]
    days = tuple([_read_day(reader, keys) for _ in range(reader.one(_COUNT))])
    return WalletState(
        wallet=Address(wallet),
        chain_id=ChainId(chain_id),
        last_order=(block, tx_index, log_index, sub) if has_order else None,
        last_timestamp=last_timestamp,
        assets=assets,
        emodes=emodes,
        first_loan=first_loan,
        last_borrow=last_borrow,
        last_withdrawal=last_withdrawal,
        supplied_since=supplied_since,
        borrow_count=counts[0],
        repayment_count=counts[1],
        closed_count=counts[2],
        closed_at=closed_at,
        debt_since=debt_since,
        is_settled_debt=bool(counts[3]),
        indebted_seconds=counts[4],
        liquidation_count=counts[5],
        liquidation_days=counts[6],
        liquidated_at=liquidated_at,
        bad_debt_count=counts[7],
        days=days,
        pending=_read_pending(reader, keys) if reader.flag() else None,
    )


def _read_asset(reader: _Reader) -> tuple[AssetKey, AssetState]:
    key = reader.key()
    is_collateral, has_untold_debt, has_stable_debt = (bool(flag) for flag in reader.unpack(_FLAGS))
    supply, debt, supplied, withdrawn, borrowed, repaid, liquidated, seized, bad_debt = reader.amounts(9)
    stable = (*reader.amounts(2), reader.one(_TIME)) if has_stable_debt else (0, 0, 0)
    return key, AssetState(
        supply,
        debt,
        is_collateral,
        supplied,
        withdrawn,
        borrowed,
        repaid,
        liquidated,
        seized,
        bad_debt,
        has_untold_debt,
        *stable,
    )


def _read_day(reader: _Reader, keys: Sequence[AssetKey]) -> DayTally:
    day, marks, count = reader.unpack(_DAY)
    flows = [AssetFlow(keys[reader.one(_PLACE)], *reader.amounts(_FLOW_AMOUNTS)) for _ in range(count)]
    return DayTally(day, marks, tuple(flows))


def _read_pending(reader: _Reader, keys: Sequence[AssetKey]) -> PendingTransaction:
    block, tx_index, timestamp, is_liquidation, count = reader.unpack(_PENDING)
    flows = tuple([_read_pending_flow(reader, keys) for _ in range(count)])
    return PendingTransaction(block, tx_index, timestamp, bool(is_liquidation), flows)


def _read_pending_flow(reader: _Reader, keys: Sequence[AssetKey]) -> PendingFlow:
    key = keys[reader.one(_PLACE)]
    supplied, withdrawn, sent, out, borrowed, repaid, supply, debt = reader.amounts(8)
    return PendingFlow(key, supplied, withdrawn, sent, out, borrowed, repaid, supply, debt, reader.flag())
