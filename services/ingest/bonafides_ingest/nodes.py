"""The providers that the settings name, each with its limits: wired here for the process and for the commands."""

from bonafides.clock import SteadyClock
from bonafides.types import ChainId

from bonafides_ingest.settings import IngestSettings
from bonafides_ingest.sources.look_back import MOST_RANGES, LookBackLimits
from bonafides_ingest.sources.providers.bucket import TokenBucket
from bonafides_ingest.sources.providers.endpoints import Endpoint
from bonafides_ingest.sources.providers.failover import Providers
from bonafides_ingest.sources.providers.metered_rpc import MeteredRpc
from bonafides_ingest.sources.providers.provider import Provider
from bonafides_ingest.sources.rpc import RpcSource

LOOKOUT_TIMEOUT_S = 3.0  # at the head of the chain a turn waits for it
MAX_ANSWER_BYTES = 256 << 20  # a batch of a hundred blocks' receipts, of 2 MB each


def open_providers(settings: IngestSettings, look_back_requests: int | None = None) -> Providers:
    """All of them; nothing is asked yet. `look_back_requests` bounds how many requests a turn looks back with.

    Raises InvalidSettings when none is named, or one is malformed.
    """
    clock = SteadyClock()
    return Providers(
        [_provider(endpoint, settings, look_back_requests, clock) for endpoint in settings.read_endpoints()],
        clock,
        stuck_after_s=settings.rpc_stuck_s,
        look_back_requests=look_back_requests,
    )


def _provider(
    endpoint: Endpoint, settings: IngestSettings, look_back_requests: int | None, clock: SteadyClock
) -> Provider:
    rate = settings.rpc_requests_per_s
    bucket = TokenBucket(rate, settings.rpc_burst, clock.now()) if rate else None
    rpc = _rpc(endpoint, settings, settings.rpc_timeout_s, bucket, clock)
    # A few calls in a quarter of a minute: no bucket is needed for them.
    lookout = _rpc(endpoint, settings, min(settings.rpc_timeout_s, LOOKOUT_TIMEOUT_S), None, clock)
    return Provider(
        endpoint.name,
        _source(rpc, settings, look_back_requests),
        rpc,
        rpc,
        _source(lookout, settings, look_back_requests),
    )


def _rpc(
    endpoint: Endpoint, settings: IngestSettings, timeout_s: float, bucket: TokenBucket | None, clock: SteadyClock
) -> MeteredRpc:
    return MeteredRpc(
        endpoint.url,
        timeout_s,
        name=endpoint.name,
        batch_size=settings.rpc_batch_size,
        max_answer_bytes=MAX_ANSWER_BYTES,
        bucket=bucket,
        clock=clock,
    )


def _source(rpc: MeteredRpc, settings: IngestSettings, look_back_requests: int | None) -> RpcSource:
    # With the question for the head they are one batch.
    ranges = max(min(MOST_RANGES, settings.rpc_batch_size - 1), 1)
    return RpcSource(
        rpc,
        ChainId(settings.chain_id),
        window_blocks=settings.window_blocks,
        most_window_blocks=settings.most_window_blocks,
        bloom_check_blocks=settings.bloom_check_blocks,
        audit_blocks=settings.audit_blocks,
        look_back=LookBackLimits(ranges, look_back_requests),
    )
