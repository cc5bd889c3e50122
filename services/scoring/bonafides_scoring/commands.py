"""`bonafides scoring`: the worker, the API, and what risk people run."""

import typer

from bonafides_scoring.backtest.commands import backtest_command, predict_command
from bonafides_scoring.evaluation.commands import evaluate_command
from bonafides_scoring.feature_commands import features_command
from bonafides_scoring.replay_commands import replay_command
from bonafides_scoring.training.commands import train_command
from bonafides_scoring.training.panels.commands import panel_command
from bonafides_scoring.training.score_commands import score_command

app = typer.Typer(
    add_completion=False,
    epilog="First: bonafides scoring features, which says what a model sees. To make one: panel, train, evaluate; "
    "to serve one: worker and api.",
)


@app.command()
def worker() -> None:
    """Fold wallet histories and score them at boundaries.

    Settings come from variables that begin with BONAFIDES_SCORING_; .env.example
    in the repository lists all, with their defaults.

    Example:

      BONAFIDES_SCORING_CHAIN_IDS=31337 bonafides scoring worker
    """
    from bonafides.process import exit_with

    from bonafides_scoring.__main__ import run_worker

    exit_with(run_worker)


@app.command()
def api() -> None:
    """Serve scores, explanations and the borrower's page over HTTP.

    Settings come from variables that begin with BONAFIDES_SCORING_, as the
    worker's.

    Example:

      BONAFIDES_SCORING_CHAIN_IDS=31337 BONAFIDES_SCORING_CONSENT_MODE=open \\
      bonafides scoring api
    """
    from bonafides.process import exit_with

    from bonafides_scoring.__main__ import run_api

    exit_with(run_api)


app.command("panel")(panel_command)
app.command("score")(score_command)
app.command("train")(train_command)
app.command("evaluate")(evaluate_command)
app.command("replay")(replay_command)
app.command("features")(features_command)
app.command("predict")(predict_command)
app.command("backtest")(backtest_command)
