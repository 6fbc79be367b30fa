"""Who may sign in: agencies and operators invite people of a contact, list them and remove them."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, FastAPI, Response
from pydantic import Field

from schemas.base import WireModel
from schemas.directory import AgencyRecord
from schemas.vocabulary import AgencyId, Rung
from services.notify.api.documents import (
    INVITED,
    INVITED_BY_OPERATOR,
    OF_AGENCY,
    OF_SOME_AGENCY,
    ONE_PERSON,
    ONE_PERSON_OPERATED,
)
from services.notify.api.refusals import NO_SUCH_CONTACT, NO_SUCH_PERSON, RefusedError, find_id
from services.notify.handlers.enrolment import EnrolmentDesk, Invitation
from services.notify.handlers.operations import OperatorDesk
from services.notify.people import Enrolled

NO_STORE: Final = {"cache-control": "no-store"}


class InviteRequest(WireModel):
    """For which of your contacts."""

    rung: Rung


class OperatorInviteRequest(InviteRequest):
    """For which contact of which agency."""

    agency: AgencyId


class Invited(WireModel):
    """Hand both to the person over a channel that you trust: who has the code enrols."""

    link: str = Field(description="Where the person enrols. The code is typed there, and in no address.")
    code: str = Field(description="Works once.")
    expires_at: datetime


class EnrolledPerson(WireModel):
    """Somebody who may sign in."""

    person_id: UUID
    agency: AgencyId
    contact: Rung | None = Field(
        description="Null once the contact left the directory: nobody signs in then."
    )
    name: str | None
    role: str | None
    enrolled_at: datetime


class PersonList(WireModel):
    """Who may sign in, by agency and by when they enrolled."""

    people: list[EnrolledPerson]


class Removed(WireModel):
    """Who may no longer sign in; every session of theirs has ended."""

    person_id: UUID


Enter = Callable[[], EnrolmentDesk]


def add_people_routes(
    app: FastAPI,
    enter: Enter,
    authenticate: Callable[..., Awaitable[AgencyRecord]],
    *,
    link: Callable[[], str],
) -> None:
    Agency = Annotated[AgencyRecord, Depends(authenticate)]  # noqa: N806 -- a type

    @app.post("/v1/people/invite", operation_id="invitePerson", **INVITE)
    async def invite(agency: Agency, asked: InviteRequest) -> Response:
        invitation = await _invite(enter(), agency.id, asked.rung)
        return _show(invitation, link=link())

    @app.get("/v1/people", operation_id="listPeople", **LIST)
    async def list_people(agency: Agency) -> Response:
        return _json(_describe(await enter().list_people(agency=agency.id)))

    @app.delete("/v1/people/{person_id}", operation_id="removePerson", **REMOVE)
    async def remove(agency: Agency, person_id: str) -> Response:
        return await _remove(enter(), _find(person_id), agency=agency.id)


def add_operated_people_routes(
    app: FastAPI,
    enter: Enter,
    authenticate: Callable[..., Awaitable[str]],
    *,
    operators: Callable[[], OperatorDesk],
    link: Callable[[], str],
) -> None:
    """On record by operator: whoever holds a code may become a person of that agency, and read its alerts."""
    Operator = Annotated[str, Depends(authenticate)]  # noqa: N806 -- a type

    @app.post("/v1/operator/people/invite", operation_id="inviteForAgency", **OPERATED_INVITE)
    async def invite(operator: Operator, asked: OperatorInviteRequest) -> Response:
        invitation = await _invite(enter(), asked.agency, asked.rung)
        detail = f"agency={asked.agency} contact={asked.rung} person_id={invitation.person_id}"
        await operators().record(operator, "person.invited", detail)
        return _show(invitation, link=link())

    @app.get("/v1/operator/people", operation_id="listAllPeople", **OPERATED_LIST)
    async def list_people(operator: Operator, agency: AgencyId | None = None) -> Response:
        operators().expect(agency)
        await operators().record(operator, "people.listed", "" if agency is None else f"agency={agency}")
        return _json(_describe(await enter().list_people(agency=agency)))

    @app.delete("/v1/operator/people/{person_id}", operation_id="removeAnyPerson", **OPERATED_REMOVE)
    async def remove(operator: Operator, person_id: str) -> Response:
        found = _find(person_id)
        await operators().record(operator, "person.removed", f"person_id={found}")
        return await _remove(enter(), found, agency=None)


async def _invite(desk: EnrolmentDesk, agency: str, rung: Rung) -> Invitation:
    invitation = await desk.invite(agency, rung)
    if invitation is None:
        raise RefusedError(NO_SUCH_CONTACT)
    return invitation


def _show(invitation: Invitation, *, link: str) -> Response:
    return _json(Invited(link=link, code=invitation.code, expires_at=invitation.expires_at))


def _find(person_id: str) -> UUID:
    found = find_id(person_id)
    if found is None:
        raise RefusedError(NO_SUCH_PERSON)
    return found


async def _remove(desk: EnrolmentDesk, person_id: UUID, *, agency: str | None) -> Response:
    if not await desk.remove(person_id, agency=agency):
        raise RefusedError(NO_SUCH_PERSON)
    return _json(Removed(person_id=person_id))


def _describe(people: Sequence[Enrolled]) -> PersonList:
    return PersonList(
        people=[
            EnrolledPerson(
                person_id=person.person_id,
                agency=person.agency,
                contact=person.contact,
                name=person.name,
                role=person.role,
                enrolled_at=person.enrolled_at,
            )
            for person in people
        ]
    )


def _json(model: WireModel) -> Response:
    return Response(model.model_dump_json(), media_type="application/json", headers=NO_STORE)


INVITE: Final[dict[str, Any]] = {
    "summary": "Let one more person sign in",
    "description": "Makes a one-time code for a contact of yours, good for three days.",
    "response_model": Invited,
    "responses": INVITED,
}
LIST: Final[dict[str, Any]] = {
    "summary": "Who of your agency may sign in",
    "response_model": PersonList,
    "responses": OF_AGENCY,
}
REMOVE: Final[dict[str, Any]] = {
    "summary": "Let somebody sign in no more",
    "description": "Ends their sessions at once. Who lost the authenticator app is removed and invited anew.",
    "response_model": Removed,
    "responses": ONE_PERSON,
}
OPERATED_INVITE: Final[dict[str, Any]] = {
    "summary": "Let one more person of an agency sign in",
    "response_model": Invited,
    "responses": INVITED_BY_OPERATOR,
}
OPERATED_LIST: Final[dict[str, Any]] = {
    "summary": "Who may sign in",
    "response_model": PersonList,
    "responses": OF_SOME_AGENCY,
}
OPERATED_REMOVE: Final[dict[str, Any]] = {
    "summary": "Let somebody of any agency sign in no more",
    "response_model": Removed,
    "responses": ONE_PERSON_OPERATED,
}
