"""Canonical bytes of a wallet state: equal states give equal bytes, and bytes give the state back.

Big-endian, fixed widths, amounts as signed 256-bit; a time that never was is 0xffffffffffffffff. The first byte is the
version of the fold: a state of another version is not read but folded again from the events. What few wallets have, a
debt at a stable rate, stands there only where it is.
"""

import struct
from collections.abc import Callable

from bonafides.digests import encode_int256, encode_text
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


def encode_state(state: WalletState) -> bytes:
    """The state as bytes."""
    out = [
        struct.pack(">B20sQ", FOLD_VERSION, state.wallet, state.chain_id),
        struct.pack(">B", state.last_order is not None),
        struct.pack(">QIIH", *(state.last_order or (0, 0, 0, 0))),
        struct.pack(
            ">QQQQQQQ",
            *(
                _NEVER if time is None else time
                for time in (
                    state.last_timestamp,
                    state.first_action,
                    state.last_action,
                    state.first_borrow,
                    state.last_borrow,
                    state.last_repayment,
                    state.debt_since,
                )
            ),
        ),
        struct.pack(
            ">IIIQIII",
            state.borrow_count,
            state.repayment_count,
            state.closed_count,
            state.indebted_seconds,
            state.liquidation_count,
            state.liquidation_days,
            state.bad_debt_count,
        ),
        struct.pack(">I", len(state.liquidated_at)),
        *(struct.pack(">Q", time) for time in state.liquidated_at),
        struct.pack(">I", len(state.assets)),
        *(_encode_asset(key, asset) for key, asset in state.assets),
        struct.pack(">I", len(state.emodes)),
        *(encode_text(deployment) + struct.pack(">H", mode) for deployment, mode in state.emodes),
        struct.pack(">I", len(state.days)),
        *(_encode_day(tally) for tally in state.days),
        b"\x00" if state.pending is None else b"\x01" + _encode_pending(state.pending),
    ]
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
    except (struct.error, UnicodeDecodeError) as exc:
        raise InvalidMessage("wallet state ends early or is damaged: fold the events again") from exc
    if reader.at != len(raw):
        raise InvalidMessage(f"wallet state has {len(raw) - reader.at} bytes too many: fold the events again")
    return state


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self.at = 0

    def unpack(self, layout: str) -> tuple[int, ...]:
        values: tuple[int, ...] = struct.unpack_from(layout, self._raw, self.at)
        self.at += struct.calcsize(layout)
        return values

    def one(self, layout: str) -> int:
        return self.unpack(layout)[0]

    def take(self, length: int) -> bytes:
        if self.at + length > len(self._raw):
            raise struct.error("ends early")
        self.at += length
        return self._raw[self.at - length : self.at]

    def amount(self) -> int:
        return int.from_bytes(self.take(32), signed=True)

    def text(self) -> str:
        return self.take(self.one(">H")).decode()

    def key(self) -> AssetKey:
        return AssetKey(self.text(), Address(self.take(20)), Digest(self.take(32)))

    def many[Item](self, read: Callable[[], Item]) -> tuple[Item, ...]:
        return tuple(read() for _ in range(self.one(">I")))


def _read_state(reader: _Reader) -> WalletState:
    reader.take(1)
    wallet, chain_id = Address(reader.take(20)), ChainId(reader.one(">Q"))
    has_order = reader.one(">B")
    block, tx_index, log_index, sub = reader.unpack(">QIIH")
    times = [None if time == _NEVER else time for time in reader.unpack(">QQQQQQQ")]
    borrows, repayments, closed, indebted, liquidations, liquidation_days, bad_debts = reader.unpack(">IIIQIII")
    liquidated_at = reader.many(lambda: reader.one(">Q"))
    assets = reader.many(lambda: _read_asset(reader))
    emodes = reader.many(lambda: (reader.text(), reader.one(">H")))
    days = reader.many(lambda: _read_day(reader))
    return WalletState(
        wallet=wallet,
        chain_id=chain_id,
        last_order=(block, tx_index, log_index, sub) if has_order else None,
        last_timestamp=times[0],
        assets=assets,
        emodes=emodes,
        first_action=times[1],
        last_action=times[2],
        first_borrow=times[3],
        last_borrow=times[4],
        last_repayment=times[5],
        borrow_count=borrows,
        repayment_count=repayments,
        closed_count=closed,
        debt_since=times[6],
        indebted_seconds=indebted,
        liquidation_count=liquidations,
        liquidation_days=liquidation_days,
        liquidated_at=liquidated_at,
        bad_debt_count=bad_debts,
        days=days,
        pending=_read_pending(reader) if reader.one(">B") else None,
    )


def _encode_key(key: AssetKey) -> bytes:
    return encode_text(key.deployment) + key.asset + key.market


def _encode_asset(key: AssetKey, asset: AssetState) -> bytes:
    return b"".join(
        (
            _encode_key(key),
            struct.pack(">BBB", asset.is_collateral, asset.has_untold_debt, asset.stable_principal != 0),
            *(
                encode_int256(amount)
                for amount in (
                    asset.scaled_supply,
                    asset.scaled_debt,
                    asset.supplied,
                    asset.withdrawn,
                    asset.borrowed,
                    asset.repaid,
                    asset.liquidated,
                    asset.seized,
                    asset.bad_debt,
                )
            ),
            _encode_stable_debt(asset),
        )
    )


def _encode_stable_debt(asset: AssetState) -> bytes:
    if not asset.stable_principal:
        return b""
    rate, principal = encode_int256(asset.stable_rate_ray), encode_int256(asset.stable_principal)
    return principal + rate + struct.pack(">Q", asset.stable_since)


def _read_asset(reader: _Reader) -> tuple[AssetKey, AssetState]:
    key = reader.key()
    is_collateral, has_untold_debt, has_stable_debt = (bool(flag) for flag in reader.unpack(">BBB"))
    supply, debt, supplied, withdrawn, borrowed, repaid, liquidated, seized, bad_debt = (
        reader.amount() for _ in range(9)
    )
    stable = (reader.amount(), reader.amount(), reader.one(">Q")) if has_stable_debt else (0, 0, 0)
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


def _encode_day(tally: DayTally) -> bytes:
    return b"".join(
        (
            struct.pack(">IIII", tally.day, tally.actions, tally.repayments, tally.top_ups),
            struct.pack(">I", len(tally.flows)),
            *(
                _encode_key(flow.key)
                + b"".join(
                    encode_int256(amount) for amount in (flow.supplied, flow.withdrawn, flow.borrowed, flow.repaid)
                )
                for flow in tally.flows
            ),
        )
    )


def _read_day(reader: _Reader) -> DayTally:
    day, actions, repayments, top_ups = reader.unpack(">IIII")
    flows = reader.many(lambda: AssetFlow(reader.key(), *(reader.amount() for _ in range(4))))
    return DayTally(day, actions, repayments, top_ups, flows)


def _encode_pending(pending: PendingTransaction) -> bytes:
    return b"".join(
        (
            struct.pack(
                ">QIQBB",
                pending.block,
                pending.tx_index,
                pending.timestamp,
                pending.is_own,
                pending.is_liquidation,
            ),
            struct.pack(">I", len(pending.flows)),
            *(
                _encode_key(flow.key)
                + b"".join(
                    encode_int256(amount)
                    for amount in (
                        flow.supplied,
                        flow.withdrawn,
                        flow.transferred_out,
                        flow.borrowed,
                        flow.repaid,
                        flow.supply_delta,
                        flow.debt_delta,
                    )
                )
                + struct.pack(">B", flow.sets_stable_debt)
                for flow in pending.flows
            ),
        )
    )


def _read_pending(reader: _Reader) -> PendingTransaction:
    block, tx_index, timestamp, is_own, is_liquidation = reader.unpack(">QIQBB")
    flows = reader.many(lambda: _read_pending_flow(reader))
    return PendingTransaction(block, tx_index, timestamp, bool(is_own), bool(is_liquidation), flows)


def _read_pending_flow(reader: _Reader) -> PendingFlow:
    key = reader.key()
    supplied, withdrawn, out, borrowed, repaid, supply, debt = (reader.amount() for _ in range(7))
    return PendingFlow(key, supplied, withdrawn, out, borrowed, repaid, supply, debt, bool(reader.one(">B")))
