"""Who sends a body is known before it is read, and nobody's is read further than its route takes."""

from zoneinfo import ZoneInfo

import orjson
import pytest
import pytest_asyncio
from fastapi.routing import APIRoute

from schemas.vocabulary import RefusalReason
from services.notify.api.guarding import MOST_BYTES
from services.notify.api.pages import Pages
from services.notify.api.routes import Door, build_app
from services.notify.handlers.operations import MOST_REDRIVEN
from tests.integration.notify.rig import Rig
from tests.integration.notify.standing.at_work import OPERATOR, Standing
from tests.support.strangers import MEGABYTE, TAKEN_AT_MOST, stranger_at

AGENCY, KEY = "ag-kern-cw", "tca_key_of_child_welfare"
ALERT_ID = "13aac267-19a5-81dd-ba36-33dd1c457b0c"
PATH = f"/v1/alerts/{ALERT_ID}"


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def agency(rig: Rig) -> None:
    await rig.add_agency(AGENCY, key=KEY)


def announce(length: str, *, key: str | None) -> bytes:
    authorization = "" if key is None else f"Authorization: Bearer {key}\r\n"
    head = f"POST {PATH}/acknowledge HTTP/1.1\r\nHost: h\r\n{authorization}Content-Type: application/json\r\n"
    return f"{head}{length}\r\n\r\n".encode()


def list_paths_with_bodies() -> list[str]:
    app = build_app(Door(Pages(ZoneInfo("UTC"))))
    routes = [route for route in app.routes if isinstance(route, APIRoute) and route.body_field is not None]
    return [
        route.path.format_map(dict.fromkeys(route.param_convertors, "x"))
        for route in routes
        if "POST" in (route.methods or ())
    ]


async def test_a_body_is_neither_judged_nor_read_without_a_key(agency: None, standing: Standing) -> None:
    paths = list_paths_with_bodies()
    async with standing.at_work() as notify:
        replies = [await notify.ask("POST", path, key="tca_nobody", data=b"{") for path in paths]
        async with stranger_at(notify.url) as stranger:
            length = f"Content-Length: {100 * MEGABYTE}"
            ending = await stranger.pour(announce(length, key=None), fill=b" " * MEGABYTE)
    assert len(paths) >= 8
    assert {reply.status for reply in replies} == {401}
    assert (ending.status, ending.problem["status"]) == (401, 401)
    assert ending.sent_bytes < TAKEN_AT_MOST


async def test_with_a_key_a_body_is_read_as_far_as_its_route_takes_it(
    agency: None, standing: Standing
) -> None:
    lengths = [f"Content-Length: {100 * MEGABYTE}", "Transfer-Encoding: chunked"]
    async with standing.at_work() as notify:
        endings = []
        for length in lengths:
            async with stranger_at(notify.url) as stranger:
                chunk = b"100000\r\n" + b" " * MEGABYTE + b"\r\n"
                fill = chunk if "chunked" in length else b" " * MEGABYTE
                endings.append(await stranger.pour(announce(length, key=KEY), fill=fill))
        malformed = await notify.ask("POST", f"{PATH}/acknowledge", key=KEY, data=b"{")
        just = orjson.dumps({"person": "p", "role": "r"}).ljust(MOST_BYTES)
        longest = await notify.ask("POST", f"{PATH}/acknowledge", key=KEY, data=just)
        too_long = await notify.ask("POST", f"{PATH}/acknowledge", key=KEY, data=just + b" ")
    assert [ending.problem["status"] for ending in endings] == [413, 413]
    assert max(ending.sent_bytes for ending in endings) < TAKEN_AT_MOST
    assert [malformed.status, longest.status, too_long.status] == [400, 404, 413]
    assert too_long.headers["cache-control"] == "no-store"


async def test_the_longest_words_and_the_longest_list_are_taken(agency: None, standing: Standing) -> None:
    # Two escapes for each character, as JSON may write it.
    words = {"person": "🦀" * 200, "role": "🦀" * 200, "reason": RefusalReason.OTHER, "note": "🦀" * 2000}
    refusal = orjson.dumps(words).decode().encode("ascii", "backslashreplace")
    refusal = refusal.replace(rb"\U0001f980", rb"\ud83e\udd80")
    redrive = orjson.dumps({"delivery_ids": [ALERT_ID] * MOST_REDRIVEN, "dry_run": True})
    async with standing.at_work() as notify:
        refused = await notify.ask("POST", f"{PATH}/refuse", key=KEY, data=refusal)
        redriven = await notify.ask("POST", "/v1/operator/deliveries/redrive", key=OPERATOR, data=redrive)
    assert (refused.status, redriven.status) == (404, 200)
