"""Giving a pack another date before it is published."""

from services.routing.pack_file import PackFileError, read_pack_file

_KEY = ("in_force_from",)
_QUOTES = {None: "", '"': '"', "'": "'"}


class NoDateError(Exception):
    """The date cannot be found where it could be replaced; the text says what to do."""


def with_in_force(raw: bytes, instant: str) -> bytes:
    """The same file with this instant as its `in_force_from`; everything else stays as it is.

    Raises NoDateError.
    """
    try:
        document = read_pack_file(raw)
    except PackFileError as error:
        raise NoDateError(f"line {error.place.line}: {error.message}") from error
    place = document.values.get(_KEY)
    quote = None if place is None else _QUOTES.get(place.style)
    if place is None or quote is None:
        raise NoDateError("write `in_force_from` on one line, so that --in-force can replace it")
    lines = document.text.splitlines(keepends=True)
    line, start = lines[place.line - 1], place.column - 1
    written = f"{quote}{document.value['in_force_from']}{quote}"
    if not line.startswith(written, start):
        raise NoDateError("write `in_force_from` on one line, so that --in-force can replace it")
    lines[place.line - 1] = f"{line[:start]}{instant}{line[start + len(written) :]}"
    return "".join(lines).encode()
