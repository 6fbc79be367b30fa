"""Adding an endpoint, as an agency asks for it."""

from tests.integration.notify.rig import Reply, RunningNotify
from tests.support.receivers import Receiver

AGENCY = "ag-kern-cw"
KEY = "tca_0123456789abcdefghij"
OPERATOR = "tco_0123456789abcdefghij"


def asked(receiver: Receiver, **changes: object) -> dict[str, object]:
    return {"url": receiver.url, "secret": receiver.secret, **changes}


async def add(notify: RunningNotify, receiver: Receiver, **changes: object) -> Reply:
    return await notify.ask("POST", "/v1/endpoints", key=KEY, json=asked(receiver, **changes))


def messages(reply: Reply) -> str:
    return "\n".join(error["message"] for error in reply.body["errors"])
