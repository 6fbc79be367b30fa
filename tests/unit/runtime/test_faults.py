"""An error is told by its type and by where our code was."""

import asyncio

import asyncpg
import orjson
from pydantic import BaseModel, ValidationError

from services.runtime.faults import error_at, error_type
from services.runtime.problems import Problem, render_problem


class Model(BaseModel):
    count: int


def caught(body: object, error_class: type[BaseException]) -> BaseException:
    assert callable(body)
    try:
        body()
    except error_class as error:
        return error
    raise AssertionError("nothing was raised")


def test_a_built_in_error_goes_by_its_name() -> None:
    assert error_type(ValueError("secret")) == "ValueError"
    assert error_type(TimeoutError()) == "TimeoutError"
    assert error_type(asyncio.CancelledError()) == "asyncio.CancelledError"


def test_a_library_s_error_says_whose_it_is() -> None:
    assert error_type(asyncpg.DeadlockDetectedError("row values")) == "asyncpg.DeadlockDetectedError"


def test_a_validation_error_with_its_inputs_shows_none_of_them() -> None:
    error = caught(lambda: Model.model_validate({"count": "Maria"}), ValidationError)
    assert "Maria" in str(error)
    assert "Maria" not in error_type(error)
    assert "Maria" not in str(error_at(error))


def test_the_place_is_the_innermost_line_of_our_code_and_not_the_library_s() -> None:
    error = caught(lambda: render_problem(Problem(status=9999)), ValueError)
    place = error_at(error)
    assert place is not None
    assert place.startswith("services.runtime.problems:render_problem:")


def test_without_our_code_the_place_is_the_innermost_line() -> None:
    error = caught(lambda: orjson.loads("Maria"), orjson.JSONDecodeError)
    assert str(error_at(error)).startswith("tests.unit.runtime.test_faults:")


def test_an_error_that_was_never_raised_has_no_place() -> None:
    assert error_at(ValueError("x")) is None
