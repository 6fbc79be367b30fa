"""What a source may learn of its event travels unsealed, so it names no group."""

import orjson
import pytest

from schemas.case_event import FieldError
from schemas.vocabulary import Group
from services.routing.handlers.status import render_errors


@pytest.mark.parametrize("group", list(Group))
def test_a_path_into_a_group_ends_above_it(group: Group) -> None:
    errors = render_errors([FieldError(f"/data/{group.value}/text", "expected")])

    assert orjson.loads(errors) == [{"path": "/data", "message": "expected"}]


@pytest.mark.parametrize("path", ["", "/id", "/data/corrects", "/data/flags/exercise", "/data/county"])
def test_routing_facts_and_attributes_are_named(path: str) -> None:
    assert orjson.loads(render_errors([FieldError(path, "expected")])) == [
        {"path": path, "message": "expected"}
    ]


def test_no_error_is_an_empty_list() -> None:
    assert orjson.loads(render_errors([])) == []
