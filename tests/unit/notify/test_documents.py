"""The OpenAPI document says what is answered, and nothing that is not."""

from typing import Any

import pytest

from services.notify.api import build_document


@pytest.fixture
def document() -> dict[str, Any]:
    return build_document()


def answers(document: dict[str, Any]) -> dict[str, set[str]]:
    return {
        f"{method.upper()} {path}": set(operation["responses"])
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }


def test_every_answer_is_listed(document: dict[str, Any]) -> None:
    assert answers(document) == {
        "GET /v1/alerts": {"200", "401", "422", "503"},
        "GET /v1/alerts/{alert_id}": {"200", "401", "404", "503"},
        "POST /v1/alerts/{alert_id}/acknowledge": {"200", "400", "401", "404", "413", "422", "503"},
        "POST /v1/alerts/{alert_id}/refuse": {"200", "400", "401", "404", "409", "413", "422", "503"},
        "POST /v1/people/invite": {"200", "400", "401", "404", "413", "422", "503"},
        "GET /v1/people": {"200", "401", "503"},
        "DELETE /v1/people/{person_id}": {"200", "401", "404", "503"},
        "POST /v1/operator/people/invite": {"200", "400", "401", "404", "413", "422", "503"},
        "GET /v1/operator/people": {"200", "401", "404", "422", "503"},
        "DELETE /v1/operator/people/{person_id}": {"200", "401", "404", "422", "503"},
        "GET /v1/duties": {"200", "401", "422", "503"},
        "POST /v1/duties/{duty_id}/evidence": {"200", "400", "401", "404", "410", "413", "422", "503"},
        "GET /v1/endpoints": {"200", "401", "503"},
        "POST /v1/endpoints/{endpoint_id}/recover": {"200", "401", "404", "422", "503"},
        "GET /v1/reconciliation": {"200", "401", "422", "503"},
        "GET /v1/operator/deliveries": {"200", "401", "404", "422", "503"},
        "GET /v1/operator/deliveries/{delivery_id}": {"200", "401", "404", "422", "503"},
        "POST /v1/operator/deliveries/redrive": {"200", "400", "401", "404", "413", "422", "503"},
        "POST /v1/endpoints": {"201", "202", "400", "401", "409", "413", "422", "429", "503"},
        "POST /v1/operator/agencies/{agency}/endpoints": {
            *("201", "202", "400", "401", "404", "409", "413", "422", "503")
        },
        "GET /v1/pulse": {"200", "503"},
        "GET /a/{alert_id}": {"200", "404", "503"},
    }


def test_refusals_are_problem_documents(document: dict[str, Any]) -> None:
    contents = {
        media
        for path, operations in document["paths"].items()
        for operation in operations.values()
        for status, answer in operation["responses"].items()
        # Of the pulse a 503 is no problem with the request: it is what was asked for.
        if status >= "400" and path != "/v1/pulse"
        for media in answer["content"]
    }
    assert contents == {"application/problem+json", "text/html"}
    assert not {"HTTPValidationError", "ValidationError"} & set(document["components"]["schemas"])


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = set(_references(document))
    assert {name.rpartition("/")[2] for name in found} <= set(document["components"]["schemas"])


def _references(part: object) -> list[str]:
    match part:
        case dict():
            own = [part["$ref"]] if "$ref" in part else []
            return own + [name for each in part.values() for name in _references(each)]
        case list():
            return [name for each in part for name in _references(each)]
        case _:
            return []
