"""What the commands ask routing about protocol packs, signed."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import orjson

from schemas.operator import SIGNATURE_HEADER, Purpose, digest_content
from services.cli.signing import sign_request
from services.devstack.ask import Answer, ask
from services.runtime.clock import Clock
from services.runtime.ed25519 import SigningKey

_REFUSALS = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY})


class RefusedError(Exception):
    """Routing refused: what was sent is wrong."""


class NotDoneError(Exception):
    """Routing could not be asked, or not by us."""


@dataclass(frozen=True, slots=True)
class ProtocolClient:
    """Routing's endpoints of protocol packs, asked by one operator."""

    routing: str
    key: SigningKey
    clock: Clock

    async def publish(self, label: str, content: bytes) -> dict[str, Any]:
        """Raises RefusedError or NotDoneError, as all of these do."""
        digest = digest_content(content)
        return (await self._ask("PUT", label, Purpose.PUBLISH, digest, body=content)).json()

    async def approve(self, label: str, *, sha256: str) -> dict[str, Any]:
        body = orjson.dumps({"sha256": sha256})
        path = f"{label}/approval"
        answer = await self._ask("POST", path, Purpose.APPROVE, sha256, subject=label, body=body)
        return answer.json()

    async def list_packs(self) -> list[dict[str, Any]]:
        answer = await self._ask("GET", "", Purpose.READ_PROTOCOLS, digest_content(b""))
        packs: list[dict[str, Any]] = answer.json()["packs"]
        return packs

    async def get_content(self, label: str) -> bytes:
        return (await self._ask("GET", label, Purpose.READ_PROTOCOLS, digest_content(b""))).body

    async def _ask(
        self,
        method: str,
        path: str,
        purpose: Purpose,
        digest: str,
        *,
        subject: str | None = None,
        body: bytes | None = None,
    ) -> Answer:
        signature = sign_request(
            self.key,
            purpose=purpose,
            subject=path if subject is None else subject,
            digest=digest,
            at=self.clock.now(),
        )
        url = f"{self.routing}/v1/protocols" + (f"/{quote(path, safe='/@')}" if path else "")
        answer = await ask(method, url, body=body, headers={SIGNATURE_HEADER: signature})
        if answer is None:
            raise NotDoneError("routing does not answer; is the stack running?")
        if answer.status == HTTPStatus.OK:
            return answer
        error = RefusedError if answer.status in _REFUSALS else NotDoneError
        raise error(render_problem(answer))


def render_problem(answer: Answer) -> str:
    """A problem document in lines."""
    said = answer.json()
    first = str(said.get("detail") or said.get("title") or f"HTTP {answer.status}")
    errors = said.get("errors") or []
    return "\n".join([first, *(f"  {error['message']}" for error in errors)])
