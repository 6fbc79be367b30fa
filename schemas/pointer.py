"""Where an error is: JSON Pointers (RFC 6901) from the locations that pydantic gives."""

from collections.abc import Iterator, Sequence

from pydantic_core import ErrorDetails


def pointer(location: Sequence[str | int]) -> str:
    """The location as a pointer; the whole document is the empty string."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def locate(document: object, error: ErrorDetails) -> str:
    """A pointer into the document as it was given.

    In a union pydantic adds the name of the branch it tried (`/counties/list[str]/0`), which is not in the
    document; what does not lead into it is left out, unless it is the key that is missing.
    """
    return pointer(list(_steps(document, error["loc"], missing=error["type"] == "missing")))


def _steps(document: object, location: Sequence[str | int], *, missing: bool) -> Iterator[str | int]:
    for index, part in enumerate(location):
        if _leads_into(document, part):
            document = document[part]  # type: ignore[index] # just looked
            yield part
        elif missing and index == len(location) - 1:
            yield part


def _leads_into(document: object, part: str | int) -> bool:
    if isinstance(document, dict):
        return part in document
    return isinstance(document, list) and isinstance(part, int) and part < len(document)
