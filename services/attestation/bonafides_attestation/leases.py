"""Leases: one issuer signs with a key, one publisher has a transaction in flight.

The time is the database's, so the clocks of two machines decide nothing. Each writing transaction renews the lease it
stands on: one that lost it, in a long pause, finds out before it commits and changes nothing. A lease that ran out and
that nobody took is still ours: whoever takes it changes the holder.
"""

import os
import secrets
import socket
from dataclasses import dataclass, field

from bonafides.database import transaction
from bonafides.errors import Unavailable
from sqlalchemy import Connection, Engine, text

_TAKE = text(
    """
    INSERT INTO attestation.leases AS lease (name, holder, token, expires_at)
    VALUES (:name, :holder, 1, clock_timestamp() + make_interval(secs => :seconds))
    ON CONFLICT (name) DO UPDATE
    SET holder = excluded.holder,
        token = lease.token + CASE WHEN lease.holder = excluded.holder THEN 0 ELSE 1 END,
        expires_at = excluded.expires_at
    WHERE lease.holder = excluded.holder OR lease.expires_at <= clock_timestamp()
    """
)
_RENEW = text(
    """
    UPDATE attestation.leases
    SET expires_at = clock_timestamp() + make_interval(secs => :seconds)
    WHERE name = :name AND holder = :holder
    """
)
_RELEASE = text("UPDATE attestation.leases SET expires_at = clock_timestamp() WHERE name = :name AND holder = :holder")


class LostLease(Unavailable):
    """Another process took over, or our own pause was too long: begin the turn again."""


def new_holder() -> str:
    """A name for this process, never used before."""
    return f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class Lease:
    """One named lease."""

    engine: Engine
    name: str
    seconds: float
    holder: str = field(default_factory=new_holder)

    def take(self) -> bool:
        """Take or renew it; False when another process holds it."""
        with transaction(self.engine) as connection:
            return connection.execute(_TAKE, self._values()).rowcount == 1

    def keep(self) -> None:
        """Renew it between two long steps. Raises LostLease."""
        if not self.take():
            raise LostLease(f"the lease of the {self.name} was lost")

    def hold(self, connection: Connection) -> None:
        """Renew it in the running transaction, which then writes under it. Raises LostLease."""
        if connection.execute(_RENEW, self._values()).rowcount != 1:
            raise LostLease(f"the lease of the {self.name} was lost")

    def release(self) -> None:
        """Let the next process begin at once."""
        with transaction(self.engine) as connection:
            connection.execute(_RELEASE, {"name": self.name, "holder": self.holder})

    def _values(self) -> dict[str, str | float]:
        return {"name": self.name, "holder": self.holder, "seconds": self.seconds}
