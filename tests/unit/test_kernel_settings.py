"""Settings: unknown variables are refused, secrets come from files, crash points are for development."""

from pathlib import Path

import pytest
from bonafides.errors import InvalidSettings
from bonafides.settings import ServiceSettings, read_secret
from pydantic_settings import SettingsConfigDict

pytestmark = pytest.mark.unit


class SampleSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="BONAFIDES_SAMPLE_")

    chain_id: int


def test_load__known_variables__are_read_and_the_rest_of_the_environment_is_not() -> None:
    settings = SampleSettings.load({"BONAFIDES_SAMPLE_CHAIN_ID": "31337", "PATH": "/bin", "BONAFIDES_OTHER_X": "1"})

    assert settings.chain_id == 31337
    assert settings.environment == "production"


def test_load__unknown_variable_under_our_prefix__is_refused_by_name() -> None:
    with pytest.raises(InvalidSettings, match="BONAFIDES_SAMPLE_CHAIN_IDD"):
        SampleSettings.load({"BONAFIDES_SAMPLE_CHAIN_ID": "1", "BONAFIDES_SAMPLE_CHAIN_IDD": "2"})


def test_load__missing_and_wrong_variables__are_all_named_and_no_value_is_shown() -> None:
    with pytest.raises(InvalidSettings) as refused:
        SampleSettings.load({"BONAFIDES_SAMPLE_HEALTH_PORT": "s3cret"})

    assert "BONAFIDES_SAMPLE_CHAIN_ID" in str(refused.value)
    assert "BONAFIDES_SAMPLE_HEALTH_PORT" in str(refused.value)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("environment", ["production", "development"])
def test_load__crash_point__needs_development(environment: str) -> None:
    environ = {
        "BONAFIDES_SAMPLE_CHAIN_ID": "1",
        "BONAFIDES_SAMPLE_CRASH_AT": "worker.after_poll",
        "BONAFIDES_SAMPLE_ENVIRONMENT": environment,
    }

    if environment == "development":
        assert SampleSettings.load(environ).crash_at == "worker.after_poll"
    else:
        with pytest.raises(InvalidSettings, match="development"):
            SampleSettings.load(environ)


def test_load__crash_point_of_no_such_name__is_refused_with_the_names_there_are() -> None:
    with pytest.raises(InvalidSettings, match=r"worker\.after_poll"):
        SampleSettings.load(
            {
                "BONAFIDES_SAMPLE_CHAIN_ID": "1",
                "BONAFIDES_SAMPLE_CRASH_AT": "nowhere",
                "BONAFIDES_SAMPLE_ENVIRONMENT": "development",
            }
        )


def test_read_secret__missing_unset_or_empty_file__is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")

    for path in (None, tmp_path / "nowhere", tmp_path / "empty"):
        with pytest.raises(InvalidSettings, match="BONAFIDES_X_FILE"):
            read_secret(path, "BONAFIDES_X_FILE")


def test_read_secret__file_with_a_line_end__is_read_without_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2\n")

    assert read_secret(tmp_path / "secret", "X") == "hunter2"
