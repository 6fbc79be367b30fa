"""docs/protocols.md, followed to the letter: every command is run, and says what the guide says it does."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.main import build_app
from tests.support.documents import FENCE, ROOT
from tests.support.stack import RunningStack, running_stack

GUIDE = (ROOT / "docs" / "protocols.md").read_text()
FILE = r"`(my-county/[\w./-]+)`"
APPEND = re.compile(rf"Append to {FILE}:\s*$")
WRITE = re.compile(rf"Write {FILE}:\s*$")
CHANGE = re.compile(rf"Change in {FILE}[^`]*(?:`[^`]*`[^`]*)?:\s*$")
REPLACE = re.compile(rf"[Ii]n\s{FILE}, write `(\S+)` for `(\S+)`")
FAILS = "exit code is 1"


@dataclass(frozen=True, slots=True)
class Step:
    """A fenced block, with the prose before it and after it."""

    before: str
    language: str
    text: str
    after: str


def steps() -> Iterator[Step]:
    fences = list(FENCE.finditer(GUIDE))
    ends = [fence.start() for fence in fences[1:]] + [len(GUIDE)]
    begin = 0
    for fence, end in zip(fences, ends, strict=True):
        yield Step(GUIDE[begin : fence.start()], fence[2], fence[3], GUIDE[fence.end() : end])
        begin = fence.end()


class Reader:
    """A coordinator who types what the guide shows, in an empty folder."""

    def __init__(self) -> None:
        self.output = ""
        self.exit_code = 0
        self.typed: list[str] = []

    def follow(self, step: Step) -> None:
        for path, new, old in REPLACE.findall(step.before):
            self.replace(Path(path), old, new)
        match step.language:
            case "sh":
                self.type_in(step.text)
            case "text":
                self.compare(step)
            case "yaml" if found := APPEND.search(step.before):
                path = Path(found[1])
                path.write_text(path.read_text() + step.text)
            case "yaml" if found := CHANGE.search(step.before):
                self.change(Path(found[1]), step.text)
            case "json" if found := WRITE.search(step.before):
                Path(found[1]).write_text(step.text)
            case _:
                pytest.fail(f"the guide does not say what to do with: {step.text}")

    def type_in(self, text: str) -> None:
        assert self.exit_code == 0, f"the guide does not say that this fails:\n{self.output}"
        self.output = ""
        for line in text.splitlines():
            self.typed.append(line)
            program, *words = shlex.split(line)
            if program == "tocsin":
                result = CliRunner().invoke(build_app(), words)
                self.exit_code, self.output = result.exit_code, self.output + result.output
            else:
                assert program == "cp"
                subprocess.run([program, *words], check=True)

    def compare(self, step: Step) -> None:
        shown = [line.strip() for line in step.text.splitlines()]
        said = "\n".join(self.output.splitlines())
        assert [line for line in shown if line not in said] == []
        assert self.exit_code == (1 if FAILS in step.after else 0), self.output
        self.exit_code = 0

    def replace(self, path: Path, old: str, new: str) -> None:
        text = path.read_text()
        assert text.count(old) == 1
        path.write_text(text.replace(old, new))

    def change(self, path: Path, lines: str) -> None:
        """The first line of each key becomes the one shown; how deep it stands remains."""
        text = path.read_text()
        for line in lines.splitlines():
            key = line.partition(":")[0]
            text, count = re.subn(rf"^( *){key}:.*$", rf"\g<1>{line}", text, count=1, flags=re.MULTILINE)
            assert count == 1, key
        path.write_text(text)


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningStack]:
    """What the guide says to start in another terminal; where it is, the terminal knows."""
    with running_stack() as running:
        running.wait_until_ready()
        monkeypatch.setenv("TOCSIN_DATA_DIR", str(running.data_dir))
        yield running


@pytest.mark.usefixtures("stack")
def test_the_guide_can_be_followed_from_the_first_rule_to_publication(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    reader = Reader()
    for step in steps():
        reader.follow(step)
    assert reader.exit_code == 0, reader.output
    assert sorted(path.name for path in (tmp_path / "my-county").iterdir()) == [
        "1.0.0.cases",
        "1.0.0.yaml",
        "1.1.0.cases",
        "1.1.0.yaml",
    ]


@pytest.mark.parametrize("command", ["new", "check", "test", "diff", "publish", "approve", "show"])
def test_the_guide_shows_every_command_of_the_group(command: str) -> None:
    assert f"tocsin protocol {command} " in GUIDE
