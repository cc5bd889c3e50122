"""A whole market in rough conditions: bad debt, sybils' traces, no habit in any file, and the marginals of it."""

import dataclasses
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from bonafides.errors import InvalidInput
from bonafides_ingest.commands import app as ingest_app
from bonafides_lab.market.actions import Verb
from bonafides_lab.market.commands import simulate_command
from bonafides_lab.market.habits import Borrower, Habits, Kind
from bonafides_lab.market.marginals.command import marginals_command
from bonafides_lab.market.market_prices import MarketPrices
from bonafides_lab.market.prices import Crash, PriceModel
from bonafides_lab.market.simulate import SUMMARY_FILE, SimulatedMarket, simulate
from typer.testing import CliRunner

from tests.support.market_chains import aave_artifacts_or_skip

pytestmark = pytest.mark.integration

CRASHING = MarketPrices(
    model=PriceModel(
        weth_daily_volatility=0.05, wbtc_daily_volatility=0.04, scheduled=(Crash(0.5, 0.6), Crash(0.8, 0.5))
    )
)
SUMMARY_KEYS = {
    "source",
    "chain_id",
    "seed",
    "borrowers",
    "days",
    "prices",
    "transactions",
    "reverted",
    "liquidated_wallets",
    "wallets_with_debt",
    "wallets_with_bad_debt",
    "logs",
    "blocks",
}
"""What may stand beside the logs: what was asked for, and counts."""

app = typer.Typer()
app.command("simulate")(simulate_command)
app.command("marginals")(marginals_command)


@pytest.fixture(scope="module")
def rough(tmp_path_factory: pytest.TempPathFactory) -> SimulatedMarket:
    folder = tmp_path_factory.mktemp("rough")
    return simulate(aave_artifacts_or_skip(), folder / "logs", borrowers=250, days=150, seed=5, prices=CRASHING)


def test_simulate__crashes__leave_bad_debt(rough: SimulatedMarket) -> None:
    assert rough.wallets_with_bad_debt > 0
    assert json.loads((rough.folder / SUMMARY_FILE).read_text())["wallets_with_bad_debt"] == rough.wallets_with_bad_debt


def test_simulate__sybils__leave_their_traces(rough: SimulatedMarket) -> None:
    assert rough.transactions[Verb.SUPPLY_ON_BEHALF] + rough.transactions[Verb.TRANSFER_SUPPLY] > 0


def test_simulate__files__hold_no_kind_no_habit_and_no_parameter(rough: SimulatedMarket) -> None:
    names = {field.name for kind in (Habits, Borrower, PriceModel) for field in dataclasses.fields(kind)}
    words = {kind.value for kind in Kind} | (names - {"index", "address", "companion"})

    for path in rough.folder.iterdir():
        if path.suffix == ".parquet":
            schema = pq.read_schema(path)
            said = {*schema.names, *(key.decode() for key in schema.metadata or {})}
        else:
            text = path.read_text()
            said = {word.strip("\"',: {}[]") for word in text.split()}
        assert not said & words, path.name


def test_simulate__summary__holds_what_was_asked_for_and_counts(rough: SimulatedMarket) -> None:
    summary = json.loads((rough.folder / SUMMARY_FILE).read_text())

    assert set(summary) == SUMMARY_KEYS
    assert summary["prices"] == {"source": "model"}


def test_marginals__of_the_market__are_written_as_html_and_json(rough: SimulatedMarket, tmp_path: Path) -> None:
    decoded, out = tmp_path / "decoded", tmp_path / "report"
    deployments = str(rough.folder / "deployments.yaml")
    ingest = CliRunner().invoke(
        ingest_app, ["decode", str(rough.folder), "--deployments", deployments, "--out", str(decoded)]
    )
    assert ingest.exit_code == 0, ingest.output

    result = CliRunner().invoke(app, ["marginals", str(decoded), "--out", str(out)])

    assert result.exit_code == 0, result.output
    report = json.loads((out / "marginals.json").read_text())
    liquidations = rough.transactions[Verb.LIQUIDATE] + rough.transactions[Verb.LIQUIDATE_FOR_ATOKENS]
    assert report["synthetic"]["liquidations"] == liquidations
    assert report["synthetic"]["liquidated_borrowers"] == rough.liquidated_wallets
    assert report["synthetic"]["unpriced"] == 0
    assert (out / "marginals.html").read_text().count("<svg") == 4


def test_simulate__real_prices__are_posted_as_they_stand_in_the_file(tmp_path: Path) -> None:
    rows = [
        (f"2021-01-{day:02}", symbol, usd)
        for day in range(1, 11)
        for symbol, usd in (("WETH", 700.0 + day), ("WBTC", 30_000.0), ("USDC", 1.0), ("DAI", 1.0))
    ]
    file = tmp_path / "prices.parquet"
    pq.write_table(pa.table(dict(zip(("date", "symbol", "close_usd"), zip(*rows, strict=True), strict=True))), file)
    artifacts, size = str(aave_artifacts_or_skip().folder), ["--borrowers", "3", "--days", "10"]
    asked = ["simulate", "--prices", "real", "--prices-file", str(file), "--artifacts", artifacts, *size]

    result = CliRunner().invoke(app, [*asked, "--out", str(tmp_path / "market")])

    assert result.exit_code == 0, result.output
    summary = json.loads((tmp_path / "market" / SUMMARY_FILE).read_text())
    assert summary["prices"]["source"] == "real"
    assert len(summary["prices"]["sha256"]) == 64


def test_simulate__real_prices_too_short__are_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["simulate", "--prices", "real", "--out", str(tmp_path / "market")])

    assert isinstance(result.exception, InvalidInput)
    assert "--prices-file" in str(result.exception)


def test_simulate__ended_halfway__leaves_no_market_and_the_next_run_makes_it(tmp_path: Path) -> None:
    class Ended(Exception):
        pass

    def end_on_day_2(done: int, _: int) -> None:
        if done == 2:
            raise Ended

    out = tmp_path / "market"
    with pytest.raises(Ended):
        simulate(aave_artifacts_or_skip(), out, borrowers=3, days=4, progress=end_on_day_2)
    assert list(out.iterdir()) == []

    simulate(aave_artifacts_or_skip(), out, borrowers=3, days=4)

    assert {"deployments.yaml", SUMMARY_FILE} <= {path.name for path in out.iterdir()}
    assert [path.name for path in tmp_path.iterdir()] == ["market"]
