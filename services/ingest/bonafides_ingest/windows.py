"""Block ranges: what was read, what is missing, what to read next, and how much at once. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from bonafides.events import BlockRange


def merge_ranges(ranges: Iterable[BlockRange]) -> tuple[BlockRange, ...]:
    """The same blocks in the fewest ranges, ascending: what overlaps or touches becomes one."""
    merged: list[BlockRange] = []
    for current in sorted(ranges, key=lambda r: r.first):
        if merged and current.first <= merged[-1].last + 1:
            merged[-1] = BlockRange(merged[-1].first, max(merged[-1].last, current.last))
        else:
            merged.append(current)
    return tuple(merged)


def gaps_in(done: Iterable[BlockRange], wanted: BlockRange) -> tuple[BlockRange, ...]:
    """The blocks of `wanted` that `done` lacks, ascending."""
    gaps: list[BlockRange] = []
    following = wanted.first
    for current in merge_ranges(done):
        if current.last < following:
            continue
        if current.first > wanted.last:
            break
        if current.first > following:
            gaps.append(BlockRange(following, current.first - 1))
        following = current.last + 1
    if following <= wanted.last:
        gaps.append(BlockRange(following, wanted.last))
    return tuple(gaps)


def up_to(span: BlockRange, last: int) -> BlockRange:
    """The part of a span up to block `last`; an empty one (last < first) where it begins later."""
    return BlockRange(span.first, min(span.last, last))


@dataclass(frozen=True, slots=True)
class Work:
    """A range to read next, for these deployments."""

    range: BlockRange
    deployments: tuple[str, ...]
    """Ids, ascending."""


def plan_work(
    spans: Mapping[str, BlockRange],
    done: Mapping[str, Sequence[BlockRange]],
    finalized: int,
    window_blocks: int,
    links: Mapping[str, BlockRange] = MappingProxyType({}),
    taken: Collection[str] = frozenset(),
) -> Work | None:
    """What to read next, up to and including the finalized block; None when nothing is missing that may be read now.

    `spans` are the deployments', `links` those of the sources of account links; `taken` is what others read now. Links
    come first: a range of deployments is only given out when every source of links is complete to its end, so that
    whoever reads the range can know who owned its accounts. They never run ahead further than one window:

    ```
    links        ├────done────┤▒▒ next ▒▒┤
    deployments  ├────done────┤          then these blocks
    ```
    """
    lending = _lowest_missing(_without(spans, taken), done, finalized, window_blocks)
    linking = _lowest_missing(links, done, finalized, window_blocks)
    if lending is None or linking is None or linking.range.first > lending.range.last:
        return lending or _free(linking, links, done, finalized, window_blocks, taken)
    if linking.range.first > lending.range.first:
        return Work(BlockRange(lending.range.first, linking.range.first - 1), lending.deployments)
    linking = _free(linking, links, done, finalized, window_blocks, taken)
    if linking and linking.range.first < lending.range.first <= linking.range.last:
        return Work(BlockRange(linking.range.first, lending.range.first - 1), linking.deployments)
    return linking


def _without(spans: Mapping[str, BlockRange], taken: Collection[str]) -> Mapping[str, BlockRange]:
    return {name: span for name, span in spans.items() if name not in taken} if taken else spans


def _free(
    work: Work | None,
    links: Mapping[str, BlockRange],
    done: Mapping[str, Sequence[BlockRange]],
    finalized: int,
    window_blocks: int,
    taken: Collection[str],
) -> Work | None:
    """The work on links that nobody does yet, in the window that is next of all."""
    if work is None or not taken:
        return work
    return _lowest_missing(_without(links, taken), done, min(finalized, work.range.last), window_blocks)


def _lowest_missing(
    spans: Mapping[str, BlockRange], done: Mapping[str, Sequence[BlockRange]], finalized: int, window_blocks: int
) -> Work | None:
    """The lowest missing block comes first, for every entry that lacks it: what a new line of the registry missed is
    read before the chain goes on, since the contracts found there must be known when later blocks are read."""
    missing = {
        name: gaps[0] for name, span in spans.items() if (gaps := gaps_in(done.get(name, ()), up_to(span, finalized)))
    }
    if not missing:
        return None
    first = min(gap.first for gap in missing.values())
    takers = {name: gap for name, gap in missing.items() if gap.first == first}
    last = min(first + window_blocks - 1, *(gap.last for gap in takers.values()))
    later_starts = [gap.first for gap in missing.values() if first < gap.first <= last]
    if later_starts:  # end where another deployment begins, so that both go on together from there
        last = min(later_starts) - 1
    return Work(BlockRange(first, last), tuple(sorted(takers)))


def share_of(work: Work, missing: int, replicas: int) -> Work:
    """The part of some work that one of several replicas takes, when so many entries have something missing."""
    most = max(-(-missing // max(replicas, 1)), 1)
    return Work(work.range, work.deployments[:most])


def complete_to(spans: Iterable[tuple[BlockRange, Sequence[BlockRange]]], last: int) -> int:
    """The highest block, at most `last`, up to which nothing is missing; `spans` are entries with what was read."""
    return min(
        (gaps[0].first - 1 for span, done in spans if (gaps := gaps_in(done, up_to(span, last)))),
        default=last,
    )
