"""Alerts with a content of one's choice, and what became of them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from schemas.alert import AlertRecord
from schemas.sealed import alert_seal_context
from schemas.vocabulary import Group
from services.runtime.crypto import seal
from tests.integration.notify.rig import Given, Rig, RunningNotify, wait_until
from tests.support.receivers import Receiver
from tests.unit.notify.records import alert_content

AGENCY, KEY = "ag-kern-cw", "tca_key_of_child_welfare"
CASE = "01JNF0Z6W3"
NAME = {Group.NAME: {"full": "Marisol Ejemplovich"}}
LONG_AGO, NOT_SOON = datetime(2026, 3, 4, tzinfo=UTC), datetime(2126, 3, 4, tzinfo=UTC)
STATES = "SELECT state, count(*) FROM notify.delivery WHERE alert_id = $1 GROUP BY state"


async def make(rig: Rig, **content: object) -> AlertRecord:
    """An alert with this content, and the plain facts among it."""
    facts = {name: content.pop(name) for name in list(content) if name in Given.__annotations__}
    record = await rig.seal_alert(**cast("Any", facts))
    told = alert_content(record).model_copy(update=content)
    _, key = await rig._find_key(CASE, for_operations=False)
    context = alert_seal_context(
        alert_id=str(record.alert_id), agency=record.agency, revision=record.revision
    )
    return record.model_copy(update={"sealed": seal(key, told.model_dump_json().encode(), context=context)})


async def send(rig: Rig, **content: object) -> AlertRecord:
    record = await make(rig, **content)
    await rig.publish_alerts(record)
    return record


async def states(rig: Rig, alert_id: UUID) -> Mapping[str, int]:
    return {row["state"]: row["count"] for row in await rig.query(STATES, alert_id)}


async def wait_for_states(rig: Rig, alert_id: UUID, **expected: int) -> None:
    async def are_so() -> bool:
        return await states(rig, alert_id) == expected

    await wait_until(are_so)


async def feed(notify: RunningNotify) -> list[dict[str, Any]]:
    alerts: list[dict[str, Any]] = (await notify.ask("GET", "/v1/alerts", key=KEY)).body["alerts"]
    return alerts


def ids(receiver: Receiver) -> list[str]:
    return [arrival.webhook_id for arrival in receiver.arrivals]
