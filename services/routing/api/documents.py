"""The OpenAPI document: what operators may ask. Generated from the wire models."""

from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import AwareDatetime, BaseModel, Field
from pydantic.json_schema import models_json_schema

from schemas.base import Length, Opt, WireModel
from schemas.directory import AgencyProfile, DirectoryFile, EndpointLimits
from schemas.operator import SIGNATURE_HEADER, Operator
from schemas.problem import Problem
from schemas.vocabulary import EndpointContent, SourceUrn
from services.routing.api.pack_models import ApprovalRequest, ShownPack, ShownPacks
from services.routing.handlers.endpoint_secrets import OVERLAP, SecretKind
from services.routing.handlers.explanation import Explanations
from services.routing.handlers.register import RegisteredDuties
from services.runtime.problems import MEDIA_TYPE as PROBLEM_TYPE

TITLE: Final = "Tocsin routing"
VERSION: Final = "1"
SUMMARY: Final = (
    "Operators apply the directory, put protocols in force, ask why agencies were told, and watch duties."
)
DESCRIPTION: Final = """\
A request carries an operator's API key, or the signature of an operator of the directory: `Tocsin-Signature`
is a public key, an instant and the base64 of the signature, with a space between. Problems are RFC 9457
documents; `errors` names every fault by JSON Pointer, never by value. A directory is applied whole: agencies
that it does not name any more are offboarded.
"""

LONGEST_OVERLAP: Final = timedelta(days=30)

_REF: Final = "#/components/schemas/{model}"


class AppliedDirectory(WireModel):
    """The version in force after applying; `changed` is false if the file says what was in force before."""

    version: int
    changed: bool
    agencies: int
    sources: int
    warnings: list[str]


class RotateRequest(WireModel):
    """Which secret to replace, and how long the one before goes on signing."""

    kind: SecretKind = SecretKind.SECRET
    overlap: Annotated[Length, Field(le=LONGEST_OVERLAP)] = OVERLAP


class RotatedEndpoint(WireModel):
    """What the agency needs now: the secret, shown this once, or the public key of its new signing key."""

    version: int
    endpoint_id: str
    kind: SecretKind
    retires_at: AwareDatetime
    secret: Opt[str] = None
    public_key: Opt[str] = None


class RemovedEndpoint(WireModel):
    """An endpoint that is gone, and the version of the directory without it."""

    version: int
    endpoint_id: str


class ShownEndpoint(WireModel):
    """An endpoint without its secrets."""

    endpoint_id: str
    url: str
    content: EndpointContent
    public_key: Opt[str] = None
    limits: Opt[EndpointLimits] = None
    exercises: bool = False
    added: bool = False


class ShownAgency(AgencyProfile):
    """An agency without its keys."""

    endpoints: list[ShownEndpoint]


class ShownSource(WireModel):
    """A source without its key."""

    source: SourceUrn
    types: list[str]


class ShownDirectory(WireModel):
    """The directory in force, without secrets."""

    version: int
    applied_at: AwareDatetime
    agencies: list[ShownAgency]
    sources: list[ShownSource]
    operators: list[Operator]


_MODELS: Final[tuple[type[BaseModel], ...]] = (
    AppliedDirectory,
    ApprovalRequest,
    DirectoryFile,
    Explanations,
    Problem,
    RemovedEndpoint,
    RotatedEndpoint,
    RotateRequest,
    ShownDirectory,
    ShownPack,
    ShownPacks,
)


def build_openapi(app: FastAPI) -> dict[str, Any]:
    """The document, cached on the app as FastAPI does."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            routes=app.routes,
        )
        components = document.setdefault("components", {})
        components["schemas"] = _schemas()
        components["securitySchemes"] = {
            "operatorKey": {
                "type": "http",
                "scheme": "bearer",
                "description": "The key of an operator (`tco_…`).",
            },
            "operatorSignature": {
                "type": "apiKey",
                "in": "header",
                "name": SIGNATURE_HEADER,
                "description": "The signature of an operator of the directory (docs/operations.md).",
            },
        }
        app.openapi_schema = document
    return app.openapi_schema


def _schemas() -> dict[str, Any]:
    _, document = models_json_schema([(model, "validation") for model in _MODELS], ref_template=_REF)
    schemas: dict[str, Any] = document["$defs"]
    return schemas


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": _REF.format(model=model.__name__)}


def _json(model: type[BaseModel]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": _schema(model)}}}


def _problem(description: str, *, headers: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "description": description,
        "headers": headers or {},
        "content": {PROBLEM_TYPE: {"schema": _schema(Problem)}},
    }


_CHALLENGE: Final = {"WWW-Authenticate": {"description": "`Bearer`", "schema": {"type": "string"}}}
_RETRY: Final = {
    "Retry-After": {
        "description": "Whole seconds until the same may be asked again.",
        "schema": {"type": "integer"},
    }
}
_SECURITY: Final[list[dict[str, list[str]]]] = [{"operatorKey": []}]
_SIGNED: Final[list[dict[str, list[str]]]] = [{"operatorSignature": []}]
_COMMON: Final[dict[int | str, dict[str, Any]]] = {
    401: _problem("The key or the signature is missing, unknown or too old.", headers=_CHALLENGE),
    503: _problem("Not just now: a server behind routing does not answer.", headers=_RETRY),
    "default": _problem("A fault of ours."),
}

PUT_DIRECTORY: Final[dict[str, Any]] = {
    "operation_id": "putDirectory",
    "summary": "Apply a directory",
    "description": "Agencies, endpoints, keys and sources; 8 MiB at most. The same file again changes "
    "nothing and publishes the version in force once more.",
    "response_description": "Stored and published; the other services take it up within moments.",
    "responses": {
        **_COMMON,
        200: _json(AppliedDirectory),
        413: _problem("The file is too large."),
        422: _problem("Refused: `errors` lists every fault at once. Nothing changed."),
    },
    "openapi_extra": {
        "security": _SECURITY,
        "requestBody": {"required": True, **_json(DirectoryFile)},
    },
}

GET_DIRECTORY: Final[dict[str, Any]] = {
    "operation_id": "getDirectory",
    "summary": "Read the directory in force",
    "description": "Without keys and secrets.",
    "response_description": "The newest version.",
    "responses": {**_COMMON, 200: _json(ShownDirectory), 404: _problem("No directory was applied yet.")},
    "openapi_extra": {"security": _SECURITY},
}

ROTATE_ENDPOINT: Final[dict[str, Any]] = {
    "operation_id": "rotateEndpoint",
    "summary": "Rotate what an endpoint is signed with",
    "description": "A fresh secret or signing key. The one before signs beside it until `retires_at`; a "
    "directory file that still gives it does not bring it back.",
    "response_description": "In force and published. The secret is not shown again.",
    "responses": {
        **_COMMON,
        200: _json(RotatedEndpoint),
        404: _problem("The agency has no such endpoint."),
        413: _problem("The body is too large."),
        422: _problem("The body is not what this describes."),
    },
    "openapi_extra": {
        "security": _SECURITY,
        "requestBody": {"required": True, **_json(RotateRequest)},
    },
}

REMOVE_ENDPOINT: Final[dict[str, Any]] = {
    "operation_id": "removeEndpoint",
    "summary": "Take an endpoint out of the directory",
    "description": "Nothing is sent there any more. A directory file that names it brings it back.",
    "response_description": "In force and published.",
    "responses": {
        **_COMMON,
        200: _json(RemovedEndpoint),
        404: _problem("The agency has no such endpoint."),
    },
    "openapi_extra": {"security": _SECURITY},
}

GET_DECISIONS: Final[dict[str, Any]] = {
    "operation_id": "getDecisions",
    "summary": "Why was this agency told, and that one not?",
    "description": "What the ledger holds of an event: every rule considered, which part of its condition "
    "stopped it, every alert, every refusal. That is content of a case: it is signed for `ledger.explain`, "
    "the subject is the event's id, and each reading is recorded. A signed question is answered once.",
    "response_description": "The decision of each source that used this id, and refused records with it.",
    "responses": {
        **_COMMON,
        200: _json(Explanations),
        404: _problem("No event with this id was decided, or `agency` is none of the directory."),
    },
    "openapi_extra": {"security": _SIGNED},
}

_PACK: Final[dict[int | str, dict[str, Any]]] = {
    200: _json(ShownPack),
    409: _problem("It contradicts what was published or approved before."),
    413: _problem("The body is too large."),
    422: _problem("Refused: `errors` lists every fault at once. Nothing changed."),
}
_PACK_FILE: Final[dict[str, Any]] = {"application/yaml": {"schema": {"type": "string"}}}

PUT_PACK: Final[dict[str, Any]] = {
    "operation_id": "putPack",
    "summary": "Publish a version of a protocol pack",
    "description": "The pack as YAML; signed for `protocol.publish`, the subject `name@version` and the "
    "SHA-256 of the body. Nothing decides by it before another operator approves it. A published version "
    "never changes.",
    "response_description": "Stored; the same content again changes nothing.",
    "responses": {**_COMMON, **_PACK},
    "openapi_extra": {"security": _SIGNED, "requestBody": {"required": True, "content": _PACK_FILE}},
}

APPROVE_PACK: Final[dict[str, Any]] = {
    "operation_id": "approvePack",
    "summary": "Approve a published version",
    "description": "By another operator than its author, with another key; signed for `protocol.approve`, "
    "the subject `name@version` and the SHA-256 of the pack. It comes into force when it says, or at once if "
    "that is past.",
    "response_description": "Approved; every routing process takes it up without a restart.",
    "responses": {**_COMMON, **_PACK, 404: _problem("No such version was published.")},
    "openapi_extra": {
        "security": _SIGNED,
        "requestBody": {"required": True, **_json(ApprovalRequest)},
    },
}

LIST_PACKS: Final[dict[str, Any]] = {
    "operation_id": "listPacks",
    "summary": "Which versions there are, and which is in force",
    "description": "By an API key, or signed for `protocol.read`.",
    "response_description": "Every version ever published.",
    "responses": {**_COMMON, 200: _json(ShownPacks)},
    "openapi_extra": {"security": [*_SECURITY, *_SIGNED]},
}

GET_PACK: Final[dict[str, Any]] = {
    "operation_id": "getPack",
    "summary": "Read a published version",
    "description": "By an API key, or signed for `protocol.read`.",
    "response_description": "As its author sent it.",
    "responses": {
        **_COMMON,
        200: {"content": _PACK_FILE},
        404: _problem("No such version was published."),
        422: _problem("Not a `name@version`."),
    },
    "openapi_extra": {"security": [*_SECURITY, *_SIGNED]},
}

GET_DUTIES: Final[dict[str, Any]] = {
    "operation_id": "getDuties",
    "summary": "Which statutory duties are open, overdue, in doubt or closed?",
    "description": "The longest due first, closed ones last. Of evidence only the kind of channel and the "
    "time are shown. The read is logged.",
    "response_description": "The duties asked for, `limit` at most.",
    "responses": {
        **_COMMON,
        200: _json(RegisteredDuties),
        404: _problem("No agency with this id is, or ever was, in the directory."),
        422: _problem("A parameter is not what is described here."),
    },
    "openapi_extra": {"security": _SECURITY},
}
