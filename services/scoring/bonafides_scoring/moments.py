"""Scores wallets at one moment: an as-of, the market there, and the events that were known then.

Finalized answers are added and issued; provisional ones, above finalized, replace each other and go nowhere.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from bonafides import outbox
from bonafides.events import DeploymentCoverage
from bonafides.hashing import sha256
from bonafides.topics import SCORES_ISSUED, partition_of
from bonafides.types import Address, AsOf, ChainId, Digest, Finality
from sqlalchemy import Connection

from bonafides_scoring import metrics
from bonafides_scoring.due import Basis, is_due
from bonafides_scoring.fold import WalletState, encode_state
from bonafides_scoring.knowledge import (
    dead_letters_by_wallet,
    event_set_digests,
    states_by_wallet,
    unreadable_records,
    view_at,
)
from bonafides_scoring.market import MarketMissing, MarketView
from bonafides_scoring.model import ModelBundle
from bonafides_scoring.scorer import Scored, ScoreRequest, ScoreResult, lowest_health_factor_bps, score_subjects
from bonafides_scoring.store import provisional, results
from bonafides_scoring.store.market import LoggedBoundary
from bonafides_scoring.store.provisional import Origin
from bonafides_scoring.store.results import Circumstances
from bonafides_scoring.store.tables import outbox as outbox_table

VIEWS_KEPT = 16
"""Market views kept in memory: each partition asks for the same one at a boundary."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One as-of: its boundaries, and what was known then."""

    partition: int
    called: LoggedBoundary
    boundaries: tuple[LoggedBoundary, ...]
    as_of: AsOf
    views: tuple[MarketView, ...]
    coverage: tuple[DeploymentCoverage, ...]
    event_offset: int
    unreadable: int
    """Records of the two logs that were missing then."""


@dataclass
class MomentScorer:
    """Scores wallets with one model."""

    bundle: ModelBundle
    made: list[str] = field(default_factory=list)
    """What came of it since the last commit, in the words of `metrics`."""
    _views: dict[tuple[ChainId, int, int], MarketView] = field(default_factory=dict)
    """By boundary number, which names one block for ever, whichever way the chain went on: block numbers come back."""

    def moment(
        self,
        connection: Connection,
        partition: int,
        called: LoggedBoundary,
        boundaries: tuple[LoggedBoundary, ...],
        offset: int,
    ) -> Moment:
        """The moment that a boundary called for, as a partition knows it below an offset."""
        return Moment(
            partition=partition,
            called=called,
            boundaries=boundaries,
            as_of=AsOf(tuple(one.boundary.block for one in boundaries)),
            views=tuple(self._view(connection, one, called.log_offset) for one in boundaries),
            coverage=tuple(row for one in boundaries for row in one.boundary.coverage),
            event_offset=offset,
            unreadable=unreadable_records(connection, partition, event_offset=offset, market_offset=called.log_offset),
        )

    def score(self, connection: Connection, wallets: Sequence[Address], moment: Moment) -> None:
        """Score those of the wallets that call for it, as of this moment."""
        known = states_by_wallet(connection, wallets, moment.boundaries, moment.event_offset)
        letters = dead_letters_by_wallet(connection, wallets, moment.boundaries, moment.event_offset)
        last = results.last_bases(connection, wallets)
        step_bps = self.bundle.manifest.rescore_step_bps
        bases: dict[Address, Basis] = {}
        for wallet in wallets:
            if not known.get(wallet) and not letters.get(wallet):
                continue  # nothing of it stands at or below these blocks
            letters[wallet] = letters.get(wallet, 0) + moment.unreadable
            basis = _basis(known.get(wallet, ()), letters[wallet], moment)
            if is_due(wallet, last.get(wallet), basis, step_bps):
                bases[wallet] = basis
        digests = event_set_digests(connection, list(bases), moment.boundaries, moment.event_offset)
        requests = [
            ScoreRequest(
                wallets=(wallet,),
                states=known.get(wallet, ()),
                views=moment.views,
                as_of=moment.as_of,
                coverage=moment.coverage,
                event_set_digest=digests[wallet],
                wallet_dead_letters=letters[wallet],
            )
            for wallet in bases
        ]
        answers = list(zip(bases, score_subjects(requests, self.bundle), strict=True))
        if moment.called.boundary.finality is Finality.FINALIZED:
            self._issue(connection, answers, bases, moment)
            provisional.drop_overtaken(connection, wallets, moment.as_of)
        else:
            self._set_provisional(connection, answers, moment)
            provisional.drop_of(connection, [wallet for wallet in wallets if wallet not in bases])

    def _issue(
        self,
        connection: Connection,
        answers: Sequence[tuple[Address, ScoreResult]],
        bases: dict[Address, Basis],
        moment: Moment,
    ) -> None:
        at = circumstances(self.bundle, moment)
        new = results.add_results(connection, [result for _, result in answers], moment.coverage, at)
        issued = [(wallet, result) for wallet, result in answers if _id_of(result) in new]
        messages = [(partition_of(wallet, SCORES_ISSUED), result.message()) for wallet, result in issued]
        outbox.put_all(connection, outbox_table, SCORES_ISSUED, messages)
        self.made += [
            metrics.RESULT_SCORED if isinstance(result, Scored) else metrics.RESULT_UNSCORABLE for _, result in issued
        ]
        results.set_latest(connection, [(wallet, result, bases[wallet]) for wallet, result in answers], at)

    def _set_provisional(
        self, connection: Connection, answers: Sequence[tuple[Address, ScoreResult]], moment: Moment
    ) -> None:
        provisional.set_provisional(
            connection,
            answers,
            moment.coverage,
            circumstances(self.bundle, moment),
            origin=Origin.HEAD,
            block_number=moment.called.boundary.block.number,
        )
        self.made += [metrics.RESULT_PROVISIONAL] * len(answers)

    def _view(self, connection: Connection, logged: LoggedBoundary, below_offset: int) -> MarketView:
        key = (logged.boundary.block.chain_id, logged.boundary.number, below_offset)
        if key not in self._views:
            self._views[key] = view_at(connection, logged, below_offset)
            while len(self._views) > VIEWS_KEPT:
                del self._views[next(iter(self._views))]
        return self._views[key]


def circumstances(bundle: ModelBundle, moment: Moment) -> Circumstances:
    """Where and when the answers of a moment were made."""
    manifest, called = bundle.manifest, moment.called
    return Circumstances(
        partition=moment.partition,
        chain_id=called.boundary.block.chain_id,
        boundary_number=called.boundary.number,
        market_offset=called.log_offset,
        event_offset=moment.event_offset,
        model_class=bundle.model_class,
        model_name=manifest.name,
        outcome=manifest.outcome,
        horizon_days=manifest.scale.horizon_days,
    )


def _id_of(result: ScoreResult) -> Digest:
    return result.score_id if isinstance(result, Scored) else result.result_id


def _basis(known: tuple[WalletState, ...], dead_letters: int, moment: Moment) -> Basis:
    has_gap = any(row.gaps for row in moment.coverage)
    digest = sha256(
        b"bonafides/scoring-basis/1",
        struct.pack(">I?", dead_letters, has_gap),
        *(sha256(encode_state(state)) for state in known),
    )
    try:
        health_factor_bps = lowest_health_factor_bps(known, moment.views)
    except MarketMissing:
        health_factor_bps = None
    return Basis(Digest(digest), health_factor_bps, moment.as_of.time)
