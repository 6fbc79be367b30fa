"""The shipped packs: word for word what was agreed, each with its golden cases."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from schemas.pack import ConsentRecipient, RoleRecipient, Rule
from services.cli.simulation.comparing import find_differences
from services.cli.simulation.reading import read_scenario
from services.cli.simulation.running import run_script
from services.routing.pack_file import read_pack_file
from services.routing.packs import SHIPPED, load_packs
from tests.support.documents import ROOT

PACKS = load_packs()
LABELS = [version.label for version in PACKS.versions]
FILES = {"fed-baseline@1.0.0", "ca-kern-httf@2.1.0", "ca-kern-httf@2.2.0"}
CASES = sorted(SHIPPED.glob("*/*.cases/*.json"))

CODES = {
    "TYPE": "exploitation",
    "AGE": "age",
    "AGEX": "date_of_birth",
    "NAME": "name",
    "CONTACT": "contact",
    "GEND": "gender",
    "LANG": "language",
    "NEEDS": "needs",
    "SAFE": "safety",
    "LOC": "location",
    "LSEEN": "last_seen",
    "PHYS": "physical_description",
    "ENDANGER": "endangerment",
    "MED": "medical",
    "SUSP": "suspect",
    "SUSPST": "suspect_status",
    "CJI": "criminal_justice",
    "IMM": "immigration",
    "NATL": "citizenship",
    "EMPL": "employer",
    "CUST": "custody",
    "TRIBE": "tribe",
    "COURT": "court",
    "APPT": "appointment",
    "PLAN": "operation_plan",
    "CONSENT": "consent",
    "NARR": "narrative",
}

# The agreed table: rule, whom (alternate), how fast, basis, consent, disclosed / with consent.
AGREED = """
F-01 HHS_OTIP urgent mandated none NAME AGEX AGE GEND LANG NATL TYPE CUST
F-02 LEA_LEAD(LEA_LOCAL) immediate mandated none NAME AGEX AGE GEND PHYS LSEEN ENDANGER TYPE CUST SAFE SUSP
F-03 LEA_LEAD(LEA_LOCAL) immediate mandated none NAME AGEX GEND PHYS LSEEN
F-04 NCMEC urgent mandated none NAME AGEX AGE GEND PHYS LSEEN ENDANGER TYPE
F-05 LEA_LEAD(LEA_LOCAL) urgent mandated none NAME AGEX AGE GEND TYPE LSEEN SUSP NARR CUST
F-06 HHS_ORR urgent mandated none NAME AGEX AGE GEND LANG NATL CUST
F-07 consent routine mandated none CONSENT
F-08 FED_PROSECUTOR urgent mandated none SUSP SUSPST COURT
K-01 LEA_LEAD(LEA_LOCAL) immediate agreement none TYPE AGE GEND LANG SAFE LSEEN PHYS NAME SUSP NARR
K-02 LEA_LEAD(LEA_LOCAL) priority agreement none TYPE AGE LANG LSEEN SUSP NARR
K-03 CHILD_WELFARE(LEA_LEAD) immediate mandated none NAME AGEX AGE GEND LANG TYPE NARR \
LSEEN LOC SAFE SUSP CUST
K-04 CHILD_WELFARE urgent agreement base AGE GEND LANG TYPE NEEDS SAFE CUST / NAME AGEX LSEEN
K-05 LEA_LEAD(LEA_LOCAL) urgent mandated none NAME AGEX AGE GEND TYPE LSEEN SUSP NARR CUST SAFE
K-06 CHILD_ADVOCACY_CENTER,PROSECUTOR urgent agreement none NAME AGEX AGE GEND LANG TYPE CUST
K-07 VICTIM_SERVICES urgent agreement base AGE GEND LANG TYPE NEEDS SAFE / NAME CONTACT
K-08 VICTIM_SERVICES urgent agreement base AGE GEND LANG APPT / NAME
K-09 VICTIM_SERVICES routine agreement none PLAN LANG
K-10 SART_HOSPITAL urgent agreement base AGE GEND LANG NEEDS / NAME MED
K-11 SHELTER urgent agreement base AGE GEND LANG NEEDS SAFE / NAME CONTACT
K-12 CHILD_WELFARE immediate agreement none AGE GEND LANG NEEDS SAFE NAME AGEX LOC
K-13 TRIBAL urgent mandated none NAME AGEX AGE GEND LSEEN CUST TRIBE
K-14 LABOR_STATE,LABOR_FED priority agreement base TYPE EMPL LANG AGE / NAME CONTACT NARR
K-15 VICTIM_SERVICES immediate agreement none SUSP SUSPST
K-16 VICTIM_SERVICES urgent agreement none SUSP SUSPST COURT
K-17 LEA_LEAD(LEA_LOCAL) immediate agreement none SAFE TYPE AGE NAME LOC LSEEN PHYS SUSP
K-18 LEA_LEAD(LEA_LOCAL) routine agreement required NAME AGEX TYPE
K-19 IMMIGRATION_LEGAL routine agreement base AGE LANG TYPE / NAME CONTACT IMM
K-20 LEA_LEAD urgent agreement none NAME AGEX AGE GEND PHYS LSEEN SUSP TYPE CJI
"""


def as_agreed(rule: Rule) -> str:
    """A rule as a line of the table, its groups in the order it lists them."""
    names = {name: code for code, name in CODES.items()}
    whom = ",".join(_recipient(to) for to in rule.notify)
    groups = " ".join(names[group] for group in rule.disclose)
    extra = " ".join(names[group] for group in rule.disclose_with_consent)
    words = [rule.id, whom, rule.urgency.value, rule.basis.value, rule.consent.value, groups]
    return " ".join([*words, "/", extra] if extra else words)


def _recipient(to: RoleRecipient | ConsentRecipient) -> str:
    if isinstance(to, ConsentRecipient):
        return to.holders_of
    return f"{to.role.value}({to.alternate.value})" if to.alternate else to.role.value


def rules_of(label: str) -> list[Rule]:
    (version,) = [version for version in PACKS.versions if version.label == label]
    return version.pack.rules


def in_any_order(line: str) -> tuple[list[str], list[str], list[str]]:
    """Groups are sets: only who is told, how fast and why have an order."""
    words, _, extra = line.partition(" / ")
    return words.split()[:5], sorted(words.split()[5:]), sorted(extra.split())


def test_the_packs_are_shipped_in_the_versions_promised() -> None:
    assert set(LABELS) == FILES


def test_every_rule_is_as_it_was_agreed() -> None:
    agreed = [in_any_order(line) for line in AGREED.strip().splitlines()]
    written = [in_any_order(as_agreed(rule)) for label in LABELS[:2] for rule in rules_of(label)]
    assert sorted(written) == agreed
    assert len(agreed) == 28


def test_a_pack_says_on_its_face_that_it_is_a_sample() -> None:
    for version in PACKS.versions:
        assert version.pack.notice.startswith("Fictional sample, not legal advice.")


def test_version_2_2_of_the_county_pack_differs_in_the_urgency_of_tips_alone() -> None:
    old, new = (_plain("ca-kern-httf", version) for version in ("2.1.0", "2.2.0"))
    differing = {key for key in old | new if old.get(key) != new.get(key)}
    assert differing == {"version", "in_force_from", "rules"}
    changed = [(a, b) for a, b in zip(old["rules"], new["rules"], strict=True) if a != b]
    assert [(a["id"], a["urgency"], b["urgency"]) for a, b in changed] == [("K-02", "priority", "urgent")]
    ((a, b),) = changed
    assert {key for key in a | b if a.get(key) != b.get(key)} == {"urgency"}


def _plain(pack: str, version: str) -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe", pure=True).load(
        (SHIPPED / pack / f"{version}.yaml").read_text()
    )
    return loaded


@pytest.mark.parametrize("label", LABELS)
def test_a_pack_reads_as_another_yaml_library_reads_it(label: str) -> None:
    pack, _, version = label.partition("@")
    read = read_pack_file((SHIPPED / pack / f"{version}.yaml").read_bytes()).value
    other = _plain(pack, version)
    assert read | {"in_force_from": None} == other | {"in_force_from": None}


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*/*.yaml")), ids=lambda path: path.stem)
def test_an_editor_finds_the_schema_of_a_pack_by_its_first_line(path: Path) -> None:
    first, _, _ = path.read_text().partition("\n")
    schema = path.parent / first.removeprefix("# yaml-language-server: $schema=")
    assert schema.resolve() == ROOT / "schemas" / "json" / "protocol-pack.json"


@pytest.mark.parametrize("label", LABELS)
def test_every_rule_has_a_case_that_fires_and_one_that_nearly_does(label: str) -> None:
    pack, _, version = label.partition("@")
    names = {path.stem for path in (SHIPPED / pack / f"{version}.cases").glob("*.json")}
    wanted = {f"{rule.id}-{end}" for rule in rules_of(label) for end in ("fires", "nearly")}
    assert wanted <= names


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.stem}-{path.stem}")
def test_a_golden_case_comes_to_what_it_expects(path: Path) -> None:
    script = read_scenario(path)
    run = run_script(script, PACKS)
    assert find_differences(script.expected, run.result) == []
    rule = path.stem[: len("K-00")]
    fired = {fired for row in run.result.alerts for fired in row.rules}
    assert (rule in fired) == (not path.stem.endswith("-nearly"))
