"""Attackers on real Aave V3 bytecode: what tricks cost, where positions end, and the command from end to end."""

import shutil
from pathlib import Path

import pytest
from bonafides_lab.attack.commands import attack_command
from bonafides_lab.attack.gas import GAS, GasOf
from bonafides_lab.attack.moves import Home, Move, Strategy, Trick
from bonafides_lab.attack.outcomes import kind_of
from bonafides_lab.attack.play import Played, RoundPlayed, play_round
from bonafides_lab.attack.records import CRASH_FALL, Record
from bonafides_lab.attack.report import OutcomeKind, read_report
from bonafides_lab.demo.lender_environment import checkout_root
from bonafides_lab.training import SHIPPED_MODEL
from typer import Typer
from typer.testing import CliRunner

from tests.support.market_chains import aave_artifacts_or_skip

pytestmark = pytest.mark.integration

DAYS = 30
STRATEGIES = {
    "wash": Strategy(Record.RISKY, DAYS, (Move(Trick.WASH, 0, 5, 1, 0, 500, in_reverse=True),)),
    "held": Strategy(Record.RISKY, DAYS, (Move(Trick.HELD_WASH, 0, 1, 1, 10, 500),)),
    "reopen": Strategy(Record.UNTRIED, DAYS, (Move(Trick.REPAY_AND_REOPEN, 0, 1, 1, 10, 10_000, by_companion=True),)),
    "one": Strategy(Record.RISKY, DAYS, (Move(Trick.ONE_TRANSACTION, 0, 2, 1, 0, 500),)),
    "flash": Strategy(Record.RISKY, DAYS, (Move(Trick.FLASH_LOAN, 0, 1, 1, 0, 10_000),)),
    "hide": Strategy(Record.LIQUIDATED, DAYS, (), Home.HIDE),
    "split": Strategy(Record.LIQUIDATED, DAYS, (), Home.SPLIT, wallets=3),
    "small": Strategy(Record.RISKY, DAYS, (Move(Trick.DUST, 0, 3, 1, 0, 500),)),
    "honest": Strategy(Record.RISKY, DAYS, (Move(Trick.PAY_DOWN, 0, 1, 1, 0, 5_000),)),
    "debt_free": Strategy(Record.DEBT_FREE, DAYS, (Move(Trick.REPAY_AND_REOPEN, 0, 2, 10, 8, 10_000),)),
}


@pytest.fixture(scope="module")
def round_played(tmp_path_factory: pytest.TempPathFactory) -> RoundPlayed:
    logs = tmp_path_factory.mktemp("attack") / "logs"
    return play_round(aave_artifacts_or_skip(), logs, list(STRATEGIES.values()), seed=3, most_days=DAYS)


def of(played: RoundPlayed, name: str) -> Played:
    return played.played[list(STRATEGIES).index(name)]


def test_round__nothing_reverts_and_the_crash_liquidates(round_played: RoundPlayed) -> None:
    assert [one.reverted for one in round_played.played] == [0] * len(STRATEGIES)
    assert round_played.liquidations > 0
    assert CRASH_FALL > 0.11  # where a health factor of 1.12 ends


@pytest.mark.parametrize("name", [name for name in STRATEGIES if name != "honest"])
def test_empty_acts__end_with_the_twin_s_position(round_played: RoundPlayed, name: str) -> None:
    one = of(round_played, name)
    twin = round_played.twins[one.strategy.record].held

    assert OutcomeKind.EMPTY in {kind_of(held, one.held, twin) for held in one.held}


def test_honest_repayment__is_another_position(round_played: RoundPlayed) -> None:
    one = of(round_played, "honest")
    twin = round_played.twins[Record.RISKY].held

    assert kind_of(one.held[0], one.held, twin) is OutcomeKind.CHANGED
    assert one.held[0].debt_usd == pytest.approx(twin.debt_usd / 2, rel=0.01)


def test_wash__in_the_same_block__costs_gas_alone(round_played: RoundPlayed) -> None:
    one = of(round_played, "wash")

    assert one.interest_usd == pytest.approx(0, abs=0.001)  # a thousandth of a dollar: rounding of shares
    assert one.gas == 5 * (GAS[GasOf.REPAY] + GAS[GasOf.BORROW])
    assert one.locked_usd_days == pytest.approx(0, abs=1)


def test_held_wash__pays_the_variable_rate_on_what_it_held(round_played: RoundPlayed) -> None:
    one = of(round_played, "held")
    borrowed = 0.05 * round_played.twins[Record.RISKY].held.debt_usd

    # 80 % of the pool is lent, below the kink at 90 %: 5.5 % * 80/90 = 4.9 % a year, for ten days.
    assert one.interest_usd == pytest.approx(borrowed * 0.049 * 10 / 365, rel=0.05)


def test_repay_and_reopen__saves_interest_and_locks_the_companion_s_money(round_played: RoundPlayed) -> None:
    one = of(round_played, "reopen")
    debt = round_played.twins[Record.UNTRIED].held.debt_usd

    assert one.locked_usd_days == pytest.approx(10 * debt, rel=0.02)
    assert one.interest_usd == pytest.approx(-debt * 0.049 * 10 / 365, rel=0.05)
    assert one.cash_usd == pytest.approx(debt, rel=0.02)


def test_flash_loan__pays_aave_s_premium(round_played: RoundPlayed) -> None:
    one = of(round_played, "flash")
    debt = round_played.twins[Record.RISKY].held.debt_usd

    # 9 bps of 1.01 times the debt; the bundler is left a tenth of that, and the old debt's last hours.
    assert 0.0009 * debt < one.interest_usd < 0.0015 * debt


def test_one_transaction__moves_nothing_and_pays_no_interest(round_played: RoundPlayed) -> None:
    one = of(round_played, "one")

    assert one.interest_usd == pytest.approx(0, abs=0.001)
    assert one.held[0].debt_usd == pytest.approx(round_played.twins[Record.RISKY].held.debt_usd, rel=1e-6)


def test_hide__the_old_wallet_is_left_empty(round_played: RoundPlayed) -> None:
    old, fresh = of(round_played, "hide").held

    assert (old.collateral_usd, old.debt_usd) == (0, 0)
    assert fresh.debt_usd == pytest.approx(round_played.twins[Record.LIQUIDATED].held.debt_usd, rel=0.001)


def command_line(out: Path, *more: str) -> list[str]:
    model, artifacts = checkout_root() / SHIPPED_MODEL, aave_artifacts_or_skip().folder
    sizes = ["--days", "30", "--strategies", "6", "--children", "6", "--rounds", "1"]
    return ["--model", str(model), "--out", str(out), "--artifacts", str(artifacts), *sizes, *more]


def test_command__small_search__writes_the_report_goes_on_and_refuses_another_seed(tmp_path: Path) -> None:
    app = Typer()
    app.command()(attack_command)
    out = tmp_path / "attack"

    first = CliRunner().invoke(app, command_line(out))

    assert first.exit_code == 0, (first.output, first.exception)
    report = read_report(out / "attack.json")
    assert report.is_synthetic
    assert report.rounds == 2
    assert {control.record for control in report.controls} == {record.value for record in Record}
    assert (report.usd_for_points is None) == (report.successes[OutcomeKind.EMPTY] == 0)
    assert (out / "attack.svg").read_text().startswith("<svg")

    before = (out / "attack.json").read_bytes()
    (out / "attack.json").unlink()
    (out / "round-1.json").unlink()  # as if the second round had been interrupted
    again = CliRunner().invoke(app, command_line(out))
    assert again.exit_code == 0, (again.output, again.exception)
    assert (out / "attack.json").read_bytes() == before

    other = CliRunner().invoke(app, command_line(out, "--seed", "5"))
    assert "another model, seed or budget" in str(other.exception)
    shutil.rmtree(out)
