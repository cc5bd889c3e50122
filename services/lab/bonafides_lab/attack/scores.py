"""Scores of a round's wallets, by the commands that an operator has: decode the logs, score as of the cut-off."""

import csv
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bonafides.errors import InvalidInput, Unavailable
from bonafides.types import Address, parse_address

from bonafides_lab.attack.stage import DEPLOYMENTS_FILE

SCORES_FILE = "scores.csv"
_NEEDED = ("wallet", "score", "pd_bps")


@dataclass(frozen=True, slots=True)
class Score:
    """What a lender would be shown."""

    points: int
    pd_bps: int


def score_round(logs: Path, folder: Path, model: Path, cut_off: int) -> Mapping[Address, Score]:
    """The score of each wallet of the logs as of the last block before `cut_off`; unscorable wallets are left out.

    Raises:
        Unavailable: a command did not finish; its own words stand above.
        InvalidInput: its answer is not what `bonafides scoring score` says it writes.
    """
    decoded, scores = folder / "decoded", folder / SCORES_FILE
    _run(["ingest", "decode", str(logs), "--deployments", str(logs / DEPLOYMENTS_FILE), "--out", str(decoded)])
    given = ["--events", str(decoded), "--model", str(model), "--as-of", str(cut_off), "--out", str(scores)]
    _run(["scoring", "score", *given])
    return read_scores(scores)


def read_scores(path: Path) -> Mapping[Address, Score]:
    """The rows that have a score.

    Raises:
        InvalidInput: a column is missing or a row holds no number where one belongs.
    """
    found: dict[Address, Score] = {}
    with path.open(newline="", encoding="utf-8") as opened:
        rows = csv.DictReader(opened)
        missing = [name for name in _NEEDED if name not in (rows.fieldnames or ())]
        if missing:
            raise InvalidInput(
                f"{path.name} has no column {', '.join(missing)}; saw {', '.join(rows.fieldnames or ())}"
            )
        for row in rows:
            if not row["score"]:
                continue
            try:
                found[parse_address(row["wallet"])] = Score(int(row["score"]), int(row["pd_bps"]))
            except ValueError as exc:
                raise InvalidInput(f"{path.name}, line {rows.line_num}: expected whole numbers, {exc}") from exc
    return found


def _run(arguments: Sequence[str]) -> None:
    command = [sys.executable, "-c", "from bonafides.command_line import main; main()", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own command
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-2_000:]
        raise Unavailable(f"bonafides {' '.join(arguments[:2])} did not finish: {said}")
