"""Settings of the ingest service: one process reads one chain."""

from pathlib import Path
from typing import Self

from bonafides.errors import InvalidInput, InvalidSettings
from bonafides.settings import ServiceSettings, read_secret
from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from bonafides_ingest.sources.providers.endpoints import Endpoint, endpoints_in


class IngestSettings(ServiceSettings):
    """Which chain to read, from where, and at what pace. Blocks are counted, durations are in seconds."""

    model_config = SettingsConfigDict(env_prefix="BONAFIDES_INGEST_")

    chain_id: int = Field(ge=1, lt=2**63)
    """EIP-155 chain id. The node must say the same, or the process refuses to start."""
    rpc_url: str | None = None
    """http(s)://host:port of the node's JSON-RPC, for nodes without credentials in the URL. Of several, separated by
    spaces, the next stands in for one that fails; `name=http://…` gives one a name for logs and metrics."""
    rpc_url_file: Path | None = None
    """File that holds the URL, or several, one a line, for providers that put their key into it. Give this or
    `rpc_url`, not both."""
    rpc_timeout_s: float = Field(default=20.0, gt=0, le=300)
    """How long the node may take for one request."""
    rpc_batch_size: int = Field(default=100, ge=1, le=1000)
    """Requests in one JSON-RPC batch. Providers differ: 100 is what the large ones take."""
    rpc_requests_per_s: float | None = Field(default=None, gt=0, le=100_000)
    """Most requests of this process to each provider in a second, in the mean, those of a batch counted singly; unset:
    as many as it answers. A few more look every quarter of a minute how those do that are not read from."""
    rpc_burst: int = Field(default=200, ge=1, le=1_000_000)
    """Requests that may be made at once after a pause, before `rpc_requests_per_s` holds."""
    rpc_stuck_s: float = Field(default=60.0, ge=1, le=86_400)
    """A provider is passed over whose head or finalized block is not, so long after, where another one's was."""
    deployments_file: Path | None = None
    """YAML registry of the lending deployments to read; without it the one that ships with this package."""
    window_blocks: int = Field(default=2_000, ge=1, le=100_000)
    """Blocks asked for in one `eth_getLogs` at first: more while answers are quick, fewer while they are slow or
    refused."""
    most_window_blocks: int = Field(default=100_000, ge=1, le=1_000_000)
    """Most blocks that are ever asked for at once, or taken by one replica."""
    bloom_check_blocks: int = Field(default=256, ge=0, le=10_000)
    """Windows of at most this many blocks have every block's bloom filter checked against the logs that came."""
    audit_blocks: int = Field(default=4, ge=1, le=256)
    """Of each window, blocks drawn by chance whose receipts must show just the logs that came; four times as many while
    a provider is new or was caught."""
    backfill_logs: int = Field(default=20_000, ge=100, le=200_000)
    """About how many logs a backfill from files reads at once: memory grows with it, by about 5 kB a log."""
    poll_interval_s: float = Field(default=1.0, gt=0, le=600)
    """Wait between looks at the finalized block when nothing was new."""
    follow_head: bool = True
    """Read live blocks, too, and take them back in a reorg; what is scored of them is provisional. Without it only
    finalized blocks are read."""
    boundary_interval_s: float = Field(default=30.0, gt=0, le=3_600)
    """At the latest after this time of new blocks a boundary goes to every partition, events or not."""
    scoring_interval_s: float = Field(default=300.0, gt=0, le=86_400)
    """Least time between two boundaries at which the workers score, once the chain was read to finalized."""
    lease_s: float = Field(default=30.0, ge=2, le=600)
    """A live lease not renewed for this long may be taken over by another replica."""
    pressure_group: str = "bonafides-scoring-worker"
    """Consumer group whose lag holds a backfill back."""
    lag_limit_records: int = Field(default=50_000, ge=0)
    """A backfill waits while the group has more records than this before it, until it has less than half. Live blocks
    never wait. 0: nobody reads along, so nothing waits for them."""
    flush_limit_s: float = Field(default=5.0, gt=0, le=600)
    """A backfill waits while the broker takes longer than this to acknowledge a window, until it takes half."""
    dead_letter_limit: int = Field(default=1_000, ge=0)
    """The process stops and pages when the chain has more dead letters than this: it never skips a flood silently."""

    hydration_expiry_s: float = Field(default=3_600.0, ge=1, le=604_800)
    """A request for one wallet's history that is older than this when it would be begun is dropped."""

    @model_validator(mode="after")
    def _one_rpc_url(self) -> Self:
        if self.rpc_url is not None and self.rpc_url_file is not None:
            raise ValueError("set one of rpc_url and rpc_url_file, not both")
        return self

    def read_endpoints(self) -> tuple[Endpoint, ...]:
        """The providers; their URLs may hold keys. Raises InvalidSettings for none, or for one that is malformed."""
        if self.rpc_url is None and self.rpc_url_file is None:
            raise InvalidSettings(
                "no node to read from: set BONAFIDES_INGEST_RPC_URL, or BONAFIDES_INGEST_RPC_URL_FILE when the URL "
                "holds a key"
            )
        text = self.rpc_url or read_secret(self.rpc_url_file, "BONAFIDES_INGEST_RPC_URL_FILE")
        try:
            return endpoints_in(text)
        except InvalidInput as exc:
            raise InvalidSettings(f"BONAFIDES_INGEST_RPC_URL: {exc}") from exc
