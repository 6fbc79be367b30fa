"""What a directory file means where its shape holds, so that no fault hides until another is mended. Pure."""

from collections.abc import Collection, Iterator, Mapping
from typing import TypeVar

from pydantic import ValidationError

from schemas.base import WireModel
from schemas.directory import Agency, Source, find_directory_errors
from schemas.operator import Operator

M = TypeVar("M", bound=WireModel)


def judge_sound_parts(raw: Mapping[str, object], faulty: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield (JSON Pointer, what to do); *faulty* are the places whose shape does not hold."""
    agencies = _read(raw, "agencies", Agency, faulty)
    operators = _read(raw, "operators", Operator, faulty)
    # Of an agency that does not read nobody knows the id: it may be the one that a source names.
    is_whole = len(agencies) == len(_list(raw, "agencies"))
    sources = _read(raw, "sources", Source, faulty) if is_whole else {}
    numbers = {"agencies": list(agencies), "sources": list(sources), "operators": list(operators)}
    found = find_directory_errors([*agencies.values()], [*sources.values()], [*operators.values()])
    for place, message in found:
        _, part, index, *rest = place.split("/")
        yield "/".join(["", part, str(numbers[part][int(index)]), *rest]), message


def _read(raw: Mapping[str, object], part: str, model: type[M], faulty: Collection[str]) -> dict[int, M]:
    """By its number each entry that reads; of an agency, without the fields that are at fault.

    A source without its key would be another fault: it counts whole or not at all, and so does an operator.
    """
    found: dict[int, M] = {}
    for number, entry in enumerate(_list(raw, part)):
        place = f"/{part}/{number}"
        fields = {name.split("/")[3] for name in faulty if name.startswith(f"{place}/")}
        if not isinstance(entry, dict) or (fields and model is not Agency):
            continue
        try:
            found[number] = model.model_validate({key: entry[key] for key in entry if key not in fields})
        except ValidationError:
            continue
    return found


def _list(raw: Mapping[str, object], part: str) -> list[object]:
    given = raw.get(part, [])
    return given if isinstance(given, list) else []
