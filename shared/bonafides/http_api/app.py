"""The application that each API adds its routes to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from bonafides import __version__
from bonafides.consent import ConsentMode
from bonafides.http_api import problems
from bonafides.http_api.guard import JSON_POLICY, Guard

WORKER_THREADS = 8
"""Requests answered at once, one database connection each: more would only wait for a connection."""


def new_app(
    title: str,
    description: str,
    consent_mode: ConsentMode,
    *,
    content_policy: str = JSON_POLICY,
    with_openapi: bool = True,
) -> FastAPI:
    """An application that answers every failure as a problem and every request with the guard's headers.

    Its database engine needs `WORKER_THREADS` connections. The framework's own pages stay off: they load scripts from
    elsewhere.
    """
    app = FastAPI(
        title=title,
        version=__version__,
        description=description,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json" if with_openapi else None,
        lifespan=_limit_threads,
    )
    problems.install(app)
    app.add_middleware(Guard, consent_mode=consent_mode, content_policy=content_policy)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


@asynccontextmanager
async def _limit_threads(app: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = WORKER_THREADS
    yield


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
        )
        schema.setdefault("components", {}).setdefault("schemas", {}).update(problems.component())
        app.openapi_schema = schema
    return app.openapi_schema
