"""The catalogue of features as a page for people: docs/features.md."""

from collections.abc import Sequence

from bonafides_scoring.features.catalogue import APART_DAYS
from bonafides_scoring.features.families import FAMILIES, REASON_OF_FAMILY, Direction
from bonafides_scoring.features.schema import FEATURES, SCHEMA_HASH, FeatureSpec
from bonafides_scoring.wallet_state import FOLD_VERSION, SETTLING_DAYS

_INTRODUCTION = f"""\
# Features

What the model sees of a subject as of named blocks, and nothing else: {len(FEATURES)} whole numbers in {len(FAMILIES)}
families. Each family is one line of the explanation and has one reason code. A test holds this page to the code that
prints it, `bonafides scoring features --markdown`. Fold version {FOLD_VERSION}, schema

    {SCHEMA_HASH.hex()}

- **Nothing is ever missing.** Where something never happened the feature holds the value in the column *never
  happened*: the worst, so that hiding gains nothing, or the best where the thing is bad. A history that could not be
  read gets no score at all.
- **Volume buys nothing.** A loan that is over counts the same whether it was of one dollar or of a million. What is
  undone within {SETTLING_DAYS} days (borrow and repay, repay and borrow, supply and withdraw, withdraw and supply, all
  debt closed and taken again; of any size and number) moves no feature to its good side; all amounts times ten move
  none but `open_debt_usd`, to its bad side, and shares that are held against the reference position.
- **Good acts count by time.** A repayment or a top-up is cheap, and can be borrowed back. So of those within
  {APART_DAYS} days of each other one counts, and the first proves nothing. What a bought record costs all the same, in
  dollars and days, `bonafides lab attack` tells.
- **Prices** are those of the position's own assets at the as-of block. The market around it is in no feature.
- **Direction** is how the risk moves when the value rises; the model is held to it. *Actionable*: the borrower can move
  it by what he does within 90 days.
- bps are basis points: 10,000 is all. Values are clamped to their range.
"""


def catalogue_markdown() -> str:
    """The page, ending in a line break."""
    parts = [_INTRODUCTION]
    for family in FAMILIES:
        title = family.value.replace("_", " ").capitalize()
        parts.append(f"## {title}\n\nFamily `{family.value}`, reason code `{REASON_OF_FAMILY[family].value}`.\n")
        rows = [row_of(spec) for spec in FEATURES if spec.family is family]
        header = ("feature", "definition", "unit", "range", "risk when it rises", "never happened", "actionable")
        parts.append(_table(header, [(f"`{row[0]}`", row[2], *row[3:]) for row in rows]))
    return "\n".join(parts)


def row_of(spec: FeatureSpec) -> tuple[str, str, str, str, str, str, str, str]:
    """Name, family, definition, unit, range, risk when it rises, value where it never happened, actionable."""
    return (
        spec.name,
        spec.family.value,
        spec.definition,
        spec.unit,
        f"{spec.lowest:,} to {spec.highest:,}",
        "rises" if spec.direction is Direction.RISK_RISES else "falls",
        f"{spec.absent:,}, the {'best' if spec.absent == spec.best else 'worst'}",
        "yes" if spec.is_actionable else "no",
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
