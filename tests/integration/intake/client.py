"""A member system: sends requests to intake, and sees all of the answer."""

from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, TypedDict, Unpack

import aiohttp
import orjson

from tests.integration.intake.directories import POLICE, key_of

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "")

    @property
    def statuses(self) -> list[int]:
        return [event["status"] for event in self.body["events"]]

    @property
    def paths(self) -> list[str]:
        return sorted(error["path"] for error in self.body["errors"])


class Options(TypedDict, total=False):
    """What may differ from one request to the next."""

    key: str | None
    headers: Mapping[str, str]


class MemberSystem:
    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url

    async def post(
        self,
        body: bytes | AsyncIterable[bytes],
        content_type: str | None = STRUCTURED,
        *,
        key: str | None = key_of(POLICE),
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        sent = dict(headers or {})
        if content_type is not None:
            sent["Content-Type"] = content_type
        if key is not None:
            sent["Authorization"] = f"Bearer {key}"
        return await self.ask("POST", "/v1/events", headers=sent, body=body)

    async def send(self, event: object, **options: Unpack[Options]) -> Reply:
        return await self.post(orjson.dumps(event), **options)

    async def send_batch(self, events: object, **options: Unpack[Options]) -> Reply:
        return await self.post(orjson.dumps(events), BATCH, **options)

    async def status_of(self, event_id: str, *, source: str = POLICE) -> Reply:
        headers = {"Authorization": f"Bearer {key_of(source)}"}
        return await self.ask("GET", f"/v1/events/{event_id}", headers=headers)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | AsyncIterable[bytes] | None = None,
    ) -> Reply:
        # aiohttp warns of large bodies that are plain bytes.
        data = BytesIO(body) if isinstance(body, bytes) else body
        async with self._session.request(
            method, self.url + path, headers=headers, data=data, skip_auto_headers=["Content-Type"]
        ) as response:
            content = await response.read()
            is_json = content and "json" in response.headers.get("content-type", "")
            return Reply(response.status, response.headers, orjson.loads(content) if is_json else content)


def is_problem(reply: Reply, status: int) -> bool:
    """RFC 9457, and readable as a list of events at the same time."""
    assert reply.media_type == "application/problem+json"
    assert reply.body["title"]
    assert reply.body["type"].startswith("urn:tocsin:problem:")
    assert reply.body["durability"] == "memory"
    assert all(event["problem"]["status"] == event["status"] for event in reply.body["events"])
    return {reply.status, reply.body["status"]} == {status}
