"""compose.yaml, as far as it can be judged without Docker: its variables, commands and secrets."""

import importlib
import importlib.util
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import SecretStr
from ruamel.yaml import YAML

from services.cli.deployment_secrets import app as deployment_secrets
from services.cli.main import COMMANDS
from services.devstack.apache.jars import POM
from services.devstack.database import ADMIN, DATABASE, SERVICE_ROLES
from services.intake.settings import IntakeSettings
from services.notify.settings import NotifySettings
from services.routing.settings import RoutingSettings
from services.runtime.crypto import Kek, hash_api_key, load_key_file
from services.runtime.settings import Durability, ServiceSettings
from tests.support.containers import KAFKA_IMAGE, POSTGRES_IMAGE

ROOT = Path(__file__).parents[2]
SETTINGS: Mapping[str, type[ServiceSettings]] = {
    "intake": IntakeSettings,
    "routing": RoutingSettings,
    "notify": NotifySettings,
}
TASKS = ("topics", "migrations")
IN_CONTAINER = "/run/secrets/"


def load() -> dict[str, Any]:
    document: dict[str, Any] = YAML(typ="safe").load((ROOT / "compose.yaml").read_text())
    return document


COMPOSE = load()
CONTAINERS: dict[str, dict[str, Any]] = COMPOSE["services"]


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As an operator makes them."""
    folder = tmp_path_factory.mktemp("deployment") / "secrets"
    deployment_secrets(args=[str(folder)], standalone_mode=False)
    return folder


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without any variable of ours."""
    for name in os.environ:
        if name.startswith("TOCSIN_"):
            monkeypatch.delenv(name)
    return monkeypatch


def environment_of(name: str, secrets: Path) -> dict[str, str]:
    """What the container's process would see, with the secrets where they are here."""
    container = CONTAINERS[name]
    lines = [
        line
        for file in container.get("env_file", [])
        for line in (secrets / Path(file).name).read_text().splitlines()
    ]
    given = dict(line.split("=", 1) for line in lines) | container.get("environment", {})
    return {key: value.replace(IN_CONTAINER, f"{secrets}/") for key, value in given.items()}


def variables_of(settings: type[ServiceSettings]) -> set[str]:
    """All that the service reads."""
    names = {f"TOCSIN_{name.upper()}": field for name, field in settings.model_fields.items()}
    files = {f"{name}_FILE" for name, field in names.items() if field.annotation is SecretStr}
    return names.keys() | files


@pytest.mark.parametrize("name", SETTINGS)
def test_every_variable_of_a_service_is_one_that_it_reads(name: str, secrets: Path) -> None:
    assert environment_of(name, secrets).keys() - variables_of(SETTINGS[name]) == set()


@pytest.mark.parametrize("name", SETTINGS)
def test_a_service_starts_with_its_variables_and_secrets(
    name: str, secrets: Path, bare: pytest.MonkeyPatch
) -> None:
    for variable, value in environment_of(name, secrets).items():
        bare.setenv(variable, value)
    settings = SETTINGS[name].from_environment()
    assert settings.durability is Durability.DISK
    assert settings.kafka == "kafka:9092"
    url = settings.database_url.get_secret_value()
    password = (secrets / f"{name}_password").read_text().strip()
    assert url == f"postgresql://tocsin_{name}:{password}@postgres:5432/{DATABASE}"
    Kek.load(settings.kek_file)
    load_key_file(settings.deployment_key_file)


def test_routing_knows_the_operator_s_key(secrets: Path, bare: pytest.MonkeyPatch) -> None:
    for variable, value in environment_of("routing", secrets).items():
        bare.setenv(variable, value)
    operator = (secrets / "operator.key").read_text().strip()
    assert RoutingSettings().routing_operator_keys == (hash_api_key(operator),)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_service_s_command_is_its_module(name: str) -> None:
    assert CONTAINERS[name]["command"] == ["python", "-m", f"services.{name}"]
    assert importlib.util.find_spec(f"services.{name}.__main__") is not None


@pytest.mark.parametrize("name", TASKS)
def test_a_task_s_command_and_its_options_exist(name: str) -> None:
    program, command, *words = CONTAINERS[name]["command"]
    assert program == "tocsin"
    module = next(known.module for known in COMMANDS if known.name == command)
    parsed: Any = typer.main.get_command(importlib.import_module(module).app)
    while hasattr(parsed, "commands"):
        parsed, words = parsed.commands[words[0]], words[1:]
    with parsed.make_context(name, list(words)) as context:
        assert context.params


def test_migrations_get_their_url_from_a_file_of_the_database_s_owner(secrets: Path) -> None:
    (variable,) = CONTAINERS["migrations"]["environment"]
    assert variable == "TOCSIN_ADMIN_DATABASE_URL_FILE"
    url = Path(environment_of("migrations", secrets)[variable]).read_text().strip()
    password = (secrets / "postgres_password").read_text().strip()
    assert url == f"postgresql://{ADMIN}:{password}@postgres:5432/{DATABASE}"
    postgres = CONTAINERS["postgres"]["environment"]
    assert (postgres["POSTGRES_USER"], postgres["POSTGRES_DB"]) == (ADMIN, DATABASE)


def test_the_roles_get_the_passwords_that_their_urls_hold() -> None:
    script = (ROOT / "deploy" / "roles.sh").read_text()
    services = re.search(r"^for service in (.+); do$", script, flags=re.MULTILINE)
    assert services is not None
    assert {f"tocsin_{name}" for name in services[1].split()} == set(SERVICE_ROLES)
    assert {f"{name}_password" for name in services[1].split()} < set(CONTAINERS["postgres"]["secrets"])
    assert "./deploy/roles.sh:/docker-entrypoint-initdb.d/roles.sh:ro" in CONTAINERS["postgres"]["volumes"]
    assert os.access(ROOT / "deploy" / "roles.sh", os.X_OK)


@pytest.mark.parametrize("name", [*SETTINGS, *TASKS])
def test_what_is_ours_runs_without_privileges_on_a_file_system_it_cannot_change(name: str) -> None:
    container = CONTAINERS[name]
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", container["user"])
    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in container["security_opt"]
    assert (container["image"], container["build"]) == ("tocsin", ".")


@pytest.mark.parametrize("name", [name for name in CONTAINERS if name not in TASKS])
def test_what_stays_is_asked_after_its_health_and_started_again(name: str) -> None:
    container = CONTAINERS[name]
    assert container["healthcheck"]["test"][0] == "CMD"
    assert container["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SETTINGS)
def test_the_health_of_a_service_is_asked_where_it_listens(name: str) -> None:
    port = CONTAINERS[name]["environment"]["TOCSIN_PORT"]
    assert f"http://127.0.0.1:{port}/livez" in CONTAINERS[name]["healthcheck"]["test"][-1]
    assert [published.rpartition(":")[2] for published in CONTAINERS[name]["ports"]] == [port]
    assert all(published.startswith("127.0.0.1:") for published in CONTAINERS[name]["ports"])


@pytest.mark.parametrize("name", SETTINGS)
def test_a_service_waits_for_the_topics_and_the_migrations(name: str) -> None:
    waits = {other: how["condition"] for other, how in CONTAINERS[name]["depends_on"].items()}
    assert waits == dict.fromkeys(TASKS, "service_completed_successfully")
    assert CONTAINERS["topics"]["depends_on"] == {"kafka": {"condition": "service_healthy"}}
    assert CONTAINERS["migrations"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}


def test_every_secret_is_a_file_that_the_command_makes_and_somebody_uses(secrets: Path) -> None:
    named = {name: Path(secret["file"]) for name, secret in COMPOSE["secrets"].items()}
    assert all((secrets / path.name).is_file() and path.parent == Path("secrets") for path in named.values())
    assert set(named) == {name for container in CONTAINERS.values() for name in container.get("secrets", [])}
    for container in CONTAINERS.values():
        paths = [v for v in container.get("environment", {}).values() if str(v).startswith(IN_CONTAINER)]
        assert {path.removeprefix(IN_CONTAINER) for path in paths} <= set(container.get("secrets", []))


def test_the_secrets_are_for_their_owner_and_the_containers_alone(secrets: Path) -> None:
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert stat.S_IMODE((secrets / "operator.key").stat().st_mode) == 0o600
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "/secrets/" in ignored


def test_secrets_are_never_made_over(secrets: Path) -> None:
    before = (secrets / "kek.json").read_bytes()
    assert deployment_secrets(args=[str(secrets)], standalone_mode=False) == 2
    assert (secrets / "kek.json").read_bytes() == before


def test_every_volume_is_used_and_every_image_has_a_version() -> None:
    used = {mount.partition(":")[0] for c in CONTAINERS.values() for mount in c.get("volumes", [])}
    assert set(COMPOSE["volumes"]) == {name for name in used if not name.startswith(".")}
    images = [container["image"] for container in CONTAINERS.values() if container["image"] != "tocsin"]
    assert all(re.fullmatch(r"[\w./-]+:v?\d[\w.]*", image) for image in images)
    assert not any("." in image.partition("/")[0] for image in images if "/" in image)


def test_the_kafka_of_the_image_is_the_one_that_the_tests_run() -> None:
    version = CONTAINERS["kafka"]["image"].partition(":")[2]
    assert f"<version>{version}</version>" in POM.read_text()
    assert (CONTAINERS["kafka"]["image"], CONTAINERS["postgres"]["image"]) == (KAFKA_IMAGE, POSTGRES_IMAGE)


def test_the_broker_listens_where_the_services_look_for_it() -> None:
    kafka = CONTAINERS["kafka"]["environment"]
    assert kafka["KAFKA_ADVERTISED_LISTENERS"] == "CLIENT://kafka:9092"
    assert kafka["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert kafka["KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE"] == "false"
    assert f"kafka:{kafka['KAFKA_LOG_DIRS']}" in CONTAINERS["kafka"]["volumes"]


def test_mail_goes_to_the_sink_and_the_sink_shows_it_on_this_machine_alone() -> None:
    assert CONTAINERS["notify"]["environment"]["TOCSIN_NOTIFY_SMTP"] == "mailpit:1025"
    assert CONTAINERS["mailpit"]["ports"] == ["127.0.0.1:8025:8025"]


def test_the_image_copies_what_is_there_and_ends_as_an_unprivileged_user() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    copied = [
        word
        for line in lines
        if line.startswith("COPY") and "--from" not in line
        for word in line.split()[1:-1]
    ]
    assert {"schemas", "services", "pyproject.toml", "requirements/services.txt"} <= set(copied)
    assert all((ROOT / name).exists() for name in copied)
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(copied) == allowed
    users = [line.split()[1] for line in lines if line.startswith("USER")]
    assert users == [CONTAINERS["intake"]["user"]]
