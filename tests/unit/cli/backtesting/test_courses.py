"""What of the log can be decided apart."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from schemas.sealed import SealedData, SealedEvent
from services.cli.backtesting.courses import NOT_OPENED, SHREDDED, PastRecord, open_courses
from services.runtime.crypto import new_key
from services.runtime.keyring import CaseKey

SOURCE = "urn:tocsin:agency:ag-bpd:cad"
AT = datetime(2026, 3, 3, tzinfo=UTC)
KEY = CaseKey(UUID(int=1), new_key())
KEYS = {KEY.key_id: KEY}


def seal(
    event_id: str, case_ref: str, minute: int, *, source: str = SOURCE, data: object = None
) -> PastRecord:
    at = AT + timedelta(minutes=minute)
    content = {"type": "org.tocsin.tip.received.v1", "time": at, "data": {} if data is None else data}
    envelope = SealedEvent(
        id=event_id,
        source=source,
        subject=case_ref,
        time=at,
        data=SealedData(key_id=KEY.key_id, sealed=b"", correlation_id="c", received_at=at),
    )
    sealed = KEY.cipher.seal(orjson.dumps(content), context=envelope.seal_context)
    return PastRecord(
        at, 1, envelope.model_copy(update={"data": envelope.data.model_copy(update={"sealed": sealed})})
    )


def names(records: list[PastRecord]) -> list[list[str]]:
    courses = open_courses(records, KEYS).courses
    return sorted([orjson.loads(record.raw)["id"] for record in course] for course in courses)


def test_cases_are_apart_and_each_stays_in_order() -> None:
    records = [seal("a1", "A", 0), seal("b1", "B", 1), seal("a2", "A", 2), seal("b2", "B", 3)]
    assert names(records) == [["a1", "a2"], ["b1", "b2"]]


def test_cases_in_which_one_id_was_used_or_named_stay_together() -> None:
    for other in (seal("a1", "B", 1), seal("b1", "B", 1, data={"corrects": "a1"})):
        assert names([seal("a1", "A", 0), other, seal("a2", "A", 2)]) == [["a1", other.sealed.id, "a2"]]


def test_the_same_id_of_another_source_ties_nothing() -> None:
    other = seal("a1", "B", 1, source="urn:tocsin:agency:ag-kern-so:cad")
    assert names([seal("a1", "A", 0), other]) == [["a1"], ["a1"]]


def test_long_chains_of_ties_end_in_one_course_in_order() -> None:
    chance, count = random.Random(1), 200
    ties = [
        seal(f"e{n}", f"C{n}", n, data={"corrects": f"e{chance.randrange(n)}"} if n else {})
        for n in range(count)
    ]
    assert names(ties) == [[f"e{n}" for n in range(count)]]


def test_what_does_not_open_is_counted_by_its_reason_and_holds_up_nobody() -> None:
    moved = seal("a2", "A", 1)
    moved = moved._replace(sealed=moved.sealed.model_copy(update={"id": "a3"}))
    gone = seal("b1", "B", 2)
    data = gone.sealed.data.model_copy(update={"key_id": UUID(int=9)})
    gone = gone._replace(sealed=gone.sealed.model_copy(update={"data": data}))
    strange: list[Any] = [seal(f"x{n}", "X", 3, data=data) for n, data in enumerate([["a list"], "text", 7])]

    found = open_courses([seal("a1", "A", 0), moved, gone, *strange], KEYS)

    assert [len(course) for course in found.courses] == [1]
    assert found.unread == {NOT_OPENED: 4, SHREDDED: 1}
