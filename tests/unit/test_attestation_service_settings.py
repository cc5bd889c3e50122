"""Settings, keystores, deployment and trust files, commands."""

import stat
from pathlib import Path

import pytest
from bonafides.errors import InvalidInput, InvalidSettings
from bonafides.hashing import keccak
from bonafides.types import Address, ChainId, Digest, ModelClass, address_text
from bonafides.verify.trust import read_trust_file
from bonafides_attestation.commands import app
from bonafides_attestation.deployment import Deployment, trust_file
from bonafides_attestation.keys import new_keystore, open_keystore, read_keystore_address
from bonafides_attestation.settings import AttestationSettings
from bonafides_attestation.signer import KeySigner
from bonafides_attestation.statuses import refused, status_partition_of
from typer.testing import CliRunner

from tests.support.attestation_service_samples import sample_score

pytestmark = pytest.mark.unit

FAST = 2**12  # scrypt's work; real keystores take 64 times as much
MODEL = "0x" + "11" * 32
GIVEN = {"BONAFIDES_ATTESTATION_CHAIN_ID": "31337", "BONAFIDES_ATTESTATION_REGISTRY": "0x" + "ab" * 20}
DEPLOYMENT = Deployment(
    chain_id=31337,
    registry=Address(bytes([1] * 20)),
    block=9,
    transaction=Digest(keccak(b"tx")),
    admin=Address(bytes([2] * 20)),
    guardian=Address(bytes([3] * 20)),
    publisher=Address(bytes([4] * 20)),
    attester=Address(bytes([5] * 20)),
)


def test_settings__only_what_must_be_given__has_careful_defaults() -> None:
    settings = AttestationSettings.load(GIVEN)

    assert (settings.issue_for, settings.consent_mode) == ("opted_in", "required")
    assert settings.validity_s == 7 * 86_400
    assert settings.allowed_models == {}
    assert settings.chain == ChainId(31337)


def test_settings__models_of_both_classes__are_read() -> None:
    other = "0x" + "22" * 32
    settings = AttestationSettings.load(
        GIVEN | {"BONAFIDES_ATTESTATION_ALLOWED_MODELS": f"{MODEL}=synthetic, {other}=real"}
    )

    assert settings.allowed_models == {
        Digest(bytes([0x11] * 32)): ModelClass.SYNTHETIC,
        Digest(bytes([0x22] * 32)): ModelClass.REAL,
    }


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("CHAIN_ID", "0", "CHAIN_ID"),
        ("REGISTRY", "0x12", "REGISTRY"),
        ("ALLOWED_MODELS", "0x1234=real", "ALLOWED_MODELS"),
        ("ALLOWED_MODELS", MODEL + "=true", "ALLOWED_MODELS"),
        ("ALLOWED_MODELS", f"{MODEL}=real,{MODEL}=real", "ALLOWED_MODELS"),
        ("VALIDITY_S", str(8 * 86_400), "VALIDITY_S"),
        ("BATCH_MAX_SIZE", "65537", "BATCH_MAX_SIZE"),
        ("CONSENT_MODE", "ask", "CONSENT_MODE"),
        ("RPC_URI", "http://x", "RPC_URI"),
    ],
)
def test_settings__wrong_or_unknown__are_refused_by_name(name: str, value: str, named: str) -> None:
    with pytest.raises(InvalidSettings, match=f"BONAFIDES_ATTESTATION_{named}"):
        AttestationSettings.load(GIVEN | {f"BONAFIDES_ATTESTATION_{name}": value})


def test_settings__synthetic_model_on_a_live_chain__are_refused() -> None:
    live = GIVEN | {"BONAFIDES_ATTESTATION_CHAIN_ID": "1", "BONAFIDES_ATTESTATION_ALLOWED_MODELS": MODEL + "=synthetic"}

    with pytest.raises(InvalidSettings, match="synthetic"):
        AttestationSettings.load(live)


def test_read_rpc_url__a_file_is_named__goes_before_the_variable(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("https://user:secret@node.example/\n")
    settings = AttestationSettings.load(GIVEN | {"BONAFIDES_ATTESTATION_RPC_URL_FILE": str(file)})

    assert settings.read_rpc_url() == "https://user:secret@node.example/"


@pytest.mark.parametrize("url", ["ftp://node", "node:8545", "http:///path?key=secret"])
def test_read_rpc_url__no_url_of_a_node__is_refused_without_repeating_it(url: str, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(url)
    settings = AttestationSettings.load(GIVEN | {"BONAFIDES_ATTESTATION_RPC_URL_FILE": str(file)})

    with pytest.raises(InvalidSettings, match="BONAFIDES_ATTESTATION_RPC_URL") as caught:
        settings.read_rpc_url()
    assert url not in str(caught.value)


def test_new_keystore__a_new_file__opens_with_its_password_alone_and_is_never_overwritten(tmp_path: Path) -> None:
    file, password = tmp_path / "key.json", tmp_path / "password"
    password.write_text("right\n")

    address = new_keystore(file, "right", scrypt_n=FAST)
    before = file.read_bytes()

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert KeySigner(open_keystore(file, password, "X")).address == address == read_keystore_address(file)
    with pytest.raises(InvalidInput, match="never overwritten"):
        new_keystore(file, "right", scrypt_n=FAST)
    assert file.read_bytes() == before
    password.write_text("wrong")
    with pytest.raises(InvalidSettings, match="password is wrong"):
        open_keystore(file, password, "X")


def test_open_keystore__missing_or_no_keystore__says_which_setting(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("[]")

    with pytest.raises(InvalidSettings, match="X_KEYSTORE_FILE"):
        open_keystore(None, text, "X")
    with pytest.raises(InvalidSettings, match="X_KEYSTORE_FILE"):
        open_keystore(text, text, "X")


def test_trust_file__of_a_deployment__pins_the_attester_and_names_the_model() -> None:
    model_id = Digest(keccak(b"model"))

    trust = read_trust_file(trust_file(DEPLOYMENT, "Example", {model_id: ModelClass.SYNTHETIC}).to_json())

    assert (trust.chain_id, trust.registry, trust.attesters) == (31337, DEPLOYMENT.registry, (DEPLOYMENT.attester,))
    assert trust.models[model_id].model_class is ModelClass.SYNTHETIC


def test_trust_file_command__a_deployment_file__writes_what_the_function_makes(tmp_path: Path) -> None:
    deployment, out = tmp_path / "deployment.json", tmp_path / "trust.json"
    deployment.write_text(DEPLOYMENT.to_json())
    options = ["--issuer", "Example", "--model", MODEL + "=real", "--accept-flag", "thin_file", "--out", str(out)]

    result = CliRunner().invoke(app, ["trust-file", "--deployment", str(deployment), *options])

    assert result.exit_code == 0, result.output
    model_id = Digest(bytes([0x11] * 32))
    assert out.read_text() == trust_file(DEPLOYMENT, "Example", {model_id: ModelClass.REAL}, ("thin_file",)).to_json()


def test_keys_new_command__prints_the_address_and_not_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bonafides_attestation.keys.SCRYPT_N", FAST)
    file, password = tmp_path / "key.json", tmp_path / "password"
    password.write_text("right")

    result = CliRunner().invoke(app, ["keys", "new", "--out", str(file), "--password-file", str(password)])

    assert result.exit_code == 0, result.output
    assert address_text(read_keystore_address(file)) in result.output
    assert open_keystore(file, password, "X").hex() not in result.output


def test_refused__of_a_score__says_the_same_twice_and_shares_its_partition() -> None:
    score = sample_score()

    change = refused(score.score_id, score.wallets)

    assert change == refused(score.score_id, score.wallets)
    assert change.partition == status_partition_of(score.wallets)
    assert change.message.attestation_id != refused(sample_score(2).score_id, score.wallets).message.attestation_id
