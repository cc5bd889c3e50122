"""Who looks on from outside while the system runs: when the node announced a block, when a fold was to be seen.

```
 node ── block n ──► ingest ─► Kafka ─► worker ─► COMMIT ──► NOTIFY ──► reader
  └─► announcements: asks for the head every 5 ms near the second's turn            └ its own clock: visible, and read
```
Both are threads of the benchmark with a connection of their own. All clocks are this machine's.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from bonafides.json_rpc import JsonRpc, quantity
from bonafides.types import Address

LOOK_S = 0.005
QUIET_S = 0.8
"""After a block nothing is announced for most of a second: looking meanwhile would only load the node."""
_CHANNEL = "bench_folded"
_TRIGGER = f"""
CREATE SCHEMA bench;
CREATE FUNCTION bench.tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_notify('{_CHANNEL}', encode(NEW.wallet, 'hex') || ' ' || NEW.block_number); RETURN NULL; END $$;
CREATE TRIGGER bench_tell AFTER INSERT OR UPDATE ON scoring.wallet_snapshot
FOR EACH ROW EXECUTE FUNCTION bench.tell();
"""


@dataclass
class Announcements:
    """When each block was first to be had from the node, in Unix seconds."""

    seen: dict[int, float] = field(default_factory=dict)


@dataclass
class Folds:
    """When a wallet's state up to a block was first to be read, in Unix seconds, in the order in which it came."""

    seen: list[tuple[float, Address, int]] = field(default_factory=list)


@contextmanager
def watch_node(url: str) -> Iterator[Announcements]:
    """Ask a node for its head all the time, in a thread, until the end."""
    found, stop = Announcements(), threading.Event()
    rpc = JsonRpc(url, 5.0)

    def look() -> None:
        head = -1
        while not stop.is_set():
            now = quantity(rpc.call("eth_blockNumber"))
            if now > head:
                at = time.time()
                found.seen.update(dict.fromkeys(range(head + 1 if head >= 0 else now, now + 1), at))
                head = now
                stop.wait(QUIET_S)
            stop.wait(LOOK_S)
        rpc.close()

    with _thread(look, stop):
        yield found


@contextmanager
def watch_folds(database_url: str) -> Iterator[Folds]:
    """Be told by the database of every snapshot that is committed, until the end. Adds a trigger to the table."""
    found, stop = Folds(), threading.Event()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(_TRIGGER)
        connection.execute(f"LISTEN {_CHANNEL}")

        def listen() -> None:
            while not stop.is_set():
                for told in connection.notifies(timeout=0.2):
                    at = time.time()
                    wallet, _, number = told.payload.partition(" ")
                    found.seen.append((at, Address(bytes.fromhex(wallet)), int(number)))

        with _thread(listen, stop):
            yield found


@contextmanager
def _thread(run: Callable[[], None], stop: threading.Event) -> Iterator[None]:
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
