"""`bonafides verify`: check a document against a trust file, the one who shows it, and a node."""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bonafides.errors import InvalidInput, Unavailable
from bonafides.types import Digest, VerificationStatus, parse_address
from bonafides.verify import AskedFor, DealsWith, Holder, Policy, read_trust_file, verify
from bonafides.verify.hexadecimal import parse_hex
from bonafides.verify.report import render, to_json
from bonafides.verify.rpc import RpcChainView
from bonafides.verify.strict_json import MAX_BYTES

EXIT_VALID, EXIT_REFUSED, EXIT_NODE_SILENT = 0, 1, 3  # 2 is a mistake in the command, as everywhere


def verify_command(
    file: Annotated[Path, typer.Argument(help="The presentation that the borrower sent; - reads standard input.")],
    trust: Annotated[Path, typer.Option(help="Your trust file: issuer, registry, models you accept.")],
    wallet: Annotated[str | None, typer.Option(help="The wallet you deal with.")] = None,
    audience: Annotated[str | None, typer.Option(help="Your own name, as you asked the borrower to sign it.")] = None,
    nonce: Annotated[str | None, typer.Option(help="The nonce you gave: 0x and 64 hexadecimal digits.")] = None,
    rpc: Annotated[str | None, typer.Option(help="A node that you trust, http:// or https://.")] = None,
    at: Annotated[
        str | None, typer.Option(help="Check as of this time: Unix seconds or ISO 8601. Default: now.")
    ] = None,
    policy: Annotated[
        Policy,
        typer.Option(
            help="sig-only leaves the root unchecked, and says so. Indexes of a batch that was never published "
            "are given out again: without the root, a revocation seen may be another document's."
        ),
    ] = Policy.SIG_AND_ROOT,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Check a score document, with nothing of ours running.

    Ends with 0 for VALID, 1 for any other answer, 2 for a mistake in the command,
    3 when the node does not answer. Without --wallet or --audience and --nonce
    the answer is HOLDER_UNCHECKED, without --rpc it is ROOT_UNCHECKED.

    Example:

      bonafides verify document.json --trust trust.json \\
          --wallet 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 \\
          --rpc http://localhost:8545
    """
    try:
        answer = verify(
            _read_document(file),
            read_trust_file(_read_file(trust)),
            _holder(wallet, audience, nonce),
            _moment(at),
            RpcChainView(rpc) if rpc else None,
            policy,
        )
    except InvalidInput as exc:
        raise typer.BadParameter(str(exc)) from exc
    except Unavailable as exc:
        Console(stderr=True).print(f"{exc}. Nothing was decided; try again.", markup=False, highlight=False)
        raise typer.Exit(EXIT_NODE_SILENT) from exc
    if as_json:
        sys.stdout.write(to_json(answer) + "\n")
    else:
        Console(highlight=False).print(render(answer))
    raise typer.Exit(EXIT_VALID if answer.status is VerificationStatus.VALID else EXIT_REFUSED)


app = verify_command
"""What the entry point names: `verify` takes its arguments directly, so it is a command and no group."""


def _read_document(path: Path) -> bytes:
    if str(path) == "-":
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    return _read_file(path)


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as opened:
            return opened.read(MAX_BYTES + 1)
    except OSError as exc:
        raise InvalidInput(f"cannot read {path}: {exc.strerror}") from exc


def _holder(wallet: str | None, audience: str | None, nonce: str | None) -> Holder | None:
    if wallet is not None and (audience is not None or nonce is not None):
        raise InvalidInput("name either --wallet, or --audience and --nonce")
    if (audience is None) != (nonce is None):
        raise InvalidInput("--audience and --nonce belong together")
    if wallet is not None:
        return DealsWith(parse_address(wallet))
    if audience is not None and nonce is not None:
        return AskedFor(audience, Digest(parse_hex(nonce.lower(), 32)))
    return None


def _moment(text: str | None) -> int:
    if text is None:
        return int(time.time())
    if text.isascii() and text.isdigit() and len(text) <= 16:
        return int(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError as exc:
        raise InvalidInput("--at: expected Unix seconds or ISO 8601, such as 2026-01-31T12:00:00Z") from exc
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
