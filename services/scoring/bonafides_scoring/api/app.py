"""The scoring API: its routes and pages on a database."""

from bonafides.consent import ConsentMode
from bonafides.http_api.app import new_app
from fastapi import FastAPI
from sqlalchemy import Engine

from bonafides_scoring.api import pages, routes
from bonafides_scoring.api.audit import Reader

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The page needs a style sheet and an icon of ours, and nothing else: no script at all."""

DESCRIPTION = """
Credit scores of DeFi wallets, with explanations that add up and everything it takes to check them.

* `unscorable` is an **answer** (status 200) with a reason from a closed list, never an invented number.
* An address that was never seen is 404; text that is no address is 422 and is not repeated.
* Errors are `application/problem+json` (RFC 9457) whose `type` names the error class.
* Every answer names its consent mode, in a field and in the header `Bonafides-Consent-Mode`; every read is logged.
"""


def create_app(engine: Engine, consent_mode: ConsentMode, *, with_docs: bool = True) -> FastAPI:
    """The application. `engine` needs `bonafides.http_api.app.WORKER_THREADS` connections."""
    app = new_app(
        "Bonafides scoring API", DESCRIPTION, consent_mode, content_policy=PAGE_POLICY, with_openapi=with_docs
    )
    reader = Reader(engine, consent_mode)
    app.include_router(routes.router(reader))
    app.include_router(pages.router(reader, app if with_docs else None))
    return app
