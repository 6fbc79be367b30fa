"""A faulty pack is refused whole: every problem at once, each at its place, with a hint."""

from pathlib import Path

import pytest

from services.routing.packs import PackErrors, load_packs

PACK = """\
pack: a-test
version: 1.0.0
title: A pack of a test
notice: Sample, not legal advice.
in_force_from: 2026-01-01T00:00:00-08:00
rules:
  - id: T-01
    title: A rule of a test
    on: [tip.received]
    when: minor
    notify: [{role: LEA_LEAD}]
    urgency: urgent
    basis: mandated
    consent: none
    disclose: [name]
    authority: [a test]
"""
SECOND_RULE = PACK[PACK.index("  - id") :].replace("T-01", "T-02")


def refusals(folder: Path, *texts: str | bytes) -> list[str]:
    """The problems of packs a.yaml, b.yaml ..., without their folder."""
    for name, text in zip("abc", texts, strict=False):
        raw = text if isinstance(text, bytes) else text.encode()
        (folder / f"{name}.yaml").write_bytes(raw)
    with pytest.raises(PackErrors) as caught:
        load_packs(folder)
    return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]


def swap(old: str, new: str, text: str = PACK) -> str:
    assert text.count(old) == 1
    return text.replace(old, new)


def test_a_sound_pack_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.yml").write_text(PACK + SECOND_RULE)
    (tmp_path / "notes.txt").write_text("no pack")
    assert [version.label for version in load_packs(tmp_path).versions] == ["a-test@1.0.0"]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "role: LEA_LEAD",
            "role: LEA_LAED",
            "a.yaml:11:21: rule T-01: unknown role `LEA_LAED`; did you mean `LEA_LEAD`?",
        ),
        (
            "{role: LEA_LEAD}",
            "{role: LEA_LEAD, alternate: LEA_LOCALS}",
            "a.yaml:11:42: rule T-01: unknown role `LEA_LOCALS`; did you mean `LEA_LOCAL`?",
        ),
        (
            "disclose: [name]",
            "disclose: [nam]",
            "a.yaml:15:16: rule T-01: unknown group `nam`; did you mean `name`?",
        ),
        (
            "on: [tip.received]",
            "on: [tip.recieved]",
            "a.yaml:9:10: rule T-01: unknown event type `tip.recieved`; did you mean `tip.received`?",
        ),
        (
            "urgency: urgent",
            "urgency: soon",
            (
                "a.yaml:12:14: rule T-01: unknown value of `urgency` `soon`; "
                "one of routine, priority, urgent, immediate"
            ),
        ),
        ("when: minor", "when: minr", "a.yaml:10:11: rule T-01: unknown fact `minr`; did you mean `minor`?"),
        (
            "when: minor",
            "when: '!minr'",
            "a.yaml:10:13: rule T-01: unknown fact `minr`; did you mean `minor`?",
        ),
        (
            "when: minor",
            "when: county",
            "a.yaml:10:11: rule T-01: a condition must be true or false, and this is STRING",
        ),
        (
            "when: minor",
            "when: destinations[0] == county",
            "a.yaml:10:23: rule T-01: indexing can fail; ask whether a value is `in` a list",
        ),
        (
            "when: minor",
            "when: |\n      minor\n        && minr",
            "a.yaml:12:12: rule T-01: unknown fact `minr`; did you mean `minor`?",
        ),
        (
            "when: minor",
            "when: >-\n      minor\n      && minr",
            "a.yaml:10:11: rule T-01: unknown fact `minr`; did you mean `minor`?",
        ),
        ("when: minor", "when: true", "a.yaml:10:11: rule T-01: must be text: write it in quotes"),
        (
            "basis: mandated",
            "bases: mandated",
            "a.yaml:13:5: rule T-01: unknown key `bases`; did you mean `basis`?",
        ),
        ("version: 1.0.0", "version: 1.0", "a.yaml:2:10: must be text: write it in quotes"),
        (
            "title: A pack of a test",
            "applies_in: [06029]\ntitle: A pack",
            "a.yaml:3:14: must be text: write it in quotes",
        ),
        (
            "title: A pack of a test",
            'title: A pack\napplies_in: ["06029", Kern]',
            'a.yaml:4:23: `Kern`: a county is its five-digit FIPS code in quotes, like "06029"',
        ),
        (
            "title: A pack of a test",
            'title: A pack\napplies_in: ["06029", "99029"]',
            "a.yaml:4:23: unknown county `99029`: 99 is the code of no state",
        ),
        (
            "title: A pack of a test",
            'title: A pack\napplies_in: ["06000"]',
            "a.yaml:4:14: unknown county `06000`: 000 is a whole state",
        ),
        (
            "title: A pack of a test",
            'title: A pack\napplies_in: ["06029", "06030"]',
            "a.yaml:4:23: unknown county `06030`: the Census Bureau lists no 030 in state 06",
        ),
        (
            "id: T-01",
            "id: t1",
            "a.yaml:7:9: rule t1: `t1`: an id is capital letters, a hyphen and digits, like K-01",
        ),
        ("version: 1.0.0", "version: v1", "a.yaml:2:10: `v1`: a version is three numbers, like 1.0.0"),
        (
            "title: A pack of a test",
            "title: A pack\ntimezone: America/Bakersfield",
            "a.yaml:4:11: unknown time zone `America/Bakersfield`",
        ),
        (
            "id: T-01",
            "id: S-04",
            "a.yaml:7:9: rule S-04: ids that begin with S- are those of the system rules",
        ),
        (
            "{role: LEA_LEAD}",
            "{role: LEA_LEAD, alternate: LEA_LEAD}",
            "a.yaml:11:13: rule T-01: LEA_LEAD cannot be its own alternate",
        ),
        (
            "{role: LEA_LEAD}",
            "{role: LEA_LEAD}, {role: LEA_LEAD}",
            "a.yaml:11:13: rule T-01: LEA_LEAD is notified twice",
        ),
        (
            "in_force_from: 2026-01-01T00:00:00-08:00",
            "in_force_from: 2026-02-30T00:00:00-08:00",
            (
                "a.yaml:5:16: `in_force_from`: names a day or a time that does not exist, "
                "such as 30 February or a leap second"
            ),
        ),
        (
            "in_force_from: 2026-01-01T00:00:00-08:00",
            "in_force_from: 2026-01-01",
            (
                "a.yaml:5:16: `in_force_from`: must be an RFC 3339 date-time with its zone, "
                "between the years 1900 and 2199, in UTC, too"
            ),
        ),
    ],
)
def test_each_fault_is_told_at_its_place(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert problem in refusals(tmp_path, swap(old, new))


@pytest.mark.parametrize(
    ("duty", "problem"),
    [
        ("before: appointment.start, within: PT1H", "17:9: rule T-01: a duty has one clock"),
        ("within_if: {flag: indian_child, within: PT1H}", "17:9: rule T-01: `within_if` needs a `within`"),
        ("within: 36 hours", "17:48: rule T-01: `within`: must be an ISO 8601 duration"),
        ("within: {business_days: 0, calendar: US-CA}", "17:64: rule T-01: `business_days`: "),
        (
            "within: {business_days: 1, calendar: US-NV}",
            "17:77: rule T-01: unknown value of `calendar` `US-NV`",
        ),
        ("by: noon", "17:40: rule T-01: unknown key `by`"),
    ],
)
def test_each_fault_of_a_duty_is_told_at_its_place(tmp_path: Path, duty: str, problem: str) -> None:
    duties = f"duties:\n      - {{holder: emitter, what: do it, {duty}}}\n    authority"
    (found,) = refusals(tmp_path, swap("authority", duties))
    assert found.removeprefix("a.yaml:").startswith(problem)


def test_a_choice_that_was_not_meant_is_not_complained_of(tmp_path: Path) -> None:
    found = refusals(tmp_path, swap("{role: LEA_LEAD}", "{holders_of: consents}"))
    assert len(found) == 1
    assert "unknown value of `holders_of` `consents`; did you mean `consent`?" in found[0]


def test_every_problem_of_every_file_is_told_at_once_in_order(tmp_path: Path) -> None:
    first = swap("role: LEA_LEAD", "role: LEA_LAED", swap("when: minor", "when: minr && presumed"))
    second = swap(
        "pack: a-test", "pack: another-test", swap("T-01", "T-77", swap("consent: none", "consent: maybe"))
    )
    found = refusals(tmp_path, first, second)
    assert [entry.rpartition(": ")[0] for entry in found] == [
        "a.yaml:10:11: rule T-01",
        "a.yaml:10:19: rule T-01",
        "a.yaml:11:21: rule T-01",
        "b.yaml:14:14: rule T-77",
    ]


def test_a_missing_key_is_told_where_it_should_stand(tmp_path: Path) -> None:
    found = refusals(tmp_path, swap("    authority: [a test]\n", ""))
    assert found == ["a.yaml:7:5: rule T-01: `authority` is missing"]


def test_a_rule_id_is_given_once(tmp_path: Path) -> None:
    found = refusals(tmp_path, PACK + SECOND_RULE.replace("T-02", "T-01"))
    assert found == ["a.yaml:17:9: rule T-01: this id is taken by the rule at line 7"]


def test_a_version_is_given_once(tmp_path: Path) -> None:
    found = refusals(tmp_path, PACK, PACK)
    assert found == [f"b.yaml:2:10: a-test@1.0.0 is also in {tmp_path}/a.yaml"]


def test_two_versions_cannot_come_into_force_at_the_same_instant(tmp_path: Path) -> None:
    other = swap(
        "2026-01-01T00:00:00-08:00", "2026-01-01T08:00:00Z", swap("version: 1.0.0", "version: 1.1.0")
    )
    found = refusals(tmp_path, PACK, other)
    assert found == [f"b.yaml:5:16: a-test@1.0.0 ({tmp_path}/a.yaml) comes into force at the same instant"]


def test_packs_that_can_meet_share_no_rule_id(tmp_path: Path) -> None:
    other = swap("pack: a-test", "pack: another-test")
    found = refusals(tmp_path, PACK, other)
    assert found == [f"b.yaml:7:9: rule T-01: this id is taken by pack a-test@1.0.0 ({tmp_path}/a.yaml)"]


def test_packs_of_different_counties_may_use_the_same_ids(tmp_path: Path) -> None:
    one = swap("rules:", 'applies_in: ["06029"]\nrules:')
    two = swap("pack: a-test", "pack: another-test", swap("rules:", 'applies_in: ["06019"]\nrules:'))
    (tmp_path / "a.yaml").write_text(one)
    (tmp_path / "b.yaml").write_text(two)
    assert len(load_packs(tmp_path).versions) == 2


LAUGHS = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (PACK + "title: Again\n", "a.yaml:17:1: the key `title` is given twice"),
        (
            swap("urgency: urgent", "urgency: urgent\n    urgency: routine"),
            "a.yaml:13:5: the key `urgency` is given twice",
        ),
        (LAUGHS, "a.yaml:1:4: anchors and aliases may not be used: write it out"),
        (swap("[name]", "*names"), "a.yaml:15:15: anchors and aliases may not be used: write it out"),
        (swap("[name]", "!!python/object:os.system [name]"), "a.yaml:15:15: tags may not be used"),
        (PACK + "---\n" + PACK, "a.yaml:17:1: a file holds one pack: a second document starts here"),
        ("", "a.yaml:1:1: empty"),
        ("# only a remark\n", "a.yaml:1:1: empty"),
        (b"pack: \xff", "a.yaml:1:1: not UTF-8"),
        ("pack: [", "a.yaml:1:7: "),
        ("pack: a\nrules: [a, b\nversion: 1\n", "a.yaml:3:8: "),
        ('pack: "a\nversion: 1\n', "a.yaml:1:7: "),
        ("pack: a\n\tversion: 1\n", "a.yaml:2:1: "),
        ("pack: a\x00b", "a.yaml:1:1: "),
        ("[" * 100 + "]" * 100, "a.yaml:1:14: nested too deeply"),
        ("{[a]: b}", "a.yaml:1:2: a key must be a word"),
        ("- a\n- b\n", "a.yaml:1:1: `pack`: "),
        ("just words\n", "a.yaml:1:1: `pack`: "),
    ],
    ids=range(18),
)
def test_what_is_no_plain_yaml_is_refused_at_its_place(
    tmp_path: Path, text: str | bytes, problem: str
) -> None:
    found = refusals(tmp_path, text)
    assert len(found) == 1
    assert found[0].startswith(problem)


def test_a_folder_without_a_pack_is_refused(tmp_path: Path) -> None:
    assert refusals(tmp_path) == [f"{tmp_path}:1:1: no protocol pack (*.yaml) here"]
