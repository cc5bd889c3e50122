"""`bonafides scoring predict`: every bad input is refused with the file, the row and the reason, and writes nothing."""

import csv
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from bonafides.command_line import main
from bonafides.errors import InvalidInput
from bonafides_scoring.backtest.predict import predict_files
from bonafides_scoring.backtest.shipped import NAME, predict_with_model
from bonafides_scoring.backtest.tables import Note
from bonafides_scoring.model import DEFAULT_MODEL, shipped_model

from tests.support.backtest_bad_files import CUT_OFFS, EVENTS, LABELS, PRICES, Bad, emptied, unsorted
from tests.support.backtest_data import ASKED, CUTOFFS, DAY, START, World, all_events, event, wallet, write_world

pytestmark = pytest.mark.unit

LATER = START + 2 * 365 * DAY
"""After all that the shipped model has seen."""


def named(bad: Bad) -> str:
    return bad.name


def answer(world: World, note: Note = lambda _: None) -> list[dict[str, str]]:
    out = world.events.parent / "out.csv"
    predict_files(world.events, world.prices, world.labels, world.cutoffs, out, note)
    return list(csv.DictReader(out.read_text("utf-8").splitlines()))


def notes_of(world: World) -> str:
    notes: list[str] = []
    answer(world, notes.append)
    return "\n".join(notes)


@pytest.mark.parametrize("bad", EVENTS, ids=named)
def test_predict__bad_events__are_refused_and_nothing_is_written(tmp_path: Path, bad: Bad) -> None:
    refused(tmp_path, bad)


@pytest.mark.parametrize("bad", PRICES, ids=named)
def test_predict__bad_prices__are_refused_and_nothing_is_written(tmp_path: Path, bad: Bad) -> None:
    refused(tmp_path, bad)


@pytest.mark.parametrize("bad", CUT_OFFS, ids=named)
def test_predict__bad_cut_offs__are_refused_and_nothing_is_written(tmp_path: Path, bad: Bad) -> None:
    refused(tmp_path, bad)


@pytest.mark.parametrize("bad", LABELS, ids=named)
def test_predict__bad_labels__are_refused_and_nothing_is_written(tmp_path: Path, bad: Bad) -> None:
    refused(tmp_path, bad)


def refused(folder: Path, bad: Bad) -> None:
    world, out = write_world(folder), folder / "new" / "p.csv"
    bad.spoil(world)

    with pytest.raises(InvalidInput) as refusal:
        predict_files(world.events, world.prices, world.labels, world.cutoffs, out)

    assert re.search(bad.reason, str(refusal.value)), str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not out.parent.exists()


@pytest.mark.parametrize("bad", [*EVENTS[:2], *PRICES[:2], *CUT_OFFS[:2]], ids=named)
def test_predict_with_model__bad_file__is_refused_as_well(tmp_path: Path, bad: Bad) -> None:
    world, out = write_world(tmp_path, asked=[(wallet(1), LATER)]), tmp_path / "p.csv"
    bad.spoil(world)

    with pytest.raises(InvalidInput, match=bad.reason):
        predict_with_model(shipped_model(NAME), world.events, world.prices, world.cutoffs, out)

    assert not out.exists()


def test_predict__labels_of_two_populations__are_refused_with_a_row_of_each(tmp_path: Path) -> None:
    soft = [event(number, START + 20 * DAY, action="soft_liq_episode") for number in range(40, 50)]
    mixed = [*[(wallet(number), CUTOFFS[0], 0) for number in range(5)], (wallet(40), CUTOFFS[0] - 5 * DAY, 1)]

    with pytest.raises(
        InvalidInput,
        match=r"l\.csv: row 2 is in the population of reliquidation only and "
        r"row 7 is in the population of soft_liquidation only; expected the labels of one task in one file",
    ):
        answer(write_world(tmp_path, events=[*all_events(), *soft], labels=mixed))


def test_predict__labels_of_the_other_population_are_of_later__they_change_nothing(tmp_path: Path) -> None:
    soft = [event(number, START + 20 * DAY, action="soft_liq_episode") for number in range(40, 50)]
    labels = [(wallet(number), CUTOFFS[0], number % 2) for number in range(20)]
    later = [(wallet(40), START + 125 * DAY, 1)]

    same = answer(write_world(tmp_path / "a", events=[*all_events(), *soft], labels=labels))

    assert same == answer(write_world(tmp_path / "b", events=[*all_events(), *soft], labels=[*labels, *later]))


def test_predict__no_label_tells_the_task__each_row_answers_for_itself_whatever_comes_later(tmp_path: Path) -> None:
    # Wallet 1 is in the first population, 40 in the second, 50 in none. What the others live through after wallet 1's
    # cut-off must not turn its status.
    events = [event(1, START + 10 * DAY), event(40, START + 20 * DAY, action="soft_liq_episode")]
    later = [event(number, START + 30 * DAY, action="soft_liq_episode") for number in range(60, 70)]
    asked = [(wallet(1), START + 25 * DAY), (wallet(40), START + 25 * DAY), (wallet(50), START + 25 * DAY)]
    asked += [(wallet(number), START + 40 * DAY) for number in range(60, 70)]

    few = answer(write_world(tmp_path / "a", events=events, labels=[], asked=asked))
    many = answer(write_world(tmp_path / "b", events=[*events, *later], labels=[], asked=asked))

    assert [row["status"] for row in few[:3]] == ["no_training_data", "no_training_data", "outside_population"]
    assert many[:3] == few[:3]
    assert {row["status"] for row in many[3:]} == {"no_training_data"}


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([], r"l\.csv: of 0 labels no window had ended by the earliest cut-off, \d+$"),
        ([(wallet(1), ASKED, 0)], r"l\.csv: of 1 labels no window had ended .*; the first ends at \d+$"),
        ([(wallet(90), CUTOFFS[0], 0)], r"l\.csv: 1 of 1 labels teach nothing: the events do not show the wallet"),
        ([(wallet(1), CUTOFFS[0], 1)], r"l\.csv: all 1 labels to learn from are 1: nothing can be told apart"),
    ],
)
def test_predict__nothing_to_learn_from__says_why(
    tmp_path: Path, labels: list[tuple[str, int, int]], words: str
) -> None:
    world = write_world(tmp_path, labels=labels)

    assert re.search(words, notes_of(world), re.MULTILINE)
    assert {row["status"] for row in answer(world)} == {"no_training_data", "outside_population"}


def test_predict__some_unknown_actions__are_passed_over_with_a_word(tmp_path: Path) -> None:
    odd = event(77, START, action="flash")
    world = write_world(tmp_path / "a", events=[odd, *all_events()])

    assert re.search(
        r"e\.parquet: 1 of \d+ events have an unknown action .*; the first is 'flash' in row 1", notes_of(world)
    )
    assert answer(world) == answer(write_world(tmp_path / "b"))


def test_predict__cut_offs_beyond_all_prices__are_answered_with_a_word(tmp_path: Path) -> None:
    world = write_world(tmp_path, asked=[(wallet(1), ASKED), (wallet(1), LATER)])

    assert re.search(
        r"p\.parquet: prices of 2021-01-01 to 2021-08-08 say nothing about 1 of 2 cut-offs", notes_of(world)
    )


def test_predict__good_files__have_no_notes(tmp_path: Path) -> None:
    assert notes_of(write_world(tmp_path)) == ""


@pytest.mark.parametrize(
    "spelling",
    [
        lambda raw: b"\xef\xbb\xbf" + raw,
        lambda raw: raw.replace(wallet(1).encode(), f'"{wallet(1)}"'.encode()),
        lambda raw: b"\n".join(b"0," + line if number else b"," + line for number, line in enumerate(raw.splitlines())),
        lambda raw: raw.replace(b"wallet,cutoff_ts", b" wallet , cutoff_ts "),
    ],
)
def test_predict__another_spelling_of_the_same_csv__is_read(tmp_path: Path, spelling: Callable[[bytes], bytes]) -> None:
    world = write_world(tmp_path)
    same = answer(world)

    world.cutoffs.write_bytes(spelling(world.cutoffs.read_bytes()))

    assert answer(world) == same


def test_predict__unsorted_files__same_answers(tmp_path: Path) -> None:
    world = write_world(tmp_path)
    same = answer(world)

    unsorted(world)

    assert answer(world) == same


def test_predict__a_star_in_the_name__is_a_name_and_no_pattern(tmp_path: Path) -> None:
    world = write_world(tmp_path)

    with pytest.raises(InvalidInput, match=r"\*\.parquet: does not exist"):
        predict_files(tmp_path / "*.parquet", world.prices, world.labels, world.cutoffs, tmp_path / "p.csv")


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (lambda world: world.events.parent, r": is a folder, expected the name of a file to write"),
        (lambda world: world.cutoffs, r"c\.csv: is an input of this command, expected another file to write"),
        (lambda world: world.events / "p.csv", r"e\.parquet: is a file, expected a folder to write p\.csv in"),
        (lambda _: Path("/dev/null"), r"/dev/null: is neither a file nor free"),
    ],
)
def test_predict__no_place_to_write__is_refused_before_anything_is_read(
    tmp_path: Path, place: Callable[[World], Path], reason: str
) -> None:
    world = write_world(tmp_path)
    out = place(world)
    emptied("prices")(world)  # bad as well: but the place comes first

    with pytest.raises(InvalidInput, match=reason):
        predict_files(world.events, world.prices, world.labels, world.cutoffs, out)


def other_kind(_: Path) -> Path:
    return shipped_model(DEFAULT_MODEL)


def manifest_only(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "manifest.json").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (
            other_kind,
            rf"is a model of format 1, named '{DEFAULT_MODEL}', expected a folder with a model of format 'bona",
        ),
        (lambda path: path / "none", r"none: is not there, expected a folder with a model of format"),
        (lambda path: Path(__file__), r"\.py: is a file, expected a folder with a model of format"),
        (lambda path: path, r"holds no manifest\.json, expected a folder with a model of format"),
        (
            lambda path: manifest_only(path / "m", "no json"),
            r"manifest\.json: is no JSON, expected a folder with a model",
        ),
        (lambda path: manifest_only(path / "m", "[]"), r"m: is a model of format None, expected a folder with a model"),
        (
            lambda path: manifest_only(path / "m", json.dumps({"format": "bonafides/reliquidation/2"})),
            r"m: is a model of format 'bonafides/reliquidation/2', expected .* 'bonafides/reliquidation/1'",
        ),
        (
            lambda path: manifest_only(path / "m", json.dumps({"format": "bonafides/reliquidation/1"})),
            r"model\.json: cannot be read",
        ),
    ],
)
def test_predict_with_model__another_kind__says_what_was_seen_and_what_is_wanted(
    tmp_path: Path, model: Callable[[Path], Path], reason: str
) -> None:
    world = write_world(tmp_path / "w")

    with pytest.raises(InvalidInput, match=reason):
        predict_with_model(model(tmp_path), world.events, world.prices, world.cutoffs, tmp_path / "p.csv")


def test_predict_with_model__manifest_lacks_a_field__it_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    shutil.copytree(shipped_model(NAME), folder)
    told = json.loads((folder / "manifest.json").read_text("utf-8"))
    del told["trained_until"]
    (folder / "manifest.json").write_text(json.dumps(told), encoding="utf-8")
    world = write_world(tmp_path / "w")

    with pytest.raises(InvalidInput, match=r"manifest\.json: trained_until: Field required$"):
        predict_with_model(folder, world.events, world.prices, world.cutoffs, tmp_path / "p.csv")


def test_bonafides_scoring_predict__bad_file__one_line_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = write_world(tmp_path, asked=[("alice", ASKED)])
    options = {"events": world.events, "prices": world.prices, "train-labels": world.labels, "cutoffs": world.cutoffs}
    words = [str(word) for name, path in options.items() for word in (f"--{name}", path)]
    monkeypatch.setattr(sys, "argv", ["bonafides", "scoring", "predict", *words, "--out", str(tmp_path / "p.csv")])

    with pytest.raises(SystemExit) as stopped:
        main()

    said = "".join(capsys.readouterr().err.split("\n"))
    assert stopped.value.code == 2
    assert re.search(r"InvalidInput: .*c\.csv: ?row 2: ?wallet is no address", said)
    assert "Traceback" not in said


def test_read__damaged_parquet__is_refused_or_read_and_never_another_error(tmp_path: Path) -> None:
    # A byte changed anywhere: a reader that panics must not take the command with it.
    world = write_world(tmp_path, events=[event(number, START) for number in range(3)])
    raw = world.events.read_bytes()

    for place in range(4, len(raw), max(len(raw) // 60, 1)):
        world.events.write_bytes(raw[:place] + bytes([raw[place] ^ 0xFF]) + raw[place + 1 :])
        try:
            answer(world)
        except InvalidInput as exc:
            assert "e.parquet" in str(exc)  # noqa: PT017 - some bytes are padding: then it is read


def test_read__parquet_with_a_column_twice__is_refused(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    world = write_world(tmp_path)
    table = pq.read_table(world.events)
    pq.write_table(table.append_column("wallet", table.column("wallet")), world.events)

    with pytest.raises(InvalidInput, match=r"e\.parquet: is no Parquet file that can be read: .*wallet"):
        answer(world)


def test_read__number_beyond_64_bits__is_refused_with_its_row(tmp_path: Path) -> None:
    world = write_world(tmp_path)
    frame = pl.read_parquet(world.events).with_columns(pl.lit(2**64 - 1, pl.UInt64).alias("timestamp"))
    frame.write_parquet(world.events)

    with pytest.raises(
        InvalidInput, match=r"e\.parquet: row 1: timestamp is 18446744073709551615, expected a number of"
    ):
        answer(world)
