"""Reads what an evaluation needs from files, and writes its report."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bonafides.errors import InvalidInput
from bonafides.event_files import read_market_points
from bonafides.events import MarketPoint
from pydantic import ValidationError

from bonafides_scoring.evaluation.card import model_card
from bonafides_scoring.evaluation.challengers import challengers_of
from bonafides_scoring.evaluation.commands import PAGE_FILE
from bonafides_scoring.evaluation.flow import WORDS_OF, Beside, Machine, Progress, Rows, evaluate_model
from bonafides_scoring.evaluation.manipulation import read_manipulation
from bonafides_scoring.evaluation.markup import day
from bonafides_scoring.evaluation.page import render_page
from bonafides_scoring.evaluation.report import REPORT_FILE, Making, Report, report_json
from bonafides_scoring.evaluation.transfer import data_folder, transfer_of
from bonafides_scoring.model import CARD_FILE, ModelBundle, load_bundle
from bonafides_scoring.training.panels.files import read_panel
from bonafides_scoring.training.panels.panel import Panel
from bonafides_scoring.training.predictions import TestPart
from bonafides_scoring.training.split import at_horizon, held_out_rows, split_panel
from bonafides_scoring.wallet_state import SECONDS_PER_DAY

Parts = tuple[tuple[str, str, Panel], ...]
"""Name, words and rows."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Files of an evaluation."""

    model: Path
    panel: Path
    predictions: Path | None = None
    events: Path | None = None
    attack: Path | None = None


def run_evaluation(inputs: Inputs, *, seed: int, draws: int, progress: Progress) -> Report:
    """Measure; see `evaluate_command`.

    Raises:
        BundleRefused: see `load_bundle`.
        InvalidInput: a file that is not what it should be, a model of another horizon, or rows of one class only.
    """
    bundle = load_bundle(inputs.model)
    progress("reading the panel", 0, 1)
    panel = at_horizon(read_panel(inputs.panel), bundle.scale.horizon_days)
    digest = panel.digest.hex()
    progress("reading the panel", 1, 1)
    machine = machine_of(bundle)
    is_own = digest == machine.training_digest
    training = None
    if is_own:
        parts, training = _own_parts(panel, bundle.scale.horizon_days)
    else:
        parts = _later_parts(panel, machine.making)
    rows = tuple(
        Rows(
            name,
            words,
            part,
            challengers_of(inputs.predictions, part, machine.name, machine.training_digest)
            if inputs.predictions
            else (),
        )
        for name, words, part in parts
        if len(part)
    )
    points: Iterable[MarketPoint] | None = read_market_points(inputs.events) if inputs.events else None
    folder = data_folder()
    beside = Beside(
        training=training,
        training_rate=float(training.labels.mean()) if training is not None else None,
        points=points,
        transfer=transfer_of(folder, machine.booster, training, seed, draws),
        manipulation=read_manipulation(inputs.attack, machine.name, bundle.id.hex()),
    )
    return evaluate_model(machine, rows, beside, panel_digest=digest, seed=seed, draws=draws, progress=progress)


def machine_of(bundle: ModelBundle) -> Machine:
    """What of a bundle is measured."""
    manifest = bundle.manifest
    return Machine(
        name=manifest.name,
        model_class=manifest.model_class.value,
        population=manifest.population,
        booster=bundle.booster,
        base_margin=bundle.base_margin,
        making=Making(scale=manifest.scale, reference=manifest.reference_position, training=manifest.training),
    )


def write_report(report: Report, folder: Path) -> None:
    """The page, the JSON and the model card; each appears when it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {PAGE_FILE: render_page(report), REPORT_FILE: report_json(report), CARD_FILE: model_card(report)}
    for name, text in files.items():
        partial = folder / f"{name}.partial"
        partial.write_text(text, "utf-8")
        partial.replace(folder / name)


def read_report(path: Path) -> Report:
    """Read `report.json` back.

    Raises:
        InvalidInput: no such file, or one of another shape.
    """
    try:
        return Report.model_validate_json(path.read_bytes())
    except OSError as exc:
        raise InvalidInput(f"{path.name} cannot be read: {exc.strerror}") from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"{path.name}: {place or 'file'}: {first['msg']}") from exc


def _own_parts(panel: Panel, horizon_days: int) -> tuple[Parts, Panel]:
    split = split_panel(panel, horizon_days)
    parts: Parts = (
        (TestPart.UNSEEN_WALLETS.value, WORDS_OF[TestPart.UNSEEN_WALLETS], split.test),
        (TestPart.KNOWN_WALLETS.value, WORDS_OF[TestPart.KNOWN_WALLETS], split.test_known_wallets),
    )
    return parts, split.train


def _later_parts(panel: Panel, making: Making) -> Parts:
    """Rows of another panel that the model cannot have learned from.

    A panel may share rows with the model's own and still have another digest: one row less is enough. So only what
    the model's training could not know yet counts, whoever's the rows are.
    """
    known_until = max(making.training.last_cutoff, *(window.last_cutoff for window in making.training.calibration))
    first = known_until + making.scale.horizon_days * SECONDS_PER_DAY
    later = panel.where(panel.cutoffs >= first)
    if not len(later):
        raise InvalidInput(
            f"the panel's last cut-off is of {day(int(panel.cutoffs.max()))}: the model may have learned from all its "
            f"rows, expected some from {day(first)} on"
        )
    held_out = held_out_rows(later)
    if not held_out.any():
        raise InvalidInput(
            f"none of the {len(later):,} rows from {day(first)} on is of a wallet held out of every training, expected "
            "some: one wallet in five is, by the hash of its address"
        )
    return (
        ("held_out_wallets", "another panel, later time, wallets held out of every training", later.where(held_out)),
        ("other_wallets", "another panel, later time, wallets that it may have seen", later.where(~held_out)),
    )
