"""Settings: one frozen class a service, read once, by a `__main__`.

Variables are prefixed `BONAFIDES_INGEST_`, `BONAFIDES_SCORING_` or `BONAFIDES_ATTESTATION_`. A variable under our
prefix that no setting has is refused: a typing error must not start a service with a default. Secrets come from files
(`…_FILE`), so that no environment dump holds one.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bonafides.crashpoints import CRASH_POINTS
from bonafides.errors import InvalidSettings


def _crash_point(name: str) -> str:
    if name not in CRASH_POINTS:
        raise ValueError(f"no crash point of this name; there are {', '.join(sorted(CRASH_POINTS))}")
    return name


class ServiceSettings(BaseSettings):
    """What every service needs. Durations carry their unit; a `_file` names a file that holds a secret."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    environment: Literal["development", "production"] = "production"
    """`development` allows crash points and topics without replicas."""
    database_url: str = "postgresql://localhost:5432/bonafides"
    """`postgresql://role@host:port/database`, without the password."""
    database_password_file: Path | None = None
    """The role's password."""
    kafka_bootstrap: str = "localhost:9092"
    """host:port of some brokers, comma-separated."""
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How to speak to the brokers."""
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    """Only with a SASL protocol."""
    kafka_sasl_username: str | None = None
    """Only with a SASL protocol."""
    kafka_sasl_password_file: Path | None = None
    """Only with a SASL protocol."""
    kafka_ca_file: Path | None = None
    """CA of the brokers' certificates; unset: the system's."""
    kafka_session_timeout_s: float = Field(default=30.0, ge=1, le=300)
    """After this long without a sign of life the group gives a process's partitions to others."""
    listen_host: str = "127.0.0.1"
    """Address of the health and metrics port, and of HTTP where there is any."""
    health_port: int = Field(default=9100, ge=0, le=65535)
    """/healthz, /readyz and /metrics; 0 takes a free port."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severity that is logged."""
    pseudonym_key_file: Path | None = None
    """Key of the pseudonyms in logs; without it one is made at each start."""
    crash_at: Annotated[str, AfterValidator(_crash_point)] | None = None
    """Development only: die at this named point (crash tests)."""

    @model_validator(mode="after")
    def _development_only(self) -> Self:
        if self.crash_at and self.environment != "development":
            raise ValueError("crash_at needs environment=development")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load` hands over: pydantic-settings itself would ignore an unknown variable."""
        return (init_settings,)

    @classmethod
    def variable(cls, name: str) -> str:
        """The environment variable of a setting, for texts."""
        return f"{cls.model_config.get('env_prefix', '')}{name}".upper()

    @classmethod
    def address_refused(cls, name: str, host: str, port: int, cause: OSError) -> InvalidSettings:
        """What is raised when the port that this setting names cannot be listened on."""
        return InvalidSettings(f"{cls.variable(name)}: {host}:{port} cannot be listened on: {cause.strerror or cause}")

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read the environment. Raises InvalidSettings naming each variable that is unknown, missing or wrong."""
        environ = os.environ if environ is None else environ
        prefix = str(cls.model_config.get("env_prefix", ""))
        known = {cls.variable(name) for name in cls.model_fields}
        if unknown := sorted(name for name in environ if name.upper().startswith(prefix) and name.upper() not in known):
            raise InvalidSettings(f"unknown setting {', '.join(unknown)}: expected one of {', '.join(sorted(known))}")
        values = {name: environ[key] for name in cls.model_fields if (key := cls.variable(name)) in environ}
        try:
            return cls.model_validate(values)
        except ValidationError as exc:
            problems = "; ".join(
                f"{prefix}{'_'.join(str(part) for part in error['loc']).upper()}: {error['msg']}"
                for error in exc.errors(include_input=False)
            )
            raise InvalidSettings(f"settings refused: {problems}") from exc


def read_secret(path: Path | None, name: str) -> str:
    """A secret from its file, without the line end. Raises InvalidSettings when it is missing or empty."""
    if path is None:
        raise InvalidSettings(f"{name} is not set: expected the path of a file that holds the secret")
    try:
        secret = path.read_text().strip()
    except OSError as exc:
        raise InvalidSettings(f"{name}: the file cannot be read: {exc.strerror}") from exc
    if not secret:
        raise InvalidSettings(f"{name}: the file is empty")
    return secret


def read_optional_secret(path: Path | None, name: str) -> str | None:
    """A secret that may be absent altogether, but not unreadable."""
    return None if path is None else read_secret(path, name)
