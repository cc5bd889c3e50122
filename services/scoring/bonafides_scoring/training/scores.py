"""Scores of the wallets of a decoded folder, offline: the same fold, market, features and scorer as in the worker.

    events ──► fold up to the as-of block ──► score_subjects ──► scores.csv
    market ──► view at the as-of block ────────────┘

A folder says nothing of what was not read. Its deployments count as read whole, from the first block to the last.
"""

import csv
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import batched
from pathlib import Path

from bonafides.digests import event_set_digest
from bonafides.errors import InvalidInput
from bonafides.event_files import EVENTS_FILE, read_market_points
from bonafides.events import DeploymentCoverage, LendingEvent
from bonafides.types import Address, AsOf, BlockRef, ScoreFlag

from bonafides_scoring.fold import empty_state, fold
from bonafides_scoring.market import MarketView, market_view
from bonafides_scoring.model import ModelBundle
from bonafides_scoring.scorer import Scored, ScoreRequest, ScoreResult, score_subjects
from bonafides_scoring.training.panels.blocks import read_block_table
from bonafides_scoring.training.panels.histories import histories
from bonafides_scoring.training.panels.sorting import Step, bucket_events, sorted_bucket

COLUMNS = ("wallet", "score", "pd_bps", "margin", "unscorable", "flags")
WALLETS_AT_ONCE = 2_000
"""Scored in one call of the model."""
NOT_A_REGISTRY = 0
"""Registry version of a coverage that no registry told."""


@dataclass(frozen=True, slots=True)
class WalletScore:
    """One row of the answer."""

    wallet: Address
    result: ScoreResult

    def row(self) -> tuple[str, ...]:
        """In the order of `COLUMNS`; an empty field where there is nothing to say."""
        name = f"0x{self.wallet.hex()}"
        result = self.result
        if not isinstance(result, Scored):
            return name, "", "", "", result.reason.value, ""
        flags = "|".join(str(flag.name).lower() for flag in ScoreFlag if flag and flag in result.flags)
        return name, str(result.score), str(result.pd_bps), repr(result.receipt.margin), "", flags


def score_folder(
    events_dir: Path,
    bundle: ModelBundle,
    *,
    as_of: int | None = None,
    wallets: Sequence[Address] | None = None,
    progress: Step | None = None,
) -> Iterator[WalletScore]:
    """The score of each wallet with events before `as_of`, wallets ascending; of `wallets` only, where they are given.

    `as_of` is a cut-off in Unix seconds: the last block with an earlier timestamp counts, inclusive. Without it, the
    last block of the folder does.

    Raises:
        InvalidInput: a file that is not ours; an `as_of` before all data; a wallet asked for that has no events by
            then, named by its place in `wallets`, from 0.
    """
    blocks = read_block_table(events_dir)
    block = blocks.at(len(blocks) - 1) if as_of is None else blocks.before(as_of)
    view = market_view(read_market_points(events_dir), block)
    wanted = None if wallets is None else set(wallets)
    found: set[Address] = set()
    with tempfile.TemporaryDirectory(prefix="bonafides-score-") as folder:
        buckets = bucket_events(events_dir, blocks, Path(folder), with_hashes=True)
        for bucket in range(buckets.count):
            known = _known(buckets.path(bucket), block, wanted)
            for few in batched(known, WALLETS_AT_ONCE):
                found |= {wallet for wallet, _ in few}
                yield from _scores(few, view, bundle)
            if progress is not None:
                progress(bucket + 1, buckets.count)
    for place, wallet in enumerate(wallets or ()):
        if wallet not in found:
            raise InvalidInput(
                f"wallet {place} of the list has no event in {EVENTS_FILE} up to block {block.number}: it cannot be "
                "scored, nor called unscorable"
            )


def write_scores(path: Path, scores: Iterable[WalletScore]) -> tuple[int, int]:
    """Write scores as CSV; returns how many rows were scored and how many were not.

    The file appears only when complete.
    """
    scored = unscorable = 0
    partial = path.with_name(f"{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for one in scores:
                writer.writerow(one.row())
                scored += isinstance(one.result, Scored)
                unscorable += not isinstance(one.result, Scored)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return scored, unscorable


def read_wallets(path: Path) -> tuple[Address, ...]:
    """The wallets of a file, one `0x…` a line; a first line `wallet` and further columns are passed over.

    Raises:
        InvalidInput: a line that is no address, or one that stands there twice, with its number, from 1.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidInput(f"{path.name} cannot be read: expected a text file with one wallet a line") from exc
    found: dict[Address, int] = {}
    for number, line in enumerate(lines, 1):
        word = line.partition(",")[0].strip()
        if not word or (number == 1 and word == "wallet"):
            continue
        try:
            wallet = Address(bytes.fromhex(word.removeprefix("0x")))
        except ValueError:
            wallet = Address(b"")
        if not word.startswith("0x") or len(wallet) != 20:
            raise InvalidInput(f"{path.name}, line {number}: no address, expected 0x and 40 hexadecimal digits")
        if wallet in found:
            raise InvalidInput(f"{path.name}, line {number}: the same wallet as line {found[wallet]}")
        found[wallet] = number
    if not found:
        raise InvalidInput(f"{path.name} holds no wallet")
    return tuple(found)


def _known(path: Path, block: BlockRef, wanted: set[Address] | None) -> Iterator[tuple[Address, list[LendingEvent]]]:
    if not path.exists():
        return
    for wallet, events in histories(sorted_bucket(path), only=wanted):
        known = [event for event in events if event.position.block.number <= block.number]
        if known:
            yield wallet, known


def _scores(
    known: Sequence[tuple[Address, list[LendingEvent]]], view: MarketView, bundle: ModelBundle
) -> Iterator[WalletScore]:
    block = view.block
    deployments = {event.deployment for _, events in known for event in events}
    coverage = {
        name: DeploymentCoverage(name, block.chain_id, NOT_A_REGISTRY, 0, block.number, (), 0) for name in deployments
    }
    requests = [
        ScoreRequest(
            wallets=(wallet,),
            states=(fold(empty_state(wallet, block.chain_id), events),),
            views=(view,),
            as_of=AsOf((block,)),
            coverage=tuple(coverage[name] for name in sorted({event.deployment for event in events})),
            event_set_digest=event_set_digest(events),
        )
        for wallet, events in known
    ]
    results = score_subjects(requests, bundle)
    return (WalletScore(wallet, result) for (wallet, _), result in zip(known, results, strict=True))
