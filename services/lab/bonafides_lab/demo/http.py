"""Plain HTTP to our own APIs, as any client would."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass

from bonafides.errors import Unavailable
from bonafides.types import Json

TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body of an answer."""

    status: int
    body: Json


def ask(url: str, payload: Json = None) -> Answer:
    """GET, or POST where there is a payload. Raises Unavailable when nobody answers."""
    data = None if payload is None else json.dumps(payload).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"} if data else {})  # noqa: S310
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT_S) as response:
            return Answer(response.status, json.load(response))
    except urllib.error.HTTPError as exc:
        return Answer(exc.code, json.load(exc))
    except OSError as exc:
        raise Unavailable(f"{url.split('/v1')[0]} does not answer: {exc}") from exc
