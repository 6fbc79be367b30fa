"""Every example says what becomes of it, and it does."""

import pytest
from pydantic import BaseModel, ValidationError

from schemas.case_event import InvalidEventError, parse_case_event
from schemas.directory import DirectoryFile, find_directory_errors
from schemas.pointer import locate
from schemas.receipt import RECEIPT
from schemas.scenario import Scenario
from schemas.vocabulary import EventType
from services.cli.artefacts.json_schemas import MODELS, build_json_schemas
from tests.support.examples import (
    EVENTS,
    Accepted,
    Refused,
    accepted_events,
    accepted_examples,
    refused_events,
    refused_examples,
)

DOCUMENTS: dict[str, type[BaseModel]] = {**MODELS, "scenario": Scenario}


def parse_document(schema: str, raw: bytes) -> BaseModel:
    if schema == "receipt":
        return RECEIPT.validate_json(raw, strict=True)
    return DOCUMENTS[schema].model_validate_json(raw, strict=True)


def errors_of_document(example: Refused) -> list[str]:
    """The pointers of everything that is wrong, by shape and, for a directory, by sense."""
    try:
        parsed = parse_document(example.schema, example.raw)
    except ValidationError as error:
        return [locate(example.document, detail) for detail in error.errors(include_url=False)]
    if isinstance(parsed, DirectoryFile):
        return [path for path, _ in find_directory_errors(parsed.agencies, parsed.sources, parsed.operators)]
    return []


def named(example: Accepted | Refused) -> str:
    return f"{example.schema}-{example.name}"


OTHER_ACCEPTED = [example for example in accepted_examples() if example.schema != EVENTS]
OTHER_REFUSED = [example for example in refused_examples() if example.schema != EVENTS]


@pytest.mark.parametrize("example", accepted_events(), ids=named)
def test_an_accepted_event_parses_as_the_type_of_its_file(example: Accepted) -> None:
    event = parse_case_event(example.raw)
    assert example.name.startswith(event.event_type.value)


def test_every_event_type_has_an_accepted_example() -> None:
    shown = {example.name.partition("-")[0] for example in accepted_events()}
    assert shown == {event_type.value for event_type in EventType}
    assert len(shown) == 46


def test_some_accepted_example_carries_every_group_and_every_routing_fact() -> None:
    example = next(example for example in accepted_events() if example.name.endswith("with-every-group"))
    event = parse_case_event(example.raw)
    assert set(type(event.data).model_fields) - event.data.model_fields_set == {"corrects", "retracts"}


@pytest.mark.parametrize("example", refused_events(), ids=named)
def test_a_refused_event_names_exactly_the_places_its_file_lists(example: Refused) -> None:
    with pytest.raises(InvalidEventError) as refusal:
        parse_case_event(example.raw)
    assert sorted({error.path for error in refusal.value.errors}) == sorted(example.errors)
    assert all(error.message for error in refusal.value.errors)


@pytest.mark.parametrize("example", refused_examples(), ids=named)
def test_a_refused_example_says_why(example: Refused) -> None:
    assert example.why.endswith((".", "?"))
    assert example.errors


@pytest.mark.parametrize("example", OTHER_ACCEPTED, ids=named)
def test_an_accepted_document_parses_and_comes_back_the_same(example: Accepted) -> None:
    parsed = parse_document(example.schema, example.raw)
    again = parsed.model_dump_json(by_alias=True, exclude_unset=True).encode()
    assert parse_document(example.schema, again) == parsed


@pytest.mark.parametrize("example", OTHER_REFUSED, ids=named)
def test_a_refused_document_names_the_places_its_file_lists(example: Refused) -> None:
    # A union tells of every branch it tried, so more may be named than listed.
    assert set(example.errors) <= set(errors_of_document(example))


def test_every_published_schema_has_an_accepted_example() -> None:
    published = {artefact.path.removesuffix(".json").rpartition("/")[2] for artefact in build_json_schemas()}
    assert {example.schema for example in accepted_examples()} == published
