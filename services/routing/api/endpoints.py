"""What each request does: who asks, hand to the handlers, answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Path, Query
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from schemas.directory import DirectorySnapshot
from schemas.operator import SIGNATURE_HEADER, Purpose, digest_query
from schemas.vocabulary import AgencyId, EventId
from services.routing.api.documents import (
    LONGEST_OVERLAP,
    AppliedDirectory,
    RemovedEndpoint,
    RotatedEndpoint,
    RotateRequest,
    ShownDirectory,
)
from services.routing.handlers.directories import DirectoryDesk, NoDirectoryError
from services.routing.handlers.directory_files import (
    MAX_DIRECTORY_BYTES,
    InvalidDirectoryError,
    parse_directory,
)
from services.routing.handlers.endpoint_secrets import SecretKind
from services.routing.handlers.enrolling import Enroller
from services.routing.handlers.enrolling import UnknownEndpointError as UnknownAddedEndpointError
from services.routing.handlers.explaining import Explainer, Question
from services.routing.handlers.operators import Operators
from services.routing.handlers.publishing import ProtocolDesk
from services.routing.handlers.register import MOST_DUTIES, DutyRegister
from services.routing.handlers.rotating import Rotator, UnknownEndpointError
from services.routing.handlers.signatures import SignatureRefusedError, Signatures, Signed
from services.runtime import bodies
from services.runtime.bodies import CutBodyError, LongBodyError
from services.runtime.database import TRANSIENT_ERRORS
from services.runtime.kafka import PublishError
from services.runtime.logs import get_logger
from services.runtime.problems import FieldError, Problem, problem_response

log = get_logger()

RETRY_SECONDS: Final = 1
MAX_ROTATION_BYTES: Final = 1024

_NO_ENDPOINT: Final = Problem(
    status=404, detail="The agency has no such endpoint; `tocsin directory show` lists what there is."
)
_NO_AGENCY: Final = Problem(
    status=404,
    detail="No agency with this id is, or ever was, in the directory; `tocsin directory show` lists them.",
)
_SEALED: Final = {"secret_sealed", "signing_key_sealed", "retiring", "replaced"}


@dataclass(frozen=True, slots=True)
class Desk:
    """What operators ask for."""

    directory: DirectoryDesk
    explainer: Explainer
    rotator: Rotator
    protocols: ProtocolDesk
    signatures: Signatures
    register: DutyRegister
    enroller: Enroller


class RefusedRequestError(Exception):
    """The answer is a problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.status)
        self.problem = problem


class RoutingApi:
    """The endpoints. Until `desk` is connected every answer is 503."""

    def __init__(self, operators: Operators) -> None:
        self.desk: Desk | None = None
        self._operators = operators

    async def put_directory(self, request: Request) -> Response:
        operator = self.authenticate(request)
        raw = await read_body(request, at_most=MAX_DIRECTORY_BYTES)
        try:
            file = parse_directory(raw)
        except InvalidDirectoryError as invalid:
            log.info("directory.refused", error_count=len(invalid.errors), operator=operator)
            raise RefusedRequestError(_unprocessable(invalid)) from None
        try:
            applied = await self.connected().directory.apply(file, operator=operator)
        except InvalidDirectoryError as invalid:
            log.info("directory.refused", error_count=len(invalid.errors), operator=operator)
            raise RefusedRequestError(_unprocessable(invalid)) from None
        except PublishError as error:
            raise RefusedRequestError(
                unavailable("Stored, but not published yet. Apply it again.")
            ) from error
        except TRANSIENT_ERRORS as error:
            raise RefusedRequestError(unavailable("Perhaps stored. Apply it again.")) from error
        return respond(
            AppliedDirectory(
                version=applied.snapshot.version,
                changed=applied.changed,
                agencies=len(applied.snapshot.agencies),
                sources=len(applied.snapshot.sources),
                warnings=list(applied.warnings),
            )
        )

    async def get_directory(self, request: Request) -> Response:
        self.authenticate(request)
        snapshot = await self._find_directory()
        if snapshot is None:
            raise RefusedRequestError(Problem(status=404, detail="No directory was applied yet."))
        return respond(_show(snapshot))

    async def rotate_endpoint(self, request: Request, agency: str, endpoint_id: str) -> Response:
        operator = self.authenticate(request)
        try:
            asked = RotateRequest.model_validate_json(await read_body(request, at_most=MAX_ROTATION_BYTES))
        except ValidationError:
            detail = (
                f"Send `overlap` (a length such as PT24H, {LONGEST_OVERLAP.days} days at most) and `kind`."
            )
            raise RefusedRequestError(Problem(status=422, detail=detail)) from None
        try:
            rotation = await self.connected().rotator.rotate(
                agency, endpoint_id, asked.kind, overlap=asked.overlap, operator=operator
            )
        except (UnknownEndpointError, NoDirectoryError):
            raise RefusedRequestError(_NO_ENDPOINT) from None
        except PublishError as error:
            raise RefusedRequestError(unavailable("Rotated, but not published. Rotate it again.")) from error
        except TRANSIENT_ERRORS as error:
            raise RefusedRequestError(unavailable("Perhaps rotated. Rotate it again.")) from error
        return respond(
            RotatedEndpoint.model_validate(
                {
                    "version": rotation.version,
                    "endpoint_id": rotation.endpoint_id,
                    "kind": rotation.kind,
                    "retires_at": rotation.retires_at,
                    "secret" if rotation.kind is SecretKind.SECRET else "public_key": rotation.shown,
                }
            )
        )

    async def remove_endpoint(self, request: Request, agency: str, endpoint_id: str) -> Response:
        operator = self.authenticate(request)
        try:
            version = await self.connected().enroller.remove(agency, endpoint_id, operator=operator)
        except (UnknownAddedEndpointError, NoDirectoryError):
            raise RefusedRequestError(_NO_ENDPOINT) from None
        except PublishError as error:
            raise RefusedRequestError(
                unavailable("In force, but not published yet. Remove it again.")
            ) from error
        except TRANSIENT_ERRORS as error:
            raise RefusedRequestError(unavailable("Perhaps removed. Remove it again.")) from error
        return respond(RemovedEndpoint(version=version, endpoint_id=endpoint_id))

    async def get_decisions(
        self,
        request: Request,
        event_id: Annotated[str, Path(description="The event's `id`, as its source sent it.")],
        source: Annotated[str | None, Query(description="Only of this source (its URN).")] = None,
        agency: Annotated[str | None, Query(description="Only what concerns this agency.")] = None,
    ) -> Response:
        digest = digest_query(source=source, agency=agency)
        signed = await self.identify(request, purpose=Purpose.EXPLAIN, subject=event_id, digest=digest)
        await self._expect_agency(agency)
        question = Question(event_id, source, agency)
        try:
            found = await self.connected().explainer.explain(question, signed=signed)
        except SignatureRefusedError as refused:
            raise RefusedRequestError(Problem(status=401, detail=str(refused))) from None
        except TRANSIENT_ERRORS as error:
            raise RefusedRequestError(unavailable("The ledger cannot be read just now.")) from error
        if not (found.decisions or found.refusals):
            detail = "No event with this id was decided: not yet, or never accepted, or another source's."
            raise RefusedRequestError(Problem(status=404, detail=detail))
        return respond(found)

    async def get_duties(
        self,
        request: Request,
        agency: Annotated[AgencyId | None, Query(description="Only those that this agency holds.")] = None,
        event: Annotated[EventId | None, Query(description="Only those of events with this id.")] = None,
        *,
        overdue: Annotated[bool, Query(description="Only those whose time has passed.")] = False,
        limit: Annotated[int, Query(ge=1, le=MOST_DUTIES)] = 500,
    ) -> Response:
        operator = self.authenticate(request)
        await self._expect_agency(agency)
        try:
            found = await self.connected().register.list_duties(
                agency=agency, event_id=event, only_overdue=overdue, limit=limit, operator=operator
            )
        except TRANSIENT_ERRORS as error:
            raise RefusedRequestError(unavailable("The ledger cannot be read just now.")) from error
        return respond(found)

    async def _expect_agency(self, agency: str | None) -> None:
        """A misspelt id must not read as `told nothing`. Raises RefusedRequestError."""
        if agency is None:
            return
        snapshot = await self._find_directory()
        if snapshot is not None and agency not in {each.id for each in snapshot.agencies}:
            raise RefusedRequestError(_NO_AGENCY)

    async def _find_directory(self) -> DirectorySnapshot | None:
        try:
            return await self.connected().directory.find_newest()
        except TRANSIENT_ERRORS as error:
            raise RefusedRequestError(unavailable("The directory cannot be read just now.")) from error

    def authenticate(self, request: Request) -> str:
        """By an API key. Raises RefusedRequestError."""
        operator = self._operators.find(request.headers.get("authorization"))
        if operator is None:
            log.warning("operator.refused", path=request.scope["route"].path)
            raise RefusedRequestError(Problem(status=401, detail="Send an operator's key as bearer token."))
        return operator

    async def expect_signature(self, request: Request) -> None:
        """Before a body is read: strangers do not fill our memory. Raises RefusedRequestError."""
        async with self._signature_refusals(request) as header:
            await self.connected().signatures.expect(header)

    async def identify(self, request: Request, *, purpose: Purpose, subject: str, digest: str) -> Signed:
        """By a signature under just this. Raises RefusedRequestError."""
        async with self._signature_refusals(request) as header:
            return await self.connected().signatures.check(
                header, purpose=purpose, subject=subject, digest=digest
            )
        raise AssertionError("a refusal is raised")

    @asynccontextmanager
    async def _signature_refusals(self, request: Request) -> AsyncIterator[str | None]:
        try:
            yield request.headers.get(SIGNATURE_HEADER)
        except SignatureRefusedError as refused:
            log.warning("operator.refused", path=request.scope["route"].path)
            raise RefusedRequestError(Problem(status=401, detail=str(refused))) from None
        except TRANSIENT_ERRORS as error:
            raise RefusedRequestError(unavailable("The directory cannot be read just now.")) from error

    def connected(self) -> Desk:
        """Raises RefusedRequestError."""
        if self.desk is None:
            raise RefusedRequestError(unavailable("Waiting for PostgreSQL and Kafka."))
        return self.desk


async def read_body(request: Request, *, at_most: int) -> bytes:
    """Raises RefusedRequestError when it is larger, or ends early."""
    try:
        return await bodies.read_body(request.receive, request.scope["headers"], at_most=at_most)
    except LongBodyError:
        raise RefusedRequestError(Problem(status=413, detail=f"{at_most} bytes at most.")) from None
    except CutBodyError:
        raise RefusedRequestError(Problem(status=400, detail="The request ended early.")) from None


def _show(snapshot: DirectorySnapshot) -> ShownDirectory:
    return ShownDirectory.model_validate(
        {
            "version": snapshot.version,
            "applied_at": snapshot.applied_at,
            "agencies": [
                agency.model_dump(
                    exclude={"key_hashes": True, "endpoints": {"__all__": _SEALED}},
                    exclude_none=True,
                )
                for agency in snapshot.agencies
            ],
            "sources": [
                {"source": source.source, "types": [str(kind) for kind in source.types]}
                for source in snapshot.sources
            ],
            "operators": [operator.model_dump() for operator in snapshot.operators],
        }
    )


def respond(model: BaseModel) -> Response:
    """200 with the model as JSON."""
    return Response(model.model_dump_json(), media_type="application/json")


def _unprocessable(invalid: InvalidDirectoryError) -> Problem:
    return Problem(
        status=422,
        title="Invalid directory",
        detail="Nothing changed. Mend every fault and apply the file again.",
        errors=[FieldError(error.path, error.message) for error in invalid.errors],
    )


def unavailable(detail: str) -> Problem:
    """503, to be asked again."""
    return Problem(status=503, detail=detail, retry_after=RETRY_SECONDS)


def refuse(error: RefusedRequestError) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if error.problem.status == 401 else {}  # noqa: PLR2004 -- HTTP's
    return problem_response(error.problem, headers=headers)
