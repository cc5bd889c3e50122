"""`bonafides scoring predict`: what a row may know, its statuses, and what is refused. All data here is made up."""

import csv
from pathlib import Path

import pytest
from bonafides.errors import InvalidInput
from bonafides_scoring.backtest.predict import predict_files
from bonafides_scoring.commands import app
from typer.testing import CliRunner

from tests.support.backtest_data import (
    ASKED,
    CUTOFFS,
    DAY,
    START,
    World,
    all_events,
    all_prices,
    event,
    made_labels,
    wallet,
    write_csv,
    write_world,
)

pytestmark = pytest.mark.unit

DAY_OF_ASKED = "2021-05-31"


def answer(world: World) -> bytes:
    out = world.events.parent / "out.csv"
    predict_files(world.events, world.prices, world.labels, world.cutoffs, out)
    return out.read_bytes()


def rows(raw: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(raw.decode().splitlines()))


def test_predict__known_wallets__one_row_each_in_order_and_the_often_liquidated_are_riskier(tmp_path: Path) -> None:
    found = rows(answer(write_world(tmp_path)))

    assert [row["wallet"] for row in found] == [wallet(number) for number in range(26)]
    assert {row["status"] for row in found[:24]} == {"ok"}
    assert all(0 < float(row["p"]) < 1 for row in found[:24])
    assert float(found[0]["p"]) > float(found[23]["p"])


def test_predict__wallet_without_past__is_outside_the_population_without_a_number(tmp_path: Path) -> None:
    found = rows(answer(write_world(tmp_path)))

    assert [(row["p"], row["status"]) for row in found[24:]] == [("", "outside_population")] * 2


def test_predict__event_exactly_at_the_cut_off__is_not_known(tmp_path: Path) -> None:
    lonely = [*all_events(), event(30, ASKED)]

    found = rows(answer(write_world(tmp_path, events=lonely, asked=[(wallet(30), ASKED), (wallet(30), ASKED + 1)])))

    assert [row["status"] for row in found] == ["outside_population", "ok"]


def test_predict__events_at_or_after_the_cut_off_change__no_byte_changes(tmp_path: Path) -> None:
    kept = [row for row in all_events() if int(str(row["timestamp"])) < ASKED]
    other = [*kept, *(event(number, ASKED + number, amount=5e6, collateral_symbol="X") for number in range(24))]

    assert len(kept) < len(all_events())
    same = answer(write_world(tmp_path / "a"))
    assert same == answer(write_world(tmp_path / "b", events=kept))
    assert same == answer(write_world(tmp_path / "c", events=other))


@pytest.mark.parametrize("later_hours", [0, 15])
def test_predict__prices_of_the_cut_offs_day_or_later_change__no_byte_changes(tmp_path: Path, later_hours: int) -> None:
    asked = [(wallet(number), ASKED + later_hours * 3_600) for number in range(24)]
    prices = all_prices()
    known = [row for row in prices if str(row["date"]) < DAY_OF_ASKED]
    crash = [*known, *(row | {"close_usd": 1.0} for row in prices if row not in known)]

    same = answer(write_world(tmp_path / "a", asked=asked))

    assert same == answer(write_world(tmp_path / "b", prices=crash, asked=asked))
    assert same == answer(write_world(tmp_path / "c", prices=known, asked=asked))


@pytest.mark.parametrize("alias", ["ETH", "weth", "AMMWETH"])
def test_predict__another_spelling_is_priced_later__no_byte_changes(tmp_path: Path, alias: str) -> None:
    later = [*all_prices(), {"date": "2025-01-01", "symbol": alias, "close_usd": 3_300.0}]

    assert answer(write_world(tmp_path / "a")) == answer(write_world(tmp_path / "b", prices=later))


def test_predict__price_of_the_day_before_changes__the_answer_does(tmp_path: Path) -> None:
    prices = [row | ({"close_usd": 5_000.0} if row["date"] == "2021-05-30" else {}) for row in all_prices()]

    assert answer(write_world(tmp_path / "a")) != answer(write_world(tmp_path / "b", prices=prices))


def test_predict__labels_whose_window_ends_later_change__no_byte_changes(tmp_path: Path) -> None:
    labels, asked = made_labels(), [(wallet(number), START + 130 * DAY) for number in range(24)]
    ended = [row for row in labels if row[1] + 30 * DAY <= asked[0][1]]
    turned = [*ended, *((who, when, 1 - outcome) for who, when, outcome in labels[len(ended) :])]

    assert 0 < len(ended) < len(labels)
    same = answer(write_world(tmp_path / "a", asked=asked))
    assert same == answer(write_world(tmp_path / "b", labels=ended, asked=asked))
    assert same == answer(write_world(tmp_path / "c", labels=turned, asked=asked))


def test_predict__later_cut_off_asked_as_well__the_model_still_stops_at_the_earliest(tmp_path: Path) -> None:
    first = (wallet(3), START + 130 * DAY)

    alone = rows(answer(write_world(tmp_path / "a", asked=[first])))
    both = rows(answer(write_world(tmp_path / "b", asked=[(wallet(3), ASKED), first])))

    assert both[1] == alone[0]


def test_predict__window_ends_exactly_at_the_cut_off__is_learned(tmp_path: Path) -> None:
    asked = [(wallet(3), CUTOFFS[0] + 30 * DAY)]

    assert rows(answer(write_world(tmp_path / "a", asked=asked)))[0]["status"] == "ok"
    asked = [(wallet(3), CUTOFFS[0] + 30 * DAY - 1)]
    assert rows(answer(write_world(tmp_path / "b", asked=asked)))[0] == {
        "wallet": wallet(3),
        "cutoff_ts": str(asked[0][1]),
        "p": "",
        "status": "no_training_data",
    }


def test_predict__only_one_class__there_is_nothing_to_learn_from(tmp_path: Path) -> None:
    labels = [(who, when, 0) for who, when, _ in made_labels()]

    found = rows(answer(write_world(tmp_path, labels=labels)))

    assert [row["status"] for row in found] == ["no_training_data"] * 24 + ["outside_population"] * 2


def test_predict__no_label_at_all__says_so(tmp_path: Path) -> None:
    assert {row["status"] for row in rows(answer(write_world(tmp_path, labels=[])))[:24]} == {"no_training_data"}


def test_predict__rows_of_the_files_in_another_order__same_bytes(tmp_path: Path) -> None:
    turned = write_world(
        tmp_path / "b", events=all_events()[::-1], prices=all_prices()[::-1], labels=made_labels()[::-1]
    )

    assert answer(write_world(tmp_path / "a")) == answer(turned)


def test_predict__assets_without_any_price__are_answered(tmp_path: Path) -> None:
    events = [row | {"collateral_symbol": "NEVERHEARD", "asset_symbol": "NORTHIS"} for row in all_events()]

    assert {row["status"] for row in rows(answer(write_world(tmp_path, events=events)))[:24]} == {"ok"}


def test_predict__soft_liquidations_labelled__the_soft_population_is_asked(tmp_path: Path) -> None:
    soft = [
        event(number, START + 20 * DAY, action="soft_liq_episode", extra=f'{{"end_ts": {START + (50 + number) * DAY}}}')
        for number in range(24)
    ]
    labels = [(wallet(number), CUTOFFS[0], number % 2) for number in range(24)]
    asked = [(wallet(number), START + 95 * DAY) for number in range(24)]

    found = rows(answer(write_world(tmp_path, events=soft, labels=labels, asked=asked)))

    # Day 95 looks back to day 50: every episode was still going on then; the start, day 20, would be too old.
    assert {row["status"] for row in found} == {"ok"}


def soft_world(folder: Path, **changes: object) -> World:
    """All 24 wallets in soft liquidation twice: once over, and once still going on at the cut-off asked for.

    Those whose first was over a single dollar, and who had paid dearly, are the ones who came out of it.
    """
    asked = [(wallet(number), START + 95 * DAY) for number in range(24)]
    over = [
        event(
            number,
            START + (20 + number) * DAY,
            action="soft_liq_episode",
            extra=f'{{"end_ts": {START + 50 * DAY}}}',
            **({"amount": 1.0, "amount_usd": 1.0, "collateral_amount": 0.00055} if number % 2 else {}),
        )
        for number in range(24)
    ]
    going_on = [
        event(
            number,
            START + (80 + number % 14) * DAY,
            action="soft_liq_episode",
            **{"extra": f'{{"end_ts": {START + (95 + number % 3) * DAY}}}'} | changes,
        )
        for number in range(24)
    ]
    labels = [(wallet(number), START + 51 * DAY, 1 - number % 2) for number in range(24)]
    return write_world(folder, events=[*over, *going_on], labels=labels, asked=asked)


@pytest.mark.parametrize(
    ("debt", "change"),
    [
        ("USDC", {"amount": 1.0}),
        ("USDC", {"collateral_amount": 0.85}),
        ("NORTHIS", {"amount_usd": 1.0}),  # of an asset without price, the dollars told count
    ],
)
def test_predict__amounts_of_an_episode_still_open_change__no_byte_changes(
    tmp_path: Path, debt: str, change: dict[str, float]
) -> None:
    # They are means over the whole episode: nobody knows them before it is over. Some end at the cut-off itself.
    same = answer(soft_world(tmp_path / "a", asset_symbol=debt))

    assert {row["status"] for row in rows(same)} == {"ok"}
    assert same == answer(soft_world(tmp_path / "b", **({"asset_symbol": debt} | change)))


def test_predict__amounts_of_an_episode_just_over_change__the_answer_does(tmp_path: Path) -> None:
    told = f'{{"end_ts": {START + 95 * DAY - 1}}}'

    over = (answer(soft_world(tmp_path / name, extra=told, amount=amount)) for name, amount in (("a", 1e3), ("b", 1.0)))

    assert next(over) != next(over)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"asked": [(wallet(1), ASKED), (wallet(1), ASKED)]}, r"c\.csv: row 3: .*stand twice"),
        ({"asked": [(wallet(1), 12)]}, r"c\.csv: row 2: cutoff_ts 12 is no time"),
        ({"asked": [("", ASKED)]}, r"c\.csv: row 2: wallet is empty"),
        ({"asked": [(wallet(1), ASKED), (wallet(2)[:-1], ASKED)]}, r"c\.csv: row 3: wallet is no address"),
        ({"asked": [(wallet(1)[2:], ASKED)]}, r"c\.csv: row 2: wallet is no address"),
        ({"asked": [("alice", ASKED)]}, r"c\.csv: row 2: wallet is no address: 5 characters"),
        ({"labels": [(wallet(1) + "0", CUTOFFS[0], 1)]}, r"l\.csv: row 2: wallet is no address"),
        ({"asked": [(f" {wallet(1)}", ASKED), (wallet(1), ASKED)]}, r"c\.csv: row 3: .*stand twice"),
        ({"labels": [(wallet(1), CUTOFFS[0], 2)]}, r"l\.csv: row 2: label_30d is 2, expected 0 or 1"),
        ({"labels": [(wallet(1), "soon", 1)]}, r"l\.csv: row 2: cutoff_ts is 'soon', expected a whole number"),
        ({"events": [event(1, START), event(1, START)]}, r"e\.parquet: row 2: event_id .* stands there twice"),
        ({"events": [event(1, START, timestamp="now")]}, r"e\.parquet: column timestamp holds String"),
        ({"events": [event(1, START, wallet=None)]}, r"e\.parquet: row 1: wallet is empty"),
        ({"prices": [{"date": "today", "symbol": "A", "close_usd": 1.0}]}, r"p\.parquet: row 1: 'today' is no date"),
        (
            {"prices": [{"date": "2021-01-01", "symbol": "A", "close_usd": 0.0}]},
            r"row 1: close_usd 0\.0 is not above 0",
        ),
        (
            {"prices": [*all_prices(), {"date": "9999-12-31", "symbol": "WETH", "close_usd": 1.0}]},
            r"p\.parquet: row 441: 9999-12-31 lies before 2014-05-14 or after 2099-12-31",
        ),
        ({"prices": [{"date": "0001-01-01", "symbol": "A", "close_usd": 1.0}]}, r"row 1: 0001-01-01 lies before"),
        ({"prices": [{"date": "2021-01-01", "symbol": "A"}]}, r"p\.parquet: column close_usd is missing"),
    ],
)
def test_predict__bad_file__is_refused_with_file_row_and_reason(
    tmp_path: Path, change: dict[str, list[object]], reason: str
) -> None:
    world = write_world(tmp_path, **change)  # type: ignore[arg-type]

    with pytest.raises(InvalidInput, match=reason):
        answer(world)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_predict__blank_lines_and_spaces__are_passed_over(tmp_path: Path, end: str) -> None:
    world = write_world(tmp_path, asked=[(wallet(1), ASKED), (wallet(2), ASKED)])
    same = answer(world)
    for path in (world.cutoffs, world.labels):
        header, *lines = path.read_text("utf-8").splitlines()
        blank = "," * header.count(",")
        spaced = [f" {line.replace(',', ' , ')} " for line in lines]
        path.write_bytes(end.join([header, "", *spaced[:1], blank, "  ", *spaced[1:], "", "", ""]).encode())

    assert answer(world) == same


def test_predict__bad_row_after_blank_lines__is_named_by_its_line(tmp_path: Path) -> None:
    world = write_world(tmp_path)
    world.cutoffs.write_text(f"wallet,cutoff_ts\n\n{wallet(1)},{ASKED}\n\n\n{wallet(2)},soon\n", encoding="utf-8")

    with pytest.raises(InvalidInput, match=r"c\.csv: row 6: cutoff_ts is 'soon'"):
        answer(world)


def test_predict__address_in_capitals__is_the_same_wallet_and_comes_back_as_written(tmp_path: Path) -> None:
    events = [row | {"wallet": str(row["wallet"]).replace("0x0", "0xa")} for row in all_events()]
    labels = [(who.replace("0x0", "0xa"), when, outcome) for who, when, outcome in made_labels()]
    plain, loud = wallet(1).replace("0x0", "0xa"), wallet(1).replace("0x0", "0XA")

    low = rows(answer(write_world(tmp_path / "a", events=events, labels=labels, asked=[(plain, ASKED)])))
    high = rows(answer(write_world(tmp_path / "b", events=events, labels=labels, asked=[(loud, ASKED)])))

    assert (low[0]["status"], high[0]["wallet"], high[0]["p"]) == ("ok", loud, low[0]["p"])


def test_predict__column_missing_in_cutoffs__is_refused(tmp_path: Path) -> None:
    world = write_world(tmp_path)
    write_csv(world.cutoffs, ("wallet", "when"), [(wallet(1), ASKED)])

    with pytest.raises(InvalidInput, match=r"column cutoff_ts is missing; found wallet, when"):
        answer(world)


def test_predict_command__neither_labels_nor_model__is_refused(tmp_path: Path) -> None:
    world = write_world(tmp_path)
    arguments = ["--events", world.events, "--prices", world.prices, "--cutoffs", world.cutoffs, "--out", "o.csv"]

    done = CliRunner().invoke(app, ["predict", *map(str, arguments)])

    assert isinstance(done.exception, InvalidInput)


def test_predict_command__made_up_files__writes_the_columns_of_the_contract(tmp_path: Path) -> None:
    world, out = write_world(tmp_path), tmp_path / "deep" / "p.csv"
    arguments = ["--events", world.events, "--prices", world.prices, "--train-labels", world.labels]

    done = CliRunner().invoke(app, ["predict", *map(str, [*arguments, "--cutoffs", world.cutoffs, "--out", out])])

    assert done.exit_code == 0, done.output
    lines = out.read_text("utf-8").splitlines()
    assert (lines[0], len(lines)) == ("wallet,cutoff_ts,p,status", 27)


def test_train__only_one_outcome_among_few_rows__ranks_by_recency(tmp_path: Path) -> None:
    labels = [(who, when, int(place == 0)) for place, (who, when, _) in enumerate(made_labels())]
    asked = [(wallet(number), START + 62 * DAY + DAY * 30) for number in range(12)]

    found = rows(answer(write_world(tmp_path, labels=labels, asked=asked)))

    assert len({row["p"] for row in found}) > 6
