"""What an event owes to those before it in its case: corrections, retractions, consents, conflicts."""

from uuid import UUID

import orjson
import pytest

from schemas.alert import AlertRecord, Command, DutyReview
from schemas.receipt import EventStatus
from services.runtime.crypto import open_sealed
from tests.integration.routing.events import Json, build_event, lay_out
from tests.integration.routing.rig import Rig, Routing

pytestmark = pytest.mark.asyncio(loop_scope="module")

VSP = "ag-kern-vsp"
CONSENT: Json = {
    "consent_id": "cn-1",
    "granted_by": "self",
    "recipients": ["VICTIM_SERVICES"],
    "groups": ["name"],
    "to": "2100-01-01T00:00:00Z",
}


def of_type(event_type: str, event_id: str, **data: object) -> Json:
    return build_event(event_id, type=f"org.tocsin.{event_type}.v1", data={"county": "06029", **data})


def corrected(event_id: str, of: str = "e1", **data: object) -> Json:
    """The child's event again, corrected."""
    event = build_event(event_id)
    return event | {"data": {**event["data"], **data, "corrects": of}}


class Case:
    """One case, told event by event, each in a batch of its own."""

    def __init__(self, rig: Rig, routing: Routing) -> None:
        self._rig = rig
        self._routing = routing
        self._offset = 0
        self._seen: set[UUID] = set()

    async def tell(self, *events: Json) -> dict[str, Json]:
        """Who was told what because of these events, by agency; reviews and notices apart."""
        records = await self._rig.sealer.seal(*events)
        await self._routing.events.handle(lay_out(records, first_offset=self._offset))
        self._offset += len(events)
        contents = [await self._rig.open_content(record) for record in await self.records(form="alert")]
        return {content["agency"]: dict(content) for content in contents}

    async def records(self, *, form: str) -> list[AlertRecord]:
        """Those that are new."""
        fresh = [r for r in await self._rig.published_alerts() if r.alert_id not in self._seen]
        self._seen |= {record.alert_id for record in fresh}
        return [r for r in fresh if r.form == form and r.command is Command.DELIVER]


def ids(told: dict[str, Json]) -> dict[str, str]:
    return {agency: content["alert_id"] for agency, content in told.items()}


async def test_a_correction_updates_who_is_still_told_and_cancels_what_is_not(
    rig: Rig, routing: Routing
) -> None:
    case = Case(rig, routing)
    first = await case.tell(build_event("e1"))

    second = await case.tell(corrected("e2", exploitation={"types": ["ForcedLabour"]}))

    assert {agency: content["kind"] for agency, content in second.items()} == {
        "ag-kern-cw": "update",
        "ag-kern-vsp": "update",
        "ag-kern-sart": "cancel",
    }
    assert {agency: content["replaces"] for agency, content in second.items()} == ids(first)
    assert second["ag-kern-sart"]["disclosed"] == {}
    assert set(ids(second).values()).isdisjoint(ids(first).values())


async def test_a_retraction_cancels_everything_and_asks_for_a_review_of_mandated_duties(
    rig: Rig, routing: Routing
) -> None:
    case = Case(rig, routing)
    first = await case.tell(build_event("e1"))
    [duty] = await rig.rows("duty")

    second = await case.tell(of_type("event.retracted", "e2", retracts="e1"))

    assert {content["kind"] for content in second.values()} == {"cancel"}
    assert {agency: content["replaces"] for agency, content in second.items()} == ids(first)
    [shown] = second["ag-kern-cw"]["duties"]
    assert (shown["duty_id"], shown["due"]) == (str(duty["duty_id"]), "needs_review")
    [kept] = await rig.rows("duty")
    assert (kept["duty_id"], kept["status"]) == (duty["duty_id"], "needs_review")


async def test_the_holder_of_a_duty_that_must_be_reviewed_has_it_in_its_register(
    rig: Rig, routing: Routing
) -> None:
    case = Case(rig, routing)
    await case.tell(build_event("e1"), of_type("event.retracted", "e2", retracts="e1"))
    [duty] = await rig.rows("duty")

    [review] = [r for r in await rig.published_alerts() if r.command is Command.REVIEW]

    assert review.agency == duty["holder"]
    key = (await routing.keyring.find_keys([review.key_id]))[review.key_id]
    assert key is not None
    context = ("alert", str(review.alert_id), review.agency, str(review.revision))
    opened = open_sealed(key.secret, review.sealed, context=context)
    assert DutyReview.model_validate_json(opened).duty_ids == [duty["duty_id"]]


async def test_a_duty_that_a_correction_renews_is_the_same_duty(rig: Rig, routing: Routing) -> None:
    case = Case(rig, routing)
    await case.tell(build_event("e1"))
    [before] = await rig.rows("duty")

    await case.tell(corrected("e2", discovered_at="2026-03-03T20:00:00-08:00"))

    [after] = await rig.rows("duty")
    assert (after["duty_id"], after["status"]) == (before["duty_id"], "open")
    assert after["due"] < before["due"]


async def test_the_latest_word_on_a_duty_counts_also_within_one_batch(rig: Rig, routing: Routing) -> None:
    dropped, restored = corrected("e2", exploitation={"types": []}), corrected("e3", "e2")

    await Case(rig, routing).tell(build_event("e1"), dropped, restored)

    assert [row["status"] for row in await rig.rows("duty")] == ["open"]


async def test_a_correction_of_another_cases_event_is_refused_and_its_source_learns_where(
    rig: Rig, routing: Routing
) -> None:
    case = Case(rig, routing)
    await case.tell(build_event("e1"))

    told = await case.tell(corrected("e2") | {"subject": "case-2"})

    assert [(agency, content["reason"]) for agency, content in told.items()] == [
        ("ag-kern-tfc", "QUARANTINED")
    ]
    [receipt] = [r for r in await rig.published_receipts() if r.event_id == "e2"]
    assert receipt.status is EventStatus.REFUSED
    assert [error.path for error in receipt.errors] == ["/data/corrects"]
    assert [row["reason"] for row in await rig.rows("quarantine")] == ["not_accepted"]


async def test_a_correction_that_comes_first_is_routed_and_the_late_original_tells_nobody(
    rig: Rig, routing: Routing
) -> None:
    case = Case(rig, routing)
    first = await case.tell(corrected("e2"))

    assert await case.tell(build_event("e1")) == {}

    assert first["ag-kern-cw"]["kind"] == "alert"
    receipt = (await rig.published_receipts())[-1]
    assert (receipt.event_id, receipt.status) == ("e1", EventStatus.SUPERSEDED)


async def test_what_a_consent_opens_is_shown_until_it_is_revoked_and_then_its_holder_is_told(
    rig: Rig, routing: Routing
) -> None:
    case = Case(rig, routing)
    before = await case.tell(build_event("e1"))
    await case.tell(of_type("consent.granted", "e2", consent=CONSENT))
    granted = await case.tell(build_event("e3"))

    told = await case.tell(of_type("consent.revoked", "e4", consent={"consent_id": "cn-1"}))
    after = await case.tell(build_event("e5"))

    shown = [sorted(each[VSP]["disclosed"]) for each in (before, granted, after)]
    assert shown == [["age", "exploitation"], ["age", "exploitation", "name"], ["age", "exploitation"]]
    assert {agency: (c["rules"], c["kind"]) for agency, c in told.items()} == {VSP: (["F-07"], "update")}


async def test_a_conflict_silences_the_agency_for_good_and_reaches_those_who_prosecute(
    rig: Rig, routing: Routing
) -> None:
    case = Case(rig, routing)
    await case.tell(build_event("e1"))

    declared = of_type("case.conflict_declared", "e2", details={"conflict_agencies": ["ag-kern-cw"]})
    told = await case.tell(declared)
    later = await case.tell(build_event("e3"), of_type("event.retracted", "e4", retracts="e1"))

    assert {agency: content["rules"] for agency, content in told.items()} == {
        "ag-kern-da": ["S-01"],
        "ag-us-fbi": ["S-01"],
    }
    assert "ag-kern-cw" not in later
    assert later["ag-kern-vsp"]["kind"] == "cancel"


async def test_every_event_of_a_batch_finds_what_the_one_before_left(rig: Rig, routing: Routing) -> None:
    grant = of_type("consent.granted", "e2", consent=CONSENT)

    told = await Case(rig, routing).tell(grant, build_event("e3"))

    assert "name" in told[VSP]["disclosed"]


async def test_the_state_of_a_case_is_sealed(rig: Rig, routing: Routing) -> None:
    await Case(rig, routing).tell(build_event("e1"), of_type("consent.granted", "e2", consent=CONSENT))

    [row] = await rig.rows("case_state")
    for secret in (b"ag-kern", b"cn-1", b"exploitation", b"K-03"):
        assert secret not in row["state"]


async def test_what_agencies_were_shown_is_kept_sealed_for_those_who_may_see_it_later(
    rig: Rig, routing: Routing
) -> None:
    await Case(rig, routing).tell(build_event("e1"))

    [row] = await rig.rows("decision")
    key = (await routing.keyring.find_keys([row["key_id"]]))[row["key_id"]]
    assert key is not None
    context = ("disclosed", row["source"], "e1")
    kept = orjson.loads(open_sealed(key.secret, row["values_sealed"], context=context))
    assert set(kept) == {"age", "exploitation", "name"}
