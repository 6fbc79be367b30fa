"""Events as member systems write them."""

from typing import Any

from tests.integration.intake.directories import POLICE

Json = dict[str, Any]


def build_event(event_id: str = "e1", **changes: object) -> Json:
    """A valid event; a change to None leaves the attribute out."""
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": POLICE,
        "type": "org.tocsin.victim.recovered.v1",
        "subject": "case-1",
        "time": "2026-03-03T22:40:00-08:00",
        "data": {"county": "06029", "age": {"band": "13to15"}},
    } | changes
    return {name: value for name, value in event.items() if value is not None}


def pad(event: Json, size: int) -> Json:
    """The event with texts that bring it to about `size` bytes."""
    texts = ["narrative", "medical", "intelligence", "immigration", "privileged", "substance_use"]
    data = dict(event["data"])
    missing = size
    for name in texts:
        length = min(20_000, missing)
        if length > 0:
            data[name] = {"text": "x" * length}
        missing -= length
    return {**event, "data": data}


BINARY_HEADERS = {
    "ce-specversion": "1.0",
    "ce-id": "b1",
    "ce-source": POLICE,
    "ce-type": "org.tocsin.victim.recovered.v1",
    "ce-subject": "case%2D1",
    "ce-time": "2026-03-03T22%3A40%3A00-08:00",
    "ce-traceid": "ignored",
}
