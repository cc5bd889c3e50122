"""The registry of deployments and the settings: strict, and clear about what is wrong."""

from pathlib import Path

import pytest
from bonafides.errors import InvalidSettings
from bonafides.types import Address, ChainId
from bonafides_ingest.protocols.aave_v3.state import AaveV3Deployment
from bonafides_ingest.registry import load_registry
from bonafides_ingest.settings import IngestSettings
from bonafides_ingest.sources.providers.endpoints import Endpoint

pytestmark = pytest.mark.unit

VALID = """
version: 3
deployments:
- id: aave-v3-development
  chain_id: 31337
  protocol: aave_v3
  pool: "0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2"
  configurator: "0x64b761D848206f447Fe2dd461b0c635Ec39EbB27"
  oracle: "0x54586be62e3c3580375ae3723c145253060ca0c2"
  provider: "0x2f39d218133AFaB8F2B819B1066c7E434Ad94E9e"
  rounding: half_up
  from_block: 1
  source: "@aave/core-v3@1.19.3"
  development: true
"""


def _written(folder: Path, text: str) -> Path:
    path = folder / "deployments.yaml"
    path.write_text(text)
    return path


def test_load_registry__valid_file__gives_its_deployments(tmp_path: Path) -> None:
    registry = load_registry(_written(tmp_path, VALID))

    (deployment,) = registry.of_chain(ChainId(31337))
    assert (registry.version, deployment.from_block) == (3, 1)
    assert isinstance(deployment, AaveV3Deployment)
    assert deployment.oracle.hex() == "54586be62e3c3580375ae3723c145253060ca0c2"


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ("from_block: 1", "from_block: one", "from_block"),
        ("from_block: 1", "from_block: -1", "from_block"),
        ("  development: true", "  development: true\n  colour: red", "colour"),
        ("  development: true", "", "development"),
        ("chain_id: 31337", "chain_id: 1", "development"),
        ('4E2"', '4e2"', "checksum"),
        ('"0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2"', "0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2", "quotes"),
        ('"@aave/core-v3@1.19.3"', "a website", "source"),
        ("aave_v3", "aave_v9", "protocol"),
        ("version: 3", "version: 0", "version"),
        ("deployments:", "deployments: [", "YAML"),
    ],
)
def test_load_registry__something_wrong__is_refused_by_name(
    tmp_path: Path, before: str, after: str, named: str
) -> None:
    assert before in VALID
    path = _written(tmp_path, VALID.replace(before, after))

    with pytest.raises(InvalidSettings, match=named):
        load_registry(path)


def test_load_registry__two_of_one_id__is_refused(tmp_path: Path) -> None:
    entry = VALID.split("deployments:\n")[1]

    with pytest.raises(InvalidSettings, match="same id"):
        load_registry(_written(tmp_path, VALID + entry))


def test_load_registry__two_deployments_with_one_contract__is_refused(tmp_path: Path) -> None:
    entry = VALID.split("deployments:\n")[1].replace("aave-v3-development", "aave-v3-other")

    with pytest.raises(InvalidSettings, match="same contract"):
        load_registry(_written(tmp_path, VALID + entry))


def test_load_registry__missing_file__is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="cannot be read"):
        load_registry(tmp_path / "none.yaml")


def test_of_chain__nothing_on_it__says_what_to_set(tmp_path: Path) -> None:
    registry = load_registry(_written(tmp_path, VALID))

    with pytest.raises(InvalidSettings, match="nothing on chain 5"):
        registry.of_chain(ChainId(5))


def test_load_registry__packaged__loads() -> None:
    assert load_registry(None).version >= 1


def test_read_endpoints__none_given__says_what_to_set() -> None:
    settings = IngestSettings.load({"BONAFIDES_INGEST_CHAIN_ID": "1"})

    with pytest.raises(InvalidSettings, match="BONAFIDES_INGEST_RPC_URL"):
        settings.read_endpoints()


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"RPC_URL": "http://localhost:8545"},
        {"CHAIN_ID": "1", "RPC_URL": "http://localhost:8545", "RPC_URL_FILE": "/key"},
        {"CHAIN_ID": "1", "RPC_URL": "http://localhost:8545", "COLOUR": "red"},
        {"CHAIN_ID": "0", "RPC_URL": "http://localhost:8545"},
    ],
)
def test_settings__missing_unknown_or_contradicting__are_refused(variables: dict[str, str]) -> None:
    with pytest.raises(InvalidSettings):
        IngestSettings.load({f"BONAFIDES_INGEST_{name}": value for name, value in variables.items()})


def test_settings__url_in_a_file__is_read_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("https://node.example/a-secret-key\n")
    settings = IngestSettings.load(
        {"BONAFIDES_INGEST_CHAIN_ID": "1", "BONAFIDES_INGEST_RPC_URL_FILE": str(tmp_path / "url")}
    )

    assert settings.read_endpoints() == (Endpoint("provider1", "https://node.example/a-secret-key"),)
    assert "a-secret-key" not in repr(settings)


def test_settings__no_url_of_a_node__is_refused_without_repeating_it() -> None:
    settings = IngestSettings.load(
        {"BONAFIDES_INGEST_CHAIN_ID": "1", "BONAFIDES_INGEST_RPC_URL": "http:///a-secret-key"}
    )

    with pytest.raises(InvalidSettings, match="BONAFIDES_INGEST_RPC_URL") as caught:
        settings.read_endpoints()
    assert "a-secret-key" not in str(caught.value)


ON_A_REAL_CHAIN = """
version: 3
deployments:
- id: morpho-blue-ethereum
  chain_id: 1
  protocol: morpho_blue
  morpho: "0xBBBBBbbBBb9cC5e90e3b3Af64bdAF62C37EEFFCb"
  from_block: 1
  source: "@morpho-org/morpho-ts@2.8.0"
"""
UNLISTED = Address(b"\x01" * 20)


@pytest.mark.parametrize(
    ("text", "chain_id", "bound_s"),
    [
        (ON_A_REAL_CHAIN, 1, 90_000),  # a day and an hour
        (ON_A_REAL_CHAIN + "default_max_age_s: 7200\n", 1, 7_200),
        (VALID, 31337, 0),
        (VALID + "default_max_age_s: 7200\n", 31337, 0),
    ],
    ids=["said nothing", "said", "development chain", "said of a development chain"],
)
def test_registry__feed_that_it_does_not_list__has_the_default_bound(
    tmp_path: Path, text: str, chain_id: int, bound_s: int
) -> None:
    feeds = load_registry(_written(tmp_path, text)).feeds_of_chain(ChainId(chain_id))

    assert feeds[UNLISTED].max_age_s == bound_s
    assert UNLISTED not in feeds


def test_load_registry__default_bound_of_nothing__is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="default_max_age_s"):
        load_registry(_written(tmp_path, VALID + "default_max_age_s: 0\n"))


SECOND = """
- id: aave-v3-second
  chain_id: 31337
  protocol: aave_v3
  pool: "0x0000000000000000000000000000000000000001"
  configurator: "0x0000000000000000000000000000000000000002"
  oracle: "0x0000000000000000000000000000000000000003"
  provider: "0x0000000000000000000000000000000000000004"
  rounding: half_up
  from_block: 1
  source: "@aave/core-v3@1.19.3"
  development: true
"""
REST = """
links:
- id: safes
  chain_id: 31337
  kind: safe_factory
  address: "0x0000000000000000000000000000000000000005"
  singletons: ["0x0000000000000000000000000000000000000006"]
  from_block: 1
  source: "@safe-global/safe-contracts@1.4.1"
  development: true
feeds:
- chain_id: 31337
  address: "0x0000000000000000000000000000000000000007"
  decimals: 8
  max_age_s: 3600
  source: "@aave/core-v3@1.19.3"
default_max_age_s: 7200
"""


def _digest(folder: Path, text: str, chain_id: int = 31337) -> bytes:
    return load_registry(_written(folder, text)).digest_of_chain(ChainId(chain_id))


def test_digest_of_chain__same_entries_in_another_order__is_the_same(tmp_path: Path) -> None:
    head, first = VALID.split("deployments:")

    assert _digest(tmp_path, VALID + SECOND + REST) == _digest(tmp_path, head + "deployments:" + SECOND + first + REST)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("aave-v3-second", "aave-v3-renamed"),
        ("0000000003", "0000000009"),
        ("half_up", "half_up_plain_transfers"),
        ("from_block: 1", "from_block: 0"),
        ("@1.19.3", "@1.19.4"),
        ("id: safes", "id: other-safes"),
        ("0000000006", "0000000009"),
        ("decimals: 8", "decimals: 9"),
        ("max_age_s: 3600", "max_age_s: 3601"),
        ("default_max_age_s: 7200", "default_max_age_s: 7201"),
        (SECOND, "\n"),
        (REST, ""),
    ],
)
def test_digest_of_chain__anything_that_is_said_is_another__is_another(tmp_path: Path, before: str, after: str) -> None:
    text = VALID + SECOND + REST
    assert before in text

    assert _digest(tmp_path, text.replace(before, after, 1)) != _digest(tmp_path, text)


def test_digest_of_chain__another_chain_or_the_version_changes__is_the_same(tmp_path: Path) -> None:
    text = VALID + ON_A_REAL_CHAIN.split("deployments:")[1]
    changed = text.replace("version: 3", "version: 4").replace("morpho-blue-ethereum", "morpho-blue-renamed")

    assert _digest(tmp_path, changed) == _digest(tmp_path, text)
    assert _digest(tmp_path, changed, 1) != _digest(tmp_path, text, 1)


def test_digest_of_chain__links_of_another_chain_change__is_the_same(tmp_path: Path) -> None:
    elsewhere = REST.replace("chain_id: 31337\n  kind", "chain_id: 1\n  kind").replace("  development: true\n", "")
    changed = elsewhere.replace("id: safes", "id: other-safes")
    assert changed != elsewhere != REST

    assert _digest(tmp_path, VALID + changed) == _digest(tmp_path, VALID + elsewhere)
