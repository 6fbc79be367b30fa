"""The published JSON Schemas, judged by another implementation than the one that made them."""

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from services.cli.artefacts.json_schemas import build_json_schemas
from tests.support.examples import Accepted, Refused, accepted_examples, refused_examples

SCHEMAS: dict[str, dict[str, Any]] = {
    artefact.path.removesuffix(".json").rpartition("/")[2]: json.loads(artefact.text)
    for artefact in build_json_schemas()
}


def is_valid(schema: str, document: object) -> bool:
    checker = Draft202012Validator.FORMAT_CHECKER
    return bool(Draft202012Validator(SCHEMAS[schema], format_checker=checker).is_valid(document))


def named(example: Accepted | Refused) -> str:
    return f"{example.schema}-{example.name}"


def subschemas(schema: object) -> list[dict[str, Any]]:
    """The schema and every object within it."""
    if isinstance(schema, dict):
        return [schema, *(found for value in schema.values() for found in subschemas(value))]
    if isinstance(schema, list):
        return [found for value in schema for found in subschemas(value)]
    return []


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_valid_by_its_dialect(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_reference_leads_somewhere(name: str) -> None:
    references = [part["$ref"] for part in subschemas(SCHEMAS[name]) if isinstance(part.get("$ref"), str)]
    definitions = SCHEMAS[name].get("$defs", {})
    assert [ref for ref in references if ref.removeprefix("#/$defs/") not in definitions] == []


@pytest.mark.parametrize("name", SCHEMAS)
def test_no_pattern_uses_what_only_one_language_knows(name: str) -> None:
    patterns = [part["pattern"] for part in subschemas(SCHEMAS[name]) if isinstance(part.get("pattern"), str)]
    assert [pattern for pattern in patterns if re.search(r"\(\?[a-zA-Z<]|\\[AzZdwb]", pattern)] == []


@pytest.mark.parametrize("name", SCHEMAS)
def test_no_schema_offers_null_as_the_default_of_what_may_not_be_null(name: str) -> None:
    definitions = {"$defs": SCHEMAS[name].get("$defs", {})}
    offering = [part for part in subschemas(SCHEMAS[name]) if part.get("default", ...) is None]
    assert [part for part in offering if not Draft202012Validator(part | definitions).is_valid(None)] == []


@pytest.mark.parametrize("example", accepted_examples(), ids=named)
def test_a_schema_accepts_what_the_models_accept(example: Accepted) -> None:
    assert is_valid(example.schema, example.document)


@pytest.mark.parametrize(
    "example", [example for example in refused_examples() if example.document is not None], ids=named
)
def test_a_schema_refuses_what_the_models_refuse_unless_the_file_says_it_cannot(example: Refused) -> None:
    assert is_valid(example.schema, example.document) == bool(example.beyond_json_schema)
