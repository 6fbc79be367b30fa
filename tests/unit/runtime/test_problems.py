"""Problems as RFC 9457 writes them."""

import orjson
import pytest

from services.runtime.problems import FieldError, Problem, problem_response, render_pointer, render_problem


def test_a_problem_without_more_is_its_status() -> None:
    assert render_problem(Problem(status=401)) == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
    }


def test_a_problem_with_a_title_of_its_own_has_a_type_of_its_own() -> None:
    assert render_problem(Problem(status=404, title="No such alert")) == {
        "type": "urn:tocsin:problem:no-such-alert",
        "title": "No such alert",
        "status": 404,
    }


def test_every_error_has_its_path() -> None:
    problem = Problem(status=422, detail="Two things.", errors=[FieldError("/data/county", "is missing")])
    assert render_problem(problem) == {
        "type": "about:blank",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "Two things.",
        "errors": [{"path": "/data/county", "message": "is missing"}],
    }


def test_the_response_has_the_media_type_and_the_headers() -> None:
    response = problem_response(Problem(status=503, retry_after=5), headers={"X-More": "1"})
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.headers["retry-after"], response.headers["x-more"]) == ("5", "1")
    assert orjson.loads(bytes(response.body))["status"] == 503


@pytest.mark.parametrize(
    ("parts", "pointer"),
    [
        ((), ""),
        (("data", "county"), "/data/county"),
        (("events", 0, "id"), "/events/0/id"),
        (("a/b", "m~n"), "/a~1b/m~0n"),
    ],
)
def test_pointers_are_escaped(parts: tuple[str | int, ...], pointer: str) -> None:
    assert render_pointer(parts) == pointer
