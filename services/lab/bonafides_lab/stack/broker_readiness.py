"""When a broker is ready: an admin client of kafka-python got its first answer."""

import socket
import struct

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from bonafides_lab.processes import Process

# ApiVersions (key 18) version 0, correlation id 1, no client id: the first request of every Kafka client.
_API_VERSIONS_REQUEST = struct.pack(">ihhih", 10, 18, 0, 1, -1)
_PROBE_TIMEOUT_S = 0.5


def wait_for_broker(process: Process, port: int, timeout_s: float) -> None:
    """Return when the broker on 127.0.0.1:`port` answers an admin client.

    Raises Unavailable with the last log lines when it ends first or takes longer than `timeout_s`.
    """
    process.wait_until(lambda: broker_answers(port), f"answer to an admin client on port {port}", timeout_s)


def broker_answers(port: int) -> bool:
    """Whether a broker on 127.0.0.1:`port` answers an admin client now."""
    return _answers_request(port) and _answers_admin_client(f"127.0.0.1:{port}")


def bootstrap_answers(bootstrap: str) -> bool:
    """Whether a broker at `host:port[,host:port…]` answers an admin client within two seconds."""
    return _answers_admin_client(bootstrap)


def _answers_request(port: int) -> bool:
    """Whether a bare ApiVersions request is answered.

    A starting broker listens seconds before it answers. An admin client that connects then sits out its own timeout
    (5 s); a bare socket gives up after half a second and asks again.
    """
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_PROBE_TIMEOUT_S) as connection:
            connection.sendall(_API_VERSIONS_REQUEST)
            return len(connection.recv(4)) == 4
    except OSError:
        return False


def _answers_admin_client(bootstrap: str) -> bool:
    try:
        admin = KafkaAdminClient(bootstrap_servers=bootstrap, bootstrap_timeout_ms=2000)
        try:
            admin.list_topics()
        finally:
            admin.close()
    except KafkaError:
        return False
    return True
