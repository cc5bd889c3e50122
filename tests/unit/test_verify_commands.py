"""`bonafides verify` as a lender meets it: answers, exit codes, mistakes."""

import json
from pathlib import Path

import pytest
import typer
from bonafides.errors import Unavailable
from bonafides.types import Address, ChainId, Digest
from bonafides.verify import RegistryFacts
from bonafides.verify.commands import verify_command
from bonafides.verify.rpc import RpcChainView
from typer.testing import CliRunner

from tests.support.attestation_edits import AUDIENCE, NONCE, OPENED, edited, golden_file, shown_to
from tests.support.attestation_fixtures import BORROWER, NOW, STRANGER, TRUST, FakeChain, published_score

pytestmark = pytest.mark.unit

RPC = ("--rpc", "http://localhost:8545")
AT = ("--at", str(NOW))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "trust.json").write_text(TRUST.to_json())
    (tmp_path / "document.json").write_text(edited(lambda document: None))
    (tmp_path / "presented.json").write_text(shown_to())
    chain = FakeChain()
    published_score(chain)
    monkeypatch.setattr(RpcChainView, "chain_id", lambda _self: chain.id)
    monkeypatch.setattr(RpcChainView, "registry_facts", lambda _self, *asked: chain.registry_facts(*asked))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, stdin: str | None = None) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(verify_command)
    result = CliRunner().invoke(app, list(arguments), input=stdin, env={"COLUMNS": "160", "TERM": "dumb"})
    return result.exit_code, result.output


def wallet(address: Address = BORROWER.address) -> tuple[str, str]:
    return "--wallet", "0x" + address.hex()


def test_verify__everything_given__is_valid_and_ends_with_0(folder: Path) -> None:
    code, output = run("document.json", "--trust", "trust.json", *wallet(), *RPC, *AT)

    assert code == 0
    assert "VALID" in output
    assert "712" in output
    assert "Synthetic" in output


def test_verify__json__has_the_same_answer_for_programs(folder: Path) -> None:
    code, output = run("document.json", "--trust", "trust.json", *wallet(), *RPC, *AT, "--json")

    answer = json.loads(output)
    assert code == 0
    assert answer["status"] == "VALID"
    assert answer["unchecked"] == []
    assert set(answer["claims"]["disclosed"]) == set(OPENED)
    assert answer["claims"]["modelClass"] == "synthetic"


def test_verify__document_on_standard_input__is_read(folder: Path) -> None:
    text = (folder / "document.json").read_text()

    assert run("-", "--trust", "trust.json", *wallet(), *RPC, *AT, stdin=text)[0] == 0


def test_verify__audience_and_nonce__is_valid(folder: Path) -> None:
    asked = ("--audience", AUDIENCE, "--nonce", "0x" + NONCE.hex())

    assert run("presented.json", "--trust", "trust.json", *asked, *RPC, *AT)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ((*wallet(), *AT), "ROOT_UNCHECKED"),
        ((*RPC, *AT), "HOLDER_UNCHECKED"),
        ((*wallet(STRANGER.address), *RPC, *AT), "HOLDER_MISMATCH"),
        ((*wallet(), *RPC, "--at", "2030-01-01"), "EXPIRED"),
        ((*wallet(), *RPC, "--at", "2026-01-01T00:00:00Z"), "NOT_YET_VALID"),
    ],
)
def test_verify__anything_but_valid__is_named_and_ends_with_1(
    folder: Path, arguments: tuple[str, ...], status: str
) -> None:
    code, output = run("document.json", "--trust", "trust.json", *arguments)

    assert code == 1
    assert status in output


def test_verify__refused__shows_no_claims(folder: Path) -> None:
    _, output = run("document.json", "--trust", "trust.json", *wallet(STRANGER.address), *RPC, *AT)

    assert "712" not in output


def test_verify__a_holder_file__is_refused_with_what_to_do(folder: Path) -> None:
    (folder / "holder.json").write_text(golden_file().to_json())

    code, output = run("holder.json", "--trust", "trust.json", *wallet(), *RPC, *AT)

    assert code == 1
    assert "MALFORMED" in output
    assert "make a presentation" in output


def test_verify__control_characters_in_a_key__do_not_reach_the_terminal(folder: Path) -> None:
    (folder / "evil.json").write_text(json.dumps({"\x1b]0;owned\x07": 1}))

    assert "owned" not in run("evil.json", "--trust", "trust.json")[1]


@pytest.mark.parametrize(
    "arguments",
    [
        ("missing.json", "--trust", "trust.json"),
        ("document.json",),
        ("document.json", "--trust", "missing.json"),
        ("document.json", "--trust", "document.json"),
        ("document.json", "--trust", "trust.json", "--wallet", "0x12"),
        ("document.json", "--trust", "trust.json", "--audience", "me"),
        ("document.json", "--trust", "trust.json", "--nonce", "0x12"),
        ("document.json", "--trust", "trust.json", "--audience", "me", "--nonce", "0x12"),
        ("document.json", "--trust", "trust.json", *wallet(), "--audience", "me", "--nonce", "0x" + "00" * 32),
        ("document.json", "--trust", "trust.json", "--at", "tomorrow"),
        ("document.json", "--trust", "trust.json", "--rpc", "ftp://localhost"),
        ("document.json", "--trust", "trust.json", "--policy", "root-only"),
    ],
)
def test_verify__a_mistake_in_the_command__ends_with_2(folder: Path, arguments: tuple[str, ...]) -> None:
    code, output = run(*arguments)

    assert code == 2
    assert "Traceback" not in output


def test_verify__node_of_another_chain__is_a_mistake_of_the_lender(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RpcChainView, "chain_id", lambda _self: ChainId(1))

    code, output = run("document.json", "--trust", "trust.json", *wallet(), *RPC, *AT)

    assert code == 2
    assert "chain 1" in output


def test_verify__silent_node__ends_with_3_and_decides_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(_self: RpcChainView, _registry: Address, _root: Digest, _key: Address, _index: int) -> RegistryFacts:
        raise Unavailable("the node does not answer: refused")

    monkeypatch.setattr(RpcChainView, "registry_facts", silent)

    code, output = run("document.json", "--trust", "trust.json", *wallet(), *RPC, *AT)

    assert code == 3
    assert "try again" in output
    assert "VALID" not in output
