"""`values.schema.json` of the chart, its `settings` made from the settings classes.

`python -m tests.support.ops_values_schema` writes it again.
"""

import json
from pathlib import Path
from typing import TypedDict

from tests.support.ops_settings import SERVICES

PATH = Path(__file__).parents[2] / "helm" / "bonafides" / "values.schema.json"

type Schema = dict[str, object]

_COMMON = frozenset(
    {
        "environment",
        "database_url",
        "database_password_file",
        "kafka_bootstrap",
        "kafka_security_protocol",
        "kafka_sasl_mechanism",
        "kafka_sasl_username",
        "kafka_sasl_password_file",
        "kafka_ca_file",
        "listen_host",
        "health_port",
        "log_level",
        "pseudonym_key_file",
        "crash_at",
    }
)
CHART_OWNED = {
    "ingest": _COMMON | {"chain_id", "rpc_url", "rpc_url_file", "deployments_file"},
    "scoring": _COMMON | {"chain_ids", "consent_mode", "api_host", "api_port"},
    "attestation": _COMMON
    | {
        "issuer_name",
        "chain_id",
        "registry",
        "rpc_url",
        "rpc_url_file",
        "attester_keystore_file",
        "attester_password_file",
        "publisher_keystore_file",
        "publisher_password_file",
        "allowed_models",
        "consent_mode",
        "api_port",
    },
}
"""Settings that the chart sets from other values, or (crash_at) never sets."""


class _Property(TypedDict, total=False):
    type: str
    enum: list[str]
    anyOf: "list[_Property]"


_KEPT = (
    "type",
    "enum",
    "const",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
)


def settings_schema(service: str) -> Schema:
    """What a `settings` map of the service may hold."""
    properties: dict[str, _Property] = SERVICES[service].model_json_schema()["properties"]
    return _object(
        {name: _plain(properties[name]) for name in sorted(properties) if name not in CHART_OWNED[service]}, required=()
    )


def _plain(schema: _Property) -> Schema:
    """Without titles, defaults and null: a value that is not wanted is left out."""
    for choice in schema.get("anyOf", []):
        if choice.get("type") != "null":
            return _plain(choice)
    return {key: value for key, value in schema.items() if key in _KEPT}


def _object(properties: Schema, required: tuple[str, ...] | None = None) -> Schema:
    """A closed object; all its keys are required unless told otherwise, so that a `null` cannot take one away."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": sorted(properties) if required is None else sorted(required),
        "properties": properties,
    }


def _map_of(value: Schema) -> Schema:
    return {"type": "object", "additionalProperties": value}


_TEXT: Schema = {"type": "string"}
_NAME: Schema = {"type": "string", "minLength": 1}
_SWITCH: Schema = {"type": "boolean"}
_SECRET = _object({"existingSecret": _NAME, "key": _NAME})
_OPTIONAL_SECRET = _object({"existingSecret": _TEXT, "key": _NAME})


def _rpc(pattern: str) -> Schema:
    """A node's URL, or the secret that holds it."""
    return _object({"url": {"type": "string", "pattern": pattern}, "existingSecret": _TEXT, "key": _NAME}, required=())


_PEERS: Schema = {"type": "array", "items": {"type": "object"}}
_PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
_CHAIN_ID: Schema = {"type": "integer", "minimum": 1}
_QUANTITIES = _object({"cpu": {"type": ["string", "number"]}, "memory": _NAME}, required=("memory",))
_RESOURCES = _object({"requests": _QUANTITIES, "limits": _QUANTITIES})


def _count(most: int) -> Schema:
    return {"type": "integer", "minimum": 1, "maximum": most}


def _image() -> Schema:
    return _object(
        {
            "repository": _NAME,
            "tag": {"type": "string", "not": {"const": "latest"}},
            "digest": {"type": "string", "pattern": "^($|sha256:[0-9a-f]{64}$)"},
            "pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
        }
    )


def _autoscaling(most: int) -> Schema:
    percentage: Schema = {"type": "integer", "minimum": 1, "maximum": 100}
    return _object(
        {
            "enabled": _SWITCH,
            "minReplicas": _count(most),
            "maxReplicas": _count(most),
            "targetCPUUtilizationPercentage": percentage,
        }
    )


def _process(more: Schema, *, speaks_kafka: bool = True) -> Schema:
    kafka: Schema = {"kafkaUser": _NAME, "kafkaPassword": _SECRET} if speaks_kafka else {}
    return _object(
        {
            "databasePassword": _SECRET,
            "pseudonymKey": _OPTIONAL_SECRET,
            "terminationGracePeriodSeconds": {"type": "integer", "minimum": 10, "maximum": 600},
            "resources": _RESOURCES,
            "podAnnotations": _map_of(_TEXT),
            "nodeSelector": _map_of(_TEXT),
            "tolerations": {"type": "array", "items": {"type": "object"}},
            "affinity": {"type": "object"},
            "priorityClassName": _TEXT,
            **kafka,
            **more,
        }
    )


def _job(more: Schema) -> Schema:
    return _object(
        {
            "enabled": _SWITCH,
            "backoffLimit": {"type": "integer", "minimum": 0, "maximum": 20},
            "activeDeadlineSeconds": {"type": "integer", "minimum": 30, "maximum": 7200},
            "resources": _RESOURCES,
            **more,
        }
    )


def _api(most: int) -> Schema:
    return {
        "replicas": _count(most),
        "autoscaling": _autoscaling(most),
        "service": _object({"port": _PORT, "annotations": _map_of(_TEXT)}),
        "ingress": _object(
            {
                "enabled": _SWITCH,
                "className": _TEXT,
                "host": _TEXT,
                "tlsSecret": _TEXT,
                "annotations": _map_of(_TEXT),
            }
        ),
    }


def _chains() -> Schema:
    chain = _object(
        {
            "chainId": _CHAIN_ID,
            "rpc": _rpc("^($|([A-Za-z0-9_-]+=)?https?://)"),
            "deployments": _TEXT,
            "settings": settings_schema("ingest"),
        },
        required=("chainId", "rpc"),
    )
    # At most 16 characters: with the release's 30 they fit into the 63 of a Service name.
    pattern = "^[a-z0-9]([a-z0-9-]{0,14}[a-z0-9])?$"
    return {"type": "object", "additionalProperties": False, "patternProperties": {pattern: chain}}


def render() -> str:
    """The whole file."""
    keystores: Schema = {"keystore": _SECRET, "keystorePassword": _SECRET}
    schema: Schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the Bonafides chart",
        **_object(
            {
                # Helm adds `global` to every chart's values.
                "global": {"type": "object"},
                "imageRegistry": _TEXT,
                "imagePullSecrets": {"type": "array", "items": _NAME},
                "images": _object({service: _image() for service in SERVICES}),
                "nameOverride": _TEXT,
                "fullnameOverride": _TEXT,
                "commonLabels": _map_of(_TEXT),
                "environment": {"enum": ["development", "production"]},
                "logLevel": {"enum": ["DEBUG", "INFO", "WARNING", "ERROR"]},
                "consentMode": {"enum": ["required", "open"]},
                "acknowledgeOpenConsent": _SWITCH,
                "postgres": _object(
                    {
                        "host": _NAME,
                        "port": _PORT,
                        "database": _NAME,
                        "sslMode": {"enum": ["disable", "require", "verify-ca", "verify-full"]},
                        "ca": _OPTIONAL_SECRET,
                    }
                ),
                "kafka": _object(
                    {
                        "bootstrapServers": {"type": "string", "pattern": "^[^,:/ ]+:[0-9]+(,[^,:/ ]+:[0-9]+)*$"},
                        "securityProtocol": {"enum": ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]},
                        "saslMechanism": {"enum": ["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]},
                        "ca": _OPTIONAL_SECRET,
                    }
                ),
                "migrations": _job({"databaseUser": _NAME, "databasePassword": _SECRET}),
                "topics": _job({"replicationFactor": _count(9), "kafkaUser": _NAME, "kafkaPassword": _SECRET}),
                "ingest": _process({"chains": _chains(), "settings": settings_schema("ingest"), "replicas": _count(9)}),
                "scoring": _object({"settings": settings_schema("scoring")}),
                # 64 partitions: a further worker would get none.
                "scoringWorker": _process({"replicas": _count(64), "autoscaling": _autoscaling(64)}),
                "scoringApi": _process(_api(100), speaks_kafka=False),
                "attestation": _object(
                    {
                        "enabled": _SWITCH,
                        "issuerName": {"type": "string", "minLength": 1, "maxLength": 64},
                        "chainId": _CHAIN_ID,
                        "registry": {"type": "string", "pattern": "^($|0x[0-9a-fA-F]{40}$)"},
                        "rpc": _rpc("^($|https?://)"),
                        "allowedModels": {
                            "type": "object",
                            "additionalProperties": False,
                            "patternProperties": {"^0x[0-9a-f]{64}$": {"enum": ["real", "synthetic"]}},
                        },
                        "settings": settings_schema("attestation"),
                    }
                ),
                "issuer": _process(keystores),
                "publisher": _process(keystores),
                "attestationApi": _process(_api(100), speaks_kafka=False),
                "networkPolicy": _object(
                    {
                        "enabled": _SWITCH,
                        "monitoring": _PEERS,
                        "apiClients": _PEERS,
                        "postgres": _PEERS,
                        "kafka": _PEERS,
                        "nodes": _PEERS,
                        "kafkaPorts": {"type": "array", "items": _PORT, "minItems": 1},
                        "nodePorts": {"type": "array", "items": _PORT, "minItems": 1},
                    }
                ),
            },
        ),
    }
    required = schema["required"]
    if isinstance(required, list):
        required.remove("global")
    return json.dumps(schema, indent=1) + "\n"


if __name__ == "__main__":
    PATH.write_text(render())
