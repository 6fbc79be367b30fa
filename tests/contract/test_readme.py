"""What the documents tell a newcomer to type exists: targets, commands, options, files, addresses."""

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import TypeAdapter

from schemas.alert import AlertData
from schemas.case_event import parse_case_event
from services.cli.main import COMMANDS
from services.intake.settings import IntakeSettings
from services.notify.settings import NotifySettings
from services.routing.settings import RoutingSettings
from tests.support.documents import ROOT, Command, Shown, documents, shell_commands, shown_blocks

OPERATIONS = ROOT / "docs" / "operations.md"
SETTINGS = (IntakeSettings, RoutingSettings, NotifySettings)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CONTENT_TYPES = {
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
    "application/json",
}


def commands_of(program: str) -> list[Command]:
    return [command for command in shell_commands() if command.program == program]


def shown(item: Command | Shown) -> str:
    text = " ".join(item.words) if isinstance(item, Command) else item.text
    return f"{item.document}: {text[:60]}"


def api_paths() -> list[re.Pattern[str]]:
    files = (ROOT / "schemas" / "openapi").glob("*.json")
    templates = [path for file in files for path in json.loads(file.read_text())["paths"]]
    return [re.compile(re.sub(r"\{\w+\}", "[^/]+", template)) for template in templates]


def header_values(command: Command, name: str) -> list[str]:
    headers = [
        command.words[i + 1].partition(": ") for i, word in enumerate(command.words[:-1]) if word == "-H"
    ]
    return [value for key, _, value in headers if key.lower() == name.lower()]


def test_the_readme_shows_how_to_start() -> None:
    words = {command.words for command in shell_commands() if command.document == "README.md"}
    assert ("make", "demo") in words


@pytest.mark.parametrize("command", commands_of("make"), ids=shown)
def test_a_shown_make_target_exists(command: Command) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    wanted = [word for word in command.words[1:] if "=" not in word]
    assert set(wanted) <= set(targets)


@pytest.mark.parametrize("command", commands_of("tocsin"), ids=shown)
def test_a_shown_tocsin_command_and_its_options_exist(command: Command) -> None:
    name, *words = command.words[1:]
    module = next(known.module for known in COMMANDS if known.name == name)
    parsed: Any = typer.main.get_command(importlib.import_module(module).app)
    while hasattr(parsed, "commands"):
        parsed, words = parsed.commands[words[0]], words[1:]
    options = {option for parameter in parsed.params for option in parameter.opts} | {"--help"}
    given = {word.partition("=")[0] for word in words if word.startswith("-") and word != "-"}
    assert given <= options


@pytest.mark.parametrize("command", shell_commands(), ids=shown)
def test_a_shown_file_of_the_repository_exists(command: Command) -> None:
    words = [
        word.removeprefix("@") for word in command.words[1:] if re.fullmatch(r"@?[\w.*-]+(/[\w.*-]+)+", word)
    ]
    named = [word for word in words if (ROOT / word.partition("/")[0]).is_dir() and not word.startswith(".")]
    assert [word for word in named if not list(ROOT.glob(word))] == []


@pytest.mark.parametrize("command", [c for c in commands_of("python") if c.words[1] == "-c"], ids=shown)
def test_a_shown_line_of_python_runs(command: Command, tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(ROOT)}
    line = [sys.executable, *command.words[1:]]
    subprocess.run(line, cwd=tmp_path, env=environment, check=True, capture_output=True)


@pytest.mark.parametrize("command", commands_of("curl"), ids=shown)
def test_a_shown_request_goes_to_an_address_that_answers(command: Command) -> None:
    url = next(word for word in command.words if "$" in word and "/" in word and "Bearer" not in word)
    path = "/" + url.partition("/")[2].partition("?")[0]
    assert any(pattern.fullmatch(path) for pattern in api_paths()) or path in {
        "/livez",
        "/readyz",
        "/metrics",
    }
    assert set(header_values(command, "Content-Type")) <= CONTENT_TYPES


@pytest.mark.parametrize("command", commands_of("curl"), ids=shown)
def test_a_shown_event_in_binary_mode_is_valid(command: Command) -> None:
    attributes = {name: header_values(command, f"ce-{name}") for name in ("id", "source", "type", "subject")}
    if not attributes["id"]:
        return
    event = {name: values[0] for name, values in attributes.items()} | {
        "specversion": header_values(command, "ce-specversion")[0],
        "time": header_values(command, "ce-time")[0],
        "data": json.loads(command.words[command.words.index("--data-binary") + 1]),
    }
    assert parse_case_event(json.dumps(event).encode()).id == event["id"]


@pytest.mark.parametrize(
    "block", [block for block in shown_blocks("json") if "specversion" in json.loads(block.text)], ids=shown
)
def test_a_shown_event_is_valid(block: Shown) -> None:
    parse_case_event(block.text.encode())


@pytest.mark.parametrize("block", shown_blocks("json"), ids=shown)
def test_a_shown_document_is_json(block: Shown) -> None:
    json.loads(block.text)


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.name)
def test_every_link_to_a_file_leads_somewhere(document: Path) -> None:
    links = LINK.findall(document.read_text())
    local = [link.partition("#")[0] for link in links if not link.startswith(("http", "#", "mailto:"))]
    assert [link for link in local if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("key", AlertData.model_fields)
def test_every_key_of_an_alert_is_explained_to_its_receiver(key: str) -> None:
    assert f"`{key}`" in (ROOT / "docs" / "webhooks.md").read_text()


def documented_variables() -> set[str]:
    return set(re.findall(r"^\| `(TOCSIN_\w+)`", OPERATIONS.read_text(), flags=re.MULTILINE))


def test_every_variable_of_the_services_is_documented_and_no_other() -> None:
    fields = {name for settings in SETTINGS for name in settings.model_fields}
    assert documented_variables() == {f"TOCSIN_{name.upper()}" for name in fields}


def test_a_documented_default_is_the_default() -> None:
    rows = re.findall(r"^\| `TOCSIN_(\w+)` \| `([^`]*)` \|", OPERATIONS.read_text(), flags=re.MULTILINE)
    assert len(rows) > 10
    fields = {name.upper(): field for settings in SETTINGS for name, field in settings.model_fields.items()}
    shown = {name: default for name, default in rows if name != "MEMBER"}
    assert shown == {
        name: json.dumps(TypeAdapter(object).dump_python(fields[name].default, mode="json")).strip('"')
        for name in shown
    }
