"""Metrics of issuer and publisher. Labels are closed lists; none names a wallet, a score or a key."""

from prometheus_client import Counter, Gauge, Histogram

from bonafides_attestation.states import Refusal

TX_STATUSES = ("sent", "rebroadcast", "replaced", "refused_by_node", "mined", "unmined", "requeued", "final", "stuck")

pending = Gauge(
    "bonafides_attestation_pending", "Scores that wait for a batch, and documents whose batch is not final."
)
oldest_pending_seconds = Gauge(
    "bonafides_attestation_oldest_pending_seconds", "Age of the oldest waiting score or unfinished batch."
)
batches_in_flight = Gauge("bonafides_attestation_batches_in_flight", "Batches closed and neither final nor stuck.")
signed_total = Counter("bonafides_attestation_signed_total", "Documents signed.")
tombstones_total = Counter("bonafides_attestation_tombstones_total", "Batch members that could not be signed.")
refused_total = Counter("bonafides_attestation_refused_total", "Scores that policy refuses.", ["reason"])
reissued_total = Counter(
    "bonafides_attestation_reissued_total", "Documents stranded by a foreign root and issued again."
)
dead_letters_total = Counter("bonafides_attestation_dead_letters_total", "Messages that could not be read.")
sign_batch_seconds = Histogram(
    "bonafides_attestation_sign_batch_seconds", "Signing one batch.", buckets=(0.01, 0.1, 0.5, 1, 5, 15, 60)
)
outbox_sent_total = Counter("bonafides_attestation_outbox_sent_total", "Statuses sent to Kafka.")

tx_total = Counter(
    "bonafides_attestation_tx_total", "Transactions of the publisher, by what became of them.", ["status"]
)
signer_balance_wei = Gauge("bonafides_attestation_signer_balance_wei", "What the publisher can spend.")
nonce_gap = Gauge("bonafides_attestation_nonce_gap", "Transactions of the publisher's account that are not ours.")
max_fee_wei = Gauge(
    "bonafides_attestation_max_fee_wei", "Highest fee per gas of the transaction in flight; 0 when there is none."
)
is_active = Gauge("bonafides_attestation_is_active", "1 when this process holds the lease of its kind.")

for _reason in Refusal:
    refused_total.labels(_reason.value)
for _status in TX_STATUSES:
    tx_total.labels(_status)
