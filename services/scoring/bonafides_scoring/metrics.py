"""Metrics of the scoring worker. Labels are closed words: topics, results; never a wallet."""

from typing import Final

from bonafides.topics import ATTESTATION_STATUS, MARKET, WALLET_EVENTS
from prometheus_client import Counter, Histogram

RESULT_SCORED: Final = "scored"
RESULT_UNSCORABLE: Final = "unscorable"
RESULT_PROVISIONAL: Final = "provisional"

events_total = Counter("bonafides_scoring_events", "Copies of wallet events that were new to the database.")
market_points_total = Counter("bonafides_scoring_market_points", "Copies of market facts that were new.")
dead_letters_total = Counter("bonafides_scoring_dead_letters", "Records that could not be read.", ["topic"])
waits_total = Counter(
    "bonafides_scoring_market_waits", "Times a partition waited for a boundary that market.v1 had not brought yet."
)
folds_total = Counter("bonafides_scoring_folds", "Wallet states folded.")
results_total = Counter("bonafides_scoring_results", "Answers made at scoring boundaries.", ["result"])
outbox_sent_total = Counter("bonafides_scoring_outbox_sent", "Messages of the outbox handed to the broker.")
boundary_seconds = Histogram(
    "bonafides_scoring_boundary_seconds",
    "Time to fold and score at one boundary: all partitions whose mark of it came in one poll.",
    buckets=(0.005, 0.02, 0.1, 0.5, 2, 10, 60),
)

for _topic in (WALLET_EVENTS, MARKET, ATTESTATION_STATUS):
    dead_letters_total.labels(_topic.name)
for _result in (RESULT_SCORED, RESULT_UNSCORABLE, RESULT_PROVISIONAL):
    results_total.labels(_result)
