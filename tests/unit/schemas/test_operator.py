"""What an operator signs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas.directory import DirectoryFile, find_directory_errors, merge_directories
from schemas.operator import (
    Operator,
    PublicKey,
    Purpose,
    Statement,
    digest_content,
    digest_query,
    join_parts,
    render_instant,
)

KEY = "ed25519:" + "A" * 43 + "="
OTHER_KEY = "ed25519:" + "B" * 42 + "A="
AT = datetime(2026, 3, 3, 15, 0, 0, 1, tzinfo=UTC)
STATEMENT = Statement(
    purpose=Purpose.PUBLISH, public_key=KEY, at=AT, subject="kern@1.0.0", digest=digest_content(b"pack")
)
ANA, BEN = (
    Operator(id="ana", name="Ana", public_key=KEY),
    Operator(id="ben", name="Ben", public_key=OTHER_KEY),
)


@pytest.mark.parametrize(
    "changed",
    [
        replace(STATEMENT, purpose=Purpose.APPROVE),
        replace(STATEMENT, public_key=OTHER_KEY),
        replace(STATEMENT, at=AT + timedelta(microseconds=1)),
        replace(STATEMENT, subject="kern@1.0.1"),
        replace(STATEMENT, digest=digest_content(b"pack ")),
    ],
)
def test_whatever_changes_in_a_statement_changes_what_is_signed(changed: Statement) -> None:
    assert changed.canonical() != STATEMENT.canonical()


def test_an_instant_is_signed_as_the_instant_it_is_whatever_its_zone() -> None:
    elsewhere = replace(STATEMENT, at=AT.astimezone(timezone(timedelta(hours=-8))))

    assert elsewhere.canonical() == STATEMENT.canonical()
    assert render_instant(elsewhere.at) == "2026-03-03T15:00:00.000001Z"


@given(st.lists(st.text(max_size=8), max_size=5), st.lists(st.text(max_size=8), max_size=5))
def test_no_two_lists_of_parts_read_the_same(one: list[str], other: list[str]) -> None:
    assert (join_parts(one) == join_parts(other)) is (one == other)


def test_what_narrows_a_question_is_part_of_it() -> None:
    questions = [(None, None), ("a", None), (None, "a"), ("a", "b"), ("ab", None), ("b", "a")]

    assert len({digest_query(source=source, agency=agency) for source, agency in questions}) == len(questions)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A" * 43 + "=",
        "ed25519:" + "A" * 43,
        "ed25519:" + "A" * 42 + "B=",
        "ed25519:" + "A" * 44,
        KEY + "\n",
    ],
)
def test_a_public_key_can_be_written_in_one_way_only(text: str) -> None:
    adapter = TypeAdapter(PublicKey)
    assert adapter.validate_python(KEY) == KEY
    with pytest.raises(ValidationError):
        adapter.validate_python(text)


def test_two_operators_have_two_ids_and_two_keys() -> None:
    twice = [ANA, ANA.model_copy(update={"name": "Ann"}), BEN]

    assert [path for path, _ in find_directory_errors([], [], twice)] == [
        "/operators/1/id",
        "/operators/1/public_key",
    ]
    assert list(find_directory_errors([], [], [ANA, BEN])) == []


def test_operators_are_merged_by_their_id() -> None:
    base = {"agencies": [], "operators": [ANA.model_dump(), BEN.model_dump()]}
    patch = {"operators": [{"id": "ana", "public_key": "ed25519:" + "C" * 42 + "A="}]}

    merged = DirectoryFile.model_validate(merge_directories(base, patch))

    assert [(operator.name, operator.public_key[8]) for operator in merged.operators] == [
        ("Ana", "C"),
        ("Ben", "B"),
    ]
