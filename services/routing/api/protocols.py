"""The endpoints of protocol packs: publish, approve, list, read."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Final

from fastapi import Path
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from schemas.operator import Purpose, digest_content
from services.routing.api.endpoints import RefusedRequestError, RoutingApi, read_body, respond, unavailable
from services.routing.api.pack_models import PACK_PATTERN, ApprovalRequest, ShownPack, ShownPacks
from services.routing.handlers.publishing import (
    PackEntry,
    PackRefusedError,
    PublicationConflictError,
    UnknownPackError,
)
from services.routing.pack_file import MAX_FILE_BYTES
from services.runtime.database import TRANSIENT_ERRORS
from services.runtime.logs import get_logger
from services.runtime.problems import FieldError, Problem

log = get_logger()

YAML: Final = "application/yaml"
MAX_APPROVAL_BYTES: Final = 1024

PackLabel = Annotated[str, Path(description="`name@version`.", pattern=PACK_PATTERN)]


class ProtocolApi:
    """What operators ask about protocol packs."""

    def __init__(self, api: RoutingApi) -> None:
        self._api = api

    async def put_pack(self, request: Request, pack: PackLabel) -> Response:
        await self._api.expect_signature(request)
        content = await read_body(request, at_most=MAX_FILE_BYTES)
        signed = await self._api.identify(
            request, purpose=Purpose.PUBLISH, subject=pack, digest=digest_content(content)
        )
        async with _refusals(pack, signed.operator):
            entry = await self._api.connected().protocols.publish(pack, content, signed=signed)
        return respond(_show(entry))

    async def approve_pack(self, request: Request, pack: PackLabel) -> Response:
        await self._api.expect_signature(request)
        raw = await read_body(request, at_most=MAX_APPROVAL_BYTES)
        try:
            asked = ApprovalRequest.model_validate_json(raw, strict=True)
        except ValidationError:
            error = FieldError("/sha256", "send the SHA-256 of the content in hexadecimal, and nothing else")
            raise RefusedRequestError(Problem(status=422, errors=[error])) from None
        signed = await self._api.identify(request, purpose=Purpose.APPROVE, subject=pack, digest=asked.sha256)
        async with _refusals(pack, signed.operator):
            entry = await self._api.connected().protocols.approve(pack, sha256=asked.sha256, signed=signed)
        return respond(_show(entry))

    async def list_packs(self, request: Request) -> Response:
        operator = await self._read_as(request, "")
        async with _refusals("", operator):
            entries = await self._api.connected().protocols.list_entries()
        return respond(ShownPacks(packs=[_show(entry) for entry in entries]))

    async def get_pack(self, request: Request, pack: PackLabel) -> Response:
        operator = await self._read_as(request, pack)
        async with _refusals(pack, operator):
            content = await self._api.connected().protocols.get_content(pack)
        return Response(content, media_type=YAML)

    async def _read_as(self, request: Request, subject: str) -> str:
        """A protocol is no secret among operators: an API key or a signature is enough."""
        if request.headers.get("authorization") is not None:
            return self._api.authenticate(request)
        signed = await self._api.identify(
            request, purpose=Purpose.READ_PROTOCOLS, subject=subject, digest=digest_content(b"")
        )
        return signed.operator


@asynccontextmanager
async def _refusals(pack: str, operator: str) -> AsyncIterator[None]:
    """Turns what the desk refuses into problems."""
    try:
        yield
    except PackRefusedError as refused:
        log.info(
            "pack.refused", pack=pack, operator=operator, reason="faulty", error_count=len(refused.problems)
        )
        raise RefusedRequestError(_unprocessable(refused)) from None
    except PublicationConflictError as conflict:
        log.info("pack.refused", pack=pack, operator=operator, reason="conflict", error_count=1)
        raise RefusedRequestError(Problem(status=409, detail=str(conflict))) from None
    except UnknownPackError:
        raise RefusedRequestError(Problem(status=404, detail="No such version was published.")) from None
    except TRANSIENT_ERRORS as error:
        raise RefusedRequestError(unavailable("Perhaps done. Ask again.")) from error


def _unprocessable(refused: PackRefusedError) -> Problem:
    return Problem(
        status=422,
        title="Invalid protocol pack",
        detail="Nothing changed. Mend every fault and send it again.",
        errors=[FieldError("", str(problem)) for problem in refused.problems],
    )


def _show(entry: PackEntry) -> ShownPack:
    publication, approval = entry.stored.publication, entry.stored.approval
    return ShownPack(
        pack=publication.label,
        state=entry.state,
        sha256=publication.sha256,
        in_force_from=publication.in_force_from,
        effective_from=None if approval is None else approval.in_force_from,
        author=publication.author,
        published_at=publication.published_at,
        approver=None if approval is None else approval.approver,
        approved_at=None if approval is None else approval.approved_at,
        changed=entry.changed,
    )
