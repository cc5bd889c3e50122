"""Real health factors of Aave V2 wallets, and what our calculator makes of the same positions.

The files are no part of this repository: `BONAFIDES_DATA` names their folder. Without it the tests skip, and say so.

```
aave_v2_health_factors/<wallet>_details_v2.csv  collateral by asset, the contract's totals in wei, its factor (.01)
0x01ac….csv                                     one wallet: amounts, prices in ETH, thresholds, factor (1e-15)
```

Only the second file holds liquidation thresholds, and only for what its wallet deposited: WETH, and USDT with 0. A row
of the ten wallets can be checked where each collateral it counts has one. Elsewhere the wallet is named with the assets
that lack it, and where one asset is all its collateral, the thresholds that would fit all of those rows are told.

Debt is taken as the contract valued it, in wei. The USD prices of the files are another source's: they stand still
until January 2021, and the oracle, which answers in ETH, never saw them. What they make of the rows is told, too.
"""

import csv
import os
import sys
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from bonafides.events import MarketPoint, Position
from bonafides.hashing import keccak
from bonafides.types import ZERO_DIGEST, Address, BlockRef, ChainId, MarketPointKind
from bonafides_scoring.interest import RAY, WAD
from bonafides_scoring.market import accounts, market_view
from bonafides_scoring.wallet_state import AssetKey, AssetState, WalletState

DATA_VARIABLE = "BONAFIDES_DATA"
TOLERANCE = Decimal("0.005")
"""Half a unit of the two decimals that the files give."""
SAME_AMOUNT = 10**5
"""Amounts and totals stand a few blocks apart: a millionth of interest. A hundred thousandth is still the same."""
_DEPLOYMENT = "aave-v2-ethereum"
_BLOCK = BlockRef(ChainId(1), 1, ZERO_DIGEST, 1)
_WALLET = Address(bytes(20))
_TOTAL_DEBT = "all debt, in wei"


@dataclass(frozen=True, slots=True)
class Holding:
    """What an account has of one asset."""

    decimals: int
    price: int
    """Of one whole token, in the oracle's smallest unit. Any unit does, if it is one for all: the factor is a ratio."""
    supplied: int = 0
    """Counts as collateral; smallest units."""
    owed: int = 0
    threshold_bps: int = 0


def health_factor(account: Mapping[str, Holding]) -> Decimal | None:
    """The health factor of an account by scoring's own market code; None without debt."""
    points = [point for symbol, holding in account.items() for point in _points(symbol, holding)]
    assets = tuple(
        sorted((_key(symbol), AssetState(holding.supplied, holding.owed, True)) for symbol, holding in account.items())
    )
    state = WalletState(_WALLET, _BLOCK.chain_id, assets=assets)
    found = accounts(state, market_view(points, _BLOCK), only_indebted=True)
    return Decimal(found[0].health_factor_wad) / WAD if found else None


def _key(symbol: str) -> AssetKey:
    return AssetKey(_DEPLOYMENT, Address(keccak(symbol.encode())[12:]))


def _points(symbol: str, holding: Holding) -> Iterator[MarketPoint]:
    """The facts that value a holding. Its amounts are whole balances already, so both indices are 1."""
    facts = {
        MarketPointKind.PRICE: (holding.price,),
        MarketPointKind.RESERVE_INDEX: (0, 0, RAY, RAY),
        MarketPointKind.RESERVE_CONFIG: (0, holding.threshold_bps, 0, holding.decimals),
    }
    place = Position(_BLOCK, ZERO_DIGEST, 0, 0)
    for kind, values in facts.items():
        yield MarketPoint(place, kind.code * 256, 0, 1, _DEPLOYMENT, kind, _key(symbol).asset, 0, values)


def fixtures_folder() -> Path | None:
    """The folder with the real positions, where the environment names one."""
    folder = os.environ.get(DATA_VARIABLE)
    return Path(folder) / "fixtures" if folder else None


type Row = Mapping[str, str]


def _rows(file: Path) -> list[Row]:
    with file.open(newline="", encoding="utf-8") as text:
        return list(csv.DictReader(text))


def _number(row: Row, column: str) -> Decimal:
    return Decimal(row[column] or 0)


class WalletWithThresholds:
    """The wallet of the file that holds thresholds."""

    def __init__(self, folder: Path) -> None:
        (file,) = folder.glob("0x01ac*.csv")
        self.rows = sorted(_rows(file), key=lambda row: int(row["block_height"]))
        self._symbols = [name.removesuffix("_LiqThreshold") for name in self.rows[0] if name.endswith("_LiqThreshold")]

    def account(self, row: Row) -> dict[str, Holding]:
        """One row. Amounts and prices get 18 decimals: more than the file gives."""
        found = {
            symbol: Holding(
                decimals=18,
                price=int(_number(row, f"{symbol}_eth") * WAD),
                supplied=int(_number(row, f"{symbol}_Deposit_Count") * WAD),
                owed=int(_number(row, f"{symbol}_Debt_Count") * WAD),
                threshold_bps=int(_number(row, f"{symbol}_LiqThreshold") * 10_000),
            )
            for symbol in self._symbols
        }
        return {symbol: holding for symbol, holding in found.items() if holding.supplied or holding.owed}

    def thresholds_at(self, block: int) -> dict[str, int]:
        """Thresholds (bps) by symbol, as of the last row up to a block; before the first row, those of the first.

        Of an asset that this wallet never deposited the file says 0, which tells nothing.
        """
        upto = [row for row in self.rows if int(row["block_height"]) <= block] or self.rows[:1]
        told: dict[str, int] = {}
        for row in (*self.rows[:1], *upto):
            for symbol in self._symbols:
                if _number(row, f"{symbol}_Deposit_Count") > 0:
                    told[symbol] = int(_number(row, f"{symbol}_LiqThreshold") * 10_000)
        return told


@dataclass(slots=True)
class Report:
    """What came of one wallet's rows."""

    wallet: str
    """Name of its fixture, shortened."""
    rows: int = 0
    checked: int = 0
    worst: Decimal = Decimal(0)
    lacking: dict[str, int] = field(default_factory=dict)
    """Assets without a threshold, and in how many rows."""
    skipped: int = 0
    """Rows that were left out because of them."""
    unlike_total: int = 0
    """Rows left out because their amounts are not what the contract counted in total."""
    fitting_bps: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By asset that is all the collateral of some rows: the lowest and highest threshold that fits all of those."""
    checked_in_usd: int = 0
    within_in_usd: int = 0
    worst_in_usd: Decimal = Decimal(0)
    """At the USD prices of the file, of the rows that were checked."""

    @property
    def is_complete(self) -> bool:
        """Whether each row was checked."""
        return self.checked == self.rows


def wallet_reports(folder: Path) -> Iterator[Report]:
    """One report for each of the ten wallets."""
    thresholds = WalletWithThresholds(folder)
    tables = folder / "aave_v2_health_factors"
    decimals = {row["symbol"]: int(row["decimals"]) for row in _rows(tables / "aave_atokens_v2.csv")}
    for file in sorted(tables.glob("0x*.csv")):
        yield _report(file, thresholds, decimals)


def _report(file: Path, thresholds: WalletWithThresholds, decimals: Mapping[str, int]) -> Report:
    report = Report(file.name[:6] + "…")
    for row in _rows(file):
        report.rows += 1
        told = thresholds.thresholds_at(int(row["block"]))
        supplied = [] if _number(row, "totalCollateral") == 0 else _held(row, "_collateral")
        lacking = [symbol for symbol in supplied if symbol.lower() not in told]
        for symbol in lacking:
            report.lacking[symbol] = report.lacking.get(symbol, 0) + 1
        if lacking:
            report.skipped += 1
            if len(supplied) == 1:
                _fit(report, row, supplied[0])
            continue
        collateral = {
            symbol: Holding(18, _wei_price(row, symbol), _smallest(row, symbol, decimals), 0, told[symbol.lower()])
            for symbol in supplied
        }
        if not _is_all_that_counts(row, collateral):
            report.unlike_total += 1
            continue
        _check(report, row, collateral)
        _check_in_usd(report, row, collateral, decimals)
    return report


def _held(row: Row, ending: str) -> list[str]:
    return [name.removesuffix(ending) for name in row if name.endswith(ending) and _number(row, name) > 0]


def _wei_price(row: Row, symbol: str) -> int:
    """The oracle's price: exact for WETH, which it answers one ether for; else by the file's USD prices."""
    return int(_number(row, f"{symbol}_USD_price") / _number(row, "WETH_USD_price") * WAD)


def _smallest(row: Row, symbol: str, decimals: Mapping[str, int]) -> int:
    """A collateral amount of the file with 18 decimals."""
    scale: int = 10 ** (18 - decimals[symbol])
    return int(_number(row, f"{symbol}_collateral")) * scale


def _is_all_that_counts(row: Row, collateral: Mapping[str, Holding]) -> bool:
    total = _number(row, "totalCollateral")
    worth = sum(holding.supplied * holding.price // WAD for holding in collateral.values() if holding.threshold_bps)
    return abs(worth - total) <= total / SAME_AMOUNT


def _owed(row: Row) -> dict[str, Holding]:
    return {_TOTAL_DEBT: Holding(18, WAD, owed=int(_number(row, "totalDebt")))}


def _difference(row: Row, account: Mapping[str, Holding]) -> Decimal:
    ours = health_factor(account)
    assert ours is not None, "the file tells a health factor of a wallet without debt"
    return abs(ours - _number(row, "healthFactor"))


def _check(report: Report, row: Row, collateral: Mapping[str, Holding]) -> None:
    report.checked += 1
    report.worst = max(report.worst, _difference(row, {**collateral, **_owed(row)}))


def _check_in_usd(report: Report, row: Row, collateral: Mapping[str, Holding], decimals: Mapping[str, int]) -> None:
    debts = {
        f"{symbol} debt": Holding(
            decimals[symbol], int(_number(row, f"{symbol}_USD_price") * WAD), owed=int(_number(row, f"{symbol}_debt"))
        )
        for symbol in _held(row, "_debt")
    }
    if not debts:
        return  # a wallet's first row: its amounts are a block's in which it owed nothing yet
    usd_of_eth = _number(row, "WETH_USD_price")
    priced = {
        symbol: Holding(18, int(Decimal(holding.price) * usd_of_eth), holding.supplied, 0, holding.threshold_bps)
        for symbol, holding in collateral.items()
    }
    difference = _difference(row, {**priced, **debts})
    report.checked_in_usd += 1
    report.within_in_usd += difference <= TOLERANCE
    report.worst_in_usd = max(report.worst_in_usd, difference)


def _fit(report: Report, row: Row, symbol: str) -> None:
    """Narrow the thresholds that fit, by bisection: the factor rises with the threshold."""
    told, total = _number(row, "healthFactor"), int(_number(row, "totalCollateral"))

    def factor(bps: int) -> Decimal:
        ours = health_factor({symbol: Holding(18, WAD, total, 0, bps), **_owed(row)})
        assert ours is not None
        return ours

    lowest = _first(lambda bps: factor(bps) >= told - TOLERANCE)
    highest = _first(lambda bps: factor(bps) > told + TOLERANCE) - 1
    known = report.fitting_bps.get(symbol, (0, 10_000))
    report.fitting_bps[symbol] = (max(known[0], lowest), min(known[1], highest))


def _first(holds: Callable[[int], bool]) -> int:
    """The lowest threshold for which this holds; 10,001 where it holds for none."""
    return int(bisect_left(range(10_001), True, key=holds))


def table(reports: Iterable[Report]) -> str:
    """The reports as lines to read."""
    lines = [f"{'wallet':<10}{'rows':>5}{'checked':>8}{'worst':>9}{'USD prices of the file':>26}  not checked"]
    for report in reports:
        in_usd = f"{report.within_in_usd} of {report.checked_in_usd}, {report.worst_in_usd:.4f}"
        lacking = ", ".join(f"{symbol} ({rows} rows)" for symbol, rows in sorted(report.lacking.items()))
        why = f"{report.skipped} rows: no threshold for {lacking}" if report.skipped else ""
        why += f"; {report.unlike_total} row: amounts and total differ" if report.unlike_total else ""
        fits = "; ".join(f"{symbol} would fit {low}..{high} bps" for symbol, (low, high) in report.fitting_bps.items())
        lines.append(
            f"{report.wallet:<10}{report.rows:>5}{report.checked:>8}{report.worst:>9.5f}{in_usd:>26}  {why}"
            + (f"; alone, {fits}" if fits else "")
        )
    return "\n".join(lines)


if __name__ == "__main__":
    folder_given = fixtures_folder()
    if folder_given is None:
        sys.exit(f"{DATA_VARIABLE} is not set: it names the folder with the real positions")
    sys.stdout.write(table(wallet_reports(folder_given)) + "\n")
