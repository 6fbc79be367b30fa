"""`tocsin protocol check`: every problem and every warning, each at its place."""

from pathlib import Path

import pytest

from services.routing.packs import SHIPPED
from tests.support.packs import PACK, another, protocol, swap, write_pack

DIRECTORY = """\
agencies:
  - id: ag-so
    name: Sheriff
    roles: [LEA_LEAD]
    counties: ["06029"]
    agreement_until: 2027-12-31T23:59:59-08:00
  - id: ag-left
    name: Left the task force
    roles: [SHELTER]
    counties: ["06029"]
    agreement_until: 2027-12-31T23:59:59-08:00
    status: offboarded
"""


def warnings_of(folder: Path, text: str, *options: object) -> list[str]:
    """The warnings about one sound pack, without its name."""
    path = write_pack(folder, text)
    said = protocol("check", path, *options)
    assert said.exit_code == 0, said.output
    *lines, _ = said.lines
    assert all(": warning: " in line for line in lines)
    return [line.removeprefix(f"{path}:").replace("warning: ", "") for line in lines]


def test_the_shipped_packs_have_neither_problems_nor_warnings() -> None:
    for words in (("check",), ("check", SHIPPED), ("check", "--strict", SHIPPED / "ca-kern-httf")):
        assert protocol(*words).exit_code == 0
    assert protocol("check", "--strict").output == "3 files: no problems, no warnings\n"


def test_every_problem_is_told_with_its_place_rule_and_hint(tmp_path: Path) -> None:
    text = swap("role: LEA_LEAD", "role: lea_lead", swap("when: minor", "when: exploitation.type == []"))
    path = write_pack(tmp_path, text)
    said = protocol("check", path)
    assert said.exit_code == 1
    assert said.lines == [
        f"{path}:11:11: rule T-01: unknown fact `exploitation.type`; did you mean `exploitation.types`?",
        f"{path}:12:21: rule T-01: unknown role `lea_lead`; did you mean `LEA_LEAD`?",
        "1 file: 2 problems, no warnings",
    ]


def test_a_program_reads_the_same_with_the_hint_apart(tmp_path: Path) -> None:
    path = write_pack(tmp_path, swap("role: LEA_LEAD", "role: LEA_LAED"))
    said = protocol("check", tmp_path, "--json")
    assert said.exit_code == 1
    assert said.json()["problems"] == [
        {
            "file": str(path),
            "line": 12,
            "column": 21,
            "rule": "T-01",
            "message": "unknown role `LEA_LAED`",
            "hint": "did you mean `LEA_LEAD`?",
        }
    ]


def test_versions_that_cannot_stand_side_by_side_are_a_problem(tmp_path: Path) -> None:
    write_pack(tmp_path, name="1.0.0.yaml")
    write_pack(tmp_path, swap("version: 1.0.0", "version: 1.1.0"), name="1.1.0.yaml")
    said = protocol("check", tmp_path)
    assert said.exit_code == 1
    assert "1.1.0.yaml:5:16: a-test@1.0.0" in said.output
    assert "comes into force at the same instant" in said.output


def test_a_version_that_takes_the_place_of_a_higher_one_is_warned_of(tmp_path: Path) -> None:
    later = swap("in_force_from: 2026-01-01", "in_force_from: 2027-01-01")
    write_pack(tmp_path, swap("version: 1.0.0", "version: 1.10.0"), name="1.10.0.yaml")
    path = write_pack(tmp_path, swap("version: 1.0.0", "version: 1.9.0", later), name="1.9.0.yaml")
    said = protocol("check", tmp_path)
    assert said.exit_code == 0
    assert said.lines[0] == f"{path}:5:16: warning: comes into force after 1.10.0 and takes its place"


def test_versions_in_their_order_are_not_warned_of(tmp_path: Path) -> None:
    later = swap("in_force_from: 2026-01-01", "in_force_from: 2027-01-01")
    write_pack(tmp_path, swap("version: 1.0.0", "version: 1.9.0"), name="1.9.0.yaml")
    write_pack(tmp_path, swap("version: 1.0.0", "version: 1.10.0", later), name="1.10.0.yaml")
    assert protocol("check", tmp_path).output == "2 files: no problems, no warnings\n"


@pytest.mark.parametrize("command", ["new", "check", "test", "diff"])
def test_the_help_of_a_command_teaches_by_example(command: str) -> None:
    said = protocol(command, "--help")
    assert said.exit_code == 0
    assert "Examples" in said.output
    assert f"tocsin protocol {command}" in said.output
    assert "Exit code: 0" in said.output


def test_a_file_given_twice_is_read_once(tmp_path: Path) -> None:
    path = write_pack(tmp_path)
    assert protocol("check", path, tmp_path).output == "1 file: no problems, no warnings\n"


@pytest.mark.parametrize("name", ["nothing.yaml", "empty"])
def test_a_path_without_a_pack_cannot_be_checked(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    said = protocol("check", tmp_path / name)
    assert (said.exit_code, said.output) == (2, "")
    assert name in said.errors


def test_warnings_count_only_when_they_are_to(tmp_path: Path) -> None:
    path = write_pack(tmp_path, swap("when: minor", "when: minor && !minor"))
    assert protocol("check", path).exit_code == 0
    assert protocol("check", path, "--strict").exit_code == 1
    (warning,) = protocol("check", path, "--json").json()["warnings"]
    assert (warning["line"], warning["column"], warning["rule"]) == (11, 11, "T-01")


@pytest.mark.parametrize(
    ("condition", "warning"),
    [
        ("'false'", "11:11: rule T-01: this rule can never match: its condition holds for no event"),
        (
            'age.band == "adult" && minor',
            "11:11: rule T-01: this rule can never match: its condition holds for no event",
        ),
        (
            'county == "06019"',
            "11:11: rule T-01: this rule can never match: its condition holds for no event",
        ),
        (
            "details.party_size > 2",
            "11:11: rule T-01: this rule can never match: its condition holds for no event",
        ),
        (
            'minor || safety.risk == "imminant"',
            "11:35: rule T-01: `safety.risk` is never `imminant`; did you mean `imminent`?",
        ),
        (
            'safety.risk in ["high", "imminant"]',
            "11:35: rule T-01: `safety.risk` is never `imminant`; did you mean `imminent`?",
        ),
        (
            'minor || county == "6029"',
            "11:30: rule T-01: `county` is never `6029`: a county is its five-digit FIPS code",
        ),
        (
            '|\n      minor\n        || "Slavery" in exploitation.types',
            "13:12: rule T-01: `exploitation.types` is never `Slavery`",
        ),
    ],
)
def test_a_condition_that_no_event_meets_is_warned_of(tmp_path: Path, condition: str, warning: str) -> None:
    assert warnings_of(tmp_path, swap("when: minor", f"when: {condition}")) == [warning]


def test_a_fact_that_some_of_the_events_never_carry_is_warned_of(tmp_path: Path) -> None:
    text = swap("on: [tip.received]", "on: [shelter.bed_needed, tip.received]")
    found = warnings_of(tmp_path, swap("when: minor", "when: details.party_size > 2", text))
    assert found == [
        "11:11: rule T-01: this rule can never match tip.received: its condition holds for no such event"
    ]


@pytest.mark.parametrize(
    "condition",
    [
        "minor",
        'safety.risk == "unknown"',
        'county.startsWith("06")',
        'details.channel == "carrier pigeon"',
        '"phone" == details.channel',
        'event.type == "tip.received" ? minor : presumed_minor',
    ],
)
def test_nothing_is_said_of_a_condition_that_some_event_may_meet(tmp_path: Path, condition: str) -> None:
    assert warnings_of(tmp_path, swap("when: minor", f"when: '{condition}'")) == []


SHADOWED = "18:9: rule T-02: rule T-01 tells the same agencies all of this, at least as fast"


@pytest.mark.parametrize(
    "changes",
    [
        (),
        (("disclose: [name, age]", "disclose: [age]"),),
        (("urgency: urgent", "urgency: routine"),),
        (("when: minor", "when:   minor "),),
    ],
)
def test_a_rule_that_another_makes_superfluous_is_warned_of(
    tmp_path: Path, changes: tuple[tuple[str, str], ...]
) -> None:
    assert warnings_of(tmp_path, PACK + another("T-02", *changes)) == [SHADOWED]


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("minor", 'minor && safety.risk == "high"'),
        ("minor", 'safety.risk == "high" && minor'),
        ('"true"', "minor"),
        ('minor && safety.risk == "high"', 'minor && flags.indian_child && safety.risk == "high"'),
        ('"true"', "'minor || flags.indian_child'"),
    ],
)
def test_a_rule_whose_condition_only_adds_to_anothers_is_superfluous(
    tmp_path: Path, wide: str, narrow: str
) -> None:
    first = swap("when: minor", f"when: {wide}")
    assert warnings_of(tmp_path, first + another("T-02", ("when: minor", f"when: {narrow}"))) == [SHADOWED]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('minor && safety.risk == "high"', "minor && flags.indian_child"),
        ('minor && safety.risk == "high"', 'safety.risk == "high" || minor'),
        ("minor", "flags.indian_child"),
    ],
)
def test_conditions_of_which_none_adds_to_the_other_make_nothing_superfluous(
    tmp_path: Path, one: str, other: str
) -> None:
    first = swap("when: minor", f"when: {one}")
    assert warnings_of(tmp_path, first + another("T-02", ("when: minor", f"when: '{other}'"))) == []


def test_a_narrower_rule_that_is_faster_is_not_superfluous(tmp_path: Path) -> None:
    narrow = another("T-02", ("when: minor", 'when: minor && safety.risk == "high"'), ("urgent", "immediate"))
    assert warnings_of(tmp_path, PACK + narrow) == []


def test_an_earlier_rule_can_be_superfluous_too(tmp_path: Path) -> None:
    text = swap("disclose: [name, age]", "disclose: [age]") + another("T-02")
    assert warnings_of(tmp_path, text) == [
        "8:9: rule T-01: rule T-02 tells the same agencies all of this, at least as fast"
    ]


@pytest.mark.parametrize(
    "change",
    [
        ("disclose: [name, age]", "disclose: [name, age, gender]"),
        ("disclose: [name, age]", "disclose: [age]\n    disclose_with_consent: [contact]"),
        ("urgency: urgent", "urgency: immediate"),
        ("on: [tip.received]", "on: [tip.received, tip.triaged]"),
        ("when: minor", "when: '!minor'"),
        ("basis: mandated", "basis: agreement"),
        ("consent: none", "consent: base"),
        ("role: LEA_LEAD", "role: LEA_LOCAL"),
        ("role: LEA_LEAD", "role: LEA_LEAD, alternate: LEA_LOCAL"),
        ("authority: [a test]", "duties: [{holder: emitter, what: report}]\n    authority: [a test]"),
    ],
)
def test_a_rule_that_adds_anything_is_not_superfluous(tmp_path: Path, change: tuple[str, str]) -> None:
    # It may make the first one superfluous.
    assert SHADOWED not in warnings_of(tmp_path, PACK + another("T-02", change))


def test_a_role_that_nobody_holds_is_warned_of_by_the_directory_given(tmp_path: Path) -> None:
    (tmp_path / "who.yml").write_text(DIRECTORY)
    text = PACK + another("T-02", ("role: LEA_LEAD", "role: SHELTER, alternate: LEA_LEAD"))
    text += another("T-03", ("role: LEA_LEAD", "role: CHILD_WELFARE, alternate: TRIBAL"))
    text += another("T-04", ("role: LEA_LEAD", "role: LEA_LEAD, in: destinations"))
    text += another("T-05", ("role: LEA_LEAD", "role: TRIBAL, in: destinations"))
    by = f"(by {tmp_path}/who.yml)"
    assert warnings_of(tmp_path, text, "--directory", tmp_path / "who.yml") == [
        f"22:21: rule T-02: nobody holds SHELTER in 06029: LEA_LEAD is told in its place {by}",
        f"32:21: rule T-03: nobody holds CHILD_WELFARE in 06029, nor its alternate TRIBAL in 06029 {by}",
        f"52:21: rule T-05: nobody holds TRIBAL anywhere {by}",
    ]


def test_a_pack_for_every_county_is_judged_in_those_of_the_directory(tmp_path: Path) -> None:
    text = swap('applies_in: ["06029"]\n', "", swap("role: LEA_LEAD", "role: PROSECUTOR"))
    assert warnings_of(tmp_path, text) == [
        "11:21: rule T-01: nobody holds PROSECUTOR in 06019, 06107 (by the sample directory)"
    ]


def test_a_faulty_directory_is_no_basis_for_checking(tmp_path: Path) -> None:
    (tmp_path / "who.yml").write_text(swap("LEA_LEAD", "SHERIFF", DIRECTORY))
    said = protocol("check", write_pack(tmp_path), "--directory", tmp_path / "who.yml")
    assert (said.exit_code, said.output) == (2, "")
    assert "/agencies/0/roles/0" in said.errors


@pytest.mark.parametrize(
    ("role", "groups", "warning"),
    [
        ("LEA_LEAD", "disclose: [privileged]", "`privileged` is never disclosed to anybody"),
        (
            "CHILD_WELFARE",
            "disclose: [criminal_justice]",
            "`criminal_justice` is never disclosed to CHILD_WELFARE",
        ),
        ("PROBATION", "disclose: [intelligence]", "`intelligence` is never disclosed to PROBATION"),
        (
            "LEA_LEAD",
            "disclose: [citizenship]",
            (
                "`citizenship` reaches LEA_LEAD only under a consent that names the recipient; "
                "list it under `disclose_with_consent`"
            ),
        ),
        (
            "SART_HOSPITAL",
            "disclose: [substance_use]",
            (
                "`substance_use` reaches SART_HOSPITAL only under a consent that names the recipient; "
                "list it under `disclose_with_consent`"
            ),
        ),
    ],
)
def test_a_group_that_its_gate_keeps_from_the_role_is_warned_of(
    tmp_path: Path, role: str, groups: str, warning: str
) -> None:
    text = swap("role: LEA_LEAD", f"role: {role}", swap("disclose: [name, age]", groups))
    assert warnings_of(tmp_path, text) == [f"16:16: rule T-01: {warning}"]


@pytest.mark.parametrize(
    ("role", "groups"),
    [
        ("LEA_LEAD", "disclose: [criminal_justice, intelligence]"),
        ("CHILD_WELFARE", "disclose: [medical]"),
        ("IMMIGRATION_LEGAL", "disclose: [immigration, citizenship]"),
        ("LEA_LEAD", "disclose: [name]\n    disclose_with_consent: [medical, substance_use]"),
    ],
)
def test_a_group_that_can_reach_the_role_is_not_warned_of(tmp_path: Path, role: str, groups: str) -> None:
    text = swap("role: LEA_LEAD", f"role: {role}", swap("disclose: [name, age]", groups))
    assert warnings_of(tmp_path, text) == []
