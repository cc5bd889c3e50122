"""The publisher: brings the roots of signed batches on-chain, and revocations, one transaction at a time. By lease.

```
look: database + chain ─► next_action (pure, `publication`) ─► one step ─► database, outbox
```
A raw transaction is stored before it is sent, so that after a crash the same bytes are sent again; a replacement has
the same nonce; done is what is final. The tree is built again from the stored leaf hashes: it is a function of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

import structlog
from bonafides import crashpoints
from bonafides.clock import Clock
from bonafides.database import transaction
from bonafides.errors import InvariantViolation, Unavailable
from bonafides.outbox import Outbox
from sqlalchemy import Connection, Engine

from bonafides_attestation import metrics, spans
from bonafides_attestation import publisher_store as store
from bonafides_attestation.calls import QueuedBatch, Stranded, checked_publication, checked_revocation
from bonafides_attestation.chain import Reverted, SendOutcome
from bonafides_attestation.drafts import BatchSpan
from bonafides_attestation.fees import Fees, bumped_fees, suggested_fees
from bonafides_attestation.leases import Lease
from bonafides_attestation.merkle import StandardMerkleTree
from bonafides_attestation.publication import (
    Adopt,
    Attempt,
    Finish,
    Mine,
    Patience,
    Receipt,
    Replace,
    Requeue,
    Send,
    Sight,
    Start,
    Unmine,
    Wait,
    next_action,
)
from bonafides_attestation.publisher_store import Job, JobKind
from bonafides_attestation.registry import Registry, error_name
from bonafides_attestation.states import BatchState
from bonafides_attestation.transactions import SignedTransaction, TransactionSigner

GAS_MARGIN_PERCENT = 25  # the estimate is for today's storage: a first write to a slot costs more than a second
LOG_REACH_BLOCKS = 50_000  # how far back a root without an attempt of ours is looked for

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FeeRules:
    """What the publisher may spend."""

    ceiling_wei: int
    low_balance_wei: int


@dataclass
class Publisher:
    """One turn after another; each moves the one transaction in flight by one step."""

    engine: Engine
    lease: Lease
    registry: Registry
    signer: TransactionSigner
    patience: Patience
    fee_rules: FeeRules
    finality_depth: int | None
    outbox: Outbox
    clock: Clock

    def turn(self) -> bool:
        """Take one step; returns whether something moved. Raises Unavailable, and then nothing is half."""
        sent = self.outbox.relay()  # first: what was decided must be told even while the node is down
        is_active = self.lease.take()
        metrics.is_active.set(is_active)
        moved = is_active and self._step()
        sent += self.outbox.relay()
        metrics.outbox_sent_total.inc(sent)
        return moved or sent > 0

    def _step(self) -> bool:
        with transaction(self.engine) as connection:
            job = store.current_job(connection, self.registry.domain)
            if job is None and store.start_revocation_run(connection, self.registry.domain) is not None:
                job = store.current_job(connection, self.registry.domain)
        self._watch_balance()
        if job is None:
            metrics.max_fee_wei.set(0)
            return False
        action = next_action(job.progress, self._look(job), self.patience, self.clock.now())
        match action:
            case Wait():
                return False
            case Start():
                self._start(job)
            case Send(attempt):
                self._send(attempt, "rebroadcast")
            case Replace(attempt):
                return self._replace(job, attempt)
            case Mine(receipt):
                self._mine(job, receipt)
            case Adopt():
                self._adopt(job)
            case Requeue(why):
                self._commit(lambda c: store.move(c, job, BatchState.QUEUED))
                self._note("requeued", job, why=why)
            case Unmine():
                self._commit(lambda c: store.mark_unmined(c, job))
                self._note("unmined", job, why="its block is not canonical any more")
            case Finish():
                crashpoints.reach("publisher.before_final")
                self._commit(lambda c: store.move(c, job, BatchState.FINAL))
                crashpoints.reach("publisher.after_final")
                self._note("final", job)
            case _:
                assert_never(action)
        return True

    def _look(self, job: Job) -> Sight:
        chain, progress = self.registry.chain, job.progress
        receipts = {a.tx_hash: r for a in progress.attempts if (r := chain.receipt(a.tx_hash)) is not None}
        return Sight(
            head=chain.head().number,
            finalized=chain.finalized_number(self.finality_depth),
            account_nonce=chain.transaction_count(self.signer.address),
            receipts=receipts,
            canonical_hash=None if progress.block_number is None else chain.block_hash(progress.block_number),
            is_done=self._is_done(job),
        )

    def _is_done(self, job: Job) -> bool:
        if job.progress.state is BatchState.MINED:
            return True
        if job.kind is JobKind.PUBLISH:
            return self.registry.root_record(job.root) is not None
        # A revocation without a receipt of ours is sent again: revoking twice changes nothing.
        return False

    def _start(self, job: Job) -> None:
        with transaction(self.engine) as connection:
            least_nonce = store.least_nonce(connection, self.signer.address)
            leaves = store.leaf_hashes_of(connection, job.id) if job.kind is JobKind.PUBLISH else []
            index_after_final = spans.index_after_final(connection, self.registry.domain)
        if job.kind is JobKind.PUBLISH and StandardMerkleTree(leaves).root != job.root:
            raise InvariantViolation(f"the leaf hashes of batch {job.id} do not make the root that the issuer built")
        try:
            call_data = self._call(job, index_after_final)
        except Stranded as exc:
            self._strand(job, str(exc))
            return
        nonce = self.registry.chain.transaction_count(self.signer.address)
        if nonce < least_nonce:
            raise Unavailable(f"the node is behind: it counts {nonce} transactions, {least_nonce} are final")
        metrics.nonce_gap.set(nonce - least_nonce)
        if (fees := self._suggested_fees()) is None:
            raise Unavailable("the network's fees are above BONAFIDES_ATTESTATION_FEE_CEILING_GWEI: waiting")
        made = self.signer.sign(call_data, nonce, self._gas(call_data), fees)
        self._send(self._store(job, made), "sent")

    def _call(self, job: Job, index_after_final: int) -> bytes:
        if job.kind is JobKind.REVOKE:
            return checked_revocation(self.registry, self.signer.address, job.indexes)
        batch = QueuedBatch(job.root, job.span, job.closed_at_block)
        finalized = self.registry.chain.finalized_number(self.finality_depth)
        return checked_publication(self.registry, self.signer.address, batch, finalized, index_after_final)

    def _replace(self, job: Job, attempt: Attempt) -> bool:
        fees = bumped_fees(attempt.fees, self._suggested_fees(), self.fee_rules.ceiling_wei)
        if fees is None:
            log.warning("fee ceiling reached, sending the same transaction again", nonce=attempt.nonce)
            self._send(attempt, "rebroadcast")
            return False
        # Gas stays as it was: an estimate now would count the transaction that is to be replaced.
        self._send(self._store(job, self.signer.sign_again(attempt.raw_tx, fees)), "replaced")
        return True

    def _gas(self, call_data: bytes) -> int:
        try:
            gas = self.registry.estimate_gas(self.signer.address, call_data)
        except Reverted as exc:
            raise Unavailable(f"the registry would refuse the transaction: {error_name(exc)}") from exc
        return gas + gas * GAS_MARGIN_PERCENT // 100

    def _store(self, job: Job, made: SignedTransaction) -> Attempt:
        if self.registry.chain.balance_wei(self.signer.address) < made.highest_cost_wei:
            raise Unavailable("the publisher's balance is below what the transaction may cost: send it ETH")
        attempt = Attempt(
            made.nonce, made.raw_tx, made.tx_hash, made.fees, self.registry.chain.head().number, sent_at=None
        )
        crashpoints.reach("publisher.before_store")
        self._commit(lambda c: store.store_attempt(c, job, self.signer.address, attempt))
        crashpoints.reach("publisher.before_send")
        metrics.max_fee_wei.set(made.fees.max_fee_wei)
        return attempt

    def _send(self, attempt: Attempt, status: str) -> None:
        outcome, reason = self.registry.chain.send_raw(attempt.raw_tx)
        crashpoints.reach("publisher.after_send")
        if outcome is SendOutcome.REFUSED:
            metrics.tx_total.labels("refused_by_node").inc()
            raise Unavailable(f"the node refuses the transaction: {reason}")
        # Too low a nonce or fee is no failure yet: the next look finds a receipt, another owner of the nonce, or time
        # to offer more.
        self._commit(lambda c: store.mark_sent(c, attempt.tx_hash, int(self.clock.now())))
        metrics.tx_total.labels(status).inc()
        log.info("transaction handed to the node", outcome=outcome, what=status, nonce=attempt.nonce)

    def _mine(self, job: Job, receipt: Receipt) -> None:
        epoch = published_at = None
        if job.kind is JobKind.PUBLISH:
            record = self.registry.root_record(job.root)
            if record is None:
                raise Unavailable("the node has a receipt and no root: it is between two blocks, look again")
            if self._is_misplaced(job, BatchSpan(record.first_index, record.count), receipt.block_number):
                return
            epoch, published_at = record.epoch, record.published_at
        crashpoints.reach("publisher.after_receipt")
        self._commit(lambda c: store.mark_mined(c, job, receipt, epoch, published_at))
        self._note("mined", job, block=receipt.block_number)

    def _adopt(self, job: Job) -> None:
        first_attempt = min((a.stored_at_block for a in job.progress.attempts), default=None)
        head = self.registry.chain.head().number
        found = self.registry.find_publication(
            job.root, max(0, head - LOG_REACH_BLOCKS) if first_attempt is None else first_attempt
        )
        if found is None:
            raise Unavailable("the registry knows the root, but the node's log does not show where it was published")
        self._mine(job, Receipt(found.tx_hash, found.block_number, found.block_hash, succeeded=True))

    def _is_misplaced(self, job: Job, root_span: BatchSpan, block_number: int) -> bool:
        """Whether the root was published at indexes that its leaves do not hold; then the batch is stranded.

        By a reorg, or by another publisher. A count that is too high does no harm: every leaf has its index. Some of
        the leaves may have theirs all the same, and are revoked; so this waits until no reorg can give them to others.
        """
        if root_span.covers(job.span):
            return False
        if self.registry.chain.finalized_number(self.finality_depth) < block_number:
            raise Unavailable("the root stands at other indexes than its leaves hold: waiting until that is final")
        self._strand(job, f"published at {root_span}, its leaves hold {job.span}", root_span)
        return True

    def _strand(self, job: Job, why: str, root_span: BatchSpan | None = None) -> None:
        stuck = self._commit(lambda c: store.mark_stuck(c, self.registry.domain, job.id, why, root_span))
        self._note("stuck", job, why=why, batches=stuck)

    def _suggested_fees(self) -> Fees | None:
        chain = self.registry.chain
        return suggested_fees(chain.head().base_fee_wei, chain.suggested_tip_wei(), self.fee_rules.ceiling_wei)

    def _watch_balance(self) -> None:
        balance_wei = self.registry.chain.balance_wei(self.signer.address)
        metrics.signer_balance_wei.set(balance_wei)
        if balance_wei < self.fee_rules.low_balance_wei:
            log.warning("the publisher's balance is low", balance_wei=balance_wei)

    def _commit[T](self, write: Callable[[Connection], T]) -> T:
        """One transaction under the lease."""
        with transaction(self.engine) as connection:
            self.lease.hold(connection)
            return write(connection)

    def _note(self, status: str, job: Job, **fields: object) -> None:
        metrics.tx_total.labels(status).inc()
        log.info("transaction moved", status=status, kind=job.kind, job=job.id, **fields)
