"""What the APIs say of every wallet of the market: the demo's table."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bonafides.errors import Unavailable
from bonafides.types import Address, AttestationStatus, address_text
from bonafides_scoring.api.schemas import ProvisionalAnswer, ScoreAnswer, ScoredAnswer, UnscorableAnswer
from pydantic import TypeAdapter
from rich.table import Table

from bonafides_lab.demo.http import Answer, ask
from bonafides_lab.market.people import MarketWallet

_ANSWERS: TypeAdapter[ScoredAnswer | UnscorableAnswer | ProvisionalAnswer] = TypeAdapter(ScoreAnswer)


@dataclass(frozen=True, slots=True)
class Row:
    """One wallet and what is known of it."""

    wallet: MarketWallet
    answer: ScoredAnswer | UnscorableAnswer | ProvisionalAnswer | None
    """None: never seen (404)."""

    @property
    def attestation_status(self) -> AttestationStatus | None:
        """Where the attestation of its score stands."""
        is_attested = isinstance(self.answer, ScoredAnswer) and self.answer.attestation
        return self.answer.attestation.status if is_attested else None  # type: ignore[union-attr]

    @property
    def is_settled(self) -> bool:
        """Whether nothing more is to come for this wallet."""
        if isinstance(self.answer, ProvisionalAnswer):
            return False
        return not isinstance(self.answer, ScoredAnswer) or self.attestation_status is AttestationStatus.FINAL


def read_row(scoring_api: str, wallet: MarketWallet) -> Row:
    """Ask the scoring API about one wallet. Raises Unavailable for anything but an answer or a 404."""
    answer: Answer = ask(f"{scoring_api}/v1/wallets/{address_text(wallet.address)}/score")
    if answer.status == 404:
        return Row(wallet, None)
    if answer.status != 200:
        raise Unavailable(f"the scoring API answered {answer.status}")
    return Row(wallet, _ANSWERS.validate_python(answer.body, strict=False))


def read_rows(scoring_api: str, wallets: Sequence[MarketWallet]) -> list[Row]:
    """Ask about all wallets, in their order."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda wallet: read_row(scoring_api, wallet), wallets))


def wait_until_settled(
    scoring_api: str,
    wallets: Sequence[MarketWallet],
    *,
    patience_s: float,
    on_look: Callable[[list[Row]], None] = lambda _: None,
    check: Callable[[], None] = lambda: None,
) -> list[Row]:
    """Ask until somebody is scored and every score is attested for good. Raises Unavailable after `patience_s`.

    `check` is called at each look and may raise, when a process has died.
    """
    deadline = time.monotonic() + patience_s
    while True:
        check()
        rows = read_rows(scoring_api, wallets)
        on_look(rows)
        if any(isinstance(row.answer, ScoredAnswer) for row in rows) and all(row.is_settled for row in rows):
            return rows
        if time.monotonic() > deadline:
            open_rows = sum(not row.is_settled for row in rows)
            raise Unavailable(f"after {patience_s:.0f} s {open_rows} of {len(rows)} wallets were still not settled")
        time.sleep(0.5)


def results_table(rows: Sequence[Row]) -> Table:
    """Wallet, score, band, top adverse reason, attestation status; the best score first."""
    table = Table(title="Scores [magenta](synthetic model: it never saw a real borrower)[/]", header_style="bold")
    for name in ("wallet", "who it is", "score", "band", "held back most by", "attestation"):
        table.add_column(name, justify="right" if name == "score" else "left", no_wrap=name in ("wallet", "score"))
    for row in sorted(rows, key=_score_of, reverse=True):
        table.add_row(_short(row.wallet.address), row.wallet.kind.replace("_", " "), *_cells(row))
    return table


def _cells(row: Row) -> tuple[str, str, str, str]:
    match row.answer:
        case ScoredAnswer() as scored:
            reason = scored.reasons[0].value.replace("_", " ") if scored.reasons else "[dim]nothing[/]"
            colour = {"A": "green", "B": "green", "C": "yellow", "D": "yellow", "E": "red"}[scored.band.value]
            status = row.attestation_status
            return (f"[{colour}]{scored.score}[/]", scored.band.value, reason, status.value if status else "–")
        case UnscorableAnswer() as unscorable:
            return ("–", "–", f"[dim]unscorable: {unscorable.reason.value.replace('_', ' ')}[/]", "–")
        case ProvisionalAnswer():
            return ("–", "–", "[dim]not final yet[/]", "–")
        case None:
            return ("–", "–", "[dim]never seen[/]", "–")


def _score_of(row: Row) -> int:
    match row.answer:
        case ScoredAnswer() as scored:
            return scored.score
        case UnscorableAnswer() | ProvisionalAnswer():
            return 1
        case None:
            return 0


def _short(wallet: Address) -> str:
    text = address_text(wallet)
    return f"{text[:6]}…{text[-4:]}"
