"""The JSON side: scores, explanations, events and bundles."""

from typing import Annotated, Any, TypedDict

from bonafides.errors import InvalidInput
from bonafides.http_api import problems
from bonafides.types import Digest, parse_address
from fastapi import APIRouter, Path, Query

from bonafides_scoring.api import answers, history, schemas
from bonafides_scoring.api.audit import Read, Reader

WalletPath = Annotated[
    str, Path(description="0x and 40 hexadecimal digits; mixed case must carry its EIP-55 checksum.", max_length=64)
]
ScoreIdPath = Annotated[str, Path(description="0x and 64 hexadecimal digits.", max_length=80)]
After = Annotated[str | None, Query(description="`next` of the page before.", max_length=80)]
Limit = Annotated[int, Query(ge=1, le=200, description="Events on a page.")]


class _Described(TypedDict):
    responses: dict[int | str, dict[str, Any]]
    response_description: str


WALLET_PROBLEMS = problems.responses(
    {
        403: "The borrower has not allowed this read.",
        404: "The address was never seen.",
        422: "Not an address, or another parameter is wrong.",
        500: "Something is wrong on our side.",
        503: "The database does not answer; try again.",
    }
)
DESCRIBED: _Described = {"responses": WALLET_PROBLEMS, "response_description": "The answer."}


def router(reader: Reader) -> APIRouter:
    """Routes under /v1."""
    routes = APIRouter(prefix="/v1", tags=["scores"])

    @routes.get("/wallets/{address}/score", summary="The latest finalized answer", **DESCRIBED)
    def get_score(address: WalletPath) -> schemas.ScoreAnswer:
        """A score, or `unscorable` with its reason: both are answers, with status 200. Never an invented number."""
        wallet = parse_address(address)
        return reader.read(
            Read("/v1/wallets/{address}/score", wallet=wallet),
            lambda connection, mode: answers.score_answer(connection, wallet, mode),
        )

    @routes.get("/wallets/{address}/explanation", summary="The score taken apart", **DESCRIBED)
    def get_explanation(address: WalletPath) -> schemas.ExplanationAnswer:
        """Points per family: base_points + all family points + clip = score. Exact Shapley values of the model's trees
        (path-dependent), rounded by largest remainder."""
        wallet = parse_address(address)
        return reader.read(
            Read("/v1/wallets/{address}/explanation", wallet=wallet),
            lambda connection, mode: answers.explanation_answer(connection, wallet, mode),
        )

    @routes.get("/wallets/{address}/events", summary="The wallet's history", **DESCRIBED)
    def get_events(address: WalletPath, after: After = None, limit: Limit = 50) -> schemas.EventsAnswer:
        """Events up to finalized blocks, in canonical order per chain."""
        wallet = parse_address(address)
        cursor = None if after is None else history.parse_cursor(after)
        return reader.read(
            Read("/v1/wallets/{address}/events", wallet=wallet),
            lambda connection, mode: history.events_answer(connection, wallet, cursor, limit, mode),
        )

    @routes.get("/scores/{score_id}/bundle", summary="What replays a score", **DESCRIBED)
    def get_bundle(score_id: ScoreIdPath) -> schemas.BundleAnswer:
        """The receipt with the events and market points that the score was made from."""
        wanted = parse_score_id(score_id)
        return reader.read(
            Read("/v1/scores/{score_id}/bundle", score_id=wanted),
            lambda connection, mode: history.bundle_answer(connection, wanted, mode),
        )

    return routes


def parse_score_id(text: str) -> Digest:
    """A score id from a path. Raises InvalidInput without repeating it."""
    try:
        raw = bytes.fromhex(text[2:]) if text.startswith("0x") and len(text) == 66 else b""
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise InvalidInput("not a score id: expected 0x and 64 hexadecimal digits")
    return Digest(raw)
