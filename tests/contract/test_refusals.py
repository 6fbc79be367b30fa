"""What is refused tells where and what, and never what stood there."""

import json
import traceback
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from schemas.case_event import FieldError, InvalidEventError, parse_case_event
from schemas.pointer import pointer
from services.cli.artefacts.json_schemas import case_event_schema
from tests.support.examples import Accepted, accepted_events
from tests.support.json_paths import Path, all_paths, object_paths, replaced, value_at

EVENTS = accepted_events()
FULL: dict[str, Any] = next(e for e in EVENTS if e.name.endswith("with-every-group")).document
VALIDATOR = Draft202012Validator(case_event_schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)

MARK = "Markovaldo"
NUMBER = 918273645546372819

markers = st.one_of(
    st.builds(lambda before, after: f"{before}{MARK}{after}", st.text(max_size=5), st.text(max_size=5)),
    st.sampled_from(
        [
            NUMBER,
            -NUMBER,
            NUMBER * 10**20,
            float(NUMBER),
            [MARK],
            [[MARK], NUMBER],
            {"text": MARK},
            {"unknown": {"deeper": [MARK, NUMBER]}},
            f"urn:tocsin:agency:{MARK}",
            f"2026-03-03T{MARK}Z",
            f"{NUMBER}",
            "2026-13-45T91:82:73.645546372819Z",
            "9182-73-64",
        ]
    ),
)
"""Values that would be recognised anywhere; the last two look like times."""
TRACES = (MARK, str(NUMBER), "918273645", "91:82", "73.645", "9182-73", "2026-13")


def dump(document: object) -> bytes:
    return json.dumps(document).encode()


def errors_of(raw: bytes) -> tuple[FieldError, ...]:
    try:
        parse_case_event(raw)
    except InvalidEventError as refusal:
        return refusal.errors
    return ()


def paths_of(raw: bytes) -> list[str]:
    return [error.path for error in errors_of(raw)]


def everything_told(raw: bytes) -> str:
    """All that a caller or a log could get hold of."""
    try:
        parse_case_event(raw)
    except InvalidEventError as refusal:
        told = [f"{error.path} {error.message}" for error in refusal.errors]
        return "\n".join([*told, repr(refusal), "".join(traceback.format_exception(refusal))])
    return ""


def named(event: Accepted) -> str:
    return event.name


@pytest.mark.parametrize("path", list(all_paths(FULL)), ids=pointer)
def test_a_value_in_any_place_is_never_repeated(path: Path) -> None:
    for marker in (MARK, NUMBER, NUMBER * 10**20, [MARK], {"unknown": MARK}, f"{MARK} {NUMBER}"):
        told = everything_told(dump(replaced(FULL, path, marker)))
        assert [trace for trace in TRACES if trace in told] == []


@given(
    event=st.sampled_from(EVENTS),
    changes=st.lists(st.tuples(st.integers(min_value=0), markers), min_size=1, max_size=6),
)
def test_values_in_several_places_are_never_repeated(
    event: Accepted, changes: list[tuple[int, object]]
) -> None:
    document = event.document
    for index, marker in changes:
        paths = list(all_paths(document))
        document = replaced(document, paths[index % len(paths)], marker)
    told = everything_told(dump(document))
    assert [trace for trace in TRACES if trace in told] == []


@given(event=st.sampled_from(EVENTS), index=st.integers(min_value=0), cut=st.integers(min_value=1))
def test_a_body_cut_off_anywhere_repeats_nothing(event: Accepted, index: int, cut: int) -> None:
    paths = [path for path in all_paths(event.document) if isinstance(value_at(event.document, path), str)]
    raw = dump(replaced(event.document, paths[index % len(paths)], MARK))
    told = everything_told(raw[: cut % len(raw)])
    assert told
    assert MARK not in told


@pytest.mark.parametrize("event", EVENTS, ids=named)
def test_null_is_refused_in_every_place(event: Accepted) -> None:
    for path in all_paths(event.document):
        if path[0] in {"traceparent", "vendorextension"}:
            continue  # Extensions are ignored, whatever they hold.
        errors = paths_of(dump(replaced(event.document, path, None)))
        assert any(error == pointer(path) or error.startswith(pointer(path) + "/") for error in errors), path


@pytest.mark.parametrize("event", EVENTS, ids=named)
def test_an_unknown_key_is_refused_in_every_object_of_the_data(event: Accepted) -> None:
    for path in object_paths(event.document):
        place = (*path, "unknown_key")
        assert pointer(place) in paths_of(dump(replaced(event.document, place, "x")))


def test_an_unknown_attribute_of_the_envelope_is_an_extension_and_ignored() -> None:
    assert errors_of(dump({**FULL, "someextension": {"anything": [1, None]}})) == ()


@pytest.mark.parametrize("path", object_paths(FULL), ids=pointer)
def test_a_list_is_no_object(path: Path) -> None:
    assert pointer(path) in paths_of(dump(replaced(FULL, path, [])))


json_values = st.sampled_from(
    [
        *(True, 0, -1, 7, 1.5, 10**30),
        *("", "x", "a b", "06029", "ag-bpd", "LEA_LEAD", "SexualExploitation", "adult", "self", "name"),
        *("2026-03-03T22:10:00-08:00", "2026-03-03T22:10:00Z", "1772608500", "2010-09-14", "x" * 501),
        *([], ["x"], ["06029"], ["name", "age"], {}, {"text": "x"}, {"band": "adult"}, {"consent_id": "C"}),
    ]
)


@given(
    event=st.sampled_from(EVENTS),
    changes=st.lists(st.tuples(st.integers(min_value=0), json_values), min_size=1, max_size=3),
)
def test_the_json_schema_and_the_parser_agree_on_changed_events(
    event: Accepted, changes: list[tuple[int, object]]
) -> None:
    document = event.document
    for index, value in changes:
        paths = list(all_paths(document))
        document = replaced(document, paths[index % len(paths)], value)
    assert VALIDATOR.is_valid(document) == (errors_of(dump(document)) == ())


@given(event=st.sampled_from(EVENTS), index=st.integers(min_value=0))
def test_the_json_schema_and_the_parser_agree_on_what_may_be_left_out(event: Accepted, index: int) -> None:
    document = event.document
    paths = [path for path in all_paths(document) if isinstance(path[-1], str)]
    *above, key = paths[index % len(paths)]
    del value_at(document, tuple(above))[key]
    assert VALIDATOR.is_valid(document) == (errors_of(dump(document)) == ())


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
@example(
    b'{"type": "org.tocsin.victim.recovered.v1", "data": {"details": {"x": '
    + b"[" * 300
    + b"]" * 300
    + b"}}}"
)
@example(b'{"type": "org.tocsin.consent.granted.v1", "data": {"consent": []}}')
@example(b'{"type": ["org.tocsin.consent.granted.v1"], "data": 7}')
@example(b"\xef\xbb\xbf{}")
@example(b"[" * 100_000)
def test_whatever_comes_in_is_refused_with_a_reason(raw: bytes) -> None:
    assert errors_of(raw)
