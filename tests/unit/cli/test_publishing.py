"""What the commands do with a pack before and after routing has it."""

from pathlib import Path
from typing import Any

import pytest

from services.cli.publishing.in_force import NoDateError, with_in_force
from services.cli.publishing.showing import show_approved, show_list, show_published
from services.cli.signing import NoSigningKeyError, find_signing_key
from services.runtime.ed25519 import SigningKey
from tests.support.packs import protocol, swap, write_pack

LATER = "2031-01-01T00:00:00-08:00"
WRITTEN = "2026-01-01T00:00:00-08:00"


def entry(**changes: object) -> dict[str, Any]:
    return {
        "pack": "a-test@1.0.0",
        "state": "published",
        "sha256": "ab" * 32,
        "in_force_from": "2026-01-01T08:00:00Z",
        "effective_from": None,
        "author": "ana",
        "published_at": "2026-02-01T08:00:00Z",
        "approver": None,
        "approved_at": None,
        "changed": True,
    } | changes


@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_a_date_is_replaced_and_nothing_else(quote: str) -> None:
    text = swap(WRITTEN, f"{quote}{WRITTEN}{quote} # as agreed")

    assert with_in_force(text.encode(), LATER).decode() == text.replace(f"{quote}{WRITTEN}{quote}", LATER)


@pytest.mark.parametrize(
    "text",
    [swap(f"in_force_from: {WRITTEN}\n", ""), swap(WRITTEN, f">\n  {WRITTEN}"), "- one", "a: [", ""],
)
def test_a_date_that_is_not_there_is_not_guessed(text: str) -> None:
    with pytest.raises(NoDateError):
        with_in_force(text.encode(), LATER)


def test_a_faulty_pack_is_told_whole_before_anything_is_signed(tmp_path: Path) -> None:
    path = write_pack(tmp_path, swap("when: minor", "when: minr", swap("LEA_LEAD", "LEA_LED")))

    said = protocol("publish", path)

    assert said.exit_code == 1
    assert "unknown fact `minr`" in said.errors
    assert "unknown role `LEA_LED`" in said.errors


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("approve", "a-test"), "NAME@VERSION"),
        (("show", "../x@1.0.0"), "NAME@VERSION"),
        (("list", "--routing", "http://127.0.0.1:9"), "say who signs"),
        (("list", "--routing", "http://127.0.0.1:9", "--operator", "op-ana"), "op-ana is not kept here"),
        (("list", "--routing", "http://127.0.0.1:9", "--key", "nowhere.pem"), "cannot be read"),
    ],
)
def test_what_cannot_be_carried_out_ends_with_2_and_says_why(words: tuple[str, ...], complaint: str) -> None:
    said = protocol(*words)

    assert said.exit_code == 2
    assert complaint in said.errors


def test_a_routing_that_does_not_answer_is_said(tmp_path: Path) -> None:
    key = tmp_path / "ana.pem"
    SigningKey.generate_file(key)

    said = protocol("list", "--routing", "http://127.0.0.1:9", "--key", key)

    assert said.exit_code == 2
    assert "does not answer" in said.errors


def test_a_key_of_a_file_signs_for_whoever_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "ana.pem"
    made = SigningKey.generate_file(path)

    assert find_signing_key(path, None, None).public == made.public
    with pytest.raises(NoSigningKeyError):
        find_signing_key(None, None, None)


def test_a_published_version_says_that_it_waits() -> None:
    text = "\n".join(show_published(entry()))

    assert "is published, by ana" in text
    assert "another operator must approve it" in text
    assert "was published before" in "\n".join(show_published(entry(changed=False)))


def test_a_late_approval_says_that_nothing_acts_backwards() -> None:
    approved = entry(
        approver="ben", effective_from="2026-03-01T08:00:00Z", approved_at="2026-03-01T08:00:00Z"
    )
    in_time = entry(approver="ben", effective_from="2026-01-01T00:00:00-08:00")

    assert "nothing acts backwards" in "\n".join(show_approved(approved))
    assert "In force from 2026-01-01 08:00:00 UTC." in list(show_approved(in_time))


def test_the_list_has_a_line_for_each_version() -> None:
    lines = list(
        show_list([entry(), entry(state="in_force", approver="ben", effective_from="2026-03-01T08:00:00Z")])
    )

    assert lines[0].split() == ["PACK", "STATE", "FROM", "SHA256", "AUTHOR", "APPROVER"]
    assert "published, waits for approval" in lines[1]
    assert "2026-03-01 08:00:00 UTC" in lines[2]
    assert lines[2].endswith("ben")
