import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.case_event import InvalidEventError, parse_case_event
from schemas.sealed import alert_seal_context, duties_seal_context, event_seal_context
from schemas.vocabulary import EventType, Group


def event(event_type: str = "victim.recovered", **data: Any) -> bytes:  # noqa: ANN401 - raw JSON
    return json.dumps(
        {
            "specversion": "1.0",
            "id": "e1",
            "source": "urn:tocsin:agency:ag-bpd:cad",
            "type": f"org.tocsin.{event_type}.v1",
            "subject": "C1",
            "time": "2026-03-03T22:10:00-08:00",
            "data": {"county": "06029", **data},
        }
    ).encode()


def refused_paths(raw: bytes) -> set[str]:
    with pytest.raises(InvalidEventError) as refusal:
        parse_case_event(raw)
    return {error.path for error in refusal.value.errors}


def test_the_type_is_read_without_prefix_and_suffix_and_the_agency_from_the_source() -> None:
    parsed = parse_case_event(event())
    assert parsed.event_type is EventType.VICTIM_RECOVERED
    assert parsed.agency == "ag-bpd"


def test_a_group_is_present_when_its_key_is() -> None:
    parsed = parse_case_event(event(name={}, narrative={"text": "x"}, flags={"exercise": True}, details={}))
    assert parsed.data.groups_given == {Group.NAME, Group.NARRATIVE, Group.DETAILS}


def test_duties_count_from_the_discovery_and_else_from_the_event() -> None:
    discovered = parse_case_event(event(discovered_at="2026-03-03T20:00:00-08:00"))
    assert discovered.discovered_at == datetime(2026, 3, 4, 4, tzinfo=UTC)
    assert parse_case_event(event()).discovered_at == parse_case_event(event()).time


def test_absent_flags_read_as_false() -> None:
    assert not any(parse_case_event(event()).data.flags.model_dump().values())


@pytest.mark.parametrize("number", [2**64, -(10**30)])
def test_a_number_beyond_64_bits_in_details_is_refused(number: int) -> None:
    raw = event("medical.exam_requested", details={"hours_since_assault": number})
    assert refused_paths(raw) == {"/data/details"}


def test_schema_errors_and_errors_of_the_type_are_told_together() -> None:
    raw = event("tip.received", age={"band": "old"}, details={"channel": "by phone", "loud": True})
    assert refused_paths(raw) == {"/data/age/band", "/data/details/channel", "/data/details/loud"}


@pytest.mark.parametrize("depth", [200, 260, 1_100])
def test_nesting_without_end_is_refused(depth: int) -> None:
    raw = event("tip.received", details={"channel": 0}).replace(
        b": 0}", b": " + b"[" * depth + b"]" * depth + b"}"
    )
    assert refused_paths(raw) >= {""} or refused_paths(raw) == {"/data/details/channel"}


def test_a_seal_is_bound_to_the_instant_and_not_to_how_it_was_written() -> None:
    instant = datetime(2026, 3, 3, 22, 10, tzinfo=UTC)
    elsewhere = instant.astimezone(datetime.now(UTC).astimezone().tzinfo)
    names = {"source": "s", "event_id": "e", "subject": "c"}
    assert event_seal_context(**names, time=instant) == event_seal_context(**names, time=elsewhere)
    later = event_seal_context(**names, time=instant + timedelta(seconds=1))
    assert event_seal_context(**names, time=instant) != later


def test_seals_for_different_purposes_never_share_a_context() -> None:
    contexts = {
        event_seal_context(source="x", event_id="1", subject="c", time=datetime(2026, 1, 1, tzinfo=UTC))[0],
        alert_seal_context(alert_id="x", agency="1", revision=1)[0],
        duties_seal_context(source="x", event_id="1")[0],
    }
    assert len(contexts) == 3
