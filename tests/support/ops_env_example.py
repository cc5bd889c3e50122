"""`.env.example`, made from the settings classes: `python -m tests.support.ops_env_example` writes it again."""

import textwrap
from pathlib import Path

from tests.support.ops_settings import SERVICES, Setting, settings_of

PATH = Path(__file__).parents[2] / ".env.example"

EXAMPLES = {
    "BONAFIDES_INGEST_CHAIN_ID": "31337",
    "BONAFIDES_INGEST_RPC_URL": "http://localhost:8545",
    "BONAFIDES_SCORING_CHAIN_IDS": "31337",
    "BONAFIDES_ATTESTATION_CHAIN_ID": "31337",
    "BONAFIDES_ATTESTATION_REGISTRY": "0x5FbDB2315678afecb367f032d93F642f64180aa3",
}
"""What must be set, or must be set together; the rest is shown with its default."""

_MEANINGS = {
    "rpc_timeout_s": "How long the node may take for one request.",
    "attester_password_file": "Issuer only: the password of that keystore.",
    "publisher_password_file": "Publisher only: the password of that keystore.",
}

_HEAD = """\
# Every setting of Bonafides. Written from the settings classes; a test keeps it so.
#
# A variable under one of the three prefixes that is not here is refused at the start. What is commented out shows its
# default. Durations carry their unit in the name: _s is seconds. A name that ends with _FILE takes the path of a file
# that holds the secret, so that no listing of the environment shows one.
#
# `docker compose` reads a copy named .env for the few values that docker-compose.yml asks for (docs/operate.md).
"""

_PROCESSES = {
    "ingest": "ingest: python -m bonafides_ingest",
    "scoring": "scoring worker and API: python -m bonafides_scoring worker | api",
    "attestation": "issuer, publisher and attestation API: python -m bonafides_attestation issuer | publisher | api",
}

_OPERATE = """
# ---- jobs before the processes start: bonafides operate migrate, bonafides operate topics ----

# postgresql://owner@host:port/database: the role that owns the schemas and may create roles.
# BONAFIDES_OPERATE_DATABASE_URL=postgresql://bonafides_owner@localhost:5432/bonafides
# The owner's password.
# BONAFIDES_OPERATE_DATABASE_PASSWORD_FILE=
# host:port of some brokers, comma-separated.
# BONAFIDES_OPERATE_KAFKA_BOOTSTRAP=localhost:9092
# Copies of each partition.
# BONAFIDES_OPERATE_KAFKA_REPLICATION=3
# PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.
# BONAFIDES_OPERATE_KAFKA_SECURITY_PROTOCOL=PLAINTEXT
# PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; only with SASL.
# BONAFIDES_OPERATE_KAFKA_SASL_MECHANISM=
# BONAFIDES_OPERATE_KAFKA_SASL_USERNAME=
# BONAFIDES_OPERATE_KAFKA_SASL_PASSWORD_FILE=
# CA of the brokers' certificates.
# BONAFIDES_OPERATE_KAFKA_CA_FILE=
"""


def meaning_of(setting: Setting) -> str:
    """What a setting means; empty when nobody has said it."""
    return (setting.meaning or _MEANINGS.get(setting.name, "")).replace("`", "")


def render() -> str:
    """The whole file."""
    parts = [_HEAD]
    for service in SERVICES:
        parts.append(f"\n# ---- {_PROCESSES[service]} ----\n")
        parts.extend(_entry(setting) for setting in settings_of(service))
    return "".join([*parts, _OPERATE])


def _entry(setting: Setting) -> str:
    lines = [f"# {line}" for line in textwrap.wrap(meaning_of(setting), 118)]
    if setting.variable in EXAMPLES:
        lines.append(f"{setting.variable}={EXAMPLES[setting.variable]}")
    else:
        lines.append(f"# {setting.variable}={setting.default}")
    return "\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    PATH.write_text(render())
