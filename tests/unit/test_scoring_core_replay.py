"""A score made again from its bundle, without xgboost; and every lie in a bundle found and named."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from bonafides.errors import InvalidInput
from bonafides.types import EventType
from bonafides_scoring.features.schema import FEATURES
from bonafides_scoring.model import shipped_model
from bonafides_scoring.replay import Check, ReplayModel, read_replay_model, replay
from bonafides_scoring.replay_document import parse_score_bundle
from bonafides_scoring.scorer import Scored, score_subject
from bonafides_scoring.trees import base_margin_of, read_trees
from bonafides_scoring.ubjson import parse_ubjson

from tests.support.scoring_core_bundle import as_bytes, bundle_json
from tests.support.scoring_core_requests import borrower_story, request_of, shipped_bundle
from tests.support.scoring_core_story import DOLLAR, ETHER, RAY, USDC, WETH, Story

pytestmark = pytest.mark.unit

Lie = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def model() -> ReplayModel:
    return read_replay_model(shipped_model())


def bundle_of(story: Story) -> dict[str, Any]:
    request = request_of(story)
    result = score_subject(request, shipped_bundle())
    assert isinstance(result, Scored)
    return bundle_json(request, result, story.events)


def differing(bundle: dict[str, Any], model: ReplayModel) -> list[str]:
    return [check.name for check in replay(parse_score_bundle(as_bytes(bundle)), model) if not check.is_same]


def stable_story() -> Story:
    """Borrows at a stable rate, repays a little of it 45 days later, and still owes."""
    story = Story().supply(WETH, 2 * ETHER, first=True).open()
    story.add(EventType.STABLE_DEBT_SET, USDC, 1_500 * DOLLAR, index_ray=RAY // 20)
    story.add(EventType.BORROWED, USDC, 1_500 * DOLLAR).wait(45).open()
    story.add(EventType.STABLE_DEBT_SET, USDC, 1_358 * DOLLAR, index_ray=0)
    return story.add(EventType.REPAID, USDC, 151 * DOLLAR).wait(45)


@pytest.mark.parametrize(
    "story",
    [
        borrower_story(),
        borrower_story(ether=1, debt_usd=1_600),
        borrower_story().liquidation(USDC, 100 * DOLLAR, WETH, ETHER // 10).wait(3),
        Story().supply(WETH, ETHER, first=True).borrow(USDC, 9 * DOLLAR).wait(20).repay(USDC, 9 * DOLLAR).wait(400),
        stable_story(),
    ],
    ids=["borrower", "near the edge", "liquidated", "reference position", "stable rate"],
)
def test_replay__honest_bundle__is_the_same_in_everything(story: Story, model: ReplayModel) -> None:
    checks = replay(parse_score_bundle(as_bytes(bundle_of(story))), model)

    assert [check for check in checks if not check.is_same] == []
    assert {"event set", "market points", "features", "margin", "family points", "score", "score id"} <= {
        check.name for check in checks
    }


def one_wei_more(bundle: dict[str, Any]) -> None:
    event = bundle["events"][0]
    event["amount"] = str(int(event["amount"]) + 1)
    event["scaled_delta"] = event["amount"]


def other_price(bundle: dict[str, Any]) -> None:
    price = next(fact for fact in bundle["market"] if fact["kind"] == "price")
    price["values"] = [str(int(price["values"][0]) + 1)]


LIES: dict[str, tuple[Lie, str]] = {
    "one wei more": (one_wei_more, "event set"),
    "an event left out": (lambda bundle: bundle["events"].pop(), "event set"),
    "a price": (other_price, "market points"),
    "a market point left out": (lambda bundle: bundle["market"].pop(), "market points"),
    "the shown score": (lambda bundle: bundle.update(score=bundle["score"] + 1), "shown score"),
    "a family's points": (
        lambda bundle: bundle["receipt"]["family_points"].__setitem__(0, bundle["receipt"]["family_points"][0] + 1),
        "family points",
    ),
    "the margin": (lambda bundle: bundle["receipt"].update(margin="-0x1.0p+2"), "margin"),
    "the model": (lambda bundle: bundle["receipt"].update(model_id="0x" + "00" * 32), "model id"),
    "a contribution": (
        lambda bundle: bundle["receipt"]["families"].__setitem__(0, "0x1.0p+1"),
        "contributions",
    ),
    "the coverage": (lambda bundle: bundle["receipt"]["coverage"][0].update(scanned_from=0), "receipt's bytes"),
}


@pytest.mark.parametrize("lie", list(LIES))
def test_replay__a_lie__is_named(lie: str, model: ReplayModel) -> None:
    change, name = LIES[lie]
    bundle = bundle_of(borrower_story())
    change(bundle)

    assert name in differing(bundle, model)


def test_replay__another_stable_rate__is_another_score(model: ReplayModel) -> None:
    bundle = bundle_of(stable_story())
    told = next(event for event in bundle["events"] if event["type"] == "stable_debt_set")
    told["index_ray"] = str(RAY)

    assert {"event set", "features"} <= set(differing(bundle, model))


@pytest.mark.parametrize(
    ("kind", "amount", "index_ray"),
    [("debt_set", 5, 0), ("stable_debt_set", 0, 1), ("stable_debt_set", 2**128, 1), ("stable_debt_set", 1, 2**128)],
)
def test_parse_score_bundle__debt_that_cannot_be__is_refused(kind: str, amount: int, index_ray: int) -> None:
    bundle = bundle_of(stable_story())
    bundle["events"][-1] |= {"type": kind, "amount": str(amount), "index_ray": str(index_ray)}

    with pytest.raises(InvalidInput, match=r"events\.\d+"):
        parse_score_bundle(as_bytes(bundle))


@pytest.mark.parametrize(("kind", "values"), [("rounding", ["3"]), ("price", []), ("reserve_index", ["1"])])
def test_parse_score_bundle__fact_that_cannot_be__is_refused(kind: str, values: list[str]) -> None:
    bundle = bundle_of(stable_story())
    bundle["market"][-1] |= {"kind": kind, "values": values}

    with pytest.raises(InvalidInput, match=r"market\.\d+"):
        parse_score_bundle(as_bytes(bundle))


def test_import__replay__loads_nothing_of_a_service() -> None:
    services = "{'fastavro', 'kafka', 'sqlalchemy', 'xgboost'}"
    program = f"import sys, bonafides_scoring.replay; print(sorted({services} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.strip() == "[]"


def test_replay__an_event_after_the_as_of_block__cannot_be_made_again(model: ReplayModel) -> None:
    bundle = bundle_of(borrower_story())
    bundle["events"][-1]["position"]["block"]["number"] += 1_000

    checks = {check.name: check for check in replay(parse_score_bundle(as_bytes(bundle)), model)}

    assert checks["features"] == Check("features", False, checks["features"].detail)
    assert "after the as-of block" in checks["features"].detail


def test_read_trees__shipped_booster__has_xgboosts_margins_bit_for_bit() -> None:
    bundle = shipped_bundle()
    rng = np.random.default_rng(3)
    rows = [tuple(float(value) for value in rng.integers(0, 12_000, len(FEATURES))) for _ in range(200)]
    trees = read_trees((shipped_model() / "booster.ubj").read_bytes())

    predictions = bundle.predict(rows)

    assert [trees.margin(row) for row in rows] == [found.margin for found in predictions]
    for row, found in zip(rows[:20], predictions, strict=False):
        ours = trees.predict(row).families
        assert max(abs(one - other) for one, other in zip(ours, found.families, strict=True)) <= 1e-5


def test_base_margin_of__rates_of_a_training__is_xgboosts_bit_for_bit() -> None:
    # Above .18 the logarithms of C libraries begin to differ from the exact one in the last place, once in 200 scores.
    scores = np.random.default_rng(4).uniform(0.001, 0.15, 200).astype(np.float32)
    scores[0] = np.float32("5.9555717E-2")  # in float64 up to the end it would be one unit in the last place away
    frame = xgboost.DMatrix(np.zeros((1, 1), dtype=np.float32))

    for score in scores:
        untrained = xgboost.train({"objective": "binary:logistic", "base_score": float(score)}, frame, 0)
        assert base_margin_of(score) == untrained.predict(frame, output_margin=True)[0]


@pytest.mark.parametrize("raw", [b"", b"{", b"[$d#L", b"Q", b"{i\x01aT}T", b"[" * 100])
def test_parse_ubjson__damaged__is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_ubjson(raw)


def test_parse_ubjson__every_kind_that_xgboost_writes__is_read() -> None:
    raw = b"{L" + (1).to_bytes(8) + b"a[$l#L" + (2).to_bytes(8) + (7).to_bytes(4) + (8).to_bytes(4)
    raw += b"i\x01b[Si\x02okTFZU\xffd\x3f\x80\x00\x00]i\x01c[#i\x01i\xff}"

    assert parse_ubjson(raw) == {"a": [7, 8], "b": ["ok", True, False, None, 255, 1.0], "c": [-1]}


def test_read_replay_model__booster_of_another_model__is_refused(tmp_path: Path) -> None:
    for name in ("manifest.json", "booster.ubj"):
        (tmp_path / name).write_bytes((shipped_model() / name).read_bytes())
    (tmp_path / "booster.ubj").write_bytes(b"another")

    with pytest.raises(InvalidInput, match="not the file"):
        read_replay_model(tmp_path)


def test_parse_score_bundle__field_missing__is_refused_by_its_name() -> None:
    bundle = bundle_of(borrower_story())
    del bundle["receipt"]["margin"]

    with pytest.raises(InvalidInput, match=r"receipt\.margin"):
        parse_score_bundle(as_bytes(bundle))
