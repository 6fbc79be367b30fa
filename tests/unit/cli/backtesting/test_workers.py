"""However the work is shared, a backtest finds the same."""

from dataclasses import replace

import pytest

from schemas.pack import RoleRecipient
from schemas.vocabulary import Group, Role
from services.cli.backtesting.courses import NOT_OPENED, Course, open_courses
from services.cli.backtesting.drafts import Protocols
from services.cli.backtesting.findings import Effect, Findings
from services.cli.backtesting.replay import Period, UndecidableError
from services.cli.backtesting.workers import Job, decide_all
from services.routing.packs import SHIPPED, find_pack_files, read_packs
from tests.bench.past import build_past

EVENTS = 1_200
PAST = build_past(EVENTS)
COURSES = open_courses(PAST.records, PAST.keys).courses
PACKS = [pack for _, _, pack in read_packs(find_pack_files(SHIPPED)).packs]
DRAFTS = [
    pack.model_copy(
        update={
            "rules": [
                rule.model_copy(
                    update={"disclose": [Group.AGE], "notify": [RoleRecipient(role=Role.PROBATION)]}
                    if rule.id == "K-14"
                    else {"disclose": [Group.AGE]}
                )
                for rule in pack.rules
                if rule.id != "K-03"
            ]
        }
    )
    for pack in PACKS
    if pack.pack == "ca-kern-httf"
]
JOB = Job(Protocols.of(PACKS, DRAFTS, since=None), Period(), PAST.directories)


def decide(courses: list[Course], *, alone_up_to: int) -> tuple[Findings, int]:
    done: list[int] = []
    return decide_all(JOB, courses, progress=done.append, alone_up_to=alone_up_to), sum(done)


def test_many_processes_find_what_one_finds_and_count_every_event() -> None:
    alone, done_alone = decide(COURSES, alone_up_to=EVENTS)
    together, done_together = decide(COURSES[::-1], alone_up_to=0)
    assert together == alone
    assert done_alone == done_together == alone.event_count == EVENTS
    assert {change.effect for change in alone.alerts} == set(Effect)
    assert {lost.agency for lost in alone.lost} == {"ag-kern-cw"}


def test_an_event_that_intake_would_refuse_now_is_counted_and_holds_up_nobody() -> None:
    refused = replace(COURSES[0][0], raw=COURSES[0][0].raw.replace(b"06029", b"6029x"))
    findings, _ = decide([(refused, *COURSES[0][1:]), COURSES[1]], alone_up_to=EVENTS)
    assert findings.unread == {NOT_OPENED: 1}
    assert findings.event_count == len(COURSES[0]) + len(COURSES[1]) - 1


def test_what_cannot_be_decided_at_all_is_named_without_what_the_error_says() -> None:
    """A pack that nobody checked: its condition is none."""
    unsound = [
        pack.model_copy(update={"rules": [rule.model_copy(update={"when": "1 +"}) for rule in pack.rules]})
        for pack in DRAFTS
    ]
    job = replace(JOB, protocols=Protocols.of(PACKS, unsound, since=None))
    with pytest.raises(UndecidableError, match=r"^event e0-1: \w+Error$"):
        decide_all(job, COURSES[:1], progress=lambda _: None)
