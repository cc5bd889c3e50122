"""What all processes have in common: settings, logs, probes, database, broker, stop. Only a `__main__` opens it.

```
open_runtime ─► probes answer ─► wait_for(what is needed) … ─► run(turn) ─► closed in the reverse order of opening
                /healthz beats at each attempt    /readyz says what is waited for
```
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

import structlog
from sqlalchemy import Engine

from bonafides import crashpoints, database
from bonafides.errors import Unavailable
from bonafides.kafka_bus import KafkaBusAdmin, KafkaBusConsumer, KafkaBusProducer, KafkaConnection
from bonafides.observability import Check, ProbeServer, configure_logging
from bonafides.process import Stop, StopAsked, retry, run_loop
from bonafides.settings import ServiceSettings, read_optional_secret

log = structlog.get_logger(__name__)


class Runtime[S: ServiceSettings]:
    """One process from its start to its end. `now` is a monotonic clock in seconds."""

    def __init__(
        self, settings: S, name: str, stop: Stop, engine: Engine, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.settings = settings
        self.name = name
        self.stop = stop
        self.engine = engine
        self.probes = ProbeServer(settings.listen_host, settings.health_port, [self.missing], now=now)
        self._on_exit = ExitStack()
        self._missing: str | None = "starting"
        self._needs: Sequence[Check] = ()

    def on_exit(self, close: Callable[[], None]) -> None:
        """Close it at the end, the last opened first. What does not answer any more is left to time out."""
        self._on_exit.callback(_try, close)

    def wait_for[T](self, what: str, action: Callable[[], T]) -> T:
        """Do what the start needs until it works. Raises StopAsked, which `open_runtime` takes as an end in order."""
        self._missing = f"starting: waiting for {what}"
        return retry(action, self.stop, what, beat=self.probes.beat)

    def wait_for_database(self) -> None:
        """Wait until the database answers."""
        self.wait_for("the database", lambda: database.check(self.engine))

    def open_producer(self) -> KafkaBusProducer:
        """A producer, once the broker answers."""
        return self._open(lambda: KafkaBusProducer(kafka_connection(self.settings), self._client_id))

    def open_admin(self) -> KafkaBusAdmin:
        """An admin client, once the broker answers."""
        return self._open(lambda: KafkaBusAdmin(kafka_connection(self.settings), self._client_id))

    def open_consumer(self, group: str) -> KafkaBusConsumer:
        """A consumer of a group, once the broker answers."""
        timeout_s = self.settings.kafka_session_timeout_s
        return self._open(lambda: KafkaBusConsumer(kafka_connection(self.settings), self._client_id, group, timeout_s))

    def run(
        self,
        turn: Callable[[], bool],
        *,
        idle_s: float,
        needs: Sequence[Check] = (),
        release: Callable[[], None] | None = None,
    ) -> None:
        """Turn until asked to stop. Ready after a turn that succeeded, while database and `needs` have what they ask.

        `release` gives back what others wait for, a lease. It is not called after an error: a successor must not begin
        before the lease has run out.
        """
        self._needs = needs
        self._missing = "starting: waiting for the first turn"

        def watched() -> bool:
            try:
                was_busy = turn()
            except Unavailable as exc:
                self._missing = str(exc)
                raise
            self._missing = None
            return was_busy

        log.info("started", health_port=self.probes.port)
        run_loop(watched, self.stop, idle_s=idle_s, beat=self.probes.beat)
        self.probes.drain()
        if release is not None:
            _try(release)

    def missing(self) -> str | None:
        """Readiness: None when everything answers, else what does not."""
        if self._missing is not None:
            return self._missing
        try:
            database.check(self.engine)
        except Unavailable as exc:
            return str(exc)
        return next((why for check in self._needs if (why := check()) is not None), None)

    def close(self) -> None:
        """Close what `on_exit` was told, the last opened first."""
        self._on_exit.close()

    def _open[C: (KafkaBusProducer, KafkaBusAdmin, KafkaBusConsumer)](self, make: Callable[[], C]) -> C:
        client = self.wait_for("the broker", make)
        self.on_exit(client.close)
        return client

    @property
    def _client_id(self) -> str:
        return f"bonafides-{self.name}"


@contextmanager
def open_runtime[S: ServiceSettings](settings_class: type[S], name: str, *, pool_size: int = 4) -> Iterator[Runtime[S]]:
    """Read the settings, log as `name`, listen to signals, answer probes; close everything at the end.

    Raises InvalidSettings for settings that are refused and for a health port that is taken.
    """
    settings = settings_class.load()
    configure_logging(settings.log_level, name)
    crashpoints.arm(settings.crash_at)
    stop = Stop()
    stop.install()
    runtime = Runtime(settings, name, stop, connect_database(settings, pool_size=pool_size))
    runtime.on_exit(runtime.engine.dispose)
    try:
        try:
            runtime.probes.start()
        except OSError as exc:
            raise settings.address_refused("health_port", settings.listen_host, settings.health_port, exc) from exc
        runtime.on_exit(runtime.probes.stop)
        with suppress(StopAsked):
            yield runtime
    finally:
        runtime.close()
    log.info("stopped")


def connect_database(settings: ServiceSettings, *, pool_size: int) -> Engine:
    """An engine for the database of the settings. Raises InvalidSettings."""
    password = read_optional_secret(settings.database_password_file, settings.variable("database_password_file"))
    return database.connect(settings.database_url, password, pool_size=pool_size)


def kafka_connection(settings: ServiceSettings) -> KafkaConnection:
    """How to reach the brokers of the settings. Raises InvalidSettings."""
    return KafkaConnection(
        bootstrap=settings.kafka_bootstrap,
        security_protocol=settings.kafka_security_protocol,
        sasl_mechanism=settings.kafka_sasl_mechanism,
        sasl_username=settings.kafka_sasl_username,
        sasl_password=read_optional_secret(
            settings.kafka_sasl_password_file, settings.variable("kafka_sasl_password_file")
        ),
        ssl_cafile=str(settings.kafka_ca_file) if settings.kafka_ca_file else None,
    )


def _try(close: Callable[[], None]) -> None:
    try:
        close()
    except Unavailable as exc:
        log.warning("not closed in good order", reason=str(exc))
