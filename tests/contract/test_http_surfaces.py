"""The running services answer as their OpenAPI documents say, whatever is sent to them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation, BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from schemathesis.specs.openapi.schemas import OpenApiSchema

from tests.support.examples import (
    ROOT,
    Accepted,
    Refused,
    accepted_events,
    accepted_examples,
    refused_examples,
)
from tests.support.json_paths import all_paths, replaced
from tests.support.stack import RunningStack, running_stack

SOURCE = "urn:tocsin:agency:ag-bpd:cad"
AGENCY = "ag-kern-cw"
BINARY = {
    "ce-specversion": "1.0",
    "ce-id": "in-binary-mode",
    "ce-source": SOURCE,
    "ce-type": "org.tocsin.victim.recovered.v1",
    "ce-subject": "CASE-EXAMPLE-1",
    "ce-time": "2026-03-03T23:15:00-08:00",
}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
    ignored_auth,
]
FEW = settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


def openapi(service: str) -> OpenApiSchema:
    document = json.loads((ROOT / "schemas" / "openapi" / f"{service}.json").read_text())
    return schemathesis.openapi.from_dict(document)


intake, notify, routing = openapi("intake"), openapi("notify"), openapi("routing")


@pytest.fixture(scope="module")
def stack() -> Iterator[RunningStack]:
    with running_stack() as running:
        running.wait_until_ready()
        yield running


def directories() -> list[tuple[str, Any]]:
    """The examples, those that are refused first."""
    examples: list[Accepted | Refused] = [*refused_examples(), *accepted_examples()]
    return [(example.name, example.document) for example in examples if example.schema == "directory-file"]


def call(case: Case[Any], stack: RunningStack, service: str, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    case.call_and_validate(base_url=stack.ready[service], headers=headers, checks=CHECKS)


events = st.sampled_from([example.document for example in accepted_events()])
oddities: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 7, 1.5, "", "x", [], {}, {"text": "x"}, "x" * 70_000]
)


@st.composite
def changed_events(draw: st.DrawFn) -> dict[str, Any]:
    """An example with up to two places changed; often its source is the one we hold a key for."""
    event: dict[str, Any] = draw(events) | {"id": str(draw(st.uuids()))}
    for _ in range(draw(st.integers(0, 2))):
        event = replaced(event, draw(st.sampled_from(list(all_paths(event)))), draw(oddities))
    return event | draw(st.sampled_from([{"source": SOURCE}, {}]))


bodies = st.one_of(
    st.tuples(st.just("application/cloudevents+json"), changed_events()),
    st.tuples(st.just("application/cloudevents-batch+json"), st.lists(changed_events(), max_size=4)),
    st.tuples(st.just("application/json"), changed_events().map(lambda event: event.get("data"))),
    st.tuples(st.just("application/cloudevents+json"), st.binary(max_size=50)),
)


@settings(FEW, max_examples=60)
@given(body=bodies)
def test_intake_answers_events_as_it_says(body: tuple[str, Any], stack: RunningStack) -> None:
    media_type, content = body
    # Made from examples: to make up an event out of its schema takes seconds.
    case = intake["/v1/events"]["POST"].Case(body=content, media_type=media_type, headers=BINARY)
    call(case, stack, "intake", stack.keys["sources"][SOURCE])


def operations(schema: BaseSchema) -> pytest.MarkDecorator:
    """A test for each, by a name of its own: workers of pytest tell tests apart by their names."""
    found = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    assert found
    return pytest.mark.parametrize("operation", found, ids=[operation.label for operation in found])


@operations(intake.include(method="GET"))
@FEW
@given(data=st.data())
def test_intake_answers_as_it_says(
    operation: APIOperation[Any, Any, Any, Any], data: st.DataObject, stack: RunningStack
) -> None:
    call(data.draw(operation.as_strategy()), stack, "intake", stack.keys["sources"][SOURCE])


@operations(notify)
@FEW
@given(data=st.data())
def test_notify_answers_as_it_says(
    operation: APIOperation[Any, Any, Any, Any], data: st.DataObject, stack: RunningStack
) -> None:
    call(data.draw(operation.as_strategy()), stack, "notify", stack.keys["agencies"][AGENCY])


@operations(routing.include(method="GET"))
@FEW
@given(data=st.data())
def test_routing_answers_as_it_says(
    operation: APIOperation[Any, Any, Any, Any], data: st.DataObject, stack: RunningStack
) -> None:
    call(data.draw(operation.as_strategy()), stack, "routing", stack.keys["operator"])


# Last: a directory that is accepted takes effect.
@pytest.mark.parametrize("document", directories(), ids=lambda document: document[0])
def test_routing_answers_directories_as_it_says(document: tuple[str, Any], stack: RunningStack) -> None:
    case = routing["/v1/directory"]["PUT"].Case(body=document[1], media_type="application/json")
    call(case, stack, "routing", stack.keys["operator"])
