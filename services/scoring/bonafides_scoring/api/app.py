"""The FastAPI application: routes, problems, guard, OpenAPI."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
from bonafides import __version__
from bonafides.database import check
from bonafides.errors import Unavailable
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from sqlalchemy import Engine

from bonafides_scoring.api import pages, problems, routes
from bonafides_scoring.api.audit import Reader
from bonafides_scoring.api.middleware import Guard
from bonafides_scoring.consent import ConsentMode

WORKER_THREADS = 8
"""Requests answered at once, one database connection each: more would only wait for a connection."""

DESCRIPTION = """
Credit scores of DeFi wallets, with explanations that add up and everything it takes to check them.

* `unscorable` is an **answer** (status 200) with a reason from a closed list, never an invented number.
* An address that was never seen is 404; text that is no address is 422 and is not repeated.
* Errors are `application/problem+json` (RFC 9457) whose `type` names the error class.
* Every answer names its consent mode, in a field and in the header `Bonafides-Consent-Mode`; every read is logged.
"""


def create_app(engine: Engine, consent_mode: ConsentMode, *, with_docs: bool = True) -> FastAPI:
    """The application on a database. `engine` needs `WORKER_THREADS` connections."""
    app = FastAPI(
        title="Bonafides scoring API",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json" if with_docs else None,
        lifespan=_limit_threads,
    )
    reader = Reader(engine, consent_mode)
    problems.install(app)
    app.include_router(routes.router(reader))
    app.include_router(pages.router(reader, app if with_docs else None))
    app.add_middleware(Guard, consent_mode=consent_mode)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def database_check(engine: Engine) -> str | None:
    """Readiness: None when the database answers."""
    try:
        check(engine)
    except Unavailable as exc:
        return str(exc)
    return None


@asynccontextmanager
async def _limit_threads(app: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = WORKER_THREADS
    yield


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
        )
        problem = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        parts = schema.setdefault("components", {}).setdefault("schemas", {})
        parts |= problem.pop("$defs", {}) | {"Problem": problem}
        app.openapi_schema = schema
    return app.openapi_schema
