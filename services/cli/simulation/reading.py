"""A scenario file, read and checked as intake would check its events; every problem at its step and path."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson
from pydantic import ValidationError

from schemas.base import WireModel
from schemas.case_event import (
    MAX_EVENT_BYTES,
    CaseEvent,
    FieldError,
    InvalidEventError,
    parse_case_event,
)
from schemas.directory import Agency, AgencyProfile, find_directory_errors, merge_directories
from schemas.pointer import pointer
from schemas.scenario import (
    AcknowledgementStep,
    DirectoryStep,
    EventStep,
    Expectation,
    Scenario,
    ScenarioDirectory,
)
from services.devstack.directory import load_sample
from services.routing.decision import Directory

StepModel = EventStep | AcknowledgementStep | DirectoryStep

_STEP_MODELS: Final[Mapping[str, type[StepModel]]] = {
    "event": EventStep,
    "acknowledge": AcknowledgementStep,
    "directory": DirectoryStep,
}
_PROFILE_FIELDS: Final = frozenset(AgencyProfile.model_fields)
_Model = TypeVar("_Model", bound=WireModel)
RawDirectory = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ScenarioProblem:
    """What is wrong, at a JSON Pointer into the file, and in which step if in one."""

    step: int | None
    path: str
    message: str

    def __str__(self) -> str:
        where = self.path or "the file"
        return (
            f"{where}: {self.message}" if self.step is None else f"step {self.step}, {where}: {self.message}"
        )


class ScenarioError(Exception):
    """The file is not a scenario; `problems` has everything that is wrong."""

    def __init__(self, problems: Sequence[ScenarioProblem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event arrives; `directory` is the one in force, `data` what was sent."""

    at: datetime
    event: CaseEvent
    data: Mapping[str, Any]
    directory: Directory


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Somebody at an agency takes responsibility for what it was told of an event."""

    at: datetime
    agency: str
    event: str


@dataclass(frozen=True, slots=True)
class DirectoryChange:
    """Another directory comes into force."""

    at: datetime
    directory: Directory


@dataclass(frozen=True, slots=True)
class Script:
    """A scenario ready to run, in time order; `until` is the last instant."""

    steps: tuple[Arrival | Acknowledgement | DirectoryChange, ...]
    until: datetime
    expected: Expectation | None


@dataclass(frozen=True, slots=True)
class _Step:
    """One step as the file gives it, its shape checked."""

    index: int
    at: datetime
    body: StepModel
    event: CaseEvent | None = None


def read_scenario(path: Path) -> Script:
    """Read a file. Raises ScenarioError with everything that is wrong, or OSError."""
    try:
        document = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        place = f"not JSON (line {error.lineno}, column {error.colno})"
        raise ScenarioError([ScenarioProblem(None, "", place)]) from None
    return build_script(document)


def build_script(document: object) -> Script:
    """Check a scenario. Raises ScenarioError with everything that is wrong."""
    scenario = _read_model(Scenario, document, step=None, prefix="")
    problems: list[ScenarioProblem] = []
    steps = sorted(_read_steps(scenario, problems), key=lambda step: step.at)
    script = _Walk(scenario, problems).walk(steps)
    if problems or script is None:
        raise ScenarioError(sorted(problems, key=_problem_order))
    return script


def _problem_order(problem: ScenarioProblem) -> tuple[int, str]:
    return (-1 if problem.step is None else problem.step, problem.path)


def _read_steps(scenario: Scenario, problems: list[ScenarioProblem]) -> Iterator[_Step]:
    for index, raw in enumerate(scenario.steps):
        try:
            yield _read_step(index, raw)
        except ScenarioError as error:
            problems += error.problems


def _read_step(index: int, raw: Mapping[str, Any]) -> _Step:
    prefix = f"/steps/{index}"
    kinds = [kind for kind in _STEP_MODELS if kind in raw]
    if len(kinds) != 1:
        message = f"must have `at` and one of {', '.join(_STEP_MODELS)}"
        raise ScenarioError([ScenarioProblem(index, prefix, message)])
    body = _read_model(_STEP_MODELS[kinds[0]], raw, step=index, prefix=prefix)
    event = _read_event(body.event, step=index) if isinstance(body, EventStep) else None
    return _Step(index, body.at, body, event)


def _read_event(raw: Mapping[str, Any], *, step: int) -> CaseEvent:
    prefix = f"/steps/{step}/event"
    body = _write(raw, step=step, path=prefix)
    if len(body) > MAX_EVENT_BYTES:
        message = f"larger than {MAX_EVENT_BYTES} bytes: intake would refuse it"
        raise ScenarioError([ScenarioProblem(step, prefix, message)])
    try:
        return parse_case_event(body)
    except InvalidEventError as error:
        raise ScenarioError([_event_problem(step, problem) for problem in error.errors]) from None


def _event_problem(step: int, error: FieldError) -> ScenarioProblem:
    return ScenarioProblem(step, f"/steps/{step}/event{error.path}", error.message)


def _read_model(model: type[_Model], raw: object, *, step: int | None, prefix: str) -> _Model:
    body = _write(raw, step=step, path=prefix)
    try:
        return model.model_validate_json(body, strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False, include_context=False)
    raise ScenarioError(
        [
            ScenarioProblem(step, prefix + pointer(d["loc"]), d["msg"].removeprefix("Value error, "))
            for d in details
        ]
    )


def _write(raw: object, *, step: int | None, path: str) -> bytes:
    try:
        return orjson.dumps(raw)
    except orjson.JSONEncodeError:
        raise ScenarioError([ScenarioProblem(step, path, "nested too deeply")]) from None


class _Walk:
    """Goes through the steps in time order with the directory in force at each."""

    def __init__(self, scenario: Scenario, problems: list[ScenarioProblem]) -> None:
        self._scenario = scenario
        self._problems = problems
        self._raw: RawDirectory = {}
        self._directory = Directory([])
        self._event_ids: set[str] = set()
        self._change_directory(scenario.directory, step=None)

    def walk(self, steps: Sequence[_Step]) -> Script | None:
        taken = tuple(taken for step in steps if (taken := self._take(step)) is not None)
        if not steps:
            return None
        until = self._scenario.until or steps[-1].at
        if until < steps[-1].at:
            self._refuse(None, "/until", "must not be before the last step")
        return Script(taken, until, self._scenario.expected)

    def _take(self, step: _Step) -> Arrival | Acknowledgement | DirectoryChange | None:
        match step.body:
            case EventStep():
                return self._take_event(step)
            case AcknowledgementStep():
                return self._take_acknowledgement(step, step.body)
            case DirectoryStep():
                self._change_directory(step.body.directory, step=step.index)
                return DirectoryChange(step.at, self._directory)

    def _take_event(self, step: _Step) -> Arrival | None:
        event = step.event
        if event is None or not isinstance(step.body, EventStep):
            return None
        self._event_ids.add(event.id)
        if self._directory.find(event.agency) is None:
            path = f"/steps/{step.index}/event/source"
            self._refuse(step.index, path, "its agency is not in the directory: intake would refuse it")
            return None
        return Arrival(step.at, event, step.body.event["data"], self._directory)

    def _take_acknowledgement(self, step: _Step, body: AcknowledgementStep) -> Acknowledgement | None:
        prefix = f"/steps/{step.index}/acknowledge"
        if body.acknowledge.event not in self._event_ids:
            self._refuse(step.index, f"{prefix}/event", "no event of this id came before")
        if self._directory.find(body.acknowledge.agency) is None:
            self._refuse(step.index, f"{prefix}/agency", "not in the directory")
        return Acknowledgement(step.at, body.acknowledge.agency, body.acknowledge.event)

    def _refuse(self, step: int | None, path: str, message: str) -> None:
        self._problems.append(ScenarioProblem(step, path, message))

    def _change_directory(self, change: ScenarioDirectory, *, step: int | None) -> None:
        """Merge per agency id and field; a directory that is refused leaves the one before in force."""
        prefix = "/directory" if step is None else f"/steps/{step}/directory"
        base = _load_sample() if change.extends == "sample" else {}
        merged = merge_directories(merge_directories(self._raw, base), {"agencies": change.agencies})
        places = {raw.get("id"): index for index, raw in enumerate(change.agencies)}
        agencies: list[Agency] = []
        for raw in merged["agencies"]:
            where = f"{prefix}/agencies/{places.get(raw.get('id'), '-')}"
            try:
                agencies.append(_read_model(Agency, raw, step=step, prefix=where))
            except ScenarioError as error:
                self._problems += error.problems
        for path, message in find_directory_errors(agencies, []):
            index, _, key = path.removeprefix("/agencies/").partition("/")
            place = places.get(agencies[int(index)].id, "-")
            self._refuse(step, f"{prefix}/agencies/{place}/{key}", message)
        self._raw = merged
        self._directory = Directory(agencies)


def _load_sample() -> RawDirectory:
    """The shipped agencies; their systems and keys play no part in a simulation."""
    agencies: Any = load_sample()["agencies"]
    return {
        "agencies": [
            {key: value for key, value in agency.items() if key in _PROFILE_FIELDS} for agency in agencies
        ]
    }
