"""Operators with keys, and what they ask of a running service."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import orjson

from schemas.directory import DirectoryFile
from schemas.operator import Operator, Purpose, digest_content, digest_query
from services.cli.signing import sign_request
from services.devstack.ask import Answer
from services.runtime.ed25519 import SigningKey
from tests.integration.routing.rig import READER, sample_directory
from tests.integration.routing.service import Service

LABEL = "a-test@1.0.0"


@dataclass(frozen=True)
class Person:
    """Somebody with a key, in the directory or not."""

    id: str
    key: SigningKey

    @classmethod
    def new(cls, name: str) -> "Person":
        return cls(name, SigningKey.generate())

    @property
    def operator(self) -> Operator:
        return Operator(id=self.id, name=self.id, public_key=self.key.public)

    def sign(self, purpose: Purpose, subject: str, digest: str, *, ago: timedelta = timedelta()) -> str:
        at = datetime.now(UTC) - ago
        return sign_request(self.key, purpose=purpose, subject=subject, digest=digest, at=at)

    async def publish(self, service: Service, pack: str, *, label: str = LABEL) -> Answer:
        content = pack.encode()
        signature = self.sign(Purpose.PUBLISH, label, digest_content(content))
        return await service.ask("PUT", f"/v1/protocols/{label}", body=content, signature=signature)

    async def approve(self, service: Service, pack: str, *, label: str = LABEL) -> Answer:
        digest = digest_content(pack.encode())
        signature = self.sign(Purpose.APPROVE, label, digest)
        body = orjson.dumps({"sha256": digest})
        return await service.ask("POST", f"/v1/protocols/{label}/approval", body=body, signature=signature)

    async def explain(
        self, service: Service, event_id: str, *, source: str | None = None, agency: str | None = None
    ) -> Answer:
        signature = self.sign(Purpose.EXPLAIN, event_id, digest_query(source=source, agency=agency))
        given = {name: value for name, value in (("source", source), ("agency", agency)) if value}
        path = f"/v1/decisions/{event_id}?{urlencode(given)}"
        return await service.ask("GET", path, signature=signature)


ANA = Person("op-ana", READER)
"""In every sample directory."""


def directory_of(*people: Person) -> DirectoryFile:
    """The sample task force with these operators."""
    return sample_directory().model_copy(update={"operators": [person.operator for person in people]})


async def apply(service: Service, *people: Person) -> None:
    body = directory_of(*people).model_dump_json(exclude_none=True).encode()
    answer = await service.ask("PUT", "/v1/directory", body=body)
    assert answer.status == 200, answer.body


async def list_packs(service: Service) -> dict[str, dict[str, object]]:
    answer = await service.ask("GET", "/v1/protocols")
    return {entry["pack"]: entry for entry in json.loads(answer.body)["packs"]}
