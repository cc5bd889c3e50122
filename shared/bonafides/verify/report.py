"""How the command shows an answer: for people with rich, for programs as JSON."""

import json
from datetime import UTC, datetime

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bonafides.types import Json, ModelClass, VerificationStatus, address_text, flag_names
from bonafides.verify.hexadecimal import format_hex
from bonafides.verify.leaves import value_to_json
from bonafides.verify.outcome import Claims, StageOutcome, Verification

_MARKS = {
    StageOutcome.PASSED: ("✓", "green"),
    StageOutcome.FAILED: ("✗", "bold red"),
    StageOutcome.UNCHECKED: ("?", "yellow"),
    StageOutcome.NOT_REACHED: ("·", "dim"),
}
_LABELS = {
    "score": "score",
    "band": "band",
    "pdBps": "probability of the outcome",
    "receiptDigest": "receipt",
    "coverageDigest": "coverage",
}
_OPEN_QUESTIONS = frozenset(
    {VerificationStatus.HOLDER_UNCHECKED, VerificationStatus.NEEDS_CHAIN, VerificationStatus.ROOT_UNCHECKED}
)


def render(answer: Verification) -> RenderableType:
    """The answer for people: status first, then what the document says, then each check."""
    colour = _colour(answer.status)
    head = Text.assemble((answer.status.value, f"bold {colour}"), "  ", answer.detail)
    parts: list[RenderableType] = [head, Text()]
    if answer.claims is not None:
        parts += [_claims_table(answer.claims), Text()]
    parts.append(_stages_table(answer))
    if answer.claims is not None and answer.claims.model_class is ModelClass.SYNTHETIC:
        parts += [Text(), Text("Synthetic: the model never saw a real borrower. For tests only.", style="magenta")]
    return Panel(Group(*parts), border_style=colour, box=box.ROUNDED, padding=(1, 2), expand=False)


def to_json(answer: Verification) -> str:
    """The answer for programs. Keys are stable; `claims` is null when a check failed."""
    stages: list[Json] = [
        {"stage": result.stage.value, "outcome": result.outcome.value, "reason": result.reason}
        for result in answer.stages
    ]
    found: Json = {
        "status": answer.status.value,
        "detail": answer.detail,
        "unchecked": [stage.value for stage in answer.unchecked],
        "claims": None if answer.claims is None else _claims_json(answer.claims),
        "stages": stages,
    }
    return json.dumps(found, indent=2)


def _colour(status: VerificationStatus) -> str:
    if status is VerificationStatus.VALID:
        return "green"
    return "yellow" if status in _OPEN_QUESTIONS else "red"


def _claims_table(claims: Claims) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in claims.disclosed.items():
        table.add_row(_label(name), Text(_value_text(name, value_to_json(value)), style="bold"))
    table.add_row("outcome", f"{claims.outcome.replace('_', ' ')} within {claims.horizon_days} days")
    table.add_row("wallet", address_text(claims.wallet))
    table.add_row("issuer", f"{claims.issuer} ({claims.model_class.value} model {format_hex(claims.model_id)[:10]}…)")
    table.add_row("flags", ", ".join(flag_names(claims.flags)) or "none")
    blocks = ", ".join(f"chain {block.chain_id} block {block.number:,}" for block in claims.as_of.blocks)
    table.add_row("as of", f"{_time_text(claims.as_of.time)} ({blocks})")
    table.add_row("valid", f"{_time_text(claims.valid_from)} until {_time_text(claims.valid_until)}")
    return table


def _stages_table(answer: Verification) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for result in answer.stages:
        mark, style = _MARKS[result.outcome]
        table.add_row(Text(mark, style=style), Text(result.stage.value, style=style), Text(result.reason))
    return table


def _label(name: str) -> str:
    if name.startswith("scoreGte"):
        return f"score ≥ {name.removeprefix('scoreGte')}"
    return _LABELS.get(name, name.replace("reason", "adverse reason "))


def _value_text(name: str, value: Json) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "pdBps" and isinstance(value, int):
        return f"{value / 100:.2f} %"
    return str(value).replace("_", " ") or "none"


def _time_text(moment: int) -> str:
    try:
        return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"second {moment}"  # beyond what the calendar holds


def _claims_json(claims: Claims) -> Json:
    disclosed: dict[str, Json] = {name: value_to_json(value) for name, value in claims.disclosed.items()}
    as_of: list[Json] = [
        {
            "chainId": block.chain_id,
            "number": block.number,
            "hash": format_hex(block.hash),
            "timestamp": block.timestamp,
        }
        for block in claims.as_of.blocks
    ]
    flags: list[Json] = [*flag_names(claims.flags)]
    return {
        "issuer": claims.issuer,
        "attester": address_text(claims.attester),
        "modelId": format_hex(claims.model_id),
        "modelClass": claims.model_class.value,
        "outcome": claims.outcome,
        "horizonDays": claims.horizon_days,
        "flags": flags,
        "asOf": as_of,
        "issuedAt": claims.issued_at,
        "validFrom": claims.valid_from,
        "validUntil": claims.valid_until,
        "revocationIndex": claims.revocation_index,
        "subject": format_hex(claims.subject),
        "commitment": format_hex(claims.commitment),
        "wallet": address_text(claims.wallet),
        "disclosed": disclosed,
    }
