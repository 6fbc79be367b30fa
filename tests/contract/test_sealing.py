"""What intake takes, routing reads: an event that was accepted is never one that cannot be decided."""

import string
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.case_event import InvalidEventError, parse_case_event
from services.intake.handlers.sealing import seal_event
from services.intake.ingress.judgement import Admitted
from services.routing.handlers.opening import (
    Envelope,
    OpenedEvent,
    UnreadableEvent,
    open_event,
    read_envelope,
)
from services.runtime.kafka import ReceivedRecord
from services.runtime.keyring import CaseKey
from tests.support.examples import Accepted, accepted_events

KEY: Final = CaseKey(UUID(int=1), bytes(range(32)))
EVENTS: Final = accepted_events()
RECEIVED_AT: Final = datetime(2026, 3, 4, 6, 10, tzinfo=UTC)


def carry(document: Mapping[str, Any]) -> OpenedEvent | UnreadableEvent:
    """The event as routing opens it, once intake has sealed it. Raises InvalidEventError if refused."""
    admitted = Admitted(parse_case_event(orjson.dumps(document)), document["data"])
    record = seal_event(admitted, key=KEY, correlation_id="c", received_at=RECEIVED_AT)
    received = ReceivedRecord(record.topic, 0, 0, record.key, record.value)
    envelope = read_envelope(received)
    assert isinstance(envelope, Envelope), envelope
    return open_event(envelope, KEY)


@pytest.mark.parametrize("example", EVENTS, ids=lambda example: example.name)
def test_every_example_is_read_as_it_was_accepted(example: Accepted) -> None:
    opened = carry(example.document)
    assert isinstance(opened, OpenedEvent), opened
    event = parse_case_event(orjson.dumps(example.document))
    for part in ("source", "id", "subject", "type", "time", "data"):
        assert getattr(opened.event, part) == getattr(event, part)
    assert opened.data == example.document["data"]


def instants() -> st.SearchStrategy[str]:
    """Date-times as a sender may write them, most of them at the borders of what is taken."""
    moments = st.one_of(
        st.datetimes(min_value=datetime(1899, 12, 31), max_value=datetime(1900, 1, 2)),  # noqa: DTZ001 - zoned below
        st.datetimes(min_value=datetime(2199, 12, 31), max_value=datetime(2200, 1, 1)),  # noqa: DTZ001 - zoned below
        st.datetimes(min_value=datetime(1950, 1, 1), max_value=datetime(2150, 1, 1)),  # noqa: DTZ001 - zoned below
    )
    zones = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
    fractions = st.text(string.digits, min_size=1, max_size=12).map(lambda digits: f".{digits}") | st.just("")
    return st.builds(write_instant, moments, zones, fractions)


def write_instant(moment: datetime, zone: timezone, fraction: str) -> str:
    written = moment.replace(microsecond=0, tzinfo=zone).isoformat()
    return written[:19] + fraction + written[19:]


@given(instants(), st.sampled_from(EVENTS))
def test_whenever_it_happened_what_was_accepted_can_be_decided(time: str, example: Accepted) -> None:
    document = {**example.document, "time": time}
    try:
        opened = carry(document)
    except InvalidEventError:
        return
    assert isinstance(opened, OpenedEvent), opened
    assert opened.event.time == parse_case_event(orjson.dumps(document)).time
