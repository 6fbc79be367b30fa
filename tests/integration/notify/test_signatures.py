"""What a receiver gets while secrets change: verified by the public library, and by libsodium."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from nacl.signing import VerifyKey
from standardwebhooks import Webhook

from schemas.directory import RetiringSecret, endpoint_id, endpoint_key_context, endpoint_seal_context
from services.notify.schedule import SCHEDULES, Schedule
from services.runtime.crypto import derive_key, new_signing_key, new_webhook_secret, public_key_of, seal
from tests.integration.notify.rig import Rig, running_notify
from tests.support.receivers import Receivers, status

AGENCY = "ag-kern-cw"


async def rotate(rig: Rig, url: str, **signers: str) -> None:
    """Seals `signing_key` and, as retiring for an hour and as retired, `old` and `older`."""
    key = derive_key(rig.deployment_key, "directory")
    name = endpoint_id(agency=AGENCY, url=url)
    context = endpoint_seal_context(agency=AGENCY, endpoint=name)
    now = datetime.now(UTC)
    ends = {"old": now + timedelta(hours=1), "older": now - timedelta(seconds=1)}
    update = {
        "signing_key_sealed": seal(
            key,
            signers["signing_key"].encode(),
            context=endpoint_key_context(agency=AGENCY, endpoint=name),
        ),
        "retiring": [
            RetiringSecret(sealed=seal(key, signers[name].encode(), context=context), until=until)
            for name, until in ends.items()
        ],
    }
    agency = rig.agencies[AGENCY]
    endpoints = [endpoint.model_copy(update=update) for endpoint in agency.endpoints]
    rig.agencies[AGENCY] = agency.model_copy(update={"endpoints": endpoints})
    await rig.publish_directory()


def signatures(headers: Mapping[str, str], scheme: str) -> list[bytes]:
    parts = [part.partition(",") for part in headers["webhook-signature"].split(" ")]
    return [base64.b64decode(signature) for found, _, signature in parts if found == scheme]


async def test_while_rotating_every_secret_that_may_still_be_used_signs(
    rig: Rig, receivers: Receivers
) -> None:
    old, older, key = new_webhook_secret(), new_webhook_secret(), new_signing_key()
    await rig.add_agency(AGENCY, receivers["one"])
    await rotate(rig, receivers["one"].url, signing_key=key, old=old, older=older)
    async with running_notify(rig, rig.settings()):
        await rig.send_alert()
        (arrival,) = await receivers["one"].wait_for(1)

    headers, body = dict(arrival.headers), arrival.body
    assert Webhook(receivers["one"].secret).verify(body, headers)
    assert Webhook(old).verify(body, headers)
    assert (len(signatures(headers, "v1")), len(signatures(headers, "v1a"))) == (2, 1)
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    public = base64.b64decode(public_key_of(key).removeprefix("whpk_"))
    VerifyKey(public).verify(content, signatures(headers, "v1a")[0])


async def test_each_attempt_is_signed_at_its_own_time(rig: Rig, receivers: Receivers) -> None:
    receivers["one"].answer = status(503)
    await rig.add_agency(AGENCY, receivers["one"])
    second = dict.fromkeys(SCHEDULES, Schedule((), repeat=timedelta(seconds=1)))
    async with running_notify(rig, rig.settings(), schedules=second):
        await rig.send_alert()
        first, next_one = (await receivers["one"].wait_for(2))[:2]
    times = [int(arrival.headers["webhook-timestamp"]) for arrival in (first, next_one)]
    assert times[0] < times[1]
    assert first.webhook_id == next_one.webhook_id
    assert first.is_verified
    assert next_one.is_verified
