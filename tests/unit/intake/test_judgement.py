"""What becomes of one event, before anybody is asked."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.vocabulary import EventType
from services.intake.ingress.access import Caller
from services.intake.ingress.judgement import Admitted, find_event_id, judge_event
from services.intake.ingress.refusals import Refusal
from tests.support.examples import Accepted, Refused, accepted_events, refused_events

SOURCE = "urn:tocsin:agency:ag-bpd:cad"
OTHER = "urn:tocsin:agency:ag-other:cad"
ANYBODY = Caller(SOURCE, types=None, is_active=True)
LIMITED = Caller(SOURCE, types=frozenset({EventType.TIP_RECEIVED}), is_active=True)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def event(**changes: object) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "e1",
        "source": SOURCE,
        "type": "org.tocsin.victim.recovered.v1",
        "subject": "case-1",
        "time": "2026-03-03T22:40:00-08:00",
        "data": {"county": "06029"},
    } | changes


def refusal_of(raw: object, caller: Caller = ANYBODY) -> Refusal:
    judged = judge_event(raw, caller=caller)
    assert isinstance(judged, Refusal)
    return judged


def paths_of(refusal: Refusal) -> list[str]:
    return [error.path for error in refusal.problem.errors or []]


def covers(expected: tuple[str, ...], path: str) -> bool:
    """A number beyond 64 bits is read as a float here, and so refused at a deeper path than by the parser."""
    return any(path == known or path.startswith(known + "/") for known in expected)


def test_a_valid_event_of_its_own_source_is_admitted_with_its_data_untouched() -> None:
    data = {"county": "06029", "details": {"condition": "well"}}
    judged = judge_event(event(data=data), caller=ANYBODY)
    assert isinstance(judged, Admitted)
    assert (judged.event.id, judged.data) == ("e1", data)


@pytest.mark.parametrize("example", accepted_events(), ids=lambda example: example.name)
def test_every_accepted_example_is_admitted(example: Accepted) -> None:
    caller = Caller(example.document["source"], types=None, is_active=True)
    assert isinstance(judge_event(example.document, caller=caller), Admitted)


@pytest.mark.parametrize(
    "example",
    [example for example in refused_events() if isinstance(example.document, dict)],
    ids=lambda example: example.name,
)
def test_every_refused_example_is_refused_with_all_its_paths(example: Refused) -> None:
    refusal = refusal_of(orjson.loads(example.raw), Caller(SOURCE, types=None, is_active=True))
    if refusal.status != 403:
        assert refusal.status == 422
        assert all(covers(example.errors, path) for path in paths_of(refusal))
        assert len(paths_of(refusal)) == len(example.errors)


def test_another_s_source_is_forbidden_even_when_the_event_is_invalid() -> None:
    for raw in (event(source=OTHER), event(source=OTHER, data={})):
        refusal = refusal_of(raw)
        assert (refusal.status, paths_of(refusal)) == (403, ["/source"])


def test_a_type_the_source_may_not_send_is_forbidden_even_when_the_event_is_invalid() -> None:
    for raw in (event(), event(data={})):
        refusal = refusal_of(raw, LIMITED)
        assert (refusal.status, paths_of(refusal)) == (403, ["/type"])


def test_a_source_that_is_none_and_an_unknown_type_are_invalid_not_forbidden() -> None:
    assert (refusal_of(event(source="cad")).status, paths_of(refusal_of(event(source="cad")))) == (
        422,
        ["/source"],
    )
    assert refusal_of(event(type="org.tocsin.nonsense.v1"), LIMITED).status == 422


def test_who_is_not_active_may_send_nothing() -> None:
    assert refusal_of(event(), Caller(SOURCE, types=None, is_active=False)).status == 403


def test_an_event_beyond_64_kib_is_too_large_however_it_was_written() -> None:
    texts = {name: {"text": "x" * 20_000} for name in ("narrative", "medical", "privileged")}
    fits = event(data={"county": "06029", **texts})
    assert isinstance(judge_event(fits, caller=ANYBODY), Admitted)
    assert refusal_of(event(data={**fits["data"], "intelligence": {"text": "x" * 6_000}})).status == 413


def test_half_a_surrogate_pair_is_told_by_its_path() -> None:
    raw = event(data={"county": "06029", "needs": ["shelter", "\ud800"], "name": {"\udfff": 1}})
    refusal = refusal_of(raw)
    assert refusal.problem.status == 422
    assert [error.path for error in refusal.problem.errors or []] == ["/data/needs/1", "/data/name"]


def test_a_number_beyond_64_bits_beside_it_is_refused_too() -> None:
    assert refusal_of(event(data={"county": "06029", "details": {"hours": 1 << 70}})).problem.status == 422


def test_nesting_that_cannot_be_written_again_is_invalid() -> None:
    nested: dict[str, Any] = {}
    for _ in range(400):
        nested = {"a": nested}
    refusal = refusal_of(event(data=nested))
    assert (refusal.status, paths_of(refusal)) == (422, [""])


@pytest.mark.parametrize("raw", [None, 1, "text", [], True])
def test_what_is_no_object_is_invalid(raw: object) -> None:
    assert (refusal_of(raw).status, paths_of(refusal_of(raw))) == (422, [""])


@given(st.dictionaries(st.sampled_from([*event(), "extension"]), json_values))
def test_no_json_can_do_worse_than_be_refused(changes: dict[str, Any]) -> None:
    judged = judge_event(event(**changes), caller=ANYBODY)
    assert isinstance(judged, Admitted) or judged.status in {403, 413, 422}


@given(st.text(min_size=12))
def test_a_refusal_never_repeats_a_value(secret: str) -> None:
    planted = f"planted {secret}"
    raw = event(
        specversion=planted,
        id=planted,
        type=planted,
        subject=planted,
        time=planted,
        data={
            "county": planted,
            "date_of_birth": planted,
            "gender": planted,
            "age": {"band": planted},
            "details": {"condition": planted},
            "flags": {"exercise": planted},
            "needs": planted,
            "suspect": {"employer_agency": planted},
        },
    )
    told = orjson.dumps(refusal_of(raw).problem.model_dump())
    assert b"planted" not in told


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ({"id": "e1"}, "e1"),
        ({"id": "no spaces"}, None),
        ({"id": 5}, None),
        ({}, None),
        ([], None),
        ("e1", None),
    ],
)
def test_the_id_is_told_back_only_if_it_is_one(raw: object, found: str | None) -> None:
    assert find_event_id(raw) == found
