"""A pack's shape: pydantic's errors in the words of the file, at their place and with a hint."""

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from schemas.pack import (
    BusinessDays,
    ConsentRecipient,
    DutySpec,
    FlaggedLength,
    ProtocolPack,
    RoleRecipient,
    Rule,
    Urgencies,
)
from services.routing.condition_text import did_you_mean
from services.routing.pack_file import Finding, PackDocument, Path

_MODELS: Final = (
    ProtocolPack,
    Rule,
    RoleRecipient,
    ConsentRecipient,
    DutySpec,
    FlaggedLength,
    BusinessDays,
    Urgencies,
)
_KEYS: Final = frozenset(info.alias or name for model in _MODELS for name, info in model.model_fields.items())
_WORD_FOR: Final = {
    "role": "role",
    "alternate": "role",
    "disclose": "group",
    "disclose_with_consent": "group",
    "on": "event type",
}
_SHAPE_OF: Final = {
    "applies_in": 'a county is its five-digit FIPS code in quotes, like "06029"',
    "id": "an id is capital letters, a hyphen and digits, like K-01",
    "pack": "a name is small letters, digits and hyphens, like ca-kern-httf",
    "version": "a version is three numbers, like 1.0.0",
}
_QUOTED: Final = re.compile(r"'([^']*)'")


def read_shape(document: PackDocument) -> tuple[ProtocolPack | None, list[Finding]]:
    """The pack, or everything that is wrong with its shape."""
    try:
        return ProtocolPack.model_validate_json(orjson.dumps(document.value), strict=True), []
    except ValidationError as error:
        details = error.errors(include_url=False)
    findings = [finding for detail in details if (finding := _shape_finding(document, detail))]
    return None, list(dict.fromkeys(findings))


def _shape_finding(document: PackDocument, detail: ErrorDetails) -> Finding | None:
    """A schema error in the words of the file; None for the branch of a choice that was not meant."""
    path: Path = ()
    value: Any = document.value
    for part in detail["loc"]:
        if _leads_on(value, part):
            path, value = (*path, part), value[part]
        elif (detail["type"] != "missing" or part != detail["loc"][-1]) and not _is_meant(part, value):
            return None
    return _word_finding(document, detail, path)


def _leads_on(value: object, part: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, Mapping) and part in value


def _is_meant(branch: str | int, value: object) -> bool:
    """Whether the author meant this branch of a choice: a role or a consent, a length or working days."""
    is_mapping = isinstance(value, Mapping)
    match branch:
        case "RoleRecipient":
            return not (isinstance(value, Mapping) and "holders_of" in value)
        case "ConsentRecipient":
            return isinstance(value, Mapping) and "holders_of" in value
        case "BusinessDays":
            return is_mapping
        case _:
            return not is_mapping


def _word_finding(document: PackDocument, detail: ErrorDetails, path: Path) -> Finding:
    place = document.place_of(path)
    match detail["type"]:
        case "missing":
            return Finding(path, place, f"`{detail['loc'][-1]}` is missing")
        case "extra_forbidden":
            key = str(path[-1])
            hint = did_you_mean(key, _KEYS)
            return Finding(path, document.place_of_key(path), f"unknown key `{key}`{hint}")
        case "enum" | "literal_error":
            return Finding(path, place, _unknown_word(detail, path))
        case "string_pattern_mismatch" if _last_key(path) in _SHAPE_OF:
            return Finding(path, place, f"`{detail['input']}`: {_SHAPE_OF[_last_key(path)]}")
        case "string_type" if isinstance(detail["input"], int | float):
            return Finding(path, place, "must be text: write it in quotes")
        case _:
            message = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
            return Finding(path, place, f"`{_last_key(path)}`: {message}")


def _unknown_word(detail: ErrorDetails, path: Path) -> str:
    kind = _WORD_FOR.get(_last_key(path), f"value of `{_last_key(path)}`")
    word = str(detail["input"])
    allowed = _QUOTED.findall(str(detail.get("ctx", {}).get("expected", "")))
    hint = did_you_mean(word, allowed)
    few = len(allowed) <= 6  # noqa: PLR2004 - a list one can read
    return f"unknown {kind} `{word}`" + (hint or (f"; one of {', '.join(allowed)}" if few else ""))


def _last_key(path: Path) -> str:
    return next((part for part in reversed(path) if isinstance(part, str)), "pack")
