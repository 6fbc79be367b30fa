"""What an operator reads in the log of a notify from its start on."""

import pytest

from tests.integration.notify.rig import Rig, running_notify
from tests.support.receivers import Receivers

AGENCY = "ag-kern-cw"


@pytest.mark.parametrize(
    "shown", ["service.started", "directory.loaded", "alerts.stored", "delivery.attempted"]
)
async def test_the_way_of_an_alert_can_be_read_in_the_log(
    shown: str, rig: Rig, receivers: Receivers, logs: list[dict[str, object]]
) -> None:
    await rig.add_agency(AGENCY, receivers["one"])
    async with running_notify(rig, rig.settings()):
        await rig.send_alert()
        await rig.wait_for_receipts("delivered")
    assert shown in {line["event"] for line in logs}
    assert receivers["one"].url not in str(logs)
