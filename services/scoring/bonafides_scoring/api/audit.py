"""Every read of a wallet's answer leaves a row in the append-only access log, or does not happen."""

from collections.abc import Callable
from dataclasses import dataclass

from bonafides import crashpoints
from bonafides.consent import ConsentMissing, ConsentMode, require_consent
from bonafides.database import transaction
from bonafides.errors import InvalidInput, NotFound
from bonafides.types import Address, Digest
from sqlalchemy import Connection, Engine

from bonafides_scoring.store.tables import access_log

REFUSAL = (
    "this service shows a score only with its borrower's grant (consent mode: required), and there is no grant for "
    "this read"
)


@dataclass(frozen=True, slots=True)
class Read:
    """What somebody asked for. Either a wallet or a score."""

    route: str
    """Template, never the path."""
    wallet: Address | None = None
    score_id: Digest | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads with consent and with a row in the log: the one door to answers about wallets."""

    engine: Engine
    consent_mode: ConsentMode

    def read[T](self, asked: Read, answer: Callable[[Connection, ConsentMode], T]) -> T:
        """Give the answer and log it in one transaction; a refusal is logged too.

        Raises:
            ConsentMissing: the borrower has not allowed it.
            NotFound: there is nothing to give.
            Unavailable: the database does not answer; nothing was given.
        """
        refusal: InvalidInput | None = None
        found: T | None = None
        with transaction(self.engine) as connection:
            try:
                require_consent(self.consent_mode, REFUSAL)
                found = answer(connection, self.consent_mode)
            except (ConsentMissing, NotFound) as exc:
                refusal = exc
            crashpoints.reach("api.before_audit")
            connection.execute(
                access_log.insert()
                .inline()  # no RETURNING: this role may add rows and read none
                .values(
                    route=asked.route,
                    wallet=asked.wallet,
                    score_id=asked.score_id,
                    consent_mode=self.consent_mode.value,
                    http_status=_status(refusal),
                )
            )
        crashpoints.reach("api.after_audit")
        if refusal is not None:
            raise refusal
        assert found is not None  # noqa: S101  # for the type checker: no refusal means an answer
        return found


def _status(refusal: InvalidInput | None) -> int:
    match refusal:
        case None:
            return 200
        case ConsentMissing():
            return 403
        case _:
            return 404
