"""What of ours is out of order: who is told, once for what, and never a word of a case."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from schemas.alert import Concern
from schemas.directory import AgencyRecord, EndpointRecord
from schemas.vocabulary import EndpointContent, Role, Urgency
from services.routing.decision import Directory
from services.routing.notices import (
    Notice,
    dead_letter,
    endpoint_added,
    endpoint_removed,
    endpoint_resumed,
    endpoint_suspended,
    find_recipients,
)
from tests.unit.routing.building import build_directory

AT = datetime(2026, 3, 4, 6, 40, tzinfo=UTC)
CW, TFC, ILS = "ag-kern-cw", "ag-kern-tfc", "ag-kern-ils"


def suspended(agency: str = CW, since: datetime = AT) -> Notice:
    concern = Concern(agency=agency, endpoint_id="ep_one")
    return endpoint_suspended(concern, endpoint_id="ep_one", since=since)


def dead(channel: str = "webhook", urgency: Urgency = Urgency.URGENT, at: datetime = AT) -> Notice:
    concern = Concern(agency=CW, channel=channel)
    return dead_letter(concern, channel=channel, urgency=urgency, exercise=False, at=at)


def told(notice: Notice, directory: Directory | None = None) -> list[tuple[str, str]]:
    return [
        (member.id, role.value) for member, role in find_recipients(notice, directory or build_directory())
    ]


def test_the_agency_and_its_coordinator_learn_that_an_endpoint_is_suspended() -> None:
    assert told(suspended()) == [(CW, "CHILD_WELFARE"), (TFC, "TF_COORDINATOR")]


def test_a_coordinators_own_endpoint_is_told_to_it_once() -> None:
    assert told(suspended(TFC)) == [(TFC, "TF_COORDINATOR")]


def test_a_coordinator_of_another_county_is_told_nothing() -> None:
    other = {"id": "ag-other-tfc", "roles": ["TF_COORDINATOR"], "counties": ["06001"]}
    assert told(suspended(), build_directory({"ag-other-tfc": other})) == told(suspended())


def test_a_nationwide_agency_has_every_coordinator() -> None:
    other = {"id": "ag-other-tfc", "roles": ["TF_COORDINATOR"], "counties": ["06001"]}
    names = [agency for agency, _ in told(suspended("ag-us-fbi"), build_directory({"ag-other-tfc": other}))]
    assert names == ["ag-us-fbi", TFC, "ag-other-tfc"]


def test_nobody_is_told_of_an_agency_that_left_or_that_nobody_knows() -> None:
    assert told(suspended(), build_directory({CW: {"status": "offboarded"}})) == []
    assert told(suspended("ag-nobody")) == []


def test_a_dead_letter_is_told_to_the_coordinator_alone() -> None:
    assert told(dead()) == [(TFC, "TF_COORDINATOR")]


def test_the_end_of_a_suspension_cancels_its_notice_and_no_other() -> None:
    concern = Concern(agency=CW, endpoint_id="ep_one")
    ended = endpoint_resumed(concern, endpoint_id="ep_one", since=AT)
    assert (ended.kind.value, ended.urgency.value, ended.ends) == ("cancel", "routine", suspended().marks)
    assert suspended(since=AT + timedelta(days=1)).marks not in {ended.ends, ended.marks}


def test_dead_letters_of_one_hour_are_one_trouble_and_of_another_kind_are_not() -> None:
    assert dead(at=AT + timedelta(minutes=19)).marks == dead().marks
    others = [dead(at=AT + timedelta(minutes=20)), dead("email"), dead(urgency=Urgency.IMMEDIATE)]
    assert len({each.marks for each in (dead(), *others)}) == 4


CHANGES = [endpoint_added, endpoint_removed]


def changed(kind: Callable[..., Notice], agency: str = CW, at: datetime = AT) -> Notice:
    return kind(Concern(agency=agency, endpoint_id="ep_one"), endpoint_id="ep_one", at=at)


def reached_by(*endpoint_ids: str) -> Directory:
    """Child welfare without a contact, and its coordinator."""
    endpoints = [
        EndpointRecord(endpoint_id=each, url="https://x", content=EndpointContent.POINTER, secret_sealed=b"")
        for each in endpoint_ids
    ]
    welfare = AgencyRecord(
        id=CW, name=CW, roles=[Role.CHILD_WELFARE], counties=["06029"], endpoints=endpoints
    )
    coordinator = AgencyRecord(id=TFC, name=TFC, roles=[Role.TF_COORDINATOR], counties=["06029"])
    return Directory([welfare, coordinator])


@pytest.mark.parametrize("kind", CHANGES)
def test_an_endpoint_that_comes_or_goes_is_told_to_its_agency_and_the_coordinator(
    kind: Callable[..., Notice],
) -> None:
    assert told(changed(kind)) == [(CW, "CHILD_WELFARE"), (TFC, "TF_COORDINATOR")]
    assert told(changed(kind), reached_by("ep_one", "ep_two")) == told(changed(kind))


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("endpoints", [["ep_one"], []])
def test_an_agency_that_has_no_other_path_is_not_told_by_the_one_in_question(
    kind: Callable[..., Notice], endpoints: list[str]
) -> None:
    assert told(changed(kind), reached_by(*endpoints)) == [(TFC, "TF_COORDINATOR")]


def test_each_coming_and_going_is_one_of_its_own() -> None:
    marks = [changed(kind, at=at).marks for kind in CHANGES for at in (AT, AT + timedelta(seconds=1))]
    assert len(set(marks)) == 4
