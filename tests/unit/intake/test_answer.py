"""One status and one body for all the events of a request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.problem import IntakeResponse, Problem
from services.intake.ingress import refusals
from services.intake.ingress.answer import Outcome, aggregate_status, build_answer, build_refusal
from services.intake.ingress.refusals import Refusal

statuses = st.lists(st.sampled_from([202, 403, 413, 422, 429, 503]), max_size=8)

REFUSALS: dict[int, Refusal] = {
    403: refusals.refuse_offboarded(),
    413: refusals.refuse_large_event(65536),
    422: refusals.refuse_destroyed_case(),
    429: refusals.refuse_too_many(3),
    503: refusals.refuse_unconfirmed(),
}


def outcomes_of(*found: int) -> list[Outcome]:
    return [Outcome(index, f"e{index}", REFUSALS.get(status)) for index, status in enumerate(found)]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([202], 202),
        ([503, 429, 422, 202], 202),
        ([429, 503, 403], 503),
        ([422, 429, 413], 429),
        ([413, 413], 413),
        ([403], 403),
        ([403, 413], 422),
        ([], 422),
    ],
)
def test_the_status_of_a_request_follows_from_its_events(found: list[int], expected: int) -> None:
    assert aggregate_status(found) == expected


@given(statuses)
def test_the_order_of_the_events_does_not_matter(found: list[int]) -> None:
    assert aggregate_status(found) == aggregate_status(sorted(found))


@given(statuses)
def test_a_status_that_no_event_has_is_only_ever_422(found: list[int]) -> None:
    status = aggregate_status(found)
    assert status in found or status == 422


def test_when_anything_is_accepted_the_body_is_no_problem() -> None:
    answer = build_answer(outcomes_of(422, 202), durability="disk")
    assert not answer.is_problem
    assert set(answer.body) == {"durability", "events"}
    assert [event["status"] for event in answer.body["events"]] == [422, 202]


@given(statuses)
def test_both_kinds_of_reader_can_read_every_answer(found: list[int]) -> None:
    answer = build_answer(outcomes_of(*found), durability="disk")
    known = {name: answer.body[name] for name in ("durability", "events")}
    assert len(IntakeResponse.model_validate(known).events) == len(found)
    if answer.is_problem:
        assert Problem.model_validate(answer.body).status == answer.status


def test_the_problem_of_a_single_event_is_that_of_the_request() -> None:
    answer = build_answer(outcomes_of(422), durability="disk")
    assert answer.body["errors"][0]["path"] == "/subject"
    assert answer.body["events"][0]["problem"]["errors"] == answer.body["errors"]


def test_refusals_of_several_kinds_are_told_as_such() -> None:
    answer = build_answer(outcomes_of(403, 413), durability="disk")
    assert (answer.status, answer.body["status"]) == (422, 422)
    assert answer.body["type"] == "urn:tocsin:problem:no-event-accepted"


def test_an_empty_batch_is_invalid() -> None:
    answer = build_answer([], durability="disk")
    assert (answer.status, answer.body["events"]) == (422, [])
    assert answer.body["errors"] == [{"path": "", "message": "the batch is empty"}]


@given(statuses)
def test_whoever_may_send_again_is_told_when(found: list[int]) -> None:
    answer = build_answer(outcomes_of(*found), durability="disk")
    assert (answer.retry_after is not None) == bool({429, 503} & set(found))


def test_the_longest_wait_counts() -> None:
    assert build_answer(outcomes_of(503, 429), durability="disk").retry_after == 3


def test_a_request_refused_as_a_whole_lists_no_events() -> None:
    answer = build_refusal(refusals.refuse_unauthenticated(), durability="disk")
    assert (answer.status, answer.body["events"]) == (401, [])
