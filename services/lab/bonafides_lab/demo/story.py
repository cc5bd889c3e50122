"""THE DEMO, in the order in which it happens.

```
stack ─► market on real Aave V3 ─► install ─► six processes ─► scores ─► roots on-chain ─► the lender checks ─► stay up
```
"""

import shlex
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import typer
from bonafides.errors import InvalidInput, InvariantViolation, Unavailable
from bonafides.types import Address, address_text
from bonafides.verify.documents import Presentation
from bonafides_scoring.api.schemas import ScoredAnswer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.rule import Rule
from rich.table import Table

from bonafides_lab.demo.http import ask
from bonafides_lab.demo.lender import OPENED, Lender, Verdict, attempts
from bonafides_lab.demo.lender_environment import checkout_root, ensure_lender_environment
from bonafides_lab.demo.results import Row, results_table, wait_until_settled
from bonafides_lab.market.artifacts import Artifacts
from bonafides_lab.market.commands import played_table
from bonafides_lab.market.deployment import deployments_yaml
from bonafides_lab.market.play import DEMO_DAYS, PlayedMarket, genesis_timestamp, play
from bonafides_lab.stack.anvil import AnvilOptions
from bonafides_lab.stack.node_tools import aave_artifacts_folder
from bonafides_lab.stack.resolver import LocalStack, local_stack
from bonafides_lab.system.installation import Installation, install
from bonafides_lab.system.processes import Service, System

ENDS_BEFORE_NOW_S = 60
PATIENCE_S = 180.0
INTERRUPTED = 130  # what a shell says of a program that Ctrl-C ended

_console = Console(highlight=False)


def run_demo(*, once: bool, folder: Path | None) -> None:
    """Play the whole story; stays up until Ctrl-C unless `once`. Raises what went wrong, in words."""
    began = time.monotonic()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with ExitStack() as at_the_end:
        try:
            place = folder or Path(at_the_end.enter_context(tempfile.TemporaryDirectory(prefix="bonafides-demo-")))
            place.mkdir(parents=True, exist_ok=True)
            if any(place.iterdir()):
                raise InvalidInput(f"{place} is not empty: each demo plays on a new chain, so name a new folder")
            place.chmod(0o711)  # PostgreSQL's own user must be able to pass through
            _tell(at_the_end, place, once, began)
        except KeyboardInterrupt:
            _console.print("\nstopping")
            if once:
                raise typer.Exit(INTERRUPTED) from None


def _tell(at_the_end: ExitStack, place: Path, once: bool, began: float) -> None:
    _chapter("1 · a local stack of real processes")
    end_timestamp = int(time.time()) - ENDS_BEFORE_NOW_S
    options = AnvilOptions(start_timestamp=genesis_timestamp(end_timestamp))
    stack = at_the_end.enter_context(
        local_stack(place, anvil=options, on_ready=lambda part, detail: _done(f"{part}: {detail}"))
    )

    _chapter("2 · a year of lending on the real Aave V3 contracts")
    market = _play(stack, end_timestamp)
    _console.print(played_table(market))

    _chapter("3 · our six processes")
    (deployments := place / "deployments.yaml").write_text(deployments_yaml(market.deployment))
    with _spinner("schemas, roles, topics, keys, registry"):
        installation = install(stack, place, deployments, report=_done)
    at_the_end.callback(installation.system.stop)
    stack.rpc.set_interval_mining(1)
    _start(installation.system)

    _chapter("4 · scores, explanations, attestations")
    _console.print("CONSENT_MODE=open: this market is public and synthetic. The default, required, answers 403.")
    rows = _wait(installation.system, market)
    _console.print(results_table(rows))
    _print_model()

    _chapter("5 · the lender, who believes none of it")
    verify = _lend(stack, installation, rows)

    minutes, seconds = divmod(int(time.monotonic() - began), 60)
    _console.print(f"\nThe story took {minutes} min {seconds} s.")
    if once:
        return
    _chapter("6 · yours now, until Ctrl-C")
    _print_addresses(installation.system, rows, verify)
    threading.Event().wait()


def _play(stack: LocalStack, end_timestamp: int) -> PlayedMarket:
    with _progress() as progress:
        task = progress.add_task("playing a year of lending", total=DEMO_DAYS)
        return play(
            stack.rpc_url,
            Artifacts(aave_artifacts_folder() / "contracts"),
            end_timestamp=end_timestamp,
            progress=lambda done, _: progress.update(task, completed=done),
        )


def _start(system: System) -> None:
    with _spinner("starting"):
        started = [system.start(service) for service in Service]
        for running in started:
            running.wait_ready()
    _done(f"ready: {', '.join(running.service.value for running in started)}")


def _wait(system: System, market: PlayedMarket) -> list[Row]:
    with _progress() as progress:
        task = progress.add_task("scored and attested for good", total=len(market.wallets))

        def on_look(rows: list[Row]) -> None:
            progress.update(task, completed=sum(row.answer is not None and row.is_settled for row in rows))

        rows = wait_until_settled(
            system.api_url(Service.SCORING_API),
            market.wallets,
            patience_s=PATIENCE_S,
            on_look=on_look,
            check=lambda: check_alive(system),
        )
        progress.update(task, completed=len(market.wallets))  # whoever never borrowed has no answer, and is done too
        return rows


def check_alive(system: System) -> None:
    """Raises Unavailable with the last lines of a process that has ended."""
    for name, running in system.running.items():
        if not running.process.is_running():
            raise Unavailable(f"{name} has ended with {running.process.exit_code()}:\n{running.process.tail()}")


def _print_model() -> None:
    from bonafides_scoring.model import load_bundle, shipped_model

    evaluation = load_bundle(shipped_model()).manifest.evaluation
    _console.print(
        f"Out of time, on [magenta]synthetic[/] borrowers the model never saw: AUC {evaluation.auc.value:.3f}, "
        f"the health factor alone {evaluation.auc_health_factor_alone.value:.3f}."
    )


def fetch_document(system: System, row: Row) -> Presentation:
    """The borrower's part: have a presentation made of the attestation of this score, opening what the lender asks."""
    answer = row.answer
    if not isinstance(answer, ScoredAnswer) or answer.attestation is None:
        raise InvariantViolation("this wallet has no attestation to show")
    url = f"{system.api_url(Service.ATTESTATION_API)}/v1/attestations/{answer.attestation.attestation_id}/presentations"
    got = ask(url, {"leaves": list(OPENED), "wallet": answer.wallet})
    if got.status != 200:
        raise Unavailable(f"attestation-api answered {got.status}")
    return Presentation.model_validate(got.body)


def _lend(stack: LocalStack, installation: Installation, rows: list[Row]) -> str:
    """Play the lender; returns the command that checks the honest document once more."""
    with _spinner("the lender's own machine: bonafides without extras"):
        command = ensure_lender_environment(checkout_root())
    scored = [row for row in rows if isinstance(row.answer, ScoredAnswer)]
    best, other = max(scored, key=lambda row: _score(row)), min(scored, key=lambda row: _score(row))
    document = fetch_document(installation.system, best)
    lender = Lender(command, installation.registry.trust_file, stack.rpc_url, installation.folder / "lender")
    verdicts = [lender.check(attempt) for attempt in attempts(document, best.wallet.address, other.wallet.address)]
    table = Table(title="bonafides verify, in an environment with the base install alone", header_style="bold")
    for name in ("what the lender is shown", "answer", "why"):
        table.add_column(name)
    for verdict in verdicts:
        colour = "green" if verdict.status.value == "VALID" else "red"
        table.add_row(verdict.attempt.title, f"[{colour}]{verdict.status.value}[/]", verdict.detail)
    _console.print(table)
    _check_verdicts(verdicts)
    honest = verdicts[0].attempt
    return shlex.join(lender.argv(lender.shown(honest), honest, as_json=False))


def _check_verdicts(verdicts: list[Verdict]) -> None:
    if wrong := [verdict for verdict in verdicts if not verdict.is_as_expected]:
        raise InvariantViolation(
            "; ".join(f"{v.attempt.title}: expected {v.attempt.expected}, saw {v.status}" for v in wrong)
        )


def _score(row: Row) -> int:
    return row.answer.score if isinstance(row.answer, ScoredAnswer) else 0


def _print_addresses(system: System, rows: list[Row], verify: str) -> None:
    scoring, attestation = system.api_url(Service.SCORING_API), system.api_url(Service.ATTESTATION_API)
    sample: Address = max(rows, key=_score).wallet.address
    for what, url in (
        ("borrower page", f"{scoring}/wallets/{address_text(sample)}"),
        ("scoring API", f"{scoring}/docs"),
        ("attestation API", f"{attestation}/openapi.json"),
        ("logs", str(system.folder / "logs")),
        ("verify yourself", verify),
    ):
        _console.print(f"{what:>16}  {url}", soft_wrap=True)


def _chapter(title: str) -> None:
    _console.print(Rule(f"[bold]{title}[/]", align="left"))


def _done(text: str) -> None:
    _console.print(f"[green]✓[/] {text}", soft_wrap=True)


@contextmanager
def _spinner(text: str) -> Iterator[None]:
    with _console.status(text):
        yield


def _progress() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
        console=_console,
    )
