"""The directory: agencies, their roles, contacts, endpoints and keys, and the sources that may emit."""

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from schemas.base import Instant, Opt, WireModel
from schemas.credentials import (
    AgencyKey,
    KeyHash,
    SecretFile,
    SourceKey,
    WebhookPublicKey,
    WebhookSecret,
    WebhookSigningKey,
)
from schemas.operator import DEPLOYMENT, Operator
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


def _names_nobody(url: str) -> str:
    authority = re.split("[/?#]", url.partition("://")[2], maxsplit=1)[0]
    if "@" in authority:
        raise ValueError("must hold no user or password, which everybody who reads the directory would see")
    return url


Url = Annotated[
    str,
    StringConstraints(pattern=r"^https?://[^\s/?#]+[^\s]*$", max_length=2000),
    AfterValidator(_names_nobody),
    Field(json_schema_extra={"pattern": r"^https?://[^\s/?#@]+([/?#][^\s]*)?$"}),
]
"""Where a webhook goes. It is kept and shown in the clear: the signature is what a receiver goes by."""


SampleDirectory = Literal["sample"]

_LAXEST_FIRST: Final = tuple(Confidentiality)


class Contact(WireModel):
    """A duty desk: whom e-mail reaches at a rung of the escalation."""

    rung: Rung
    email: Email
    phone: Opt[Annotated[str, StringConstraints(pattern=r"^[+0-9() .-]{3,40}$")]] = None
    exercises: bool = False
    """Whether exercises are told here too; a desk that does not expect them could take one for real."""


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

    def has_agreement_at(self, now: datetime) -> bool:
        """Whether it may be told what no law orders (DOMAIN 6.0.1 point 7)."""
        return self.external or (self.agreement_until is not None and now <= self.agreement_until)

    def serves(self, county: str) -> bool:
        """Whether the agency holds its roles in this county."""
        return self.counties == "*" or county in self.counties


class EndpointLimits(WireModel):
    """What a system can bear; what is not given is as for every endpoint."""

    most_at_once: Opt[Annotated[int, Field(ge=1, le=1000)]] = None
    per_second: Opt[Annotated[int, Field(ge=1, le=10_000)]] = None


class Endpoint(WireModel):
    """A system of the agency that receives signed webhooks. A secret that is not given stays in force."""

    url: Url
    secret: Opt[WebhookSecret] = None
    secret_file: Opt[SecretFile] = None
    signing_key: Opt[WebhookSigningKey] = None
    """Given, attempts carry a `v1a` signature too."""
    signing_key_file: Opt[SecretFile] = None
    content: EndpointContent = EndpointContent.POINTER
    limits: Opt[EndpointLimits] = None
    exercises: bool = False
    """Whether exercises are sent here too: only where the system keeps them apart."""


class Agency(AgencyProfile):
    """An agency as the directory file gives it."""

    endpoints: list[Endpoint] = Field(default=[])
    keys: list[AgencyKey] = Field(default=[])
    key_hashes: list[KeyHash] = Field(default=[])
    """SHA-256 of further keys: whoever writes the file need not have them."""


class Source(WireModel):
    """A member system that may emit: its URN, its key or the key's SHA-256, and the types it may send."""

    source: SourceUrn
    key: Opt[SourceKey] = None
    key_hash: Opt[KeyHash] = None
    types: Annotated[list[Literal["*"] | EventType], Field(min_length=1)]

    @property
    def hash(self) -> str | None:
        """The key's SHA-256, however it was given."""
        return self.key_hash if self.key is None else hashlib.sha256(self.key.encode()).hexdigest()

    @property
    def agency(self) -> AgencyId:
        """The agency the source belongs to."""
        return self.source.split(":")[3]


class DirectoryFile(WireModel):
    """The file of `tocsin directory apply`, after `extends` was resolved by `merge_directories`."""

    extends: Opt[SampleDirectory] = None
    agencies: list[Agency]
    sources: list[Source] = Field(default=[])
    operators: list[Operator] = Field(default=[])


class RetiringSecret(WireModel):
    """A secret or signing key that was replaced and signs beside its successor until this instant."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    sealed: bytes
    until: Instant


class EndpointRecord(WireModel):
    """An endpoint as services keep it: what signs is sealed under a key of the deployment."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    endpoint_id: str
    url: str
    content: EndpointContent
    limits: Opt[EndpointLimits] = None
    exercises: bool = False
    secret_sealed: bytes
    signing_key_sealed: Opt[bytes] = None
    public_key: Opt[WebhookPublicKey] = None
    """Verifies what the signing key signs."""
    retiring: list[RetiringSecret] = Field(default=[])
    added: bool = False
    """By itself and not by a file: a file that does not name it leaves it alone."""
    replaced: list[str] = Field(default=[])
    """Keyed digests of what was replaced: an old file must not bring it back."""


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
    operators: list[Operator] = Field(default=[])


def endpoint_id(*, agency: str, url: str) -> str:
    """A stable opaque id of an endpoint, so that no log line carries a URL."""
    return "ep_" + hashlib.sha256(f"{agency}\n{url}".encode()).hexdigest()[:16]


def endpoint_seal_context(*, agency: str, endpoint: str) -> tuple[str, ...]:
    """Additional data when an endpoint's secret is sealed."""
    return ("endpoint-secret", agency, endpoint)


def endpoint_key_context(*, agency: str, endpoint: str) -> tuple[str, ...]:
    """Additional data when an endpoint's signing key is sealed."""
    return ("endpoint-signing-key", agency, endpoint)


def merge_directories(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Merge raw directories per agency, source and operator, and field; a given list replaces (DESIGN 7)."""
    return {
        "agencies": _merge(base.get("agencies", []), patch.get("agencies", []), key="id"),
        "sources": _merge(base.get("sources", []), patch.get("sources", []), key="source"),
        "operators": _merge(base.get("operators", []), patch.get("operators", []), key="id"),
    }


def _merge(
    base: Sequence[Mapping[str, Any]], patch: Sequence[Mapping[str, Any]], *, key: str
) -> list[dict[str, Any]]:
    merged: dict[Any, dict[str, Any]] = {entry.get(key): dict(entry) for entry in base}
    for entry in patch:
        merged.setdefault(entry.get(key), {}).update(entry)
    return list(merged.values())


def find_directory_errors(
    agencies: Sequence[AgencyProfile], sources: Sequence[Source], operators: Sequence[Operator] = ()
) -> Iterator[tuple[str, str]]:
    """Yield (JSON Pointer, what to do) for everything that shape alone cannot tell."""
    seen: set[str] = set()
    for index, agency in enumerate(agencies):
        if agency.id in seen:
            yield f"/agencies/{index}/id", "this agency appears twice"
        seen.add(agency.id)
        yield from _agency_errors(agency, f"/agencies/{index}")
    yield from _source_errors(sources, agencies=seen)
    yield from _operator_errors(operators)


def _source_errors(sources: Sequence[Source], *, agencies: Collection[str]) -> Iterator[tuple[str, str]]:
    urns: set[str] = set()
    hashes: set[str] = set()
    for index, source in enumerate(sources):
        if source.source in urns:
            yield f"/sources/{index}/source", "this source appears twice"
        if (source.key is None) == (source.key_hash is None):
            yield f"/sources/{index}/key", "give either the key or key_hash, its SHA-256"
        if source.hash is not None and source.hash in hashes:
            yield f"/sources/{index}/key", "another source has this key; each needs its own"
        urns.add(source.source)
        hashes.update({source.hash} if source.hash is not None else ())
        if source.agency not in agencies:
            yield f"/sources/{index}/source", f"agency {source.agency} is not in the directory"


def _operator_errors(operators: Sequence[Operator]) -> Iterator[tuple[str, str]]:
    ids: set[str] = set()
    keys: set[str] = set()
    for index, operator in enumerate(operators):
        if operator.id in ids:
            yield f"/operators/{index}/id", "this operator appears twice"
        if operator.id == DEPLOYMENT:
            yield f"/operators/{index}/id", "nobody may be called so: the deployment itself is"
        if operator.public_key in keys:
            yield f"/operators/{index}/public_key", "another operator has this key; each person needs an own"
        ids.add(operator.id)
        keys.add(operator.public_key)


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
        for index, endpoint in enumerate(agency.endpoints):
            yield from _endpoint_errors(endpoint, f"{path}/endpoints/{index}")


def _endpoint_errors(endpoint: Endpoint, path: str) -> Iterator[tuple[str, str]]:
    if endpoint.secret is not None and endpoint.secret_file is not None:
        yield f"{path}/secret_file", "give either secret or secret_file"
    if endpoint.signing_key is not None and endpoint.signing_key_file is not None:
        yield f"{path}/signing_key_file", "give either signing_key or signing_key_file"
