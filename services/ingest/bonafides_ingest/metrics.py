"""Metrics of the ingest service. No label holds an address; all start at zero."""

from bonafides.types import AccountKind, EventType, MarketPointKind
from prometheus_client import Counter, Gauge, Histogram

EVENTS = Counter("bonafides_ingest_events_total", "Events of wallets sent to the log.", ["type"])
MARKET_POINTS = Counter("bonafides_ingest_market_points_total", "Facts of markets sent to the log.", ["kind"])
DEAD_LETTERS = Counter("bonafides_ingest_dead_letters_total", "Logs that could not be decoded.", ["subject"])
"""`subject`: wallet (its history has a hole), unknown_wallet, market."""
HOLES = Counter("bonafides_ingest_holes_total", "Logs that are not read by design, told once a window.", ["subject"])
ACCOUNTS = Counter("bonafides_ingest_accounts_total", "Facts about accounts sent to the log.", ["kind"])
BOUNDARIES = Counter("bonafides_ingest_boundaries_total", "Boundaries sent to the log.", ["scoring"])
ERRORS = Counter("bonafides_ingest_errors_total", "Turns that failed, by class.", ["class"])
TIP_BLOCK = Gauge("bonafides_ingest_tip_block", "Block up to which everything was sent.")
HEAD_BLOCK = Gauge(
    "bonafides_ingest_head_block", "Newest block of the node; the finalized one where that is all we read."
)
FINALIZED_BLOCK = Gauge("bonafides_ingest_finalized_block", "Newest finalized block of the node.")
HEAD_LAG_BLOCKS = Gauge(
    "bonafides_ingest_head_lag_blocks",
    "Blocks from the tip that was sent to the newest seen of the node; finalized ones where that is all we read.",
)
HEAD_LAG_SECONDS = Gauge("bonafides_ingest_head_lag_seconds", "Age of the last block read, by this machine's clock.")
NODE_ADVANCED = Gauge(
    "bonafides_ingest_node_advanced_timestamp_seconds",
    "When the node's newest block was last seen to move, 0 until it is: tells a stuck node from a quiet chain.",
)
GAP_BLOCKS = Gauge("bonafides_ingest_gap_blocks", "Blocks below the tip that some deployment lacks; must be 0.")
WINDOW_BLOCKS = Gauge("bonafides_ingest_window_blocks", "Blocks asked for at once now.")
IS_LEADER = Gauge(
    "bonafides_ingest_lease_held",
    "1 while this replica follows the head and makes the boundaries, 0 while it reads final blocks alone.",
)
BLOCK_TO_KAFKA = Histogram(
    "bonafides_ingest_block_to_kafka_seconds",
    "From a block's timestamp to its flush, for windows that end at finalized.",
    buckets=(0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 1800),
)

CONSUMER_LAG = Gauge("bonafides_ingest_consumer_lag_records", "Records that the scoring workers have not committed.")
LAG_UNKNOWN = Counter("bonafides_ingest_lag_unanswered_total", "Questions for that lag that the broker did not answer.")
BACKFILL_PAUSED = Gauge(
    "bonafides_ingest_backfill_paused", "1 while reading old blocks waits for consumers or the broker."
)
FLUSH_SECONDS = Histogram(
    "bonafides_ingest_flush_seconds",
    "From handing over records to the broker's acknowledgement of all.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
SEEN_TO_KAFKA = Histogram(
    "bonafides_ingest_seen_to_kafka_seconds",
    "From a live block's header in our hands to its flush and its place in the ring.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
REORG_DEPTH = Histogram(
    "bonafides_ingest_reorg_depth_blocks",
    "Live blocks that were taken back at once.",
    buckets=(1, 2, 3, 5, 10, 32, 64, 100, 1000),
)

HYDRATIONS = Counter("bonafides_ingest_hydrations_total", "Requests for the history of one wallet.", ["result"])
"""`result`: done, expired (too old when it was to be begun), refused (no request), failed (begun again)."""
HYDRATION_SECONDS = Histogram(
    "bonafides_ingest_hydration_seconds",
    "From the taking of a request to the flush of its boundary.",
    buckets=(0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800),
)

PROVIDER_REQUESTS = Counter(
    "bonafides_ingest_provider_requests_total", "JSON-RPC calls made, those of a batch counted singly.", ["provider"]
)
PROVIDER_ERRORS = Counter(
    "bonafides_ingest_provider_errors_total", "Requests that a provider failed, by class.", ["provider", "class"]
)
PROVIDER_STATE = Gauge(
    "bonafides_ingest_provider_state",
    "1 for the state a provider is in: ok, resting (quota), open (it fails), benched (it lied), behind (it stands).",
    ["provider", "state"],
)
PROVIDER_WINDOW_BLOCKS = Gauge("bonafides_ingest_provider_window_blocks", "Blocks asked for at once now.", ["provider"])
PROVIDER_HEAD_BLOCK = Gauge(
    "bonafides_ingest_provider_head_block", "Newest block that a provider showed.", ["provider"]
)
PROVIDER_FINALIZED_BLOCK = Gauge(
    "bonafides_ingest_provider_finalized_block",
    "Newest block that a provider called finalized; the lowest of those that move is taken as final.",
    ["provider"],
)
PROVIDER_DISPUTES = Counter(
    "bonafides_ingest_provider_disputes_total",
    "Times that a provider was found to disagree with another about a final block.",
    ["provider"],
)
CONFLICTS_UNJUDGED = Counter(
    "bonafides_ingest_provider_conflicts_unjudged_total",
    "Times that a replaced final block was shown and this provider, who may know better, did not answer.",
    ["provider"],
)

ERROR_CLASSES = (
    "Unavailable",
    "RateLimited",
    "RangeRefused",
    "CallRefused",
    "NodeBehind",
    "ReceiptsMissing",
    "NodeLied",
    "LeaseLost",
    "InvariantViolation",
    "Other",
)

for _type in EventType:
    EVENTS.labels(_type.value)
for _kind in MarketPointKind:
    MARKET_POINTS.labels(_kind.value)
for _account in AccountKind:
    ACCOUNTS.labels(_account.value)
for _subject in ("wallet", "unknown_wallet", "market"):
    DEAD_LETTERS.labels(_subject)
    HOLES.labels(_subject)
for _result in ("done", "expired", "refused", "failed"):
    HYDRATIONS.labels(_result)
for _scoring in ("true", "false"):
    BOUNDARIES.labels(_scoring)
for _class in ERROR_CLASSES:
    ERRORS.labels(_class)


PROVIDER_ERROR_CLASSES = (
    "Unavailable",
    "RateLimited",
    "RangeRefused",
    "CallRefused",
    "NodeBehind",
    "ReceiptsMissing",
    "NodeLied",
    "Other",
)
PROVIDER_STATES = ("ok", "resting", "open", "benched", "behind")


def begin_provider(name: str) -> None:
    """Start a provider's metrics at zero. `name` is the configured one: never a URL or a host."""
    for metric in (
        PROVIDER_REQUESTS,
        PROVIDER_WINDOW_BLOCKS,
        PROVIDER_HEAD_BLOCK,
        PROVIDER_FINALIZED_BLOCK,
        PROVIDER_DISPUTES,
        CONFLICTS_UNJUDGED,
    ):
        metric.labels(name)
    for error in PROVIDER_ERROR_CLASSES:
        PROVIDER_ERRORS.labels(name, error)
    show_provider_state(name, "ok")


def show_provider_state(name: str, state: str) -> None:
    """Which of the states a provider is in."""
    for each in PROVIDER_STATES:
        PROVIDER_STATE.labels(name, each).set(each == state)


def count_provider_error(name: str, error: Exception) -> None:
    """Count what went wrong with a provider, under its class."""
    found = type(error).__name__
    PROVIDER_ERRORS.labels(name, found if found in PROVIDER_ERROR_CLASSES else "Other").inc()


def count_error(error: Exception) -> None:
    """Count a failed turn under its class."""
    name = type(error).__name__
    ERRORS.labels(name if name in ERROR_CLASSES else "Other").inc()
