"""The panel of decoded files, kept in the work folder: built once for the same files, cut-offs and code."""

from pathlib import Path

from bonafides.errors import InvalidInput

from bonafides_scoring.training.panels.files import read_panel, read_panel_header
from bonafides_scoring.training.panels.folder import Progress, build_panel_file, digest_of_folder
from bonafides_scoring.training.panels.panel import Panel
from bonafides_scoring.training.panels.plan import PanelPlan

PANEL_FILE = "panel.parquet"


def panel_of_events(events: Path, work: Path, plan: PanelPlan, *, workers: int, progress: Progress) -> Panel:
    """The panel of a folder of decoded files; read from `work` if it was built before, gone on with if it was begun.

    Raises:
        InvalidInput: what `build_panel_file` refuses.
    """
    path = work / PANEL_FILE
    if not (path.exists() and _is_of(path, events, plan, progress)):
        build_panel_file(events, path, plan, workers=workers, resume=True, progress=progress)
    return read_panel(path)


def _is_of(path: Path, events: Path, plan: PanelPlan, progress: Progress) -> bool:
    try:
        found = read_panel_header(path)
    except InvalidInput:  # of another version: built again
        return False
    wanted = (digest_of_folder(events, progress), plan.step_days, plan.warm_up_days)
    return (found.source_digest, found.step_days, found.warm_up_days) == wanted
