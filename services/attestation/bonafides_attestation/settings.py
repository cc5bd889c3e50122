"""Settings of issuer, publisher and attestation-api: one class, so that they cannot disagree about chain and registry.

Each process reads only what it needs: the publisher never opens the attester's keystore, the issuer never the
publisher's, the API neither.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from bonafides.consent import ConsentMode
from bonafides.errors import InvalidInput, InvalidSettings
from bonafides.json_rpc import check_node_url
from bonafides.settings import ServiceSettings, read_secret
from bonafides.types import DEVELOPMENT_CHAINS, Address, ChainId, Digest, ModelClass, parse_address
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

GWEI = 10**9
DAY_S = 86_400


def _registry(text: str) -> str:
    try:
        parse_address(text)
    except InvalidInput as exc:
        raise ValueError(str(exc)) from exc
    return text.lower()


def parse_models(text: str) -> dict[Digest, ModelClass]:
    """`0x<64 digits>=synthetic,0x<64 digits>=real`. Raises ValueError."""
    pairs = [entry.strip().partition("=") for entry in text.split(",") if entry.strip()]
    models: dict[Digest, ModelClass] = {}
    for model_id, _, model_class in pairs:
        try:
            raw = bytes.fromhex(model_id.removeprefix("0x"))
            models[Digest(raw)] = ModelClass(model_class)
        except ValueError as exc:
            raise ValueError("expected 0x<64 hexadecimal digits>=synthetic|real, comma-separated") from exc
        if len(raw) != 32:
            raise ValueError(f"a model id has 32 bytes, saw {len(raw)}")
    if len(models) != len(pairs):
        raise ValueError("the same model id stands here twice")
    return models


def _allowed_models(given: object) -> object:
    return parse_models(given) if isinstance(given, str) else given


class AttestationSettings(ServiceSettings):
    """What the attestation service needs beside `ServiceSettings`. Durations carry their unit."""

    model_config = SettingsConfigDict(env_prefix="BONAFIDES_ATTESTATION_")

    issuer_name: str = Field(default="bonafides", min_length=1, max_length=64)
    """Name of the issuer in documents and trust files. It gives no trust: the registry and the key do."""

    rpc_url: SecretStr = SecretStr("http://localhost:8545")
    """Node of issuer and publisher; secret, since such URLs carry credentials."""
    rpc_url_file: Path | None = None
    """File that holds the node's URL; goes before `rpc_url`."""
    rpc_timeout_s: float = Field(default=10.0, gt=0, le=120)
    chain_id: int = Field(ge=1, lt=2**63)
    """Chain of the registry. A node of another chain is refused at the start."""
    registry: Annotated[str, AfterValidator(_registry)]
    """Address of the CreditScoreRegistry, 0x and 40 digits."""

    attester_keystore_file: Path | None = None
    """Issuer only: keystore v3 of the key that signs documents. It never holds ETH."""
    attester_password_file: Path | None = None
    publisher_keystore_file: Path | None = None
    """Publisher only: keystore v3 of the key that publishes roots and revokes indexes."""
    publisher_password_file: Path | None = None

    allowed_models: Annotated[dict[Digest, ModelClass], BeforeValidator(_allowed_models)] = Field(default_factory=dict)
    """Models that are attested: `0x<id>=real,0x<id>=synthetic`. A synthetic one only on a development chain."""
    issue_for: Literal["opted_in", "all"] = "opted_in"
    """`all` attests wallets that never asked: for public data and demos."""
    validity_s: int = Field(default=7 * DAY_S, ge=60, le=7 * DAY_S)
    """Life of a document from the time of its as-of block. At most 7 days: borrowers show their better old score."""
    batch_max_size: int = Field(default=4_096, ge=1, le=65_536)
    """Leaves of one root. 4,096: proofs of 12 hashes stay cheap for lenders on-chain (calldata floor, EIP-7623)."""
    batch_max_age_s: float = Field(default=60.0, ge=0, le=DAY_S)
    """A batch is closed when its oldest member has waited this long, however small it is."""
    max_batches_in_flight: int = Field(default=4, ge=1, le=64)
    """Batches closed and not yet final. A foreign root strands them all, so few are at risk."""

    finality_depth: int | None = Field(default=None, ge=1, le=10_000)
    """Blocks until a root counts as final; without it the node's `finalized` tag decides."""
    fee_ceiling_gwei: int = Field(default=200, ge=1, le=100_000)
    """Highest fee per gas the publisher offers; above it the batch waits and the alarm rings."""
    fee_bump_after_blocks: int = Field(default=3, ge=1, le=1_000)
    """Blocks without a receipt until the transaction is replaced at the same nonce with 1.2 times the fees."""
    rebroadcast_after_s: float = Field(default=60.0, gt=0, le=3_600)
    """The stored raw transaction is sent again after this long without a receipt."""
    low_balance_gwei: int = Field(default=50_000_000, ge=0)
    """Publisher balance below which the process warns at each turn (0.05 ETH)."""

    lease_s: float = Field(default=30.0, ge=1, le=600)
    """How long a dead issuer or publisher blocks its successor."""
    turn_s: float = Field(default=1.0, gt=0, le=60)
    """Pause after a turn that found nothing to do."""

    api_port: int = Field(default=8082, ge=0, le=65535)
    """HTTP port of attestation-api; 0 takes a free port."""
    consent_mode: ConsentMode = ConsentMode.REQUIRED
    """`required` answers 403 without a proof by a wallet of the subject; `open` is for public data and says so."""

    @model_validator(mode="after")
    def _synthetic_on_development_chains_only(self) -> Self:
        if ModelClass.SYNTHETIC in self.allowed_models.values() and self.chain_id not in DEVELOPMENT_CHAINS:
            raise ValueError(
                f"allowed_models names a synthetic model, but chain {self.chain_id} is no development chain"
            )
        return self

    @property
    def registry_address(self) -> Address:
        """The registry as bytes."""
        return parse_address(self.registry)

    @property
    def chain(self) -> ChainId:
        """The chain id as the kernel's type."""
        return ChainId(self.chain_id)

    def read_rpc_url(self) -> str:
        """The node's URL, from its file when there is one. Raises InvalidSettings when it is no http(s) URL."""
        if self.rpc_url_file is not None:
            url = read_secret(self.rpc_url_file, "BONAFIDES_ATTESTATION_RPC_URL_FILE")
        else:
            url = self.rpc_url.get_secret_value()
        try:
            check_node_url(url)
        except InvalidInput as exc:
            raise InvalidSettings(f"BONAFIDES_ATTESTATION_RPC_URL: {exc}") from exc
        return url


__all__ = ["AttestationSettings"]
