"""Settings come from the environment, do not change and do not print secrets."""

from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import ValidationError

from services.runtime.settings import (
    BAD_CONFIGURATION,
    Durability,
    KafkaSettings,
    Membership,
    ServiceSettings,
)

REQUIRED = {
    "TOCSIN_PORT": "8080",
    "TOCSIN_KAFKA": "127.0.0.1:9092",
    "TOCSIN_DATABASE_URL": "postgresql://tocsin_intake:hunter2@127.0.0.1/tocsin",
    "TOCSIN_KEK_FILE": "/keys/kek.json",
    "TOCSIN_DEPLOYMENT_KEY_FILE": "/keys/deployment.key",
}


class ExampleSettings(ServiceSettings):
    service: ClassVar[str] = "example"

    example_rate: int = 2000


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_what_is_not_set_has_its_default(environment: pytest.MonkeyPatch) -> None:
    settings = ExampleSettings.from_environment()
    assert (settings.host, settings.port, settings.example_rate) == ("127.0.0.1", 8080, 2000)
    assert settings.kek_file == Path("/keys/kek.json")
    assert settings.durability is Durability.REPLICATED
    assert settings.kafka_settings == KafkaSettings(
        bootstrap="127.0.0.1:9092", membership=Membership.STATIC, idempotence=True, member="example-0"
    )


def test_variables_are_read_by_the_prefix_and_the_field(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TOCSIN_KAFKA_MEMBERSHIP", "sole")
    environment.setenv("TOCSIN_KAFKA_IDEMPOTENCE", "false")
    environment.setenv("TOCSIN_MEMBER", "example-7")
    environment.setenv("TOCSIN_EXAMPLE_RATE", "5")
    settings = ExampleSettings.from_environment()
    assert settings.example_rate == 5
    assert settings.kafka_settings == KafkaSettings(
        bootstrap="127.0.0.1:9092", membership=Membership.SOLE, idempotence=False, member="example-7"
    )


def test_settings_do_not_print_their_secrets(environment: pytest.MonkeyPatch) -> None:
    settings = ExampleSettings.from_environment()
    assert "hunter2" not in f"{settings} {settings!r} {settings.model_dump()}"


def test_settings_do_not_change(environment: pytest.MonkeyPatch) -> None:
    settings = ExampleSettings.from_environment()
    with pytest.raises(ValidationError):
        settings.__setattr__("port", 1)


def test_an_unknown_field_is_refused(environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError):
        ExampleSettings.model_validate({"colour": "red"})


def test_every_variable_that_is_wrong_is_named_on_a_line_of_its_own(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.delenv("TOCSIN_KAFKA")
    environment.setenv("TOCSIN_PORT", "eighty-SECRET")
    environment.setenv("TOCSIN_DURABILITY", "hopeful")
    with pytest.raises(SystemExit) as ended:
        ExampleSettings.from_environment()
    lines = capsys.readouterr().err.splitlines()
    assert ended.value.code == BAD_CONFIGURATION
    assert [line.partition(":")[0] for line in lines] == ["TOCSIN_PORT", "TOCSIN_KAFKA", "TOCSIN_DURABILITY"]
    assert lines[1] == "TOCSIN_KAFKA: it is missing"
    assert "SECRET" not in "".join(lines)


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"TOCSIN_KAFKA": "127.0.0.1:9092,broker-2.example:9092"},
        {"TOCSIN_DATABASE_URL": "postgresql://tocsin_intake:hunter2@db.example/tocsin"},
        {"TOCSIN_HOST": "intake.example"},
    ],
)
def test_a_clock_that_is_moved_is_refused_where_a_server_is_on_another_machine(
    environment: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    elsewhere: dict[str, str],
) -> None:
    file = tmp_path / "clock"
    file.write_text("60")
    environment.setenv("TOCSIN_TEST_CLOCK_FILE", str(file))
    assert ExampleSettings.from_environment().test_clock_file == file
    for name, value in elsewhere.items():
        environment.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        ExampleSettings.from_environment()
    assert ended.value.code == BAD_CONFIGURATION
    assert capsys.readouterr().err.startswith("TOCSIN_TEST_CLOCK_FILE: it moves the clock")
