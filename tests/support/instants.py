"""Comparing documents whose instants may be spelt in several ways."""

import re
from datetime import UTC, datetime
from typing import Any

_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})")


def with_instants(document: Any) -> Any:  # noqa: ANN401 - any JSON
    """The document with a datetime in UTC for every text that is an instant."""
    match document:
        case str() if _INSTANT.fullmatch(document):
            return datetime.fromisoformat(document).astimezone(UTC)
        case dict():
            return {key: with_instants(value) for key, value in document.items()}
        case list():
            return [with_instants(value) for value in document]
        case _:
            return document
