"""Many rows at once, by PostgreSQL's COPY: a backfill brings tens of thousands of events a second.

```
COPY all ── works ──► all were new
   └ a row of such a key stands already ─► back to the savepoint ─► which of them? ─► COPY the others
```
What was read before is rare (a crash between two commits), so it is looked for only when it gets in the way.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

import psycopg
from bonafides.errors import InvariantViolation, Unavailable
from bonafides.types import Digest
from sqlalchemy import ARRAY, BigInteger, Connection, Integer, LargeBinary, Table, cast, column, func, select

MOST_ATTEMPTS = 3
"""Another worker that thinks it holds the same partition may add rows between our look and our COPY; whose offset wins
is decided elsewhere."""
NULL = "\\N"
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})

type CopyKey = tuple[Digest, int, int]
"""(id, fork epoch, decoder version): one copy of one event or market fact."""
type CopyRow = tuple[bytes, str]
"""The digest of what it says, and the row as a line of COPY's text format."""


def add_new(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    copies: Mapping[CopyKey, CopyRow],
    check_same: Callable[[bytes, bytes, Digest], None],
) -> list[CopyKey]:
    """Add the rows that are not there yet; returns their keys.

    `check_same(kept, seen, id)` is asked for each that is there, with the digests of what both say; it raises.
    """
    names = ", ".join(f'"{name}"' for name in columns)
    statement = f'COPY "{table.schema}"."{table.name}" ({names}) FROM STDIN'
    new = list(copies)
    for _ in range(MOST_ATTEMPTS):
        if not new or _copies(connection, statement, [copies[key][1] for key in new]):
            return new
        known = _known(connection, table, copies)
        for key, content in known.items():
            check_same(content, copies[key][0], key[0])
        new = [key for key in copies if key not in known]
    raise Unavailable(f"another worker adds the same rows of {table.name}: one of us has lost the partition")


def escaped(text: str) -> str:
    """A text as a field of COPY's text format."""
    return text.translate(_ESCAPES)


@lru_cache(maxsize=1_024)
def escaped_name(text: str) -> str:
    """The same for texts of which there are few, such as deployments."""
    return escaped(text)


def hex_or_null(value: bytes | None) -> str:
    """Bytes as a field of COPY's text format."""
    return NULL if value is None else f"\\\\x{value.hex()}"


def _copies(connection: Connection, statement: str, lines: Iterable[str]) -> bool:
    """COPY the lines; False, and nothing done, when a row of one of the keys is there."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise InvariantViolation("rows are copied through psycopg, and the engine has another driver")
    try:
        with connection.begin_nested(), driver.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            copy.write("".join(lines))
    except psycopg.errors.UniqueViolation:
        return False
    except psycopg.OperationalError as exc:
        raise Unavailable(f"the database does not answer: {type(exc).__name__}") from exc
    except psycopg.DatabaseError as exc:
        # Its text would repeat the row: a wallet's history in a log.
        raise InvariantViolation(f"the database refused rows that were checked: {type(exc).__name__}") from None
    return True


def _known(connection: Connection, table: Table, keys: Iterable[CopyKey]) -> dict[CopyKey, bytes]:
    """The digests of those that are there."""
    ids, epochs, versions = zip(*keys, strict=True)
    asked = (
        func.unnest(
            cast(list(ids), ARRAY(LargeBinary)),
            cast(list(epochs), ARRAY(BigInteger)),
            cast(list(versions), ARRAY(Integer)),
        )
        .table_valued(column("id", LargeBinary), column("epoch", BigInteger), column("version", Integer))
        .render_derived("asked")
    )
    rows = connection.execute(
        select(table.c.id, table.c.fork_epoch, table.c.decoder_version, table.c.content).join(
            asked,
            (table.c.id == asked.c.id)
            & (table.c.fork_epoch == asked.c.epoch)
            & (table.c.decoder_version == asked.c.version),
        )
    )
    return {(Digest(bytes(row.id)), row.fork_epoch, row.decoder_version): bytes(row.content) for row in rows}
