"""Settings of the scoring worker and the scoring API. Variables are prefixed `BONAFIDES_SCORING_`.

Two of them say what a score is of: `chain_ids`, the chains that its as-of names, and `model_directory`, the model. Both
stand in the receipt (the as-of, the model id), so that a score made under other settings is another one. No other
setting changes a score (DESIGN 1).
"""

from pathlib import Path
from typing import Annotated

from bonafides.consent import ConsentMode
from bonafides.settings import ServiceSettings
from pydantic import BeforeValidator, Field, field_validator
from pydantic_settings import SettingsConfigDict


def _chain_list(value: object) -> object:
    """`1,8453` as the list that pydantic checks."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class ScoringSettings(ServiceSettings):
    """What `python -m bonafides_scoring worker|api` needs."""

    model_config = SettingsConfigDict(env_prefix="BONAFIDES_SCORING_")

    chain_ids: Annotated[tuple[int, ...], BeforeValidator(_chain_list)] = (1,)
    """Comma-separated chain ids of the deployments registry. An as-of names a block of each, and nobody is scored
    before every one has a finalized boundary; a boundary of a chain that is missing here stops the worker."""
    model_directory: Path | None = None
    """Folder of a model bundle; unset: the bundle that ships with this version."""
    consent_mode: ConsentMode = ConsentMode.REQUIRED
    """`required`: a score is shown by a grant of its borrower only. `open` is for public data; every answer says so."""
    api_host: str = "127.0.0.1"
    """Address the API listens on."""
    api_port: int = Field(default=8080, ge=0, le=65535)
    """Port of the API; 0 takes a free one."""
    api_docs: bool = True
    """Whether /docs and /openapi.json are served."""
    poll_max_records: int = Field(default=500, ge=1, le=10_000)
    """Records of one poll, and so of one transaction, of the worker."""
    dead_letter_limit: int = Field(default=1000, ge=0)
    """Unreadable records since start after which the worker stops: that many are no accident but a wrong topic or a
    version mix."""

    @field_validator("chain_ids")
    @classmethod
    def _each_once(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or len(set(value)) != len(value) or not all(1 <= chain < 2**63 for chain in value):
            raise ValueError("expected EIP-155 chain ids, comma-separated, each once, such as 1,8453")
        return tuple(sorted(value))
