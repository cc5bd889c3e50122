"""Ranges: what was read, what is missing, what comes next."""

import itertools

import pytest
from bonafides.events import BlockRange
from bonafides_ingest.windows import Work, complete_to, gaps_in, merge_ranges, plan_work, share_of
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.unit

RANGES = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 12)).map(lambda pair: BlockRange(pair[0], pair[0] + pair[1])),
    max_size=8,
)


def _blocks(ranges: tuple[BlockRange, ...] | list[BlockRange]) -> set[int]:
    return {block for r in ranges for block in range(r.first, r.last + 1)}


@given(RANGES)
def test_merge_ranges__any__keeps_the_blocks_and_leaves_none_touching(ranges: list[BlockRange]) -> None:
    merged = merge_ranges(ranges)

    assert _blocks(merged) == _blocks(ranges)
    assert all(later.first > earlier.last + 1 for earlier, later in itertools.pairwise(merged))


@given(RANGES, st.integers(0, 60), st.integers(0, 20))
def test_gaps_in__any__is_wanted_without_done(done: list[BlockRange], first: int, length: int) -> None:
    wanted = BlockRange(first, first + length)

    assert _blocks(gaps_in(done, wanted)) == _blocks([wanted]) - _blocks(done)


def _from(starts: dict[str, int]) -> dict[str, BlockRange]:
    return {name: BlockRange(first, 1_000_000) for name, first in starts.items()}


def test_plan_work__nothing_read__starts_at_the_first_block_with_one_window() -> None:
    work = plan_work(_from({"a": 10}), {}, finalized=100, window_blocks=20)

    assert work is not None
    assert (work.range, work.deployments) == (BlockRange(10, 29), ("a",))


def test_plan_work__everything_read__is_nothing() -> None:
    assert plan_work(_from({"a": 10, "b": 500}), {"a": [BlockRange(10, 100)]}, finalized=100, window_blocks=20) is None


def test_plan_work__new_deployment__is_read_first_and_alone() -> None:
    work = plan_work(_from({"a": 10, "b": 30}), {"a": [BlockRange(10, 90)]}, finalized=100, window_blocks=200)

    assert work is not None
    assert (work.range, work.deployments) == (BlockRange(30, 90), ("b",))


def test_plan_work__second_deployment_starts_inside_the_window__ends_before_it() -> None:
    work = plan_work(_from({"a": 10, "b": 15}), {}, finalized=100, window_blocks=20)

    assert work is not None
    assert (work.range, work.deployments) == (BlockRange(10, 14), ("a",))


@given(
    st.dictionaries(st.sampled_from("abc"), st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1),
    st.dictionaries(st.sampled_from("abc"), RANGES),
    st.integers(0, 60),
    st.integers(1, 15),
)
def test_plan_work__followed_to_the_end__reads_every_missing_block_once(
    lives: dict[str, tuple[int, int]], done: dict[str, list[BlockRange]], finalized: int, window: int
) -> None:
    spans = {name: BlockRange(first, first + length) for name, (first, length) in lives.items()}
    wanted = {name: _blocks([span]) & set(range(finalized + 1)) for name, span in spans.items()}
    missing = {name: blocks - _blocks(done.get(name, [])) for name, blocks in wanted.items()}
    read: dict[str, list[int]] = {name: [] for name in spans}
    while work := plan_work(spans, done, finalized, window):
        assert work.range.last - work.range.first < window
        for name in work.deployments:
            read[name] += range(work.range.first, work.range.last + 1)
            done[name] = [*done.get(name, []), work.range]

    assert {name: sorted(blocks) for name, blocks in read.items()} == {
        name: sorted(blocks) for name, blocks in missing.items()
    }


def _spans(starts: dict[str, int]) -> dict[str, BlockRange]:
    return {name: BlockRange(first, 10**9) for name, first in starts.items()}


def test_plan_work__links_lack_the_range__reads_them_first() -> None:
    done = {"lending": [BlockRange(10, 90)], "links": [BlockRange(0, 90)]}

    work = plan_work(_spans({"lending": 10}), done, 100, 20, _spans({"links": 0}))

    assert work is not None
    assert (work.range, work.deployments) == (BlockRange(91, 100), ("links",))


def test_plan_work__links_complete_to_the_middle_of_the_range__gives_out_the_first_half() -> None:
    done = {"lending": [BlockRange(10, 90)], "links": [BlockRange(0, 95)]}

    work = plan_work(_spans({"lending": 10}), done, 100, 20, _spans({"links": 0}))

    assert work is not None
    assert (work.range, work.deployments) == (BlockRange(91, 95), ("lending",))


def test_plan_work__new_source_of_links_below_what_was_read__is_read_up_to_there_first() -> None:
    done = {"lending": [BlockRange(10, 90)]}

    work = plan_work(_spans({"lending": 10}), done, 100, 200, _spans({"links": 40}))

    assert work is not None
    assert (work.range, work.deployments) == (BlockRange(40, 90), ("links",))


LENDING, LINKING = st.sampled_from("abc"), st.sampled_from("xyz")


@given(
    st.dictionaries(LENDING, st.integers(0, 40), min_size=1),
    st.dictionaries(LINKING, st.integers(0, 40)),
    st.dictionaries(LENDING | LINKING, RANGES),
    st.integers(0, 60),
    st.integers(1, 15),
    st.integers(1, 15),
)
def test_plan_work__followed_to_the_end__links_are_complete_to_the_end_of_each_range(
    starts: dict[str, int],
    links: dict[str, int],
    done: dict[str, list[BlockRange]],
    finalized: int,
    window: int,
    most: int,
) -> None:
    everything = {**starts, **links}
    missing = {
        name: set(range(first, finalized + 1)) - _blocks(done.get(name, [])) for name, first in everything.items()
    }
    read: dict[str, list[int]] = {name: [] for name in everything}
    while work := plan_work(_spans(starts), done, finalized, window, _spans(links)):
        assert not (set(work.deployments) & set(starts) and set(work.deployments) & set(links))
        # A provider may answer for the first part of a range only.
        got = BlockRange(work.range.first, min(work.range.last, work.range.first + most - 1))
        for name in work.deployments:
            if name in starts:
                for link, first in links.items():
                    assert set(range(first, work.range.last + 1)) <= _blocks(done.get(link, []))
            read[name] += range(got.first, got.last + 1)
            done[name] = [*done.get(name, []), got]

    assert {name: sorted(blocks) for name, blocks in read.items()} == {
        name: sorted(blocks) for name, blocks in missing.items()
    }


def test_plan_work__what_another_reads__is_passed_over() -> None:
    work = plan_work(_from({"a": 1, "b": 1}), {}, finalized=100, window_blocks=20, taken={"a"})

    assert work is not None
    assert (work.range, work.deployments) == (BlockRange(1, 20), ("b",))


def test_plan_work__links_below_are_read_by_another__nothing_is_given_out() -> None:
    links = _from({"safes": 1, "proxies": 1})

    assert plan_work(_from({"a": 1}), {}, 100, 20, links, taken={"safes", "proxies"}) is None
    free = plan_work(_from({"a": 1}), {}, 100, 20, links, taken={"safes"})
    assert free is not None
    assert free.deployments == ("proxies",)


@given(st.integers(1, 40), st.integers(1, 9))
def test_share_of__any_number_of_replicas__together_they_take_everything(entries: int, replicas: int) -> None:
    work = Work(BlockRange(1, 9), tuple(f"d{number:02}" for number in range(entries)))

    share = share_of(work, entries, replicas).deployments

    assert len(share) >= 1
    assert len(share) * replicas >= entries
    assert len(share) < entries / replicas + 1


@given(RANGES, st.integers(0, 60))
def test_complete_to__any__is_the_last_block_before_the_first_gap(done: list[BlockRange], last: int) -> None:
    span = BlockRange(5, 1_000_000)

    reached = complete_to([(span, done)], last)

    blocks = _blocks(done)
    assert all(number in blocks for number in range(5, reached + 1))
    assert reached == last or (reached + 1 not in blocks and reached + 1 >= 5)
