"""The market's commands, as a terminal sees them."""

from pathlib import Path

import pytest
import typer
from bonafides_lab.market.commands import play_command, simulate_command
from typer.testing import CliRunner

from tests.support.market_chains import aave_artifacts_or_skip

pytestmark = pytest.mark.integration

app = typer.Typer()
app.command("play")(play_command)
app.command("simulate")(simulate_command)


def test_simulate__small_market__writes_the_files_and_prints_the_counts(tmp_path: Path) -> None:
    artifacts = str(aave_artifacts_or_skip().folder)
    out = tmp_path / "market"

    result = CliRunner().invoke(
        app, ["simulate", "--out", str(out), "--borrowers", "5", "--days", "3", "--artifacts", artifacts]
    )

    assert result.exit_code == 0, result.output
    assert "Aave transactions" in result.output
    assert (out / "deployments.yaml").is_file()
    assert list(out.glob("*__logs__*.parquet"))


def test_simulate__no_day__is_refused_by_the_command_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["simulate", "--out", str(tmp_path), "--days", "0"])

    assert result.exit_code == 2
    assert "--days" in result.output


@pytest.mark.parametrize("command", ["play", "simulate"])
def test_help__shows_examples(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])

    assert f"bonafides lab {command}" in result.output
