"""Scoring's health factor on real positions: what Aave V2 itself answered, wallet by wallet.

The tables are printed: run with `-rP`, or `python -m tests.support.health_factor_fixtures` for the ten wallets alone.
"""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.health_factor_fixtures import (
    DATA_VARIABLE,
    TOLERANCE,
    Holding,
    Report,
    WalletWithThresholds,
    fixtures_folder,
    health_factor,
    table,
    wallet_reports,
)

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def folder() -> Path:
    found = fixtures_folder()
    if found is None:
        pytest.skip(f"SKIPPED, no real positions: set {DATA_VARIABLE} to the folder that holds fixtures/")
    return found


@pytest.fixture(scope="module")
def reports(folder: Path) -> list[Report]:
    return list(wallet_reports(folder))


def test_health_factor__by_hand__is_collateral_times_threshold_over_debt() -> None:
    account = {
        "WETH": Holding(18, 2_000 * 10**8, supplied=10 * 10**18, threshold_bps=8_250),
        "USDC": Holding(6, 10**8, supplied=5_000 * 10**6, owed=12_000 * 10**6, threshold_bps=8_500),
    }

    # the average threshold: (20,000 · .825 + 5,000 · .85) / 25,000 = .83; 25,000 · .83 / 12,000 = 1.7291666…
    assert health_factor(account) == Decimal("1.729166666666666667")


def test_ten_wallets__rows_whose_thresholds_are_known__agree_within_half_of_their_last_decimal(
    reports: list[Report],
) -> None:
    print(table(reports))  # noqa: T201  # the table is the deliverable

    assert len(reports) == 10
    assert {report.wallet: report.worst for report in reports if report.worst > TOLERANCE} == {}
    assert sum(report.checked for report in reports) == 374


def test_ten_wallets__assets_without_a_threshold__are_named_and_the_rest_is_checked(reports: list[Report]) -> None:
    complete = [report.wallet for report in reports if report.is_complete]
    named = {report.wallet: set(report.lacking) for report in reports if report.lacking}

    assert set(complete) | set(named) == {report.wallet for report in reports}
    assert set(complete) & set(named) == set()
    assert len(complete) == 1
    for report in reports:
        assert report.checked + report.skipped + report.unlike_total == report.rows
        assert "WETH" not in report.lacking


def test_ten_wallets__one_asset_without_a_threshold__a_single_threshold_fits_all_of_its_rows(
    reports: list[Report],
) -> None:
    fits = {(report.wallet, symbol): bps for report in reports for symbol, bps in report.fitting_bps.items()}

    assert len(fits) == 10
    assert {key: bps for key, bps in fits.items() if bps[0] > bps[1]} == {}


def test_wallet_with_thresholds__amounts_prices_and_thresholds_of_each_row__agree_with_its_factor(folder: Path) -> None:
    wallet = WalletWithThresholds(folder)
    differences: dict[int, Decimal] = {}
    without_debt = 0

    for row in wallet.rows:
        ours = health_factor(wallet.account(row))
        if ours is None:
            without_debt += 1
            assert row["HF"] == "inf"
        else:
            differences[int(row["block_height"])] = abs(ours - Decimal(row["HF"]))

    worst = max(differences.items(), key=lambda item: item[1])
    print(f"{len(differences)} rows, {without_debt} without debt; worst {worst[1]:.1e} at block {worst[0]}")  # noqa: T201
    # WETH is all that counts, so the average threshold is exact: what is left are the file's own 16 decimals.
    assert (len(differences), without_debt) == (74, 1)
    assert worst[1] < Decimal("1e-12")
