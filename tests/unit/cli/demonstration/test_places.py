"""Where the demonstration searches: a control proves its own place and no other."""

from pathlib import Path

import pytest

from services.cli.demonstration.places import list_places
from services.cli.demonstration.search import search

CONTROL, NAME = "demo-0123456789abcdef", "Marisol"
FILES = {
    "any log line": ("tocsin.log", "data/postgres.log"),
    "any e-mail": ("data/mail/1.eml",),
    "any PostgreSQL table": ("data/postgres/data/base/1/2662",),
    "any other PostgreSQL file, such as the write-ahead log": (
        "data/postgres/data/pg_wal/000000010000000000000001",
        "data/postgres/data/global/1262",
    ),
}
KAFKA = "any Kafka record"
EVERY = [*((place, file) for place, files in FILES.items() for file in files), (KAFKA, "")]


def find_places(folder: Path, *, said: str, file: str) -> set[str]:
    """In which places a word is found that stands in one file, or in a record if the name is empty."""
    for each in (name for names in FILES.values() for name in names):
        (folder / each).parent.mkdir(parents=True, exist_ok=True)
        (folder / each).write_text(said if each == file else "nothing")
    records = [b"nothing" if file else said.encode()]
    places = list_places(folder / "data", log_file=folder / "tocsin.log", records=records)
    findings = [search(place, chunks, names=[NAME], control=CONTROL) for place, chunks in places.items()]
    assert {finding.place for finding in findings} == {*FILES, KAFKA}
    return {finding.place for finding in findings if finding.control_found or finding.name_found}


@pytest.mark.parametrize(("place", "file"), EVERY)
@pytest.mark.parametrize("said", [CONTROL, NAME])
def test_what_stands_in_a_place_is_found_there_and_nowhere_else(
    tmp_path: Path, said: str, place: str, file: str
) -> None:
    assert find_places(tmp_path, said=said, file=file) == {place}


def test_without_the_database_nothing_is_said_of_it(tmp_path: Path) -> None:
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "1.eml").write_text(CONTROL)
    places = list_places(tmp_path, log_file=tmp_path / "tocsin.log", records=[CONTROL.encode()])
    findings = [search(place, chunks, names=[NAME], control=CONTROL) for place, chunks in places.items()]
    assert {finding.place for finding in findings if finding.ok} == {"any e-mail", KAFKA}
