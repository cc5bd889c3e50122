"""Offline scores of a folder: the worker's own scorer, one row a wallet, and input that cannot be refused by line."""

import csv
from pathlib import Path

import pytest
from bonafides.digests import event_set_digest
from bonafides.errors import InvalidInput
from bonafides.event_files import read_blocks, read_events, read_market_points
from bonafides.events import DeploymentCoverage, LendingEvent
from bonafides.types import Address, AsOf
from bonafides_scoring.commands import app
from bonafides_scoring.fold import empty_state, fold
from bonafides_scoring.market import market_view
from bonafides_scoring.model import ModelBundle, load_bundle, shipped_model
from bonafides_scoring.scorer import Scored, ScoreRequest, score_subject
from bonafides_scoring.training.score_commands import parse_time
from bonafides_scoring.training.scores import COLUMNS, score_folder
from typer.testing import CliRunner

from tests.support.scoring_core_market import toy_market, write_market
from tests.support.scoring_core_story import CHAIN, DAY, DEPLOYMENT, START

pytestmark = pytest.mark.integration

MOMENT = START + 90 * DAY


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_market(tmp_path_factory.mktemp("market"), *toy_market(3, 40, 120))


@pytest.fixture(scope="module")
def bundle() -> ModelBundle:
    return load_bundle(shipped_model())


def events_of(market: Path) -> dict[Address, list[LendingEvent]]:
    found: dict[Address, list[LendingEvent]] = {}
    for event in read_events(market):
        found.setdefault(event.wallet, []).append(event)
    return found


def test_score_folder__as_of_a_moment__is_what_the_scorer_says_of_the_blocks_before_it(
    market: Path, bundle: ModelBundle
) -> None:
    block = max((block for block in read_blocks(market) if block.timestamp < MOMENT), key=lambda block: block.timestamp)
    view = market_view(read_market_points(market), block)
    coverage = (DeploymentCoverage(DEPLOYMENT, CHAIN, 0, 0, block.number, (), 0),)
    known = {
        wallet: [event for event in own if event.position.block.timestamp < MOMENT]
        for wallet, own in events_of(market).items()
    }

    found = list(score_folder(market, bundle, as_of=MOMENT))

    assert [one.wallet for one in found] == sorted(wallet for wallet, own in known.items() if own)
    for one in found:
        own = known[one.wallet]
        state = fold(empty_state(one.wallet, CHAIN), own)
        request = ScoreRequest((one.wallet,), (state,), (view,), AsOf((block,)), coverage, event_set_digest(own))
        assert one.result == score_subject(request, bundle)


def test_score_command__all_wallets__writes_a_row_for_each(market: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"

    result = CliRunner().invoke(
        app, ["score", "--events", str(market), "--model", str(shipped_model()), "--out", str(out)]
    )

    assert result.exit_code == 0, result.output
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["wallet"] for row in rows] == sorted(f"0x{wallet.hex()}" for wallet in events_of(market))
    scored = [row for row in rows if not row["unscorable"]]
    assert all(300 <= int(row["score"]) <= 850 and 1 <= int(row["pd_bps"]) <= 9_999 for row in scored)
    assert all(float(row["margin"]) == float(row["margin"]) for row in scored)
    assert "synthetic data" in result.output


def test_score_command__wallets_of_a_file__scores_those_alone(market: Path, tmp_path: Path) -> None:
    wanted = sorted(events_of(market))[3:6]
    listed = tmp_path / "wallets.csv"
    listed.write_text("wallet,why\n" + "".join(f"0x{wallet.hex()},test\n" for wallet in wanted))
    arguments = ["--model", str(shipped_model()), "--wallets", str(listed), "--out", str(tmp_path / "scores.csv")]

    result = CliRunner().invoke(app, ["score", "--events", str(market), *arguments])

    assert result.exit_code == 0, result.output
    rows = (tmp_path / "scores.csv").read_text().splitlines()
    assert [row.partition(",")[0] for row in rows[1:]] == [f"0x{wallet.hex()}" for wallet in wanted]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["0x" + "11" * 20, "0x12"], "line 2: no address"),
        (["11" * 20], "line 1: no address"),
        (["0x" + "11" * 20, "0x" + "22" * 20, "0x" + "11" * 20], "line 3: the same wallet as line 1"),
        ([], "holds no wallet"),
        (["0x" + "11" * 20], "wallet 0 of the list has no event"),
    ],
)
def test_score_command__wallet_that_cannot_be_scored__is_refused_by_its_place(
    market: Path, tmp_path: Path, lines: list[str], reason: str
) -> None:
    listed = tmp_path / "wallets.txt"
    listed.write_text("\n".join(lines))
    arguments = ["--model", str(shipped_model()), "--wallets", str(listed), "--out", str(tmp_path / "scores.csv")]

    result = CliRunner().invoke(app, ["score", "--events", str(market), *arguments])

    assert isinstance(result.exception, InvalidInput)
    assert reason in str(result.exception)
    assert not (tmp_path / "scores.csv").exists()


def test_score_folder__before_all_data__is_refused(market: Path, bundle: ModelBundle) -> None:
    with pytest.raises(InvalidInput, match="is not after the first block"):
        list(score_folder(market, bundle, as_of=START - 10 * DAY))


def test_score_folder__future_events__change_no_score(market: Path, bundle: ModelBundle, tmp_path: Path) -> None:
    cut = write_market(
        tmp_path,
        [event for event in read_events(market) if event.position.block.timestamp < MOMENT],
        [point for point in read_market_points(market) if point.position.block.timestamp < MOMENT],
        list(read_blocks(market)),
    )

    whole, before = (list(score_folder(folder, bundle, as_of=MOMENT)) for folder in (market, cut))

    assert whole == before
    assert any(isinstance(one.result, Scored) for one in whole)


def test_parse_time__seconds_and_iso__are_the_same_moment() -> None:
    assert parse_time("1767225600") == parse_time("2026-01-01T00:00:00Z") == parse_time("2026-01-01")
    with pytest.raises(InvalidInput, match="no time: 'tomorrow'"):
        parse_time("tomorrow")
