"""Our reader of a node as `bonafides ingest run` opens it, with the defaults of its settings."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from bonafides.clock import SystemClock
from bonafides_ingest.settings import IngestSettings
from bonafides_ingest.sources.providers.bucket import TokenBucket
from bonafides_ingest.sources.providers.metered_rpc import MeteredRpc
from bonafides_ingest.sources.rpc import RpcSource

from benchmarks.simulator import CHAIN

MAX_ANSWER_BYTES = 256 << 20


@contextmanager
def open_our_source(url: str, requests_per_s: int | None) -> Iterator[tuple[RpcSource, int]]:
    """The source, and the most blocks that it is asked for at once. `requests_per_s` is what the provider states, a
    second's worth of them at once."""
    default = {name: field.default for name, field in IngestSettings.model_fields.items()}
    clock = SystemClock()
    bucket = TokenBucket(requests_per_s, requests_per_s, clock.now()) if requests_per_s else None
    rpc = MeteredRpc(
        url,
        default["rpc_timeout_s"],
        name="bench",
        batch_size=default["rpc_batch_size"],
        max_answer_bytes=MAX_ANSWER_BYTES,
        bucket=bucket,
        clock=clock,
    )
    with closing(rpc):
        most = default["most_window_blocks"]
        source = RpcSource(
            rpc,
            CHAIN,
            window_blocks=default["window_blocks"],
            most_window_blocks=most,
            bloom_check_blocks=default["bloom_check_blocks"],
            audit_blocks=default["audit_blocks"],
        )
        yield source, most
