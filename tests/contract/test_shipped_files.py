"""What is shipped obeys what is published: sample directory, packs, and the examples sent to them."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from schemas.case_event import parse_case_event
from schemas.pack import ProtocolPack
from services.cli.artefacts.json_schemas import WireSchema, scenario_schema
from services.devstack.directory import SAMPLE_FILE
from services.routing.packs import SHIPPED
from tests.support.examples import ROOT, Accepted, accepted_events

SCENARIOS = [*SHIPPED.rglob("*.json"), *(ROOT / "tests").rglob("scenarios/**/*.json")]
PACKS = sorted(SHIPPED.glob("*/*.yaml"))


def read_yaml(path: Path) -> Any:  # noqa: ANN401 - any YAML
    """As text throughout, but for numbers and booleans: an instant stays as it is written."""
    yaml = YAML(typ="safe", pure=True)
    yaml.constructor.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: node.value)
    return yaml.load(path.read_text())


@pytest.mark.parametrize("path", PACKS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_shipped_pack_is_valid_by_the_published_schema(path: Path) -> None:
    schema = ProtocolPack.model_json_schema(schema_generator=WireSchema)
    found = [error.json_path for error in Draft202012Validator(schema).iter_errors(read_yaml(path))]
    assert found == []


MISTAKES = [
    ("role: CHILD_WELFARE", "role: CHILD_WELFAR", "$.rules[2].notify[0]"),
    ("- id: K-03", "- id: K 03", "$.rules[2].id"),
    ("urgency: immediate", "urgency: now", "$.rules[0].urgency"),
    ("basis: mandated", "basis: law", "$.rules[2].basis"),
    ("disclose: [", "disclose: [nmae, ", "$.rules[0].disclose[0]"),
    ("on: [tip.received]", "on: [tip.recieved]", "$.rules[0].on[0]"),
    ("authority: [", "authorities: [", "$.rules[0]"),
    ('applies_in: ["06029"]', 'applies_in: ["6029"]', "$.applies_in[0]"),
    ("in_force_from: 2026", "in_force_from: soon", "$.in_force_from"),
    ("within: PT36H", "within: 36 hours", "$.rules[2].duties[0].within"),
]


@pytest.mark.parametrize(("old", "new", "place"), MISTAKES, ids=[new for _, new, _ in MISTAKES])
def test_an_editor_underlines_a_mistake_by_the_published_schema_where_it_is(
    tmp_path: Path, old: str, new: str, place: str
) -> None:
    text = (SHIPPED / "ca-kern-httf" / "2.1.0.yaml").read_text()
    assert old in text
    path = tmp_path / "1.0.0.yaml"
    path.write_text(text.replace(old, new, 1))
    schema = json.loads((ROOT / "schemas" / "json" / "protocol-pack.json").read_text())
    found = {error.json_path for error in Draft202012Validator(schema).iter_errors(read_yaml(path))}
    assert found == {place}


@pytest.mark.parametrize("path", PACKS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_shipped_pack_says_that_it_is_no_legal_advice(path: Path) -> None:
    assert "not legal advice" in read_yaml(path)["notice"].lower()


@pytest.mark.parametrize("example", accepted_events(), ids=lambda example: example.name)
def test_every_example_can_be_sent_to_a_stack_with_the_sample_directory(example: Accepted) -> None:
    sources = {source["source"] for source in read_yaml(SAMPLE_FILE)["sources"]}
    assert parse_case_event(example.raw).source in sources


def test_every_shipped_scenario_is_valid_by_the_published_schema() -> None:
    validator = Draft202012Validator(scenario_schema())
    assert len(SCENARIOS) > 50
    assert [path.name for path in SCENARIOS if not validator.is_valid(json.loads(path.read_text()))] == []
