"""The directory: agencies, their roles, contacts, endpoints and keys, and the sources that may emit."""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from schemas.base import Instant, Opt, WireModel
from schemas.vocabulary import (
    ROLE_CONFIDENTIALITY,
    AgencyId,
    AgencyStatus,
    Confidentiality,
    CountyFips,
    EndpointContent,
    EventType,
    Role,
    Rung,
    SourceUrn,
)

Email = Annotated[
    str,
    StringConstraints(
        pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*$"
    ),
]
"""As HTML has it: one plain address, so that no comma or bracket makes two of it."""
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#]+[^\s]*$", max_length=2000)]


def _check_secret(value: str) -> str:
    """A secret that cannot be decoded would fail at the first alert, not at the desk that typed it."""
    try:
        base64.b64decode(value.removeprefix("whsec_"), validate=True)
    except ValueError:
        raise ValueError("must be whsec_ and base64 of 24 bytes or more") from None
    return value


WebhookSecret = Annotated[
    str, StringConstraints(pattern=r"^whsec_[A-Za-z0-9+/]{32,}={0,2}$"), AfterValidator(_check_secret)
]
AgencyKey = Annotated[str, StringConstraints(pattern=r"^tca_[A-Za-z0-9_-]{16,}$")]
SourceKey = Annotated[str, StringConstraints(pattern=r"^tcs_[A-Za-z0-9_-]{16,}$")]
SampleDirectory = Literal["sample"]

_LAXEST_FIRST: Final = tuple(Confidentiality)


class Contact(WireModel):
    """A duty desk: whom e-mail reaches at a rung of the escalation."""

    rung: Rung
    email: Email
    phone: Opt[Annotated[str, StringConstraints(pattern=r"^[+0-9() .-]{3,40}$")]] = None


class AgencyProfile(WireModel):
    """What a decision needs to know of an agency; no secret."""

    id: AgencyId
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    roles: Annotated[list[Role], Field(min_length=1)]
    counties: Literal["*"] | list[CountyFips]
    external: bool = False
    confidentiality: Opt[Confidentiality] = None
    agreement_until: Instant | None = None
    status: AgencyStatus = AgencyStatus.ACTIVE
    contacts: list[Contact] = Field(default=[])

    @property
    def gate(self) -> Confidentiality:
        """The confidentiality in effect: as declared, else what the strictest of its roles demands."""
        return self.confidentiality or self.least_gate

    @property
    def least_gate(self) -> Confidentiality:
        """The laxest value its roles allow (DOMAIN 6.0.1 point 2)."""
        gates = [ROLE_CONFIDENTIALITY.get(role, Confidentiality.STANDARD) for role in self.roles]
        return max(gates, key=_LAXEST_FIRST.index)

    def serves(self, county: str) -> bool:
        """Whether the agency holds its roles in this county."""
        return self.counties == "*" or county in self.counties


class Endpoint(WireModel):
    """A system of the agency that receives signed webhooks."""

    url: Url
    secret: WebhookSecret
    content: EndpointContent = EndpointContent.POINTER


class Agency(AgencyProfile):
    """An agency as the directory file gives it."""

    endpoints: list[Endpoint] = Field(default=[])
    keys: list[AgencyKey] = Field(default=[])


class Source(WireModel):
    """A member system that may emit: its URN, its key, and the event types it may send (`*` for all)."""

    source: SourceUrn
    key: SourceKey
    types: Annotated[list[Literal["*"] | EventType], Field(min_length=1)]

    @property
    def agency(self) -> AgencyId:
        """The agency the source belongs to."""
        return self.source.split(":")[3]


class DirectoryFile(WireModel):
    """The file of `tocsin directory apply`, after `extends` was resolved by `merge_directories`."""

    extends: Opt[SampleDirectory] = None
    agencies: list[Agency]
    sources: list[Source] = Field(default=[])


class EndpointRecord(WireModel):
    """An endpoint as services keep it: the secret sealed under the key-encryption key."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    endpoint_id: str
    url: str
    content: EndpointContent
    secret_sealed: bytes


class AgencyRecord(AgencyProfile):
    """An agency as services keep it: keys as SHA-256, endpoint secrets sealed."""

    endpoints: list[EndpointRecord] = Field(default=[])
    key_hashes: list[str] = Field(default=[])


class SourceRecord(WireModel):
    """A source as services keep it: the key as SHA-256 in hexadecimal."""

    source: SourceUrn
    key_hash: str
    types: list[Literal["*"] | EventType]


class DirectorySnapshot(WireModel):
    """One version of the directory on `tocsin.directory`. Agencies that left stay, offboarded."""

    version: int = Field(ge=1)
    applied_at: Instant
    agencies: list[AgencyRecord]
    sources: list[SourceRecord]


def endpoint_id(*, agency: str, url: str) -> str:
    """A stable opaque id of an endpoint, so that no log line carries a URL."""
    return "ep_" + hashlib.sha256(f"{agency}\n{url}".encode()).hexdigest()[:16]


def endpoint_seal_context(*, agency: str, endpoint: str) -> tuple[str, ...]:
    """Additional data when an endpoint's secret is sealed."""
    return ("endpoint-secret", agency, endpoint)


def merge_directories(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Merge raw directories per agency id and field, and per source; a given list replaces (DESIGN 7)."""
    return {
        "agencies": _merge(base.get("agencies", []), patch.get("agencies", []), key="id"),
        "sources": _merge(base.get("sources", []), patch.get("sources", []), key="source"),
    }


def _merge(
    base: Sequence[Mapping[str, Any]], patch: Sequence[Mapping[str, Any]], *, key: str
) -> list[dict[str, Any]]:
    merged: dict[Any, dict[str, Any]] = {entry.get(key): dict(entry) for entry in base}
    for entry in patch:
        merged.setdefault(entry.get(key), {}).update(entry)
    return list(merged.values())


def find_directory_errors(
    agencies: Sequence[AgencyProfile], sources: Sequence[Source]
) -> Iterator[tuple[str, str]]:
    """Yield (JSON Pointer, what to do) for everything that shape alone cannot tell."""
    seen: set[str] = set()
    for index, agency in enumerate(agencies):
        if agency.id in seen:
            yield f"/agencies/{index}/id", "this agency appears twice"
        seen.add(agency.id)
        yield from _agency_errors(agency, f"/agencies/{index}")
    urns: set[str] = set()
    keys: set[str] = set()
    for index, source in enumerate(sources):
        if source.source in urns:
            yield f"/sources/{index}/source", "this source appears twice"
        if source.key in keys:
            yield f"/sources/{index}/key", "another source has this key; each needs its own"
        urns.add(source.source)
        keys.add(source.key)
        if source.agency not in seen:
            yield f"/sources/{index}/source", f"agency {source.agency} is not in the directory"


def _agency_errors(agency: AgencyProfile, path: str) -> Iterator[tuple[str, str]]:
    if agency.confidentiality and _LAXEST_FIRST.index(agency.gate) < _LAXEST_FIRST.index(agency.least_gate):
        yield f"{path}/confidentiality", f"its roles demand {agency.least_gate.value}"
    rungs = [contact.rung for contact in agency.contacts]
    for rung in Rung:
        if rungs.count(rung) > 1:
            yield f"{path}/contacts", f"more than one {rung.value} contact"
    if isinstance(agency, Agency):
        urls = [endpoint.url for endpoint in agency.endpoints]
        if len(set(urls)) < len(urls):
            yield f"{path}/endpoints", "the same URL appears twice"
