"""The receipt's bytes, held to a golden file."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from bonafides.errors import InvariantViolation
from bonafides.events import BlockRange, DeploymentCoverage
from bonafides.types import Address, AsOf, BlockRef, ChainId, Digest
from bonafides_scoring.receipt import Receipt, encode_receipt

pytestmark = pytest.mark.unit

VECTORS = Path(__file__).parent.parent / "vectors" / "receipt.json"


def digest(number: int) -> Digest:
    return Digest(bytes([number]) * 32)


RECEIPT = Receipt(
    wallets=(Address(b"\x01" * 20), Address(b"\x02" * 20)),
    as_of=AsOf(
        (BlockRef(ChainId(1), 17, digest(3), 1_700_000_000), BlockRef(ChainId(10), 18, digest(4), 1_700_000_002))
    ),
    coverage=(DeploymentCoverage("aave-v3-ethereum", ChainId(1), 2, 5, 17, (BlockRange(7, 9),), 1),),
    event_set_digest=digest(5),
    market_digest=digest(6),
    feature_digest=digest(7),
    feature_schema_hash=digest(8),
    fold_version=1,
    model_id=digest(9),
    margin=-3.25,
    families=(0.5, -0.125, -0.0),
    base_points=612,
    family_points=(-26, 7, 0),
    clip=-3,
)


def test_encode_receipt__golden_receipt__has_the_golden_bytes() -> None:
    golden = json.loads(VECTORS.read_text())

    assert encode_receipt(RECEIPT).hex() == golden["bytes"]
    assert RECEIPT.digest.hex() == golden["score_id"]


def test_encode_receipt__layout__is_as_drawn() -> None:
    raw = encode_receipt(RECEIPT)

    # tag 19 | 4 + 2·20 | 4 + 2·56 | 5·32 | 4 + 32 | 8 + 4 + 3·8 | 4 + 3·4 + 4
    assert len(raw) == 19 + 44 + 116 + 160 + 36 + 36 + 20
    assert raw[:19] == b"bonafides/receipt/1"
    assert raw[-4:] == (-3).to_bytes(4, signed=True)


@pytest.mark.parametrize(
    "changed",
    [
        replace(RECEIPT, wallets=RECEIPT.wallets[:1]),
        replace(RECEIPT, as_of=AsOf(RECEIPT.as_of.blocks[:1])),
        replace(RECEIPT, coverage=()),
        replace(RECEIPT, event_set_digest=digest(0)),
        replace(RECEIPT, market_digest=digest(0)),
        replace(RECEIPT, feature_digest=digest(0)),
        replace(RECEIPT, feature_schema_hash=digest(0)),
        replace(RECEIPT, fold_version=2),
        replace(RECEIPT, model_id=digest(0)),
        replace(RECEIPT, margin=-3.2500000000000004),
        replace(RECEIPT, families=(0.5, -0.125, 0.0)),
        replace(RECEIPT, base_points=613),
        replace(RECEIPT, family_points=(-26, 6, 1)),
        replace(RECEIPT, clip=0),
    ],
)
def test_receipt__any_field_changes__is_another_score_id(changed: Receipt) -> None:
    assert changed.digest != RECEIPT.digest


def test_receipt__wallets_out_of_order__is_refused() -> None:
    with pytest.raises(InvariantViolation):
        replace(RECEIPT, wallets=RECEIPT.wallets[::-1])


def test_receipt__score__is_what_the_points_add_up_to() -> None:
    assert RECEIPT.score == 612 - 26 + 7 + 0 - 3
