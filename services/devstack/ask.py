"""A small HTTP client for asking services; proxies of the environment do not apply."""

import asyncio
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service said."""

    status: int
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; empty if it is none."""
        try:
            read = json.loads(self.body)
        except ValueError:
            return {}
        return cast("dict[str, Any]", read) if isinstance(read, dict) else {}


async def ask(
    method: str,
    url: str,
    *,
    key: str | None = None,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer | None:
    """None when nobody answers, which during a start is no surprise."""
    given = {} if key is None else {"Authorization": f"Bearer {key}"}
    return await asyncio.to_thread(_ask, method, url, body, {**given, **(headers or {})})


def _ask(method: str, url: str, body: bytes | None, given: Mapping[str, str]) -> Answer | None:
    parts = urlsplit(url)
    scheme = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = scheme(parts.hostname or "", parts.port, timeout=_SECONDS)
    headers = {**({"Content-Type": "application/json"} if body is not None else {}), **given}
    try:
        connection.request(
            method, parts._replace(scheme="", netloc="").geturl() or "/", body=body, headers=headers
        )
        response = connection.getresponse()
        return Answer(response.status, response.read())
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
