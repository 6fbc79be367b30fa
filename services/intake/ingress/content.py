"""From an HTTP request to raw events: the three content modes of the CloudEvents HTTP binding 1.0."""

import json
import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final
from urllib.parse import unquote_to_bytes

import orjson

from schemas.case_event import MAX_BATCH_BYTES, MAX_EVENT_BYTES

STRUCTURED_TYPE: Final = "application/cloudevents+json"
BATCH_TYPE: Final = "application/cloudevents-batch+json"
BINARY_TYPE: Final = "application/json"

ATTRIBUTES: Final = ("specversion", "id", "source", "type", "subject", "time")
"""What binary mode reads from `ce-` headers; any other is an extension and ignored."""

Header = tuple[bytes, bytes]

_QUOTED: Final = re.compile(rb'^"((?:[^"\\]|\\.)*)"$', re.DOTALL)
_ESCAPED: Final = re.compile(rb"\\(.)", re.DOTALL)
_CHARSET: Final = re.compile(r"""(?i)(?:^|;)\s*charset="?([^\s;"]*)""")
_KNOWN: Final = {f"ce-{name}".encode(): name for name in ATTRIBUTES}


class Mode(StrEnum):
    """How events travel in a request."""

    STRUCTURED = "structured"
    BATCH = "batch"
    BINARY = "binary"

    @property
    def max_bytes(self) -> int:
        """The longest body; a batch's events are measured one by one as well."""
        return MAX_BATCH_BYTES if self is Mode.BATCH else MAX_EVENT_BYTES


class MalformedError(Exception):
    """The request cannot be read as CloudEvents; the text tells the sender why and holds no data."""


class UnsupportedMediaError(Exception):
    """The content type is none of the three; the text tells the sender which there are."""


def find_mode(headers: Sequence[Header]) -> Mode:
    """The content mode, by content type as the binding has it. Raises UnsupportedMediaError."""
    media_type, charset = _media_type(headers)
    if charset not in {"", "utf-8", "utf8", "us-ascii"}:
        raise UnsupportedMediaError("The charset must be UTF-8.")
    match media_type:
        case "application/cloudevents+json":
            return Mode.STRUCTURED
        case "application/cloudevents-batch+json":
            return Mode.BATCH
        case "application/json" if any(name.startswith(b"ce-") for name, _ in headers):
            return Mode.BINARY
        case _:
            raise UnsupportedMediaError(
                f"Send {STRUCTURED_TYPE}, {BATCH_TYPE}, or {BINARY_TYPE} with ce- headers."
            )


def read_events(mode: Mode, headers: Sequence[Header], body: bytes) -> list[object]:
    """The events as parsed JSON, not judged yet. Raises MalformedError."""
    document = _read_json(body)
    match mode:
        case Mode.STRUCTURED if isinstance(document, dict):
            return [document]
        case Mode.BATCH if isinstance(document, list):
            return document
        case Mode.BINARY:
            return [{**read_attributes(headers), "data": document}]
        case Mode.BATCH:
            raise MalformedError("A batch is a JSON array of events.")
        case _:
            raise MalformedError("An event is a JSON object.")


def read_attributes(headers: Iterable[Header]) -> dict[str, str]:
    """The context attributes of binary mode. Raises MalformedError."""
    attributes: dict[str, str] = {}
    for name, value in headers:
        attribute = _KNOWN.get(name)
        if name == b"content-type":
            attribute = "datacontenttype"
        if attribute is None:
            continue
        if attribute in attributes:
            raise MalformedError(f"The header of {attribute} is given more than once.")
        attributes[attribute] = decode_header(value)
    return attributes


def decode_header(value: bytes) -> str:
    """A header value as the binding has it: unquoted, then percent-decoded once. Raises MalformedError."""
    quoted = _QUOTED.match(value)
    plain = _ESCAPED.sub(rb"\1", quoted[1]) if quoted else value
    try:
        return unquote_to_bytes(plain).decode()
    except UnicodeDecodeError:
        raise MalformedError("A ce- header is not percent-encoded UTF-8.") from None


def _media_type(headers: Iterable[Header]) -> tuple[str, str]:
    given = [value for name, value in headers if name == b"content-type"]
    if len(given) != 1:
        return "", ""
    value = given[0].decode("latin-1")
    media_type, _, parameters = value.partition(";")
    return media_type.strip().lower(), _charset(parameters)


def _charset(parameters: str) -> str:
    found = _CHARSET.search(parameters)
    return found[1].lower() if found else ""


def _read_json(body: bytes) -> object:
    try:
        document: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _read_odd_json(body)
    return document


def _read_odd_json(body: bytes) -> object:
    """JSON with half a surrogate pair, where orjson stops: its event is to be refused, not its batch."""
    try:
        return json.loads(body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise MalformedError("The body is not valid JSON.") from None


def _refuse_constant(_: str) -> None:
    raise ValueError  # NaN and Infinity, which Python takes for JSON
