"""`tocsin protocol new`: a pack that is sound and tested from its first minute."""

from datetime import date
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from services.cli.authoring.starting import find_schema, make_prefix, start_pack
from services.routing.packs import SHIPPED
from tests.support.documents import ROOT
from tests.support.packs import protocol

SCHEMA = ROOT / "schemas" / "json" / "protocol-pack.json"
FIRST_LINE = "# yaml-language-server: $schema="


@pytest.mark.parametrize("options", [(), ("--county", "06029"), ("--county", "36061")])
def test_a_new_pack_passes_check_and_test_at_once(tmp_path: Path, options: tuple[str, ...]) -> None:
    said = protocol("new", "my-county", *options, "--folder", tmp_path)
    assert said.exit_code == 0, said.errors
    pack = tmp_path / "my-county"
    assert protocol("check", pack).exit_code == 0
    tested = protocol("test", "--min-coverage", 100, pack)
    assert (tested.exit_code, tested.lines[-1]) == (0, "1 case, none failed; coverage 100 %")


def test_in_the_sample_county_there_is_nothing_to_warn_of(tmp_path: Path) -> None:
    protocol("new", "my-county", "--folder", tmp_path)
    assert protocol("check", "--strict", tmp_path).exit_code == 0


@pytest.mark.parametrize("day", [date(2026, 1, 1), date(2026, 3, 8), date(2028, 2, 29), date(2026, 11, 1)])
def test_it_passes_whatever_day_it_is_written(tmp_path: Path, day: date) -> None:
    start_pack("a", county="06029", folder=tmp_path, today=day)
    assert protocol("check", "--strict", tmp_path).exit_code == 0
    assert protocol("test", "--min-coverage", 100, tmp_path).exit_code == 0


def test_it_can_stand_beside_the_shipped_packs(tmp_path: Path) -> None:
    protocol("new", "my-county", "--folder", tmp_path)
    assert protocol("check", "--strict", tmp_path, SHIPPED).exit_code == 0


def test_its_case_says_what_its_rule_does(tmp_path: Path) -> None:
    protocol("new", "my-county", "--folder", tmp_path)
    pack = tmp_path / "my-county" / "1.0.0.yaml"
    pack.write_text(pack.read_text().replace("disclose: [age, ", "disclose: [name, age, "))
    said = protocol("test", tmp_path)
    assert said.exit_code == 1
    assert "disclosed has name too many" in said.output


def test_an_editor_finds_the_schema_wherever_the_pack_lies(tmp_path: Path) -> None:
    protocol("new", "far", "--folder", tmp_path)
    line, _, _ = (tmp_path / "far" / "1.0.0.yaml").read_text().partition("\n")
    assert Path(unquote(urlsplit(line.removeprefix(FIRST_LINE)).path)) == SCHEMA


def test_in_the_checkout_the_schema_is_named_from_the_pack() -> None:
    assert find_schema(SHIPPED / "my-county") == "../../../../schemas/json/protocol-pack.json"


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    protocol("new", "my-county", "--folder", tmp_path)
    pack = tmp_path / "my-county" / "1.0.0.yaml"
    case = tmp_path / "my-county" / "1.0.0.cases" / "MC-01.json"
    pack.write_text("mine")
    again = protocol("new", "my-county", "--folder", tmp_path)
    assert (again.exit_code, again.output, pack.read_text()) == (2, "", "mine")
    assert f"{pack} is there already" in again.errors
    pack.unlink()
    before = case.read_text()
    assert protocol("new", "my-county", "--folder", tmp_path).exit_code == 2
    assert (case.read_text(), pack.exists()) == (before, False)


@pytest.mark.parametrize(
    "words", [("My County",), ("../up",), ("a", "--county", "6029"), ("a", "--county", "Kern"), ("",)]
)
def test_what_is_no_name_or_county_is_refused(tmp_path: Path, words: tuple[str, ...]) -> None:
    said = protocol("new", *words, "--folder", tmp_path)
    assert (said.exit_code, list(tmp_path.iterdir())) == (2, [])


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("my-county", "MC"),
        ("kern", "KER"),
        ("s", "SR"),
        ("06029", "R"),
        ("a1-b2-c3", "ABC"),
        ("-".join("abcdefghij"), "ABCDEFGH"),
    ],
)
def test_ids_begin_with_letters_of_the_name(name: str, prefix: str) -> None:
    assert make_prefix(name) == prefix
