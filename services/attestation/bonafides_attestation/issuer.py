"""The issuer. THE FLOW: from finalized scores to signed documents in a batch that the publisher can publish.

```
scores-issued.v1 ─► results ─► close a batch ─► sign all ─► hand over ─► (publisher)
                    latest     one transaction:  policy,     one transaction: signatures,
                    of each    members, indexes, recover,    leaf hashes, root, QUEUED
                    subject    seeds, BUILT      compare
```
Dying between any two steps loses nothing: what was closed is signed at the next start, from the same seeds and with
the same bytes (RFC 6979), and a batch is handed over once, because only a BUILT one can be.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from bonafides import crashpoints
from bonafides.consumer import OffsetConsumer
from bonafides.database import transaction
from bonafides.errors import InvalidInput, InvariantViolation, Unavailable
from bonafides.messages import ScoreIssued
from bonafides.outbox import Outbox
from bonafides.verify.chain import KeyRecord
from bonafides.verify.typed_data import Domain
from sqlalchemy import Engine

from bonafides_attestation import issuer_store as store
from bonafides_attestation import metrics, spans
from bonafides_attestation.chain import Head
from bonafides_attestation.commitment import SEED_BYTES
from bonafides_attestation.document import attestation_leaf
from bonafides_attestation.drafts import (
    BatchSpan,
    Draft,
    draft_document,
    first_index_of_next_batch,
    ordered_members,
    tombstone_leaf,
)
from bonafides_attestation.leases import Lease
from bonafides_attestation.merkle import StandardMerkleTree
from bonafides_attestation.policy import refusal_of_score, refusal_of_times
from bonafides_attestation.registry import Registry
from bonafides_attestation.signer import Attester, NotAttestable
from bonafides_attestation.states import Refusal

LEASE_EVERY = 2_000  # signatures between two renewals: a second or two of work

log = structlog.get_logger(__name__)


def random_seed() -> bytes:
    """The only randomness of a document."""
    return secrets.token_bytes(SEED_BYTES)


@dataclass(frozen=True, slots=True)
class BatchRules:
    """When a batch is closed."""

    max_size: int
    max_age_s: float
    max_in_flight: int
    for_all: bool
    """Attest wallets that never asked."""

    def is_due(self, waiting: store.Waiting) -> bool:
        """Full, or old enough."""
        return waiting.count >= self.max_size or (waiting.count > 0 and waiting.oldest_s >= self.max_age_s)


@dataclass
class Issuer:
    """One turn after another: consume, take back, close, sign, tell. One process a key, by lease."""

    consumer: OffsetConsumer
    engine: Engine
    lease: Lease
    registry: Registry
    attester: Attester
    batch_rules: BatchRules
    outbox: Outbox
    draw_seed: Callable[[], bytes] = random_seed

    def turn(self) -> bool:
        """Do what there is to do; returns whether there was anything. Raises Unavailable, and then nothing is half."""
        sent = self.outbox.relay()  # first: what was decided must be told even while the node is down
        was_busy = self.consumer.turn()
        if self._is_active():
            self._take_back_stuck()
            was_busy |= self._close_batch_if_due()
            was_busy |= self._sign_built_batches()
        sent += self.outbox.relay()
        metrics.outbox_sent_total.inc(sent)
        return was_busy or sent > 0

    def _is_active(self) -> bool:
        is_active = self.lease.take()
        metrics.is_active.set(is_active)
        return is_active

    def _take_back_stuck(self) -> None:
        with transaction(self.engine) as connection:
            stranded = store.take_back_stuck(connection, self._domain)
        if stranded:
            metrics.reissued_total.inc(stranded)
            log.warning("documents stranded by a foreign root, their scores are issued again", documents=stranded)

    def _close_batch_if_due(self) -> bool:
        with transaction(self.engine) as connection:
            waiting = store.waiting(connection, for_all=self.batch_rules.for_all)
            unfinished = spans.unfinished_spans(connection, self._domain)
            index_after_final = spans.index_after_final(connection, self._domain)
            oldest_unfinished_s = store.oldest_unfinished_s(connection, self._domain)
        metrics.pending.set(waiting.count + sum(span.size for span in unfinished))
        metrics.oldest_pending_seconds.set(max(waiting.oldest_s, oldest_unfinished_s))
        metrics.batches_in_flight.set(len(unfinished))
        if len(unfinished) >= self.batch_rules.max_in_flight or not self.batch_rules.is_due(waiting):
            return False
        # The chain is asked after the database: only this process makes batches, so what was final then is final now,
        # and the registry's count includes it.
        registry_next_index = self.registry.next_index() if not unfinished else 0
        key, head = self._key_record(), self.registry.chain.head()
        first_index = first_index_of_next_batch(
            unfinished[-1] if unfinished else None, registry_next_index, index_after_final
        )
        return self._close_batch(first_index, head, key, unfinished)

    def _close_batch(self, first_index: int, head: Head, key: KeyRecord, unfinished: list[BatchSpan]) -> bool:
        with transaction(self.engine) as connection:
            self.lease.hold(connection)
            if spans.unfinished_spans(connection, self._domain, is_locking=True) != unfinished:
                return False  # one is final or stranded since: the first index may be another
            scores = store.take_waiting(connection, self.batch_rules.max_size, for_all=self.batch_rules.for_all)
            drafts: list[Draft] = []
            refusals: list[tuple[ScoreIssued, Refusal]] = []
            for score in ordered_members(scores):
                drafted = self._draft(score, first_index + len(drafts), head.timestamp, key)
                if isinstance(drafted, Draft):
                    drafts.append(drafted)
                else:
                    refusals.append((score, drafted))
            store.refuse_scores(connection, refusals)
            if drafts:
                store.store_batch(connection, self._domain, BatchSpan(first_index, len(drafts)), drafts, head.number)
        for _, refusal in refusals:
            metrics.refused_total.labels(refusal.value).inc()
        log.info("batch closed", members=len(drafts), refused=len(refusals), first_index=first_index)
        return bool(drafts or refusals)

    def _draft(self, score: ScoreIssued, index: int, chain_time: int, key: KeyRecord) -> Draft | Refusal:
        rules = self.attester.rules
        if refusal := refusal_of_score(score, rules, chain_time, key):
            return refusal
        try:
            return draft_document(score, self.draw_seed(), index, rules.validity_s)
        except InvalidInput:
            return Refusal.INCONSISTENT

    def _sign_built_batches(self) -> bool:
        was_busy = False
        while True:
            with transaction(self.engine) as connection:
                batch_id = store.next_built_batch(connection, self._domain)
                members = [] if batch_id is None else store.batch_members(connection, batch_id)
            if batch_id is None:
                return was_busy
            self._sign_batch(batch_id, members)
            was_busy = True

    def _sign_batch(self, batch_id: int, members: list[store.UnsignedMember]) -> None:
        if [member.document.position for member in members] != list(range(len(members))):
            raise InvariantViolation(f"batch {batch_id} has a gap in its members or lacks a seed: it cannot be signed")
        key, chain_time = self._key_record(), self.registry.chain.head().timestamp
        crashpoints.reach("issuer.before_sign")
        with metrics.sign_batch_seconds.time():
            signed: list[store.SignedMember] = []
            for member in members:
                if member.document.position % LEASE_EVERY == 0:
                    self.lease.keep()
                signed.append(self._sign(member, chain_time, key))
        crashpoints.reach("issuer.after_sign")
        root = StandardMerkleTree([member.leaf_hash for member in signed]).root
        with transaction(self.engine) as connection:
            self.lease.hold(connection)
            if not store.hand_over(connection, batch_id, root, self.attester.signer.address, signed):
                raise Unavailable(f"batch {batch_id} was declared stuck while it was signed")
        crashpoints.reach("issuer.after_hand_over")
        tombstones = sum(member.signature is None for member in signed)
        metrics.signed_total.inc(len(signed) - tombstones)
        metrics.tombstones_total.inc(tombstones)
        log.info("batch signed and handed over", batch=batch_id, members=len(signed), tombstones=tombstones)

    def _sign(self, member: store.UnsignedMember, chain_time: int, key: KeyRecord) -> store.SignedMember:
        document, message = member.document, member.document.message
        refusal = Refusal.WITHDRAWN if member.is_withdrawn else None
        # The key may be another one than when the batch was closed, and time went on.
        refusal = refusal or refusal_of_times(message.issued_at, message.valid_until, chain_time, key)
        if refusal is None:
            try:
                leaves = document.commitment_with(member.seed).leaves
                signature = self.attester.attest(message, leaves, document.model_class)
                return store.SignedMember(document, attestation_leaf(message), signature, None)
            except NotAttestable as exc:
                refusal = exc.refusal
        # The index was given to this member and stays with it: a gap would shift every leaf that follows.
        return store.SignedMember(document, tombstone_leaf(message.revocation_index), None, refusal)

    def _key_record(self) -> KeyRecord:
        """The registry's record of our key. Nothing is signed with a key that no verifier would accept."""
        key = self.registry.key_record(self.attester.signer.address)
        if key is None:
            raise Unavailable("the registry does not know the attester key: the admin must add it (addAttester)")
        if key.revoked_at:
            raise Unavailable("the attester key is revoked: give the issuer another keystore")
        return key

    @property
    def _domain(self) -> Domain:
        return self.registry.domain
