"""The repository keeps its own rules: nothing of one machine in it, and a reason beside every exception."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GENERATED = {".git", ".venv", "build", "dist", "__pycache__"}
# In pieces, so that this file does not name what it forbids.
REGISTRIES = re.compile(
    "|".join(["pypi" + r"\.org", "python" + "hosted", "registry" + r"\.npmjs", "repo1?" + r"\.maven"])
)
MACHINE_PATHS = re.compile(r"(?<![\w.:/}-])/(?:home|root|Users|work|opt)/" + r"[\w.-]")


def tracked_files() -> list[Path]:
    if (ROOT / ".git").exists() and (git := shutil.which("git")):
        listing = subprocess.run(
            [git, "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
        )
        paths = [ROOT / name for name in listing.stdout.split("\0") if name]
    else:
        paths = [path for path in ROOT.rglob("*") if not GENERATED & set(path.relative_to(ROOT).parts)]
    return [path for path in paths if path.is_file()]


def occurrences(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked_files()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1)
        if pattern.search(line)
    ]


def makefile() -> str:
    return (ROOT / "Makefile").read_text()


def phony_targets() -> list[str]:
    targets = re.search(r"^\.PHONY: (.+)$", makefile(), flags=re.MULTILINE)
    return targets[1].split() if targets else []


def test_no_file_names_a_package_registry() -> None:
    assert occurrences(REGISTRIES) == []


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    assert occurrences(MACHINE_PATHS) == []


@pytest.mark.parametrize(
    ("pattern", "sample"),
    [(REGISTRIES, "https://" + "pypi" + ".org/simple"), (MACHINE_PATHS, 'open("/' + 'home/ana/x")')],
)
def test_the_search_finds_what_it_looks_for(pattern: re.Pattern[str], sample: str) -> None:
    assert pattern.search(sample)


def test_every_ignored_lint_rule_has_its_reason() -> None:
    ignores = re.findall(r'^  "[A-Z]+[0-9]*",.*$', (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE)
    assert len(ignores) > 10
    assert [line for line in ignores if not re.search(r"# \w", line)] == []


def test_every_runtime_dependency_has_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    block = text.split("\ndependencies = [\n")[1].split("\n]\n")[0]
    assert [line for line in block.splitlines() if not re.search(r"# \w", line)] == []


def test_every_make_target_says_what_it_does() -> None:
    undocumented = [
        name for name in phony_targets() if not re.search(rf"^{name}:.*## \w", makefile(), flags=re.MULTILINE)
    ]
    assert undocumented == []


@pytest.mark.parametrize("target", ["install", "demo", "up", "test", "check", "bench", "clean", "lock"])
def test_the_promised_make_targets_set_themselves_up(target: str) -> None:
    assert target in phony_targets()
    rule = re.search(rf"^{target}:(.*)##", makefile(), flags=re.MULTILINE)
    assert rule is not None
    assert target == "clean" or "$(INSTALLED)" in rule[1]


def test_the_script_of_the_continuous_integration_can_be_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_decision_records_have_numbers_of_their_own_and_all_their_parts() -> None:
    records = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [re.match(r"(\d{4})-[a-z0-9-]+\.md$", record.name) for record in records]
    assert None not in numbers
    assert len({number[1] for number in numbers if number}) == len(records)
    parts = ["## Context", "## Decision", "## Consequences", "## Alternatives"]
    assert [record.name for record in records if any(part not in record.read_text() for part in parts)] == []


def test_the_exceptions_to_the_linter_name_their_rule_and_their_reason() -> None:
    bare = re.compile(r"# " + r"noqa(?!: [A-Z]+[0-9]+(?:, ?[A-Z]+[0-9]+)*\s+\S+)")
    assert [place for place in occurrences(bare) if ".py:" in place] == []
