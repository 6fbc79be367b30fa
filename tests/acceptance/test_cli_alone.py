"""`tocsin`, as a newcomer types it, where no stack runs."""

import importlib

import pytest
from typer.testing import CliRunner

from services.cli.main import COMMANDS
from tests.support.command import tocsin
from tests.support.story import SCENARIO


async def test_simulate_passes_the_scenario_that_the_services_play() -> None:
    done = await tocsin("simulate", "--check", SCENARIO)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("name", [command.name for command in COMMANDS if not command.hidden])
async def test_every_command_explains_itself(name: str) -> None:
    module = next(command.module for command in COMMANDS if command.name == name)
    shown = CliRunner().invoke(importlib.import_module(module).app, ["--help"])
    assert shown.exit_code == 0
    assert "Usage:" in shown.output


async def test_the_demo_ends_by_itself_and_every_claim_holds() -> None:
    done = await tocsin("demo", "--json")
    assert done.exit_code == 0, done.errors
    claims = done.json()["claims"]
    assert len(claims) >= 10
    assert all(claim["held"] for claim in claims)
