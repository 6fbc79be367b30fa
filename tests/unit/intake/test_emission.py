"""What `tocsin emit` reads, and how it tells what became of it."""

from pathlib import Path

import orjson
import pytest

from schemas.problem import Problem, ProblemError
from services.cli.emission.reading import EventToSend, UnreadableError, read_events
from services.cli.emission.sending import Report, Sent
from services.cli.emission.showing import render_json, render_text

ONE = {"id": "e1", "source": "urn:tocsin:agency:ag-bpd:cad"}
TWO = {"id": "e2", "source": "urn:tocsin:agency:ag-bpd:cad"}


def write(folder: Path, text: bytes) -> Path:
    path = folder / "events"
    path.write_bytes(text)
    return path


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        (orjson.dumps(ONE, option=orjson.OPT_INDENT_2), [""]),
        (orjson.dumps([ONE, TWO]), ["[0]", "[1]"]),
        (orjson.dumps(ONE) + b"\n\n" + orjson.dumps(TWO) + b"\n", [":1", ":3"]),
        (b"[]", []),
    ],
)
def test_an_event_an_array_and_an_event_a_line_are_read(
    tmp_path: Path, text: bytes, origins: list[str]
) -> None:
    path = write(tmp_path, text)
    events = read_events([path])
    assert [event.origin for event in events] == [f"{path}{origin}" for origin in origins]
    assert [event.document for event in events] == [ONE, TWO][: len(origins)]


@pytest.mark.parametrize(
    "text",
    [b"", b'{"name": "Planted', b'{"name": "Planted"}\n{"name": "Plan', b'"Planted"', b'[{}, "Planted"]'],
)
def test_what_is_no_event_is_refused_without_repeating_it(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(UnreadableError) as caught:
        read_events([write(tmp_path, text)])
    assert "Plan" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="nowhere"):
        read_events([tmp_path / "nowhere"])


def report() -> Report:
    invalid = Problem(
        title="Invalid event",
        status=422,
        detail="Correct it.",
        errors=[
            ProblemError(path="/data/needs/0", message="Input should be a valid string"),
            ProblemError(path="", message="nested too deeply"),
            ProblemError(path="/data/a~1b", message="unknown key"),
        ],
    )
    first, second = EventToSend("a.json", ONE), EventToSend("b.json", TWO)
    return Report([Sent(first, 202), Sent(second, 422, invalid), Sent(second, None)], durability="disk")


def test_a_person_reads_where_the_event_is_wrong() -> None:
    assert list(render_text(report())) == [
        "accepted  e1  (a.json)",
        "refused   e2  (b.json)",
        "    422 Invalid event. Correct it.",
        "    data.needs[0]: Input should be a valid string",
        "    the event: nested too deeply",
        "    data.a/b: unknown key",
        "unknown   e2  (b.json)",
        "    Intake does not answer. Is it running? It may have the event: send it again, same id.",
        "1 of 3 accepted (durability: disk)",
    ]


def test_a_program_reads_the_problem_as_intake_sent_it() -> None:
    told = render_json(report())
    assert (told["accepted"], told["refused"]) == (1, 2)
    assert told["events"][1]["problem"]["errors"][0]["path"] == "/data/needs/0"


def test_no_answer_is_no_refusal() -> None:
    event = EventToSend("a.json", ONE)
    assert report().is_any_refused
    assert not Report([Sent(event, 202), Sent(event, None)], durability=None).is_any_refused
