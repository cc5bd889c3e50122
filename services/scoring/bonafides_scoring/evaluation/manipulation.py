"""Reads what a manipulation costs from `bonafides lab attack`: services and the lab share files, never code."""

from pathlib import Path
from typing import Literal

from bonafides.errors import InvalidInput
from pydantic import BaseModel, ConfigDict, ValidationError

from bonafides_scoring.evaluation.report import Manipulation, NotMeasured

FORMAT = "bonafides/manipulation-cost/1"


class _AttackFile(BaseModel):
    """The part of the file that the report tells; the rest is left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal["bonafides/manipulation-cost/1"]
    model: str
    model_id: str
    seed: int
    budget_usd: float
    most_days: int
    points_wanted: int
    strategies_tried: int
    usd_for_points: float | None
    days_for_points: int | None
    conclusion: str
    limits: tuple[str, ...]


def read_manipulation(path: Path | None, model: str, model_id: str) -> Manipulation | NotMeasured:
    """What the report tells of an attack on the model of this name and id, hexadecimal: a name may be given again.

    Raises:
        InvalidInput: the file cannot be read, is of another shape, or of an attack on another model.
    """
    if path is None:
        reason = "manipulation cost: no attack.json was given (`bonafides lab attack` writes one)"
        return NotMeasured(not_measured=reason)
    try:
        found = _AttackFile.model_validate_json(path.read_bytes())
    except OSError as exc:
        raise InvalidInput(f"{path.name} cannot be read: {exc.strerror}") from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"{path.name} is no attack of {FORMAT}: {place or 'file'}: {first['msg']}") from exc
    if found.model != model:
        raise InvalidInput(f"{path.name} is of an attack on model {found.model}, not {model}: attack this one")
    if found.model_id != model_id:
        raise InvalidInput(
            f"{path.name} is of an attack on model {model} with id {found.model_id}, not {model_id}: attack this one"
        )
    return Manipulation(**found.model_dump(exclude={"format", "model_id"}))
