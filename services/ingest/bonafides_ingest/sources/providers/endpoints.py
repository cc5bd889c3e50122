"""Where the providers of a chain are, as the settings list them. Pure."""

import re
from dataclasses import dataclass, field
from typing import Final

from bonafides.errors import InvalidInput
from bonafides.json_rpc import check_node_url

_NAMED: Final = re.compile(r"([A-Za-z0-9_-]{1,32})=(?=https?://)")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One provider."""

    name: str
    """What logs and metrics call it."""
    url: str = field(repr=False)
    """It may hold a key."""


def endpoints_in(text: str) -> tuple[Endpoint, ...]:
    """The endpoints in a list of URLs, each perhaps with a name before it (`name=https://…`), separated by white space.

    One without a name is called provider1, provider2 … by its place. Raises InvalidInput, which repeats no URL, for a
    URL that is malformed, a name that comes twice, or no URL at all.
    """
    found: list[Endpoint] = []
    for place, part in enumerate(text.split(), 1):
        named = _NAMED.match(part)
        endpoint = Endpoint(named.group(1), part[named.end() :]) if named else Endpoint(f"provider{place}", part)
        try:
            check_node_url(endpoint.url)
        except InvalidInput as exc:
            raise InvalidInput(f"provider {place}: {exc}") from exc
        if endpoint.name in {other.name for other in found}:
            raise InvalidInput(f"two providers are called {endpoint.name}")
        found.append(endpoint)
    if not found:
        raise InvalidInput("no URL is there: expected http(s)://host:port, or several, separated by spaces")
    return tuple(found)
