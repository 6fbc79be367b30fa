"""A small sound pack, changed word by word, and `tocsin protocol` run on it in this process."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from services.cli.protocol import app

PACK = """\
pack: a-test
version: 1.0.0
title: A pack of a test
notice: Sample, not legal advice.
in_force_from: 2026-01-01T00:00:00-08:00
applies_in: ["06029"]
rules:
  - id: T-01
    title: A rule of a test
    on: [tip.received]
    when: minor
    notify: [{role: LEA_LEAD}]
    urgency: urgent
    basis: mandated
    consent: none
    disclose: [name, age]
    authority: [a test]
"""
RULE = PACK[PACK.index("  - id") :]


def swap(old: str, new: str, text: str = PACK) -> str:
    assert text.count(old) == 1, (old, text)
    return text.replace(old, new)


def another(rule: str, *changes: tuple[str, str]) -> str:
    """One more rule like the first, under this id and with these changes."""
    text = swap("T-01", rule, RULE)
    for old, new in changes:
        text = swap(old, new, text)
    return text


def write_pack(folder: Path, text: str = PACK, *, name: str = "1.0.0.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@dataclass(frozen=True, slots=True)
class Said:
    """How `tocsin protocol` ended and what it said."""

    exit_code: int
    output: str
    errors: str

    def json(self) -> Any:  # noqa: ANN401 - any JSON
        return json.loads(self.output)

    @property
    def lines(self) -> list[str]:
        return self.output.splitlines()


def protocol(*words: object) -> Said:
    """Run a command of the group."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Said(result.exit_code, result.stdout, result.stderr)


def write_case(pack: Path, name: str, *events: tuple[str, dict[str, Any]], told: list[Any] | None) -> Path:
    """A case beside a pack: city police of the sample report these events, one a minute.

    *told* are the rows expected; None expects nothing.
    """
    case: dict[str, Any] = {
        "id": name,
        "steps": [_step(number, event_type, data) for number, (event_type, data) in enumerate(events)],
    }
    if told is not None:
        case["expected"] = {"alerts": told}
    path = pack.with_suffix(".cases") / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(case))
    return path


def _step(number: int, event_type: str, data: dict[str, Any]) -> dict[str, Any]:
    at = f"2026-03-02T10:{number:02}:00-08:00"
    return {
        "at": at,
        "event": {
            "specversion": "1.0",
            "id": f"e{number}",
            "source": "urn:tocsin:agency:ag-bpd:cad",
            "type": f"org.tocsin.{event_type}.v1",
            "subject": "C1",
            "time": at,
            "data": {"county": "06029", **data},
        },
    }
