"""The scoring API on a real PostgreSQL, with its own role's rights: answers, refusals, the page, the access log."""

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import structlog
from bonafides.consent import ConsentMode
from bonafides.database import connect, transaction
from bonafides.hashing import checksum_address, sha256
from bonafides.http_api import metrics
from bonafides.messages import AttestationChanged
from bonafides.testing.memory_bus import MemoryProducer
from bonafides.topics import ATTESTATION_STATUS
from bonafides.types import Address, AttestationStatus, Digest, address_text
from bonafides_scoring.api.app import create_app
from bonafides_scoring.features.schema import FAMILIES
from bonafides_scoring.store.tables import access_log, score
from fastapi.testclient import TestClient
from prometheus_client import generate_latest
from sqlalchemy import Engine, select, text

from tests.support.scoring_logs import LoggedMarket, Sent, careful_borrower, liquidated_borrower, produce, saver, wallet
from tests.support.scoring_service import (
    as_role,
    memory_broker,
    memory_worker,
    migrated,
    run_until_idle,
    table_rows,
    throwaway_database,
)

pytestmark = pytest.mark.integration

ALICE, BOB, LIQUIDATED, NEVER_SEEN = wallet("alice"), wallet("bob"), wallet("liquidated"), wallet("never seen")
WALLET_ROUTES = ("/v1/wallets/{}/score", "/v1/wallets/{}/explanation", "/v1/wallets/{}/events", "/wallets/{}")


@dataclass
class Served:
    """A scored market behind the API."""

    url: str
    engine: Engine
    client: TestClient
    scores: dict[Address, Digest]

    def get(self, path: str, **options: bool) -> dict[str, object]:
        answer = self.client.get(path, **options)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert isinstance(found, dict)
        return found


@pytest.fixture(scope="module")
def database_url(local_postgres: str) -> Iterator[str]:
    with throwaway_database(local_postgres) as url:
        market, broker = LoggedMarket(), memory_broker()
        careful_borrower(market, ALICE)
        saver(market, BOB)
        liquidated_borrower(market, LIQUIDATED)
        market.boundary(is_scoring=True)
        produce(market.log, MemoryProducer(broker))
        with migrated(url) as engine:
            worker = memory_worker(broker, engine)
            run_until_idle(worker)
            score_id = _scores_of(engine)[ALICE]
            status = AttestationChanged(score_id, sha256(b"att"), AttestationStatus.FINAL, 4, 1_800_000_000)
            produce([Sent(ATTESTATION_STATUS, 0, status)], MemoryProducer(broker))
            run_until_idle(worker)
        yield url


def _scores_of(engine: Engine) -> dict[Address, Digest]:
    return {Address(bytes(row["wallets"][0])): Digest(bytes(row["score_id"])) for row in table_rows(engine, score)}


@pytest.fixture(scope="module")
def served(database_url: str) -> Iterator[Served]:
    with as_role(database_url, "bonafides_scoring_api") as engine:
        app = create_app(engine, ConsentMode.OPEN)
        with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
            yield Served(database_url, engine, client, _scores_of(engine))


def rows_of_log(url: str) -> list[tuple[object, ...]]:
    """The access log, as its owner reads it."""
    owner = connect(url)
    with transaction(owner) as connection:
        columns = (access_log.c.route, access_log.c.wallet, access_log.c.consent_mode, access_log.c.http_status)
        found = [tuple(row) for row in connection.execute(select(*columns).order_by(access_log.c.id))]
    owner.dispose()
    return found


def test_score__scored_wallet__says_everything_with_its_consent_mode(served: Served) -> None:
    answer = served.client.get(f"/v1/wallets/{address_text(ALICE)}/score")

    body = answer.json()
    assert answer.headers["Bonafides-Consent-Mode"] == body["consent_mode"] == "open"
    assert (body["status"], body["wallet"]) == ("scored", address_text(ALICE))
    assert body["score_id"] == "0x" + served.scores[ALICE].hex()
    assert body["model"]["model_class"] == "synthetic"
    assert body["model"]["notice"].startswith("SYNTHETIC")
    assert body["attestation"]["status"] == "final"
    assert body["coverage"][0]["gaps"] == []
    assert body["as_of"][0]["chain_id"] == 31337


def test_score__checksummed_address__is_the_same_wallet(served: Served) -> None:
    assert served.get(f"/v1/wallets/{checksum_address(ALICE)}/score")["wallet"] == address_text(ALICE)


def test_score__wallet_that_never_borrowed__is_an_answer_with_its_reason(served: Served) -> None:
    body = served.get(f"/v1/wallets/{address_text(BOB)}/score")

    assert (body["status"], body["reason"]) == ("unscorable", "no_credit_history")
    assert "score" not in body


def test_explanation__points__add_up_to_the_shown_score(served: Served) -> None:
    for who in served.scores:
        body = served.get(f"/v1/wallets/{address_text(who)}/explanation")

        families = body["families"]
        assert isinstance(families, list)
        total = body["base_points"] + sum(line["points"] for line in families) + body["clip"]
        assert total == body["score"]


def test_explanation__reasons__carry_the_wallets_own_values(served: Served) -> None:
    body = served.get(f"/v1/wallets/{address_text(LIQUIDATED)}/explanation")

    reasons = body["reasons"]
    assert isinstance(reasons, list)
    assert 1 <= len(reasons) <= 4
    assert all(reason["points"] <= -3 and reason["values"] and reason["text"] for reason in reasons)


def test_events__two_pages__hold_each_event_once_in_order(served: Served) -> None:
    path = f"/v1/wallets/{address_text(ALICE)}/events"
    whole = served.get(path)

    found, after = [], ""
    while True:
        page = served.get(f"{path}?limit=2{after}")
        assert isinstance(page["events"], list)
        found += page["events"]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"

    assert found == whole["events"]
    assert len(found) == 7
    assert [one["position"]["block"]["number"] for one in found] == sorted(
        one["position"]["block"]["number"] for one in found
    )


def test_bundle__receipt__is_what_the_score_id_is_the_digest_of(served: Served) -> None:
    for score_id in served.scores.values():
        body = served.get(f"/v1/scores/0x{score_id.hex()}/bundle")

        receipt = body["receipt"]
        assert isinstance(receipt, dict)
        assert sha256(bytes.fromhex(receipt["encoding"][2:])) == score_id
        assert receipt["base_points"] + sum(receipt["family_points"]) + receipt["clip"] == body["score"]
        assert body["events"]
        assert body["market"]


@pytest.mark.parametrize("route", WALLET_ROUTES)
@pytest.mark.parametrize("text_of_address", ["hello", "0x12", "0x" + "g" * 40, "0x" + "a" * 41, "0xAb" + "c" * 38])
def test_any_wallet_route__no_address__is_422_and_never_repeats_it(
    served: Served, route: str, text_of_address: str
) -> None:
    answer = served.client.get(route.format(text_of_address))

    assert answer.status_code == 422
    assert text_of_address not in answer.text
    if route.startswith("/v1"):
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == "urn:bonafides:error:InvalidInput"


@pytest.mark.parametrize("cursor", [f"31337.{2**63 - 1}.9999999999.9999999999.99999", "99999.0.0.0.0"])
def test_events__cursor_after_the_last_event__is_an_empty_last_page(served: Served, cursor: str) -> None:
    body = served.get(f"/v1/wallets/{address_text(ALICE)}/events?after={cursor}")

    assert (body["events"], body["next"]) == ([], None)


@pytest.mark.parametrize("route", WALLET_ROUTES)
def test_any_wallet_route__address_never_seen__is_404(served: Served, route: str) -> None:
    answer = served.client.get(route.format(address_text(NEVER_SEEN)))

    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/scores/0x12/bundle", 422),
        (f"/v1/scores/0x{'1' * 64}/bundle", 404),
        (f"/v1/wallets/{address_text(ALICE)}/events?limit=0", 422),
        (f"/v1/wallets/{address_text(ALICE)}/events?limit=x", 422),
        (f"/v1/wallets/{address_text(ALICE)}/events?after=x", 422),
        (f"/v1/wallets/{address_text(ALICE)}/events?after=31337.{2**63}.0.0.0", 422),
        (f"/v1/wallets/{address_text(NEVER_SEEN)}/events?after=31337.1.0.0.0", 404),
        ("/v1/nothing", 404),
    ],
)
def test_api__wrong_request__is_a_problem(served: Served, path: str, status: int) -> None:
    answer = served.client.get(path)

    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"


def test_api__another_method__is_405(served: Served) -> None:
    answer = served.client.post(f"/v1/wallets/{address_text(ALICE)}/score")

    assert (answer.status_code, answer.json()["type"]) == (405, "urn:bonafides:error:MethodNotAllowed")


@pytest.mark.parametrize("route", WALLET_ROUTES)
@pytest.mark.parametrize("who", [ALICE, NEVER_SEEN], ids=["seen", "never-seen"])
def test_consent_required__any_wallet__is_403_and_logged_and_tells_nothing(
    database_url: str, route: str, who: Address
) -> None:
    before = len(rows_of_log(database_url))
    with as_role(database_url, "bonafides_scoring_api") as engine:
        answer = TestClient(create_app(engine, ConsentMode.REQUIRED)).get(route.format(address_text(who)))

    assert answer.status_code == 403
    assert answer.headers["Bonafides-Consent-Mode"] == "required"
    assert rows_of_log(database_url)[before:] == [(route.format("{address}"), who, "required", 403)]
    if route.startswith("/v1"):
        assert answer.json()["type"] == "urn:bonafides:error:ConsentMissing"


def test_access_log__every_read__leaves_a_row_with_the_template(served: Served) -> None:
    before = len(rows_of_log(served.url))
    for route in WALLET_ROUTES:
        served.client.get(route.format(address_text(ALICE)))
    served.client.get(f"/v1/scores/0x{served.scores[ALICE].hex()}/bundle")
    served.client.get(f"/v1/wallets/{address_text(NEVER_SEEN)}/score")

    assert rows_of_log(served.url)[before:] == [
        *((route.format("{address}"), ALICE, "open", 200) for route in WALLET_ROUTES),
        ("/v1/scores/{score_id}/bundle", None, "open", 200),
        ("/v1/wallets/{address}/score", NEVER_SEEN, "open", 404),
    ]


def test_page__scored_wallet__shows_numbers_that_add_up(served: Served) -> None:
    for who in served.scores:
        html = served.client.get(f"/wallets/{address_text(who)}").text

        lines = re.findall(r'data-line="(\w+)">([^<]+)<', html)
        numbers = [(line, int(shown.replace("−", "-"))) for line, shown in lines]
        shown_score = [count for line, count in numbers if line == "score"]
        assert sum(count for line, count in numbers if line != "score") == shown_score[0]
        assert len([line for line, _ in numbers if line == "family"]) == len(FAMILIES)
        assert f"<title>Score {shown_score[0]} " in html


def test_page__scored_wallet__says_what_it_must(served: Served) -> None:
    html = served.client.get(f"/wallets/{address_text(ALICE)}").text

    for must in ("SYNTHETIC", "Open mode.", "As-of block", "Coverage", "bonafides verify", "Attestation", ">final<"):
        assert must in html
    assert "0x" + served.scores[ALICE].hex() in html


def test_page__any__needs_nothing_from_elsewhere_and_no_script(served: Served) -> None:
    for path in (f"/wallets/{address_text(ALICE)}", f"/wallets/{address_text(BOB)}", "/", "/docs"):
        answer = served.client.get(path)

        policy = answer.headers["content-security-policy"]
        assert answer.status_code == 200
        assert policy.startswith("default-src 'none'; style-src 'self';")
        assert "script" not in policy
        assert "unsafe" not in policy
        assert re.findall(r"<script|\son\w+=|\sstyle=|javascript:", answer.text) == []
        assert [link for link in re.findall(r'(?:href|src|action)="([^"]+)"', answer.text) if link[0] not in "/#"] == []


def test_page__unscorable_wallet__says_why_and_shows_no_number(served: Served) -> None:
    html = served.client.get(f"/wallets/{address_text(BOB)}").text

    assert "never had debt" in html
    assert "gauge" not in html


def test_start_page__address_entered__leads_to_its_page(served: Served) -> None:
    answer = served.client.get(f"/wallets?address=%20{checksum_address(ALICE)}%20")

    assert (answer.status_code, answer.headers["location"]) == (303, f"/wallets/{address_text(ALICE)}")


def test_start_page__nonsense_entered__says_so_without_repeating_it(served: Served) -> None:
    answer = served.client.get("/wallets?address=<b>hello</b>")

    assert answer.status_code == 422
    assert "hello" not in answer.text
    assert "Not an address" in answer.text


def test_headers__every_answer__is_guarded(served: Served) -> None:
    for path in ("/", "/v1/nothing", f"/v1/wallets/{address_text(ALICE)}/score", "/assets/page.css"):
        headers = served.client.get(path).headers

        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"


def test_logs_and_metrics__after_reads__name_no_wallet_and_no_score(
    served: Served, capfd: pytest.CaptureFixture[str]
) -> None:
    lines = io.StringIO()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(lines), cache_logger_on_first_use=False)
    odd = "0x" + "dead" * 10
    try:
        for route in WALLET_ROUTES:
            for who in (address_text(ALICE), checksum_address(ALICE), address_text(BOB), odd, "hello"):
                served.client.get(route.format(who))
        served.client.get(f"/v1/unknown/{odd}")
    finally:
        structlog.reset_defaults()

    said = (lines.getvalue() + "".join(capfd.readouterr()) + generate_latest().decode()).lower()
    assert ALICE.hex() not in said
    assert BOB.hex() not in said
    assert odd not in said
    assert 'route="/v1/wallets/{address}/score"' in said
    assert 'route="unmatched"' in said


def test_metrics__answers__are_counted_by_template_and_class_of_status(served: Served) -> None:
    labels = ("/v1/wallets/{address}/score", "GET", "4xx")
    before = metrics.request_seconds.labels(*labels)._sum.get()

    served.client.get("/v1/wallets/hello/score")

    assert metrics.request_seconds.labels(*labels)._sum.get() > before


def test_api__database_gone__is_503_and_names_no_host(database_url: str) -> None:
    gone = connect("postgresql://nobody@127.0.0.1:1/nothing")
    client = TestClient(create_app(gone, ConsentMode.OPEN), raise_server_exceptions=False)

    answer = client.get(f"/v1/wallets/{address_text(ALICE)}/score")

    assert (answer.status_code, answer.json()["type"]) == (503, "urn:bonafides:error:Unavailable")
    assert "127.0.0.1" not in answer.text
    assert answer.headers["retry-after"] == "5"


def test_api__what_nobody_expected__is_a_500_problem_without_a_trace(
    database_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with as_role(database_url, "bonafides_ingest") as engine:  # may read nothing here
        client = TestClient(create_app(engine, ConsentMode.OPEN), raise_server_exceptions=False)

        answer = client.get(f"/v1/wallets/{address_text(ALICE)}/score")

    assert (answer.status_code, answer.json()["type"]) == (500, "urn:bonafides:error:InternalError")
    assert ALICE.hex() not in "".join(capfd.readouterr()) + answer.text


def test_openapi__served__is_what_the_application_declares(served: Served) -> None:
    document = json.loads(served.client.get("/openapi.json").text)

    assert "/v1/wallets/{address}/score" in document["paths"]


@pytest.mark.parametrize("statement", ["UPDATE scoring.access_log SET http_status = 1", "DELETE FROM scoring.score"])
def test_database__append_only_tables__refuse_even_their_owner(database_url: str, statement: str) -> None:
    owner = connect(database_url)

    with pytest.raises(Exception, match="append-only"), transaction(owner) as connection:
        connection.execute(text(statement))

    owner.dispose()


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("bonafides_scoring_api", "SELECT count(*) FROM scoring.access_log"),
        ("bonafides_scoring_api", "INSERT INTO scoring.fork_epoch VALUES (1, 1, 1, 1)"),
        ("bonafides_scoring_api", "SELECT count(*) FROM scoring.outbox"),
        ("bonafides_scoring_api", "SELECT count(*) FROM scoring.wallet_snapshot"),
        ("bonafides_scoring_worker", "SELECT count(*) FROM scoring.access_log"),
        ("bonafides_attestation_api", "SELECT count(*) FROM scoring.score"),
        ("bonafides_ingest", "SELECT count(*) FROM scoring.event"),
    ],
)
def test_database__role__may_touch_only_what_its_process_needs(database_url: str, role: str, statement: str) -> None:
    with (
        as_role(database_url, role) as engine,
        pytest.raises(Exception, match="permission denied"),
        transaction(engine) as connection,
    ):
        connection.execute(text(statement))


def test_start_page__wrong_checksum_entered__is_named_as_people_know_it(served: Served) -> None:
    wrong = checksum_address(ALICE).swapcase().replace("0X", "0x")

    answer = served.client.get(f"/wallets?address={wrong}")

    assert answer.status_code == 422
    assert "EIP-55" in answer.text


def test_page__address_of_any_length__is_answered_as_a_page(served: Served) -> None:
    answer = served.client.get(f"/wallets/0x{'a' * 3000}")

    assert (answer.status_code, answer.headers["content-type"]) == (422, "text/html; charset=utf-8")
