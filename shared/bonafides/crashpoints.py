"""Named places where a test kills the process, as a power cut would.

A point costs one comparison when none is armed. A crash is SIGKILL to ourselves: no handler, no flush, no rollback.
Only development runs can arm one: settings refuse `crash_at` elsewhere.
"""

import os
import signal

CRASH_POINTS = frozenset(
    {
        "ingest.after_fetch",
        "ingest.after_produce",
        "ingest.before_commit",
        "ingest.after_commit",
        "hydration.after_poll",
        "hydration.after_produce",
        "hydration.before_commit",
        "hydration.after_commit",
        "worker.after_poll",
        "worker.before_commit",
        "worker.after_commit",
        "outbox.after_produce",
        "outbox.after_commit",
        "issuer.after_poll",
        "issuer.before_commit",
        "issuer.after_commit",
        "issuer.before_sign",
        "issuer.after_sign",
        "issuer.after_hand_over",
        "publisher.before_store",
        "publisher.before_send",
        "publisher.after_send",
        "publisher.after_receipt",
        "publisher.before_final",
        "publisher.after_final",
        "api.before_audit",
        "api.after_audit",
    }
)

_armed: str | None = None


def arm(name: str | None) -> None:
    """Crash when this point is reached next. Called once, by a service's `__main__`."""
    global _armed
    _armed = name


def reach(name: str) -> None:
    """Mark a point that a crash test may kill."""
    if _armed is not None and _armed == name:
        os.kill(os.getpid(), signal.SIGKILL)
