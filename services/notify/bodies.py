"""Webhook bodies: CloudEvents in structured mode, as `schemas.alert` describes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

import orjson

from schemas.alert import ALERT_TYPE, DUTY_TYPE, AlertForm, AlertRecord

CONTENT_TYPE: Final = "application/cloudevents+json"
SOURCE: Final = "urn:tocsin:notify"

_INSTANTS: Final = orjson.OPT_UTC_Z

Content: TypeAlias = Mapping[str, object]
"""An opened alert or duty notice: a JSON object whose values are nobody's business here."""


class ContentError(Exception):
    """The seal opened to something that is not a JSON object."""


@dataclass(frozen=True, slots=True)
class Links:
    """Where an agency finds its alerts; `base` has no slash at its end."""

    base: str

    def alert(self, alert_id: UUID) -> str:
        return f"{self.base}/v1/alerts/{alert_id}"

    def page(self, alert_id: UUID) -> str:
        """For a person: urgency, id and deadline only."""
        return f"{self.base}/a/{alert_id}"

    def both(self, alert_id: UUID) -> dict[str, str]:
        alert = self.alert(alert_id)
        return {"alert": alert, "acknowledge": f"{alert}/acknowledge"}


def name_webhook(record: AlertRecord) -> str:
    """The `webhook-id`, the same for every attempt at this revision."""
    return f"{record.alert_id}_{record.revision}"


def parse_content(plaintext: bytes) -> Content:
    """Raises ContentError."""
    try:
        content = orjson.loads(plaintext)
    except orjson.JSONDecodeError as error:
        raise ContentError from error
    if not isinstance(content, dict):
        raise ContentError
    return content


def build_data(
    record: AlertRecord, content: Content, links: Links, *, now: datetime, has_agreement: bool
) -> dict[str, object]:
    """The `data` of what the content is: an alert gets its links, a duty notice is complete.

    A group whose time is over by now is left out, and so is when that is. The same goes for what the agency
    may see by agreement alone, when it has none.
    """
    if record.form is AlertForm.DUTY_NOTICE:
        return dict(content)
    data = {**content, "links": links.both(record.alert_id)}
    if until := data.pop("until", None):
        data["disclosed"] = _leave_out_ended(data["disclosed"], until, now)
    if (agreed := data.pop("by_agreement", None)) and not has_agreement:
        data["disclosed"] = _leave_out(data["disclosed"], agreed)
    # A reason tells of a problem; without one the key says nothing.
    if data.get("reason") is None:
        data.pop("reason", None)
    return data


def _leave_out_ended(disclosed: Any, until: Any, now: datetime) -> dict[str, object]:  # noqa: ANN401 -- JSON
    return {
        group: value
        for group, value in disclosed.items()
        if group not in until or datetime.fromisoformat(until[group]) > now
    }


def _leave_out(disclosed: Any, groups: Any) -> dict[str, object]:  # noqa: ANN401 -- JSON
    return {group: value for group, value in disclosed.items() if group not in groups}


def build_pointer(record: AlertRecord, links: Links) -> dict[str, object]:
    """The `data` that says where to look and nothing of the case."""
    return {
        "alert_id": str(record.alert_id),
        "revision": record.revision,
        "urgency": record.urgency.value,
        "acknowledge_by": record.acknowledge_by,
        "links": links.both(record.alert_id),
        **({"exercise": True} if record.exercise else {}),
    }


def build_body(record: AlertRecord, data: Mapping[str, object]) -> bytes:
    """The CloudEvent that is signed and sent."""
    is_duty = record.form is AlertForm.DUTY_NOTICE
    time: datetime = record.decided_at
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": name_webhook(record),
            "source": SOURCE,
            "type": DUTY_TYPE if is_duty else ALERT_TYPE,
            "time": time,
            "datacontenttype": "application/json",
            "data": data,
        },
        option=_INSTANTS,
    )
