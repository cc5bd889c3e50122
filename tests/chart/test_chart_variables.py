"""One test for all places that name a setting: classes, .env.example, compose file and chart say the same variables."""

import re
from pathlib import Path

import pytest
from bonafides.settings import ServiceSettings

from tests.support.ops_compose import COMPOSE_FILE, PROCESSES, environment_of, read_env_file, secrets_of
from tests.support.ops_env_example import PATH as ENV_EXAMPLE
from tests.support.ops_env_example import meaning_of
from tests.support.ops_env_example import render as render_env_example
from tests.support.ops_helm import CI_VALUES, REPOSITORY, mapping, of_kind, sequence, template
from tests.support.ops_settings import SERVICES, prefix_of, service_of, settings_of

pytestmark = pytest.mark.chart

OPERATE_VARIABLES = set(
    re.findall(r'envvar="(BONAFIDES_OPERATE_\w+)"', (REPOSITORY / "shared/bonafides/commands.py").read_text())
)
CHART_VALUES = pytest.mark.parametrize(
    "values", [None, *CI_VALUES], ids=lambda values: values.stem if values else "defaults"
)


def _known(service: str) -> set[str]:
    return {setting.variable for setting in settings_of(service)}


def _load(environment: dict[str, str]) -> ServiceSettings:
    """The settings class of the one service whose variables these are; raises what the process would."""
    found = {service_of(name) for name in environment}
    assert len(found) == 1, found
    service = next(iter(found))
    assert service is not None
    return SERVICES[service].load(environment)


def _chart_environments(values: Path | None) -> dict[str, dict[str, str]]:
    rendered = template(values)
    configs = {found.name: mapping(found.at("data")) for found in of_kind(rendered, "ConfigMap")}
    return {
        found.component: {name: str(value) for name, value in configs[found.name].items()}
        for found in of_kind(rendered, "Deployment")
    }


@pytest.mark.parametrize("service", SERVICES)
def test_env_example__each_setting__is_there_and_explained(service: str) -> None:
    text = ENV_EXAMPLE.read_text()

    for setting in settings_of(service):
        assert re.search(rf"^(# )?{setting.variable}=", text, flags=re.MULTILINE), setting.variable
        assert meaning_of(setting), f"{setting.variable} has no docstring"


def test_env_example__compared_with_the_settings_classes__is_what_they_give() -> None:
    assert ENV_EXAMPLE.read_text() == render_env_example(), "run: python -m tests.support.ops_env_example"


def test_env_example__each_variable__is_read_by_somebody() -> None:
    named = set(re.findall(r"^(?:# )?(BONAFIDES_\w+)=", ENV_EXAMPLE.read_text(), flags=re.MULTILINE))

    assert named == OPERATE_VARIABLES.union(*(_known(service) for service in SERVICES))


@pytest.mark.parametrize("service", SERVICES)
def test_env_example__as_it_is__starts_the_service(service: str) -> None:
    variables = read_env_file(ENV_EXAMPLE)

    SERVICES[service].load({name: value for name, value in variables.items() if service_of(name) == service})


@pytest.mark.parametrize("name", PROCESSES)
def test_compose__each_process__sets_only_what_exists_and_all_that_is_needed(name: str) -> None:
    environment = environment_of(name, read_env_file(ENV_EXAMPLE))

    settings = _load(environment)

    assert settings.listen_host == "0.0.0.0"  # noqa: S104 - inside its container
    assert settings.health_port == 9100
    assert settings.database_password_file is not None


@pytest.mark.parametrize("name", PROCESSES)
def test_compose__each_file_a_process_reads__is_given_to_it(name: str) -> None:
    environment = environment_of(name, read_env_file(ENV_EXAMPLE))

    files = {value for variable, value in environment.items() if variable.endswith("_FILE")}

    assert files <= {*secrets_of(name), "/etc/bonafides/deployments.yaml"}
    assert set(secrets_of(name)) <= files


def test_compose__unless_told_otherwise__asks_for_consent_and_attests_only_who_asked() -> None:
    for name in ("scoring-api", "attestation-api"):
        settings = _load(environment_of(name, read_env_file(ENV_EXAMPLE)))
        assert settings.model_dump()["consent_mode"] == "required"
    issuer = _load(environment_of("issuer", read_env_file(ENV_EXAMPLE)))
    assert issuer.model_dump()["issue_for"] == "opted_in"


def test_compose__variables_it_asks_for__are_our_settings_or_its_own() -> None:
    asked = set(re.findall(r"\$\{(\w+)", COMPOSE_FILE.read_text()))
    own = {name for name in asked if service_of(name) is None or name.endswith("_PUBLISHED_PORT")}

    assert own == {
        "BONAFIDES_VERSION",
        "BONAFIDES_ANVIL_PORT",
        "BONAFIDES_DEPLOYMENTS",
        "BONAFIDES_SCORING_API_PUBLISHED_PORT",
        "BONAFIDES_ATTESTATION_API_PUBLISHED_PORT",
    }
    assert asked - own <= set().union(*(_known(service) for service in SERVICES))


@pytest.mark.parametrize("name", ["migrate", "topics"])
def test_compose__jobs__set_only_options_of_the_command(name: str) -> None:
    assert set(environment_of(name, {})) <= OPERATE_VARIABLES


@CHART_VALUES
def test_chart__each_process__sets_only_what_exists_and_all_that_is_needed(values: Path | None) -> None:
    for component, environment in _chart_environments(values).items():
        settings = _load(environment)
        assert settings.listen_host == "0.0.0.0", component  # noqa: S104 - inside its pod
        assert settings.health_port == 9100, component


@CHART_VALUES
def test_chart__database_roles__are_those_of_the_processes(values: Path | None) -> None:
    roles = {
        component: _load(environment).database_url.split("//")[1].split("@")[0]
        for component, environment in _chart_environments(values).items()
    }
    expected = {
        "scoring-worker": "bonafides_scoring_worker",
        "scoring-api": "bonafides_scoring_api",
        "issuer": "bonafides_attestation_issuer",
        "publisher": "bonafides_attestation_publisher",
        "attestation-api": "bonafides_attestation_api",
    }

    for component, role in roles.items():
        assert role == expected.get(component, "bonafides_ingest")


@CHART_VALUES
def test_chart__jobs__set_only_options_of_the_command(values: Path | None) -> None:
    for job in of_kind(template(values), "Job"):
        container = mapping(sequence(job.pod().at("spec", "containers"))[0])
        named = {str(mapping(entry)["name"]) for entry in sequence(container["env"])}
        assert named <= OPERATE_VARIABLES


def test_chart_and_compose__of_the_same_process__set_the_same_required_settings() -> None:
    values = next(path for path in CI_VALUES if path.name == "other-chain-values.yaml")
    chart = _chart_environments(values)

    for name in PROCESSES:
        component = "ingest-anvil" if name == "ingest" else name
        in_compose = set(environment_of(name, read_env_file(ENV_EXAMPLE)))
        service = service_of(next(iter(in_compose)))
        assert service is not None
        required = {setting.variable for setting in settings_of(service) if setting.is_required}
        assert required <= in_compose & set(chart[component])
        only_chart = {"LOG_LEVEL", "KAFKA_SECURITY_PROTOCOL", "ISSUER_NAME", "RPC_URL", "API_HOST"}
        only_compose = {"DEPLOYMENTS_FILE", "ISSUE_FOR"}
        differing = {entry.removeprefix(prefix_of(service)) for entry in in_compose ^ set(chart[component])}
        assert differing <= only_chart | only_compose, name


def test_chart__whole_numbers_of_any_size__arrive_as_digits() -> None:
    values = next(path for path in CI_VALUES if path.name == "full-values.yaml")

    environment = _chart_environments(values)["ingest-ethereum"]

    assert environment["BONAFIDES_INGEST_DEAD_LETTER_LIMIT"] == "5000000"


def test_chart__a_setting_of_one_chain__goes_before_that_of_all() -> None:
    environments = _chart_environments(next(path for path in CI_VALUES if path.name == "full-values.yaml"))

    assert environments["ingest-base"]["BONAFIDES_INGEST_WINDOW_BLOCKS"] == "500"
    assert environments["ingest-ethereum"]["BONAFIDES_INGEST_WINDOW_BLOCKS"] == "1000"
    assert environments["scoring-worker"]["BONAFIDES_SCORING_CHAIN_IDS"] == "8453,1"


def test_operate_variables__in_the_kernel__were_found() -> None:
    assert "BONAFIDES_OPERATE_DATABASE_URL" in OPERATE_VARIABLES
