"""Rules of the scoring service that need no database: who is scored, what replaces what, what is said."""

from itertools import pairwise

import pytest
from bonafides.errors import InvalidInput, InvalidSettings
from bonafides.hashing import sha256
from bonafides.types import (
    Address,
    AdverseReason,
    AttestationStatus,
    Digest,
    ScoreFlag,
    UnscorableReason,
    flag_names,
)
from bonafides_scoring.api.history import Cursor, parse_cursor
from bonafides_scoring.api.routes import parse_score_id
from bonafides_scoring.api.schemas import FlagName
from bonafides_scoring.due import DAY_S, Basis, is_due, longest_age_s
from bonafides_scoring.features.schema import FEATURES, NEVER_DAYS, Family
from bonafides_scoring.settings import ScoringSettings
from bonafides_scoring.store.attestations import is_progress
from bonafides_scoring.web import texts
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.unit

WALLET = Address(b"\x11" * 20)
KNOWN, OTHER = Digest(sha256(b"known")), Digest(sha256(b"other"))
STEP_BPS = 500


def basis(digest: Digest = KNOWN, health_factor_bps: int | None = 20_000, as_of_time: int = 0) -> Basis:
    return Basis(digest, health_factor_bps, as_of_time)


def test_is_due__never_scored__yes() -> None:
    assert is_due(WALLET, None, basis(), STEP_BPS)


def test_is_due__same_everything_within_a_day__no() -> None:
    assert not is_due(WALLET, basis(), basis(as_of_time=DAY_S - 1), STEP_BPS)


def test_is_due__something_became_known__yes() -> None:
    assert is_due(WALLET, basis(), basis(OTHER), STEP_BPS)


@pytest.mark.parametrize(
    ("now_bps", "expected"),
    [(19_001, False), (19_000, True), (20_999, False), (21_000, True)],
)
def test_is_due__health_factor_moved__from_five_per_cent_on(now_bps: int, expected: bool) -> None:
    assert is_due(WALLET, basis(), basis(health_factor_bps=now_bps), STEP_BPS) is expected


@pytest.mark.parametrize(("last", "now"), [(None, 20_000), (20_000, None)])
def test_is_due__debt_came_or_went__yes(last: int | None, now: int | None) -> None:
    assert is_due(WALLET, basis(health_factor_bps=last), basis(health_factor_bps=now), STEP_BPS)


@given(st.binary(min_size=20, max_size=20))
def test_is_due__age__between_one_and_two_days_by_the_wallet(raw: bytes) -> None:
    wallet = Address(raw)
    age_s = longest_age_s(wallet)

    due_before = is_due(wallet, basis(), basis(as_of_time=age_s - 1), STEP_BPS)
    due_at = is_due(wallet, basis(), basis(as_of_time=age_s), STEP_BPS)

    assert DAY_S <= age_s < 2 * DAY_S
    assert (due_before, due_at) == (False, True)


def test_is_progress__life_of_an_attestation__goes_back_over_a_reorg_alone() -> None:
    life = [
        AttestationStatus.BUILT,
        AttestationStatus.SIGNED,
        AttestationStatus.QUEUED,
        AttestationStatus.SENT,
        AttestationStatus.MINED,
        AttestationStatus.FINAL,
        AttestationStatus.REVOKED,
    ]

    forward = [is_progress(kept, seen) for kept, seen in pairwise(life)]
    back = [is_progress(seen, kept) for kept, seen in pairwise(life)]

    assert all(forward)
    assert [seen for (seen, _), went in zip(pairwise(life), back, strict=True) if went] == [AttestationStatus.SENT]


@pytest.mark.parametrize("seen", [AttestationStatus.SENT, AttestationStatus.QUEUED])
def test_is_progress__a_reorg_took_the_block__goes_back_from_mined_alone(seen: AttestationStatus) -> None:
    assert is_progress(AttestationStatus.MINED, seen)
    assert not is_progress(AttestationStatus.FINAL, seen)


def test_is_progress__stuck_batch_was_replaced__may_be_sent_again() -> None:
    assert is_progress(AttestationStatus.STUCK, AttestationStatus.SENT)


@pytest.mark.parametrize("status", AttestationStatus)
def test_is_progress__same_status_again__changes_nothing_and_is_allowed(status: AttestationStatus) -> None:
    assert is_progress(status, status)


def test_parse_cursor__what_next_gave__comes_back() -> None:
    text = "31337.5033.2.17.2576"

    assert parse_cursor(text) == Cursor(*(int(part) for part in text.split(".")))  # type: ignore[arg-type]
    assert parse_cursor(text).text == text


@pytest.mark.parametrize("text", ["", "1.2.3.4", "1.2.3.4.5.6", "a.b.c.d.e", "1.2.3.4.-5", "١.2.3.4.5", "1.2.3.4.5\n"])
def test_parse_cursor__anything_else__is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="next"):
        parse_cursor(text)


@pytest.mark.parametrize("text", ["", "0x", "0x12", "0x" + "g" * 64, "12" * 33, "0x" + "1 " * 32])
def test_parse_score_id__no_score_id__is_refused_without_an_echo(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_score_id(text)

    assert str(refused.value) == "not a score id: expected 0x and 64 hexadecimal digits"


def test_flag_names__api_and_kernel__say_the_same_words() -> None:
    every = ScoreFlag(0)
    for flag in ScoreFlag:
        every |= flag

    assert sorted(flag_names(every)) == sorted(name.value for name in FlagName)


def test_texts__every_word_of_the_closed_enums__has_a_sentence() -> None:
    assert set(texts.FAMILY_LABELS) == set(Family)
    assert set(texts.REASON_TEXTS) == set(AdverseReason)
    assert set(texts.UNSCORABLE_TEXTS) == set(UnscorableReason)
    assert set(texts.ATTESTATION_TEXTS) == set(AttestationStatus)
    assert set(texts.FEATURE_LABELS) == {spec.name for spec in FEATURES}


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("health_factor_bps", 14_300, "1.43"),
        ("health_factor_bps", 100_000, "10.00+"),
        ("debt_to_collateral_bps", 6_149, "61 %"),
        ("days_since_liquidation", NEVER_DAYS, "never, or over three years"),
        ("days_since_borrow", 1, "1 day"),
        ("open_debt_usd", 12_345, "$12,345"),
        ("loans_closed", 3, "3"),
    ],
)
def test_shown_value__each_unit__reads_as_people_write_it(name: str, value: int, shown: str) -> None:
    (spec,) = [one for one in FEATURES if one.name == name]

    assert texts.shown_value(spec, value) == shown


@pytest.mark.parametrize(("points", "shown"), [(7, "+7"), (0, "0"), (-52, "−52")])
def test_signed__points__carry_a_true_sign(points: int, shown: str) -> None:
    assert texts.signed(points) == shown


def test_settings__defaults__ask_for_consent_and_listen_at_home() -> None:
    settings = ScoringSettings.load({})

    assert (settings.consent_mode, settings.api_host, settings.listen_host) == ("required", "127.0.0.1", "127.0.0.1")


def test_settings__chains__are_sorted_and_each_once() -> None:
    assert ScoringSettings.load({"BONAFIDES_SCORING_CHAIN_IDS": "8453, 1"}).chain_ids == (1, 8453)
    with pytest.raises(InvalidSettings, match="each once"):
        ScoringSettings.load({"BONAFIDES_SCORING_CHAIN_IDS": "1,1"})


@pytest.mark.parametrize(
    ("name", "value"),
    [("CONSENT_MODE", "maybe"), ("CHAIN_IDS", ""), ("CHAIN_IDS", "x"), ("API_PORT", "70000"), ("CONSENT", "open")],
)
def test_settings__wrong_or_unknown__refused_by_name(name: str, value: str) -> None:
    with pytest.raises(InvalidSettings, match=f"BONAFIDES_SCORING_{name}"):
        ScoringSettings.load({f"BONAFIDES_SCORING_{name}": value})
