"""Adding an endpoint where it may not lie, and too often."""

from typing import Any

from services.runtime.crypto import hash_api_key
from tests.integration.notify.adding import AGENCY, KEY, OPERATOR, add, asked, messages
from tests.integration.notify.rig import Rig, running_notify
from tests.support.receivers import Receivers, status


async def test_an_address_that_may_not_be_dialled_is_not_tried(rig: Rig, receivers: Receivers) -> None:
    await rig.add_agency(AGENCY, key=KEY)
    async with running_notify(rig, rig.settings(notify_allow_cidrs="")) as notify:
        refused = await add(notify, receivers["one"])
        plain = await notify.ask("POST", "/v1/endpoints", key=KEY, json={"url": "ftp://x", "secret": "no"})
        stranger = await notify.ask("POST", "/v1/endpoints", json=asked(receivers["one"]))
    assert refused.status == 422
    assert messages(refused) == (
        "no answer (EgressRefusedError); webhooks do not go to this address: give a public one, or have the "
        "operator allow its network (TOCSIN_NOTIFY_ALLOW_CIDRS)"
    )
    assert {error["path"] for error in plain.body["errors"]} == {"/url", "/secret"}
    assert stranger.status == 401
    assert receivers["one"].arrivals == []


async def test_an_agency_may_try_so_often_and_each_of_them_counts(
    rig: Rig, receivers: Receivers, logs: list[dict[str, Any]]
) -> None:
    receivers["one"].answer = status(401)
    await rig.add_agency(AGENCY, key=KEY)
    await rig.add_agency("ag-kern-so", key=f"{KEY}2")
    limited = rig.settings(notify_endpoint_tries=2, notify_operator_keys=hash_api_key(OPERATOR))
    async with running_notify(rig, limited) as notify:
        tried = [await add(notify, receivers["one"]) for _ in range(2)]
        beyond = [await add(notify, receivers[name]) for name in ("one", "two")]
        path = f"/v1/operator/agencies/{AGENCY}/endpoints"
        by_operator = await notify.ask("POST", path, key=OPERATOR, json=asked(receivers["one"]))
        by_another = await notify.ask("POST", "/v1/endpoints", key=f"{KEY}2", json=asked(receivers["one"]))
        await rig.query("UPDATE notify.throttle SET ends_at = now()")
        later = await add(notify, receivers["one"])
    assert [reply.status for reply in (*tried, *beyond)] == [422, 422, 429, 429]
    assert len(receivers["one"].arrivals) == 3 * len([*tried, by_operator, by_another, later])
    assert receivers["two"].arrivals == []
    assert beyond[0].headers["content-type"] == "application/problem+json"
    assert 0 < int(beyond[0].headers["retry-after"]) <= 15 * 60
    assert beyond[0].body["status"] == 429
    assert [reply.status for reply in (by_operator, by_another, later)] == [422, 422, 422]
    assert [line["agency"] for line in logs if line["event"] == "endpoint.limited"] == [AGENCY] * 2
