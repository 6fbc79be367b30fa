"""Reading a directory file as an operator sends it: every fault at once, by path, never by value."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from pydantic import ValidationError

from schemas.case_event import FieldError
from schemas.directory import DirectoryFile, find_directory_errors
from schemas.pointer import pointer

MAX_DIRECTORY_BYTES: Final = 8 * 1024 * 1024

_FIELD: Final = re.compile(r"[a-z][a-z_]*")


class InvalidDirectoryError(Exception):
    """The file breaks its schema or contradicts itself; `errors` lists every problem."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__(f"{len(errors)} problem(s)")
        self.errors = tuple(errors)


def parse_directory(raw: bytes) -> DirectoryFile:
    """Raises InvalidDirectoryError."""
    try:
        file = DirectoryFile.model_validate_json(raw, strict=True)
    except ValidationError as error:
        raise InvalidDirectoryError(_list_faults(error)) from None
    faults = [
        FieldError(path, message)
        for path, message in find_directory_errors(file.agencies, file.sources, file.operators)
    ]
    if file.extends is not None:
        faults.append(FieldError("/extends", "send the merged file; `tocsin directory apply` does"))
    faults += [
        FieldError(path, "send what is in the file; `tocsin directory apply` does")
        for path in _list_files(file)
    ]
    if faults:
        raise InvalidDirectoryError(faults)
    return file


def _list_files(file: DirectoryFile) -> Iterator[str]:
    """A file of whoever wrote the directory is none of ours."""
    for place, agency in enumerate(file.agencies):
        for index, endpoint in enumerate(agency.endpoints):
            if endpoint.secret_file is not None:
                yield f"/agencies/{place}/endpoints/{index}/secret_file"
            if endpoint.signing_key_file is not None:
                yield f"/agencies/{place}/endpoints/{index}/signing_key_file"


def _list_faults(error: ValidationError) -> list[FieldError]:
    messages: dict[str, list[str]] = {}
    for detail in error.errors(include_url=False, include_input=False, include_context=False):
        message = "unknown key" if detail["type"] == "extra_forbidden" else detail["msg"]
        if detail["type"] == "json_invalid":
            message = "not valid JSON"
        found = messages.setdefault(_path(detail["loc"]), [])
        if message not in found:
            found.append(message.removeprefix("Value error, "))
    return [FieldError(path, "; or: ".join(found)) for path, found in messages.items()]


def _path(location: Sequence[str | int]) -> str:
    """Without what pydantic puts between: the names of a union's members."""
    return pointer([part for part in location if isinstance(part, int) or _FIELD.fullmatch(part)])
