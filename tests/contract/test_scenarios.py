"""`tocsin simulate`: the scenario format and the command, as protocol authors live by them."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from services.cli.simulate import app
from services.routing.packs import SHIPPED

SCENARIOS = Path(__file__).parents[1] / "scenarios"
AT = "2026-03-03T09:00:00-08:00"
EVENT: Mapping[str, Any] = {
    "specversion": "1.0",
    "id": "e1",
    "source": "urn:tocsin:agency:ag-bpd:cms",
    "type": "org.tocsin.tip.received.v1",
    "subject": "C1",
    "time": AT,
    "data": {"county": "06029", "narrative": {"text": "SECRET-VALUE"}},
}
NESTED: Any = json.loads("[" * 500 + "]" * 500)
STEP: Mapping[str, Any] = {"at": AT, "event": EVENT}


def simulate(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def write(folder: Path, name: str = "scenario.json", **scenario: Any) -> Path:  # noqa: ANN401 - any JSON
    path = folder / name
    path.write_text(json.dumps({"steps": [STEP], **scenario}))
    return path


def printed(folder: Path, **scenario: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    result = simulate(write(folder, **scenario), "--json")
    assert result.exit_code == 0, result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def changed(**data: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    return {**EVENT, "data": {**EVENT["data"], **data}}


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.json")), ids=lambda path: path.stem)
def test_a_scenario_comes_to_what_it_expects(path: Path) -> None:
    result = simulate("--check", path)
    assert (result.exit_code, result.stdout) == (0, f"{path}: as expected\n")


class TestResult:
    def test_it_is_one_object_of_outcomes_and_rows_with_every_key(self, tmp_path: Path) -> None:
        assert printed(tmp_path) == {
            "outcomes": [{"at": AT, "event": "e1", "outcome": "routed"}],
            "alerts": [
                {
                    "at": AT,
                    "event": "e1",
                    "agency": "ag-kern-so",
                    "role": "LEA_LEAD",
                    "contact": "primary",
                    "kind": "alert",
                    "rules": ["K-02"],
                    "urgency": "priority",
                    "acknowledge_by": "2026-03-03T13:00:00-08:00",
                    "escalation": 0,
                    "reason": None,
                    "disclosed": ["narrative"],
                    "withheld": [],
                    "duties": [],
                }
            ],
        }

    def test_rows_are_sorted_by_instant_event_and_agency_whatever_the_order_of_steps(
        self, tmp_path: Path
    ) -> None:
        labor = {**EVENT, "type": "org.tocsin.labor.complaint_received.v1"}
        steps = [
            {"at": "2026-03-03T11:00:00-08:00", "event": {**labor, "id": "b"}},
            {"at": "2026-03-03T11:00:00-08:00", "event": {**labor, "id": "a"}},
            {"at": "2026-03-03T10:00:00-08:00", "event": {**labor, "id": "c"}},
        ]
        rows = printed(tmp_path, steps=steps)["alerts"]
        assert [(row["event"], row["agency"]) for row in rows] == [
            (event, agency) for event in "cab" for agency in ("ag-ca-clc", "ag-us-whd")
        ]

    def test_external_bodies_have_rows_without_a_contact(self, tmp_path: Path) -> None:
        event = {**EVENT, "type": "org.tocsin.child.missing_from_care.v1"}
        rows = printed(tmp_path, steps=[{"at": AT, "event": event}])["alerts"]
        assert {row["agency"]: row["contact"] for row in rows} == {"ag-kern-so": "primary", "ext-ncmec": None}

    def test_a_quarantined_event_has_a_row_per_coordinator_and_discloses_nothing(
        self, tmp_path: Path
    ) -> None:
        other = {**changed(corrects="e1"), "id": "e2", "source": "urn:tocsin:agency:ag-kern-da:cms"}
        document = printed(tmp_path, steps=[STEP, {"at": AT, "event": other}])
        assert [row["outcome"] for row in document["outcomes"]] == ["routed", "quarantined"]
        (row,) = [row for row in document["alerts"] if row["event"] == "e2"]
        assert (row["rules"], row["reason"], row["kind"]) == ([], "QUARANTINED", "error")
        assert (row["disclosed"], row["withheld"], row["duties"]) == ([], [], [])

    def test_a_conflict_of_the_case_is_remembered_between_its_events(self, tmp_path: Path) -> None:
        conflict = changed(suspect={"employer_agency": "ag-kern-so"})
        later = {**EVENT, "id": "e2"}
        other = {**EVENT, "id": "e3", "subject": "C2"}
        steps = [{"at": AT, "event": event} for event in (conflict, later, other)]
        rows = printed(tmp_path, steps=steps)["alerts"]
        assert {(row["event"], row["agency"]) for row in rows} == {
            ("e1", "ag-kern-da"),
            ("e1", "ag-us-fbi"),
            ("e1", "ag-kern-tfc"),
            ("e2", "ag-kern-tfc"),
            ("e3", "ag-kern-so"),
        }

    def test_the_same_content_is_a_duplicate_however_it_is_written(self, tmp_path: Path) -> None:
        again = {**EVENT, "time": "2026-03-03T17:00:00Z", "data": dict(reversed(EVENT["data"].items()))}
        document = printed(tmp_path, steps=[STEP, {"at": AT, "event": again}])
        assert [row["outcome"] for row in document["outcomes"]] == ["routed", "duplicate"]
        assert len(document["alerts"]) == 1

    @pytest.mark.parametrize(
        "change",
        [{"subject": "C2"}, {"time": "2026-03-03T09:00:01-08:00"}, {"type": "org.tocsin.tip.triaged.v1"}],
    )
    def test_an_id_with_another_subject_time_or_type_is_reused(
        self, tmp_path: Path, change: dict[str, str]
    ) -> None:
        document = printed(tmp_path, steps=[STEP, {"at": AT, "event": {**EVENT, **change}}])
        assert [row["outcome"] for row in document["outcomes"]] == ["routed", "quarantined"]
        assert document["alerts"][1]["rules"] == ["S-05"]

    def test_the_same_id_of_another_source_is_another_event(self, tmp_path: Path) -> None:
        other = {**EVENT, "source": "urn:tocsin:agency:ag-kern-da:cms"}
        document = printed(tmp_path, steps=[STEP, {"at": AT, "event": other}])
        assert [row["outcome"] for row in document["outcomes"]] == ["routed", "routed"]


class TestDirectory:
    def test_an_explicit_one_stands_alone(self, tmp_path: Path) -> None:
        agencies = [{"id": "ag-bpd", "name": "x", "roles": ["LEA_LOCAL"], "counties": ["06029"]}]
        assert printed(tmp_path, directory={"agencies": agencies})["alerts"] == []

    def test_one_that_extends_the_sample_changes_fields_of_its_agencies(self, tmp_path: Path) -> None:
        change = {"extends": "sample", "agencies": [{"id": "ag-kern-so", "roles": ["FBI"]}]}
        rows = printed(tmp_path, directory=change)["alerts"]
        assert [(row["agency"], row["rules"]) for row in rows] == [("ag-kern-tfc", ["S-04"])]

    def test_a_step_merges_per_agency_and_field_and_a_given_list_replaces(self, tmp_path: Path) -> None:
        second = {"id": "ag-new", "name": "x", "roles": ["LEA_LEAD"], "counties": ["06029"]}
        steps = [
            {
                "at": "2026-03-03T08:00:00-08:00",
                "directory": {"agencies": [{**second, "agreement_until": "2027-01-01T00:00:00Z"}]},
            },
            STEP,
            {
                "at": "2026-03-03T10:00:00-08:00",
                "directory": {"agencies": [{"id": "ag-new", "counties": ["06019"]}]},
            },
            {"at": "2026-03-03T11:00:00-08:00", "event": {**EVENT, "id": "e2"}},
        ]
        rows = printed(tmp_path, steps=steps)["alerts"]
        assert [(row["event"], row["agency"]) for row in rows] == [
            ("e1", "ag-kern-so"),
            ("e1", "ag-new"),
            ("e2", "ag-kern-so"),
        ]


class TestMalformed:
    @pytest.mark.parametrize(
        ("scenario", "words"),
        [
            ({"steps": [{"at": AT, "event": changed(county=6029)}]}, "step 0, /steps/0/event/data/county: "),
            (
                {"steps": [STEP, {"at": AT, "event": changed(nam=1)}]},
                "step 1, /steps/1/event/data/nam: unknown key",
            ),
            (
                {"steps": [{"at": AT, "event": {**EVENT, "type": "org.tocsin.x.v1"}}]},
                "step 0, /steps/0/event/type: ",
            ),
            (
                {"steps": [{"at": AT, "event": {**EVENT, "source": "urn:tocsin:agency:ag-none:cms"}}]},
                "step 0, /steps/0/event/source: its agency is not in the directory",
            ),
            (
                {"steps": [{"at": AT, "event": changed(narrative={"text": "x" * 70000})}]},
                "step 0, /steps/0/event",
            ),
            ({"steps": [{**STEP, "note": "x"}]}, "step 0, /steps/0/note: "),
            (
                {"steps": [{"at": AT}]},
                "step 0, /steps/0: must have `at` and one of event, acknowledge, directory",
            ),
            ({"steps": [{**STEP, "directory": {}}]}, "step 0, /steps/0: must have"),
            ({"steps": [{"event": EVENT}]}, "step 0, /steps/0/at: "),
            ({"steps": [{**STEP, "at": "2026-03-03T09:00:00"}]}, "step 0, /steps/0/at: "),
            ({"steps": []}, "/steps: "),
            ({"steps": [{"at": AT, "event": changed(name=NESTED)}]}, "the file: nested too deeply"),
            ({"until": "2026-03-03T08:59:59-08:00"}, "/until: must not be before the last step"),
            ({"expected": {"alert": []}}, "/expected/alert: "),
            (
                {"steps": [STEP, {"at": AT, "acknowledge": {"agency": "ag-bpd", "event": "e9"}}]},
                "step 1, /steps/1/acknowledge/event: no event of this id came before",
            ),
            (
                {"steps": [STEP, {"at": AT, "acknowledge": {"agency": "ag-none", "event": "e1"}}]},
                "step 1, /steps/1/acknowledge/agency: not in the directory",
            ),
            ({"directory": {"agencies": [{"id": "ag-bpd"}]}}, "/directory/agencies/0/roles: "),
            (
                {
                    "steps": [
                        STEP,
                        {
                            "at": AT,
                            "directory": {"agencies": [{"id": "ag-kern-vsp", "confidentiality": "standard"}]},
                        },
                    ]
                },
                "step 1, /steps/1/directory/agencies/0/confidentiality: its roles demand strict",
            ),
        ],
    )
    def test_it_ends_with_2_and_the_step_and_path(
        self, tmp_path: Path, scenario: dict[str, Any], words: str
    ) -> None:
        path = write(tmp_path, **scenario)
        result = simulate(path, "--json")
        assert (result.exit_code, result.stdout) == (2, "")
        assert f"{path}: {words}" in result.stderr
        assert "SECRET-VALUE" not in result.stderr

    def test_every_problem_is_told_at_once(self, tmp_path: Path) -> None:
        steps = [{"at": AT, "event": changed(county="x", corrects=3)}, {"at": "noon", "event": EVENT}, STEP]
        result = simulate(write(tmp_path, steps=steps))
        assert [line.split(": ")[1] for line in result.stderr.splitlines()] == [
            "step 0, /steps/0/event/data/corrects",
            "step 0, /steps/0/event/data/county",
            "step 1, /steps/1/at",
        ]

    @pytest.mark.parametrize(
        ("text", "words"), [("{", "not JSON (line 1"), ("[]", "the file: "), ("{}", "/steps: ")]
    )
    def test_what_is_no_scenario_is_refused(self, tmp_path: Path, text: str, words: str) -> None:
        (tmp_path / "a.json").write_text(text)
        result = simulate(tmp_path / "a.json")
        assert result.exit_code == 2
        assert words in result.stderr

    def test_a_file_that_is_not_there_is_told(self, tmp_path: Path) -> None:
        result = simulate(tmp_path / "none.json")
        assert result.exit_code == 2
        assert "cannot be read" in result.stderr

    def test_id_title_and_what_else_an_author_notes_are_ignored(self, tmp_path: Path) -> None:
        assert printed(tmp_path, id="x", title="y", remark="z")["alerts"]


class TestCheck:
    def expected(self, **row: object) -> dict[str, Any]:
        return {"alerts": [{"agency": "ag-kern-so", **row}]}

    def test_only_the_keys_that_are_listed_count(self, tmp_path: Path) -> None:
        path = write(tmp_path, expected=self.expected(rules=["K-02"]))
        assert simulate("--check", path).exit_code == 0

    def test_instants_are_compared_as_instants_and_lists_as_sets(self, tmp_path: Path) -> None:
        step = {"at": AT, "event": {**EVENT, "type": "org.tocsin.child.missing_from_care.v1"}}
        row = {
            "agency": "ag-kern-so",
            "at": "2026-03-03T17:00:00Z",
            "rules": ["F-03", "F-02", "F-03"],
            "duties": [{"rule": "F-03", "due": "2026-03-03T19:00:00+00:00"}, {"rule": "F-02"}],
        }
        expected = {"alerts": [row, {"agency": "ext-ncmec"}]}
        assert simulate("--check", write(tmp_path, steps=[step], expected=expected)).exit_code == 0

    @pytest.mark.parametrize(
        ("expected", "words"),
        [
            (
                {"alerts": [{"agency": "ag-kern-so", "urgency": "urgent"}]},
                "urgency is priority, expected urgent",
            ),
            ({"alerts": [{"agency": "ag-kern-so", "event": "e1", "rules": []}]}, "rules has K-02 too many"),
            (
                {"alerts": [{"agency": "ag-kern-so", "event": "e1", "rules": ["K-01"]}]},
                "rules lacks K-01 and has K-02",
            ),
            (
                {"alerts": [{"agency": "ag-kern-so", "event": "e1", "duties": [{"rule": "K-03"}]}]},
                "duties lacks {rule: K-03}",
            ),
            ({"alerts": []}, "unexpected alert: at=2026-03-03T09:00:00-08:00 event=e1 agency=ag-kern-so"),
            ({"alerts": [{"agency": "ag-kern-so"}, {"agency": "ag-bpd"}]}, "missing alert: agency=ag-bpd"),
            (
                {"alerts": [{"agency": "ag-kern-so"}, {"agency": "ag-kern-so"}]},
                "missing alert: agency=ag-kern-so",
            ),
            ({"alerts": [{"agency": "ag-kern-so", "agncy": 1}]}, "has the key 'agncy', which no alert has"),
            (
                {"outcomes": [{"event": "e1", "outcome": "duplicate"}]},
                "outcome is routed, expected duplicate",
            ),
            ({"outcomes": []}, "unexpected outcome"),
            ({"alerts": [{"agency": "ag-kern-so"}, {"escalation": 1}]}, "missing alert: escalation=1"),
        ],
    )
    def test_what_differs_is_said_in_plain_words_with_exit_1(
        self, tmp_path: Path, expected: dict[str, Any], words: str
    ) -> None:
        result = simulate("--check", write(tmp_path, expected=expected))
        assert result.exit_code == 1
        assert words in result.stdout

    def test_rows_are_paired_so_that_as_many_match_as_can(self, tmp_path: Path) -> None:
        """The vague row fits both; the precise one fits one alone, and must get it."""
        step = {"at": AT, "event": {**EVENT, "type": "org.tocsin.labor.complaint_received.v1"}}
        expected = {"alerts": [{"rules": ["K-14"]}, {"agency": "ag-ca-clc"}]}
        assert simulate("--check", write(tmp_path, steps=[step], expected=expected)).exit_code == 0

    def test_many_files_are_checked_and_the_worst_decides(self, tmp_path: Path) -> None:
        good = write(tmp_path, "good.json", expected=self.expected())
        bad = write(tmp_path, "bad.json", expected={"alerts": []})
        broken = write(tmp_path, "broken.json", steps=[])
        assert simulate("--check", good, bad).exit_code == 1
        result = simulate("--check", good, broken, bad)
        assert result.exit_code == 2
        assert f"{good}: as expected" in result.stdout
        assert f"{bad}: differs" in result.stdout

    def test_a_program_reads_the_same(self, tmp_path: Path) -> None:
        bad = write(tmp_path, expected={"alerts": []})
        (report,) = json.loads(simulate("--check", "--json", bad).stdout)["files"]
        assert (report["file"], report["verdict"], len(report["differences"])) == (str(bad), "differs", 1)

    def test_a_file_that_expects_nothing_says_so(self, tmp_path: Path) -> None:
        result = simulate("--check", write(tmp_path))
        assert result.exit_code == 0
        assert "expects nothing" in result.stdout

    def test_several_files_need_check(self, tmp_path: Path) -> None:
        path = write(tmp_path)
        assert simulate(path, path).exit_code == 2


class TestPacks:
    def test_a_folder_of_drafts_replaces_the_shipped_packs(self, tmp_path: Path) -> None:
        shutil.copytree(SHIPPED, tmp_path / "packs")
        draft = tmp_path / "packs" / "ca-kern-httf" / "2.1.0.yaml"
        draft.write_text(draft.read_text().replace("urgency: priority", "urgency: immediate", 1))
        path = write(tmp_path)
        (row,) = json.loads(simulate(path, "--json", "--packs", tmp_path / "packs").stdout)["alerts"]
        assert row["urgency"] == "immediate"

    def test_a_faulty_pack_ends_with_2_and_its_place(self, tmp_path: Path) -> None:
        (tmp_path / "a.yaml").write_text("pack: a\nversion: [\n")
        result = simulate(write(tmp_path), "--packs", tmp_path)
        assert result.exit_code == 2
        assert f"{tmp_path}/a.yaml:2:10: " in result.stderr

    def test_a_folder_that_is_not_there_ends_with_2(self, tmp_path: Path) -> None:
        assert simulate(write(tmp_path), "--packs", tmp_path / "none").exit_code == 2


class TestEscalation:
    UNTIL = "2026-03-03T13:00:00-08:00"

    def rungs(self, tmp_path: Path, **scenario: Any) -> list[tuple[str, int]]:  # noqa: ANN401 - any JSON
        rows = printed(tmp_path, **scenario)["alerts"]
        return [(row["agency"], row["escalation"]) for row in rows if row["escalation"]]

    def test_the_clock_runs_on_to_until_and_includes_it(self, tmp_path: Path) -> None:
        assert self.rungs(tmp_path, until=self.UNTIL) == [("ag-kern-so", 1)]
        assert self.rungs(tmp_path, until="2026-03-03T12:59:59-08:00") == []

    def test_without_until_the_run_ends_at_the_last_step(self, tmp_path: Path) -> None:
        assert self.rungs(tmp_path) == []

    def test_a_step_at_the_instant_of_a_rung_comes_first(self, tmp_path: Path) -> None:
        done = {"at": self.UNTIL, "acknowledge": {"agency": "ag-kern-so", "event": "e1"}}
        assert self.rungs(tmp_path, steps=[STEP, done], until="2026-03-04T09:00:00-08:00") == []

    def test_people_read_which_rung_it_is(self, tmp_path: Path) -> None:
        result = simulate(write(tmp_path, until="2026-03-06T09:00:00-08:00"))
        assert "nobody acknowledged" in result.stdout
        assert "(backup, rung 1)" in result.stdout
        assert "a dead letter" in result.stdout


@pytest.mark.parametrize(("key", "meant"), [("untill", "until"), ("expect", "expected"), ("step", "steps")])
def test_a_misspelt_key_is_refused_and_named(tmp_path: Path, key: str, meant: str) -> None:
    misspelt: dict[str, Any] = {key: {}}
    result = simulate("--check", write(tmp_path, **misspelt))
    assert result.exit_code == 2
    assert f"did you mean `{meant}`?" in result.stderr


def test_what_is_for_the_reader_is_ignored(tmp_path: Path) -> None:
    assert printed(tmp_path, id="S99", title="A tip", author="A coordinator") == printed(tmp_path)


def test_people_read_who_is_told_what_and_who_owes_what(tmp_path: Path) -> None:
    result = simulate(SCENARIOS / "advocate-reports.json")
    assert result.exit_code == 0
    for words in (
        "ag-kern-cw",
        "CHILD_WELFARE",
        "not shown",
        "duty notice to ag-kern-vsp",
        "CONSENT_REQUIRED",
    ):
        assert words in result.stdout
