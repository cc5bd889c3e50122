"""The product's story: a market on real Aave V3, its scores, their explanations, the documents, and the lender."""

import re
from pathlib import Path

import pytest
from bonafides.types import AttestationStatus, UnscorableReason, VerificationStatus, address_text
from bonafides_lab.demo.http import ask
from bonafides_lab.demo.lender import Lender, attempts
from bonafides_lab.demo.lender_environment import checkout_root, ensure_lender_environment
from bonafides_lab.demo.results import Row
from bonafides_lab.demo.story import fetch_document
from bonafides_lab.market.truth import TrueBalance, read_account_data, read_balances
from bonafides_lab.stack.anvil_rpc import AnvilRpc
from bonafides_lab.system.processes import Service
from bonafides_scoring.api.schemas import ExplainedAnswer, ScoredAnswer, UnscorableAnswer

from tests.e2e.conftest import Story
from tests.support.ledger import ledger_balances
from tests.support.world import rows_of

pytestmark = pytest.mark.e2e

TOLERANCE_UNITS = 2  # of the token: the contract rounds each of two products half up


def scored(story: Story) -> list[tuple[Row, ScoredAnswer]]:
    return [(row, row.answer) for row in story.rows if isinstance(row.answer, ScoredAnswer)]


def test_market__a_year_on_real_aave__is_large_and_varied_enough(story: Story) -> None:
    market = story.world.market

    assert sum(wallet.role.startswith("borrower/") for wallet in market.wallets) >= 40
    assert market.aave_transactions >= 400
    assert market.liquidations >= 5


def test_ledger__every_wallet_and_reserve__equals_the_chain(story: Story) -> None:
    as_of = scored(story)[0][1].as_of[0]
    wallets = [wallet.address for wallet in story.world.market.wallets if wallet.kind != "treasury"]
    rpc = AnvilRpc(story.world.stack.rpc_url)

    ours = ledger_balances(story.database, wallets, as_of.number)
    theirs = read_balances(rpc, story.world.market.deployment, wallets, as_of.number)

    assert sum(bool(balance.debt) for balance in theirs) >= 10
    assert [row for row in theirs if not _agree(ours.get((row.wallet, row.token), (0, 0)), row)] == []


def _agree(ours: tuple[int, int], theirs: TrueBalance) -> bool:
    supply, debt = ours
    return abs(supply - theirs.supply) <= TOLERANCE_UNITS and abs(debt - theirs.debt) <= TOLERANCE_UNITS


def test_scores__whoever_has_or_had_debt__has_a_score_and_nobody_else(story: Story) -> None:
    in_debt = {
        bytes(row["wallet"])  # type: ignore[call-overload]
        for row in rows_of(
            story.database, "SELECT DISTINCT wallet FROM scoring.event WHERE type = 'debt_balance' AND role = 'owner'"
        )
    }

    assert {row.wallet.address for row, _ in scored(story)} == in_debt
    for row in story.rows:
        if isinstance(row.answer, UnscorableAnswer):
            assert row.answer.reason is UnscorableReason.NO_CREDIT_HISTORY


def test_scores__of_the_kinds_of_borrowers__say_what_the_chain_says(story: Story) -> None:
    wallets = [row.wallet.address for row, _ in scored(story)]
    block = scored(story)[0][1].as_of[0].number
    rpc = AnvilRpc(story.world.stack.rpc_url)
    accounts = read_account_data(rpc, story.world.market.deployment, wallets, block)

    for account, (row, answer) in zip(accounts, scored(story), strict=True):
        has_debt = account.debt_base > 0
        assert ("reference_position" in [flag.value for flag in answer.flags]) is not has_debt, row.wallet.kind
    kinds = {row.wallet.kind for row, answer in scored(story) if "reference_position" in answer.flags}
    assert "repaid_all" in kinds
    never = [row for row in story.rows if row.wallet.kind == "lender"]
    assert never
    assert all(isinstance(row.answer, UnscorableAnswer) for row in never)


def test_explanation__of_every_score__adds_up_to_the_shown_score(story: Story) -> None:
    api = story.world.installation.system.api_url(Service.SCORING_API)

    for _, answer in scored(story):
        explained = ExplainedAnswer.model_validate(
            ask(f"{api}/v1/wallets/{answer.wallet}/explanation").body, strict=False
        )
        points = [family.points for family in explained.families]
        assert explained.base_points + sum(points) + explained.clip == answer.score
        by_family = {family.family: family.points for family in explained.families}
        assert all(by_family[reason.family] < 0 for reason in explained.reasons)


def test_attestations__of_every_score__are_final_and_published_once(story: Story) -> None:
    assert {row.attestation_status for row, _ in scored(story)} == {AttestationStatus.FINAL}
    documents = rows_of(story.database, "SELECT count(*) AS count FROM attestation.documents WHERE state = 'signed'")
    assert documents[0]["count"] == len(scored(story))


def test_lender__with_the_base_install_alone__accepts_the_document_and_refuses_what_is_not_it(
    story: Story, tmp_path: Path
) -> None:
    rows = [row for row, _ in scored(story)]
    document = fetch_document(story.world.installation.system, rows[0])
    trust = story.world.installation.registry.trust_file
    lender = Lender(ensure_lender_environment(checkout_root()), trust, story.world.stack.rpc_url, tmp_path)

    verdicts = [lender.check(shown) for shown in attempts(document, rows[0].wallet.address, rows[1].wallet.address)]

    assert [verdict.status for verdict in verdicts] == [verdict.attempt.expected for verdict in verdicts]
    assert verdicts[0].status is VerificationStatus.VALID
    assert len({verdict.status for verdict in verdicts}) == len(verdicts)


def test_api__bad_unknown_and_never_seen_addresses__are_refused_in_words(story: Story) -> None:
    api = story.world.installation.system.api_url(Service.SCORING_API)
    stranger = "0x" + "12" * 20

    assert ask(f"{api}/v1/wallets/{stranger}/score").status == 404
    for wrong in ("0x12", "vitalik.eth", "0x" + "g" * 40):
        answer = ask(f"{api}/v1/wallets/{wrong}/score")
        assert answer.status == 422
        assert wrong not in str(answer.body)


def test_logs_and_metrics__after_everything__name_no_wallet(story: Story) -> None:
    system = story.world.installation.system
    addresses = {address_text(wallet.address)[2:] for wallet in story.world.market.wallets}
    pattern = re.compile("|".join(addresses), re.IGNORECASE)

    for running in system.running.values():
        assert not pattern.search(running.process.log_path.read_text()), f"{running.service}: a wallet in its log"
        metrics = _read(f"{running.health_url}/metrics")
        assert not pattern.search(metrics), f"{running.service}: a wallet in a metric"
        assert "process_cpu_seconds_total" in metrics


def _read(url: str) -> str:
    import urllib.request

    with urllib.request.urlopen(url, timeout=5) as response:
        return str(response.read().decode())


def test_page__of_a_borrower__shows_the_score_and_that_it_is_synthetic(story: Story) -> None:
    api = story.world.installation.system.api_url(Service.SCORING_API)
    _, answer = scored(story)[0]

    page = _read(f"{api}/wallets/{answer.wallet}")

    assert str(answer.score) in page
    assert "synthetic" in page.lower()
