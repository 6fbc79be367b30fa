"""`tocsin protocol diff`: what a new version means for those who are told."""

from pathlib import Path

import pytest

from schemas.base import WireModel
from schemas.pack import DutySpec, ProtocolPack, RoleRecipient, Rule, Urgencies
from services.routing.packs import SHIPPED
from tests.support.packs import PACK, another, protocol, swap, write_pack

DUTY = "    duties:\n      - {holder: emitter, what: telephone, within: PT36H}\n"
WITH_DUTY = swap("    authority: [a test]\n", f"{DUTY}    authority: [a test]\n")


def changes_of(folder: Path, old: str, new: str) -> list[tuple[str, str, list[str], str]]:
    """Each change as (effect, what, whom, words)."""
    files = [write_pack(folder, text, name=name) for text, name in ((old, "old.yaml"), (new, "new.yaml"))]
    said = protocol("diff", *files, "--json")
    assert said.exit_code == 0, said.errors
    return [(c["effect"], c["what"], c["roles"], c["words"]) for c in said.json()["changes"]]


def test_the_new_version_of_the_county_pack_makes_tips_faster() -> None:
    folder = SHIPPED / "ca-kern-httf"
    said = protocol("diff", folder / "2.1.0.yaml", folder / "2.2.0.yaml")
    assert said.lines == [
        "ca-kern-httf@2.1.0 -> ca-kern-httf@2.2.0",
        "Told faster, or due sooner:",
        "  LEA_LEAD (K-02): priority (4 h) becomes urgent (1 h)",
        "Otherwise:",
        "  the pack: in force from 2026-07-01T00:00:00-07:00, not 2026-01-01T00:00:00-08:00",
        "Wording only:",
        "  the pack: is 2.2.0",
    ]


def test_a_pack_does_not_differ_from_itself(tmp_path: Path) -> None:
    path = write_pack(tmp_path)
    said = protocol("diff", path, path)
    assert said.lines == ["a-test@1.0.0 -> a-test@1.0.0", "Nobody is told anything else, sooner or later."]


ONE_CHANGE = [
    ("on: [tip.received]", "on: [tip.received, tip.triaged]", "more", "is told of tip.triaged, too"),
    ("on: [tip.received]", "on: [tip.triaged]", "less", "is no longer told of tip.received"),
    (
        "when: minor",
        "when: minor || flags.indian_child",
        "more",
        "its condition matches more events: `minor`, now `minor || flags.indian_child`",
    ),
    (
        "when: minor",
        "when: minor && flags.indian_child",
        "less",
        "its condition matches fewer events: `minor`, now `minor && flags.indian_child`",
    ),
    (
        "when: minor",
        "when: flags.indian_child",
        "otherwise",
        "its condition matches other events: `minor`, now `flags.indian_child`",
    ),
    (
        "when: minor",
        "when: details.channel.contains('x')",
        "otherwise",
        "its condition may match other events: `minor`, now `details.channel.contains('x')`",
    ),
    (
        "when: minor",
        "when: age.band != 'adult'",
        "wording",
        "its condition is worded otherwise and matches the same events: `minor`, now `age.band != 'adult'`",
    ),
    ("urgency: urgent", "urgency: immediate", "faster", "urgent (1 h) becomes immediate (15 min)"),
    ("urgency: urgent", "urgency: routine", "slower", "urgent (1 h) becomes routine (24 h)"),
    ("consent: none", "consent: base", "less", "consent `none` becomes `base`"),
    ("consent: none", "consent: required", "less", "consent `none` becomes `required`"),
    ("[name, age]", "[name, age, gender]", "more", "sees gender"),
    ("[name, age]", "[name]", "less", "no longer sees age"),
    ("[name, age]", "[name]\n    disclose_with_consent: [age]", "less", "sees age only with consent"),
    (
        "[name, age]",
        "[name, age]\n    disclose_with_consent: [contact]",
        "more",
        "sees contact with consent",
    ),
    (
        "basis: mandated",
        "basis: agreement",
        "less",
        "it rests on the agreement now: one that ended stops it, a strict emitter needs a consent",
    ),
    (
        "authority: [a test]",
        "authority: [a statute, 1 U.S.C. 1]",
        "wording",
        "rests on a statute; 1 U.S.C. 1",
    ),
    ("title: A rule of a test", "title: A better rule", "wording", "is called A better rule"),
]


@pytest.mark.parametrize(("old", "new", "effect", "words"), ONE_CHANGE)
def test_a_change_of_a_rule_is_told_by_what_it_means(
    tmp_path: Path, old: str, new: str, effect: str, words: str
) -> None:
    found = changes_of(tmp_path, PACK, swap(old, new))
    assert (effect, ["LEA_LEAD"], words) in [(e, roles, text) for e, _, roles, text in found]


@pytest.mark.parametrize(
    ("old", "new", "effect", "words"), [c for c in ONE_CHANGE if c[2] in {"more", "less"}]
)
def test_the_way_back_means_the_opposite(tmp_path: Path, old: str, new: str, effect: str, words: str) -> None:
    back = {found[0] for found in changes_of(tmp_path, swap(old, new), PACK)}
    assert {"more": "less", "less": "more"}[effect] in back


def test_whom_a_rule_tells_is_told_for_each(tmp_path: Path) -> None:
    new = swap("{role: LEA_LEAD}", "{role: PROSECUTOR, alternate: FBI}")
    assert changes_of(tmp_path, PACK, new) == [
        ("more", "notify", ["PROSECUTOR"], "is told now"),
        ("less", "notify", ["LEA_LEAD"], "is no longer told"),
    ]
    alternate = swap("{role: LEA_LEAD}", "{role: LEA_LEAD, alternate: LEA_LOCAL}")
    assert changes_of(tmp_path, PACK, alternate) == [
        ("more", "alternate", ["LEA_LOCAL"], "stands in for LEA_LEAD now")
    ]
    assert changes_of(tmp_path, alternate, PACK) == [
        ("less", "alternate", ["LEA_LOCAL"], "no longer stands in for LEA_LEAD")
    ]


def test_rules_that_come_and_go_are_named(tmp_path: Path) -> None:
    more = PACK + another("T-02", ("role: LEA_LEAD", "role: FBI"))
    assert changes_of(tmp_path, PACK, more) == [
        (
            "more",
            "rule",
            ["FBI"],
            "new rule (A rule of a test): urgent, on tip.received if `minor`; sees name, age",
        )
    ]
    said = protocol("diff", tmp_path / "new.yaml", tmp_path / "old.yaml", "--json").json()
    assert (said["added"], said["removed"], said["changed"]) == ([], ["T-02"], [])
    assert said["changes"][0]["effect"] == "less"


@pytest.mark.parametrize(
    ("old", "new", "effect", "words"),
    [
        (
            PACK,
            WITH_DUTY,
            "otherwise",
            "new duty: the emitter must telephone within 36 h of the discovery",
        ),
        (WITH_DUTY, PACK, "otherwise", "no longer a duty: the emitter must telephone"),
        (
            WITH_DUTY,
            swap("PT36H", "PT24H", WITH_DUTY),
            "faster",
            "the emitter must telephone within 24 h of the discovery, not within 36 h of the discovery",
        ),
        (
            WITH_DUTY,
            swap("PT36H", "P5D", WITH_DUTY),
            "slower",
            "the emitter must telephone within 5 d of the discovery, not within 36 h of the discovery",
        ),
        (
            WITH_DUTY,
            swap("PT36H", "PT36H, from: processed_at", WITH_DUTY),
            "otherwise",
            "the emitter must telephone within 36 h of the processing, not within 36 h of the discovery",
        ),
        (
            WITH_DUTY,
            swap("PT36H", "{business_days: 3, calendar: US-CA}", WITH_DUTY),
            "otherwise",
            (
                "the emitter must telephone within 3 business days (US-CA) of the discovery, "
                "not within 36 h of the discovery"
            ),
        ),
        (
            WITH_DUTY,
            swap(", within: PT36H", "", WITH_DUTY),
            "otherwise",
            "the emitter must telephone (the law names no hour), not within 36 h of the discovery",
        ),
    ],
)
def test_a_change_of_a_duty_is_told_with_its_clock(
    tmp_path: Path, old: str, new: str, effect: str, words: str
) -> None:
    assert changes_of(tmp_path, old, new) == [(effect, "duties", ["LEA_LEAD"], words)]


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (
            'applies_in: ["06029"]',
            'applies_in: ["06029", "06019"]',
            ("more", "applies_in", [], "applies in 06019, too"),
        ),
        (
            'applies_in: ["06029"]',
            'applies_in: ["06019"]',
            ("less", "applies_in", [], "no longer applies in 06029"),
        ),
        ('applies_in: ["06029"]\n', "", ("more", "applies_in", [], "applies in every county")),
        (
            "rules:",
            "urgencies: {urgent: PT2H}\nrules:",
            ("slower", "urgencies.urgent", ["LEA_LEAD"], "urgent means 2 h to acknowledge, not 1 h"),
        ),
        (
            "rules:",
            "urgencies: {routine: PT2H}\nrules:",
            ("faster", "urgencies.routine", [], "routine means 2 h to acknowledge, not 24 h"),
        ),
        (
            "rules:",
            "timezone: America/New_York\nrules:",
            (
                "otherwise",
                "timezone",
                [],
                "ages and days are counted in America/New_York, not America/Los_Angeles",
            ),
        ),
        (
            "pack: a-test",
            "pack: b-test",
            ("otherwise", "pack", [], "this is another pack: a-test, now b-test"),
        ),
        ("notice: Sample", "notice: A sample", ("wording", "notice", [], "notice is worded otherwise")),
    ],
)
def test_a_change_of_the_pack_as_a_whole_is_told(
    tmp_path: Path, old: str, new: str, change: tuple[str, str, list[str], str]
) -> None:
    assert change in changes_of(tmp_path, PACK, swap(old, new))


def test_no_field_of_a_pack_can_change_unnoticed() -> None:
    """A field that is added to the format must be added to the comparison, and then here."""
    compared: dict[type[WireModel], set[str]] = {
        ProtocolPack: {"pack", "version", "title", "notice", "in_force_from", "applies_in", "timezone"}
        | {"urgencies", "rules"},
        Rule: {"id", "title", "on", "when", "notify", "urgency", "basis", "consent", "disclose"}
        | {"disclose_with_consent", "duties", "authority"},
        RoleRecipient: {"role", "alternate", "in_"},
        DutySpec: {"holder", "what", "within", "within_if", "from_", "before"},
        Urgencies: {"immediate", "urgent", "priority", "routine"},
    }
    assert {model: set(model.model_fields) for model in compared} == compared


def test_a_faulty_pack_is_not_compared(tmp_path: Path) -> None:
    good, bad = write_pack(tmp_path), write_pack(tmp_path, swap("minor", "minr"), name="bad.yaml")
    said = protocol("diff", good, bad)
    assert (said.exit_code, said.output) == (1, "")
    assert said.errors == f"{bad}:11:11: rule T-01: unknown fact `minr`; did you mean `minor`?\n"
    assert protocol("diff", good, tmp_path).exit_code == 2
    assert protocol("diff", good).exit_code == 2
