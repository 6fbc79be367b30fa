"""Walking and changing JSON documents, for tests that put something in every place."""

import copy
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]


def all_paths(document: Any, at: Path = ()) -> Iterator[Path]:  # noqa: ANN401 - any JSON
    """The path of every value below the root, objects and lists before what they hold."""
    items: Iterator[tuple[str | int, Any]]
    match document:
        case dict():
            items = iter(document.items())
        case list():
            items = iter(enumerate(document))
        case _:
            return
    for key, value in items:
        yield (*at, key)
        yield from all_paths(value, (*at, key))


def value_at(document: Any, path: Path) -> Any:  # noqa: ANN401 - any JSON
    for key in path:
        document = document[key]
    return document


def replaced(document: Any, path: Path, value: object) -> Any:  # noqa: ANN401 - any JSON
    """A copy with another value in that place; the place may be a new key of an object."""
    changed = copy.deepcopy(document)
    value_at(changed, path[:-1])[path[-1]] = value
    return changed


def object_paths(document: Any) -> list[Path]:  # noqa: ANN401 - any JSON
    return [path for path in all_paths(document) if isinstance(value_at(document, path), dict)]
