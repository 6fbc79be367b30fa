"""`tocsin protocol test`: which cases differ, and what no case shows of the rules."""

from pathlib import Path
from typing import Any

import pytest

from services.routing.packs import SHIPPED
from tests.support.packs import PACK, another, protocol, swap, write_case, write_pack

TIP = "tip.received"
CHILD = (TIP, {"age": {"band": "13to15"}})
ADULT = (TIP, {"age": {"band": "adult"}})
SHERIFF = {"agency": "ag-kern-so", "rules": ["T-01"]}


def gaps_of(pack: Path) -> list[str]:
    """What no case shows, each with its rule."""
    gaps = protocol("test", pack, "--json").json()["coverage"]["gaps"]
    return [f"{gap['rule']}: {gap['message']}" for gap in gaps]


def test_a_pack_whose_cases_show_everything_is_fully_covered(tmp_path: Path) -> None:
    pack = write_pack(tmp_path)
    write_case(pack, "both", CHILD, ADULT, told=[SHERIFF])
    said = protocol("test", pack, "--min-coverage", 100)
    assert said.exit_code == 0
    assert said.lines == [
        "a-test@1.0.0: 2 of 2 things a case can show are shown",
        "1 case, none failed; coverage 100 %",
    ]


def test_a_case_that_differs_fails_as_simulate_tells_it(tmp_path: Path) -> None:
    pack = write_pack(tmp_path)
    case = write_case(pack, "wrong", CHILD, told=[{**SHERIFF, "urgency": "immediate"}])
    said = protocol("test", tmp_path)
    assert said.exit_code == 1
    assert said.lines[:2] == [
        f"{case}: differs",
        "  alert agency=ag-kern-so rules=[T-01]: urgency is urgent, expected immediate",
    ]


def test_a_malformed_case_fails_and_the_others_are_run(tmp_path: Path) -> None:
    pack = write_pack(tmp_path)
    bad = write_case(pack, "bad", (TIP, {"age": {"band": "old"}}), told=[])
    write_case(pack, "good", CHILD, told=[SHERIFF])
    said = protocol("test", tmp_path)
    assert said.exit_code == 1
    assert f"{bad}: malformed" in said.lines
    assert "step 0, /steps/0/event/data/age/band" in said.output
    assert said.lines[-1] == "2 cases, 1 failed; coverage 50 %"


def test_a_case_that_expects_nothing_shows_nothing(tmp_path: Path) -> None:
    pack = write_pack(tmp_path)
    write_case(pack, "idle", CHILD, ADULT, told=None)
    assert gaps_of(pack) == [
        "T-01: no case fires it",
        "T-01: no case nearly fires it (an event of its types, but its condition does not hold)",
    ]


def test_a_pack_without_cases_passes_and_is_not_covered(tmp_path: Path) -> None:
    pack = write_pack(tmp_path)
    assert protocol("test", pack).exit_code == 0
    said = protocol("test", pack, "--min-coverage", 1)
    assert (said.exit_code, said.lines[-1]) == (1, "0 cases, none failed; coverage 0 %")


@pytest.mark.parametrize("percent", ["-1", "101", "most"])
def test_a_coverage_that_is_no_percentage_is_a_usage_error(tmp_path: Path, percent: str) -> None:
    assert protocol("test", write_pack(tmp_path), "--min-coverage", percent).exit_code == 2


def test_a_rule_that_another_type_of_event_fails_to_fire_is_not_nearly_fired(tmp_path: Path) -> None:
    pack = write_pack(tmp_path)
    write_case(pack, "other", CHILD, ("tip.triaged", {"age": {"band": "adult"}}), told=[SHERIFF])
    assert gaps_of(pack) == [
        "T-01: no case nearly fires it (an event of its types, but its condition does not hold)"
    ]


def test_a_rule_without_a_condition_cannot_nearly_fire(tmp_path: Path) -> None:
    pack = write_pack(tmp_path, swap("    when: minor\n", ""))
    write_case(pack, "any", ADULT, told=[SHERIFF])
    assert gaps_of(pack) == []


def risky(risk: str, band: str) -> tuple[str, dict[str, Any]]:
    return TIP, {"age": {"band": band}, "safety": {"risk": risk}}


@pytest.mark.parametrize(
    ("condition", "events", "gaps"),
    [
        (
            'minor && safety.risk == "high"',
            [risky("high", "under13"), risky("low", "under13")],
            ["no case shows `minor` as false"],
        ),
        (
            'minor || safety.risk == "high"',
            [risky("low", "under13"), risky("low", "adult")],
            ['no case shows `safety.risk == "high"` as true'],
        ),
        (
            'minor && (safety.risk == "high" || safety.risk == "imminent")',
            [risky("high", "under13"), risky("low", "adult")],
            [],
        ),
        ('minor && safety.risk != "no such word"', [risky("high", "under13"), risky("low", "adult")], []),
    ],
)
def test_each_part_of_a_condition_is_to_be_seen_both_ways(
    tmp_path: Path, condition: str, events: list[tuple[str, dict[str, Any]]], gaps: list[str]
) -> None:
    pack = write_pack(tmp_path, swap("when: minor", f"when: {condition}"))
    write_case(pack, "some", *events, told=[SHERIFF])
    assert gaps_of(pack) == [f"T-01: {gap}" for gap in gaps]


def test_a_rule_that_fires_and_tells_nobody_was_fired(tmp_path: Path) -> None:
    pack = write_pack(tmp_path, swap("role: LEA_LEAD", "role: LEA_LOCAL"))
    write_case(pack, "own", CHILD, ADULT, told=[])
    assert gaps_of(pack) == []


def test_cases_run_with_the_packs_that_are_in_force_beside_theirs(tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "one")
    other = write_pack(
        tmp_path / "other",
        "".join([PACK[: PACK.index("  - id")], another("T-02")]).replace("a-test", "b-test"),
    )
    write_case(pack, "both", CHILD, told=[{"agency": "ag-kern-so", "rules": ["T-01", "T-02"]}])
    alone = protocol("test", pack)
    assert alone.exit_code == 1
    assert "no rule T-02 in these packs: if another pack has it, name that with --with" in alone.output
    beside = protocol("test", pack, "--with", other)
    assert beside.exit_code == 0
    assert "b-test" not in beside.output


def test_a_faulty_pack_is_not_tested(tmp_path: Path) -> None:
    pack = write_pack(tmp_path, swap("when: minor", "when: minr"))
    said = protocol("test", pack)
    assert (said.exit_code, said.output) == (1, "")
    assert said.errors == f"{pack}:11:11: rule T-01: unknown fact `minr`; did you mean `minor`?\n"


@pytest.fixture(scope="module")
def shipped() -> Any:  # noqa: ANN401 -- any JSON
    """What the command says of the shipped packs, which takes it seconds."""
    return protocol("test", SHIPPED, "--json").json()


def test_none_of_the_shipped_cases_differs(shipped: Any) -> None:  # noqa: ANN401 -- any JSON
    cases = shipped["cases"]
    assert len(cases) > 90
    assert {Path(case["file"]).stem for case in cases if case["verdict"] != "as expected"} == set()


def test_the_shipped_cases_show_all_there_is_to_show(shipped: Any) -> None:  # noqa: ANN401 -- any JSON
    assert shipped["coverage"]["gaps"] == []
