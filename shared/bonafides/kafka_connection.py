"""How to reach a Kafka broker, and what it means when it does not answer."""

from dataclasses import dataclass, field

from bonafides.errors import Unavailable


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """How to reach the brokers."""

    bootstrap: str
    """host:port, comma-separated."""
    security_protocol: str = "PLAINTEXT"
    """PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."""
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ssl_cafile: str | None = None

    def options(self, client_id: str) -> dict[str, object]:
        """Arguments that every kafka-python client takes."""
        options: dict[str, object] = {
            "bootstrap_servers": self.bootstrap.split(","),
            "client_id": client_id,
            "security_protocol": self.security_protocol,
            "bootstrap_timeout_ms": 10_000,
        }
        if self.sasl_mechanism:
            options |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.sasl_username,
                "sasl_plain_password": self.sasl_password,
            }
        if self.ssl_cafile:
            options["ssl_cafile"] = self.ssl_cafile
        return options


def unavailable(bootstrap: str, exc: BaseException) -> Unavailable:
    """What a client says of a broker that does not do what was asked."""
    return Unavailable(f"the broker at {bootstrap} does not answer: {type(exc).__name__}")
