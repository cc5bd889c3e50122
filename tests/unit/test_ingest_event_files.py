"""Decoded events keep every bit through Parquet."""

from pathlib import Path

import pytest
from bonafides import event_files
from bonafides.errors import InvalidInput, InvalidMessage
from bonafides.events import MAX_UINT256, LendingEvent, MarketPoint, Position
from bonafides.types import Address, BlockRef, ChainId, Digest, EventType, MarketPointKind, Protocol, Role

pytestmark = pytest.mark.unit

BLOCK = BlockRef(ChainId(31337), 7, Digest(b"\x01" * 32), 1_700_000_000)
PLACE = Position(BLOCK, Digest(b"\x02" * 32), 3, 4)


def _event(**changes: object) -> LendingEvent:
    fields: dict[str, object] = {
        "position": PLACE,
        "sub_index": 16,
        "fork_epoch": 2,
        "decoder_version": 1,
        "protocol": Protocol.AAVE_V3,
        "deployment": "aave",
        "type": EventType.DEBT_BALANCE,
        "role": Role.OWNER,
        "wallet": Address(b"\x03" * 20),
        "counterparty": None,
        "asset": Address(b"\x04" * 20),
        "amount": MAX_UINT256,
        "scaled_delta": -(2**255),
        "index_ray": 10**27,
    }
    return LendingEvent(**(fields | changes))  # type: ignore[arg-type]


def test_event_files__events_written__come_back_equal(tmp_path: Path) -> None:
    events = [_event(), _event(counterparty=Address(b"\x05" * 20), second_asset=Address(b"\x06" * 20), amount=1)]

    with event_files.events_writer(tmp_path) as writer:
        writer.write(events)

    assert list(event_files.read_events(tmp_path)) == events


def test_event_files__market_and_blocks_written__come_back_equal(tmp_path: Path) -> None:
    asset = Address(b"\x04" * 20)
    points = [
        MarketPoint(PLACE, 0x0110, 1, 1, "aave", MarketPointKind.PRICE, asset, 0, (-5,)),
        MarketPoint(PLACE, 0x0510, 1, 1, "aave", MarketPointKind.EMODE_ASSET, asset, 255, ()),
    ]

    with event_files.market_writer(tmp_path) as market, event_files.blocks_writer(tmp_path) as blocks:
        market.write(points)
        blocks.write([BLOCK])

    assert list(event_files.read_market_points(tmp_path)) == points
    assert list(event_files.read_blocks(tmp_path)) == [BLOCK]


def test_event_files__writing_fails__leaves_no_file(tmp_path: Path) -> None:
    too_large = _event(amount=MAX_UINT256 + 1)

    with pytest.raises(InvalidMessage), event_files.events_writer(tmp_path) as writer:
        writer.write([_event(), too_large])

    assert list(tmp_path.iterdir()) == []


def test_event_files__file_of_another_kind__is_refused(tmp_path: Path) -> None:
    with event_files.blocks_writer(tmp_path) as writer:
        writer.write([BLOCK])
    (tmp_path / event_files.BLOCKS_FILE).rename(tmp_path / event_files.EVENTS_FILE)

    with pytest.raises(InvalidInput, match="no events file"):
        list(event_files.read_events(tmp_path))
