"""One event, from the log to the ledger and the alerts of each agency."""

from typing import Any

from schemas.alert import AlertRecord
from tests.integration.routing.events import build_event, lay_out
from tests.integration.routing.rig import Rig, Routing, alerts_by_agency

Lines = list[dict[str, Any]]


async def decide(rig: Rig, routing: Routing, *events: dict[str, Any]) -> list[AlertRecord]:
    await routing.events.handle(lay_out(await rig.sealer.seal(*events)))
    return await rig.published_alerts()


async def test_each_agency_gets_what_the_protocol_allows_and_nobody_else_hears_of_it(
    rig: Rig, routing: Routing, logs: Lines
) -> None:
    alerts = alerts_by_agency(await decide(rig, routing, build_event()))

    assert set(alerts) == {"ag-kern-cw", "ag-kern-vsp", "ag-kern-sart", "ag-bpd"}
    welfare = await rig.open_content(alerts["ag-kern-cw"][0])
    assert welfare["event_type"] == "victim.recovered"
    assert welfare["disclosed"] == {
        "age": {"band": "13to15", "presumed_minor": False},
        "exploitation": {"types": ["SexualExploitation"]},
        "name": {"full": "Marigold Quillfeather"},
    }
    advocate = await rig.open_content(alerts["ag-kern-vsp"][0])
    assert set(advocate["disclosed"]) == {"age", "exploitation"}
    notice = await rig.open_content(alerts["ag-bpd"][0])
    assert [duty["rule"] for duty in notice["duties"]] == ["K-03"]
