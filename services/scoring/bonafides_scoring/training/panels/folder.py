"""THE FLOW of panels: a decoded folder of any size to one panel file.

    events.parquet ──► buckets by wallet ──► rows of a bucket ──► part-000.parquet ─┐
    market.parquet ──► points and lines ──────────┘                part-001.parquet ─┼──► panel.parquet
    blocks.parquet ──► grid of cut-offs ──────────┘                …                ─┘

Memory holds one bucket and one part per process. The work folder keeps what is finished, so that a run which was cut
short goes on from there. The same files and plan give the same bytes, in however many processes and runs.
"""

import hashlib
import json
import multiprocessing
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from bonafides.errors import InvalidInput
from bonafides.event_files import BLOCKS_FILE, EVENTS_FILE, MARKET_FILE

from bonafides_scoring.features.schema import SCHEMA_HASH
from bonafides_scoring.training.market_history import MarketHistory, index_market
from bonafides_scoring.training.panels.blocks import read_block_table
from bonafides_scoring.training.panels.build import panel_of_rows
from bonafides_scoring.training.panels.files import (
    PanelHeader,
    PanelWriter,
    panel_groups,
    read_panel_header,
    reference_words,
)
from bonafides_scoring.training.panels.histories import histories
from bonafides_scoring.training.panels.plan import PanelPlan, grid
from bonafides_scoring.training.panels.rows import RowBuilder
from bonafides_scoring.training.panels.sorting import Buckets, bucket_events, sorted_bucket
from bonafides_scoring.wallet_state import FOLD_VERSION

INPUTS = (EVENTS_FILE, MARKET_FILE, BLOCKS_FILE)
STAMP, SORTED = "stamp.json", "sorted.json"
_CHUNK = 1 << 20

type Progress = Callable[[str, int, int], None]
"""Called with the step's name, what is done and what there is."""


@dataclass(frozen=True, slots=True)
class _Job:
    """What a process needs to make a part."""

    events_dir: Path
    work: Path
    plan: PanelPlan
    buckets: Buckets
    header: PanelHeader

    def part(self, bucket: int) -> Path:
        return self.work / f"part-{bucket:03}.parquet"


def build_panel_file(
    events_dir: Path,
    out: Path,
    plan: PanelPlan,
    *,
    workers: int = 1,
    resume: bool = False,
    progress: Progress = lambda *_: None,
) -> PanelHeader:
    """Build the panel of a decoded folder and write it to `out`; returns what its header says.

    What is finished stands in `<out>.work` until the panel is complete. With `resume` it is used again if it was made
    from the same files by the same plan, fold and features; else the work starts anew.

    Raises:
        InvalidInput: a file that is missing or not ours; a row that cannot be, named with file and number; too short a
            time for one cut-off; no row, or rows of one class only.
    """
    work = out.with_name(f"{out.name}.work")
    source_digest = digest_of_folder(events_dir, progress)
    blocks = read_block_table(events_dir)
    grid(blocks, plan)
    _prepare(work, _stamp(plan, source_digest), resume=resume)
    if not (work / SORTED).exists():
        index_market(events_dir, blocks, work)
        buckets = bucket_events(
            events_dir, blocks, work, progress=lambda done, total: progress("bringing wallets together", done, total)
        )
        (work / SORTED).write_text(json.dumps(buckets.count))
    buckets = Buckets(work, int(json.loads((work / SORTED).read_text())))
    header = PanelHeader(
        plan.source, source_digest, plan.step_days, plan.warm_up_days, reference=reference_words(plan.reference)
    )
    job = _Job(events_dir, work, plan, buckets, header)
    for done, _ in enumerate(_parts(job, workers), 1):
        progress("features at cut-offs", done, buckets.count)
    return _join(job, out, progress)


def _parts(job: _Job, workers: int) -> Iterator[int]:
    """Make the parts that are missing, and yield each when it is there."""
    every = range(job.buckets.count)
    yield from (bucket for bucket in every if job.part(bucket).exists())
    missing = [bucket for bucket in every if not job.part(bucket).exists()]
    if workers == 1 or len(missing) < 2:
        for bucket in missing:
            yield _make_part(job, bucket)
        return
    # Started afresh: a fork would take Polars' threads with it, which then wait for ever.
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(missing)), mp_context=fresh) as pool:
        started = [pool.submit(_make_part, job, bucket) for bucket in missing]
        try:
            for finished in as_completed(started):
                yield finished.result()
        finally:
            for one in started:
                one.cancel()


def _make_part(job: _Job, bucket: int) -> int:
    path = job.buckets.path(bucket)
    builder = _builder(job)
    with PanelWriter(job.part(bucket), job.header) as writer:
        skipped, found = 0, []
        if path.exists():
            for wallet, events in histories(sorted_bucket(path)):
                rows, left_out = builder.rows(wallet, events)
                skipped += left_out
                if rows:
                    found.append((wallet, rows))
        writer.write(panel_of_rows(found, builder.blocks.chain_id))
        writer.close(skipped=skipped)
    path.unlink(missing_ok=True)
    return bucket


@lru_cache(maxsize=1)
def _builder(job: _Job) -> RowBuilder:
    """Once per process: opening the market takes a while."""
    blocks = read_block_table(job.events_dir)
    return RowBuilder(grid(blocks, job.plan), blocks, MarketHistory.opened(job.work), job.plan.reference)


def _join(job: _Job, out: Path, progress: Progress) -> PanelHeader:
    skipped, counts = 0, {0: 0, 1: 0}
    with PanelWriter(out, job.header) as writer:
        for bucket in range(job.buckets.count):
            part = job.part(bucket)
            skipped += read_panel_header(part).skipped
            for panel in panel_groups(part):
                positives = int(panel.labels.sum())
                counts[1] += positives
                counts[0] += len(panel) - positives
                writer.write(panel)
            progress("writing the panel", bucket + 1, job.buckets.count)
        if not counts[0] + counts[1]:
            raise InvalidInput(
                f"no wallet of {EVENTS_FILE} owed anything at any cut-off: there is nothing to learn from"
            )
        if not all(counts.values()):
            raise InvalidInput(
                f"{EVENTS_FILE} gives {counts[1]} rows with the outcome and {counts[0]} without it: nothing can be "
                "learned from one class; give it more wallets or more days"
            )
        header = writer.close(skipped=skipped)
    shutil.rmtree(job.work)
    return header


def _prepare(work: Path, stamp: str, *, resume: bool) -> None:
    path = work / STAMP
    if not (resume and path.exists() and path.read_text("utf-8") == stamp):
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        path.write_text(stamp, "utf-8")


def _stamp(plan: PanelPlan, source_digest: str) -> str:
    made_of = {"source": source_digest, "fold": FOLD_VERSION, "schema": SCHEMA_HASH.hex(), "plan": asdict(plan)}
    return json.dumps(made_of, sort_keys=True)


def digest_of_folder(events_dir: Path, progress: Progress) -> str:
    """SHA-256 over the three files, each with its name and size before it."""
    digest = hashlib.sha256()
    try:
        sizes = {name: (events_dir / name).stat().st_size for name in INPUTS}
        done = 0
        for name, size in sizes.items():
            digest.update(f"{name} {size}\n".encode())
            with (events_dir / name).open("rb") as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
                    done += len(chunk)
                    progress("checking the files", done, sum(sizes.values()))
    except OSError as exc:
        name = Path(str(exc.filename)).name
        raise InvalidInput(f"{name} cannot be read: expected what `bonafides ingest decode` writes") from exc
    return digest.hexdigest()
