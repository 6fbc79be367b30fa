"""What is wrong with a pack, all of it at once, each at its place and with a hint."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas.pack import ProtocolPack
from services.routing.conditions import find_condition_problems
from services.routing.counties import list_counties
from services.routing.pack_file import Finding, PackDocument, Path, Place
from services.routing.pack_shape import read_shape

_COUNTY: Final = re.compile(r"[0-9]{5}")
_SYSTEM_RULE: Final = re.compile(r"S-[0-9]+.*")


@dataclass(frozen=True, slots=True)
class PackProblem:
    """One problem of a pack, at its place."""

    file: str
    line: int
    column: int
    rule: str | None
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        return f"{where}: rule {self.rule}: {self.message}" if self.rule else f"{where}: {self.message}"


def check_pack(file: str, document: PackDocument) -> tuple[ProtocolPack | None, list[PackProblem]]:
    """The pack, or everything that is wrong with it."""
    pack, findings = read_shape(document)
    findings += _find_rule_problems(document)
    problems = [build_problem(file, document, finding) for finding in findings]
    return (None if problems else pack), problems


def build_problem(file: str, document: PackDocument, finding: Finding) -> PackProblem:
    """A finding as it is told: in its file, and with the rule it lies in."""
    rule = _rule_id(document, finding.path)
    return PackProblem(file, finding.place.line, finding.place.column, rule, finding.message)


def _rule_id(document: PackDocument, path: Path) -> str | None:
    """The id of the rule a path lies in, or its number when it has none."""
    if len(path) < 2 or path[0] != "rules" or not isinstance(path[1], int):  # noqa: PLR2004 - rules and an index
        return None
    rule = document.value["rules"][path[1]]
    named = rule.get("id") if isinstance(rule, Mapping) else None
    return named if isinstance(named, str) else f"number {path[1] + 1}"


def _find_rule_problems(document: PackDocument) -> Iterator[Finding]:
    """What shape alone cannot tell; read from the raw file, so that one fault does not hide another."""
    pack = document.value
    if not isinstance(pack, Mapping):
        return
    if isinstance(zone := pack.get("timezone"), str) and not _is_zone(zone):
        yield Finding(("timezone",), document.place_of(("timezone",)), f"unknown time zone `{zone}`")
    yield from _find_county_problems(document, pack.get("applies_in"))
    rules = pack.get("rules")
    entries = enumerate(rules) if isinstance(rules, list) else ()
    seen: dict[str, int] = {}
    for index, rule in entries:
        if isinstance(rule, Mapping):
            yield from _find_id_problems(document, index, rule.get("id"), seen)
            yield from _find_condition_findings(document, index, rule.get("when"))
            yield from _find_recipient_problems(document, index, rule.get("notify"))
            yield from _find_duty_problems(document, index, rule.get("duties"))


def _find_county_problems(document: PackDocument, counties: object) -> Iterator[Finding]:
    """A pack for a county that is not there would never speak."""
    for index, code in enumerate(counties if isinstance(counties, list) else ()):
        looks_right = isinstance(code, str) and _COUNTY.fullmatch(code) is not None
        if looks_right and code not in list_counties():
            path: Path = ("applies_in", index)
            yield Finding(path, document.place_of(path), f"unknown county `{code}`: {_say_why(code)}")


def _say_why(code: str) -> str:
    if not any(county.startswith(code[:2]) for county in list_counties()):
        return f"{code[:2]} is the code of no state"
    if code.endswith("000"):
        return "000 is a whole state"
    return f"the Census Bureau lists no {code[2:]} in state {code[:2]}"


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _find_id_problems(
    document: PackDocument, index: int, rule_id: object, seen: dict[str, int]
) -> Iterator[Finding]:
    if not isinstance(rule_id, str):
        return
    path: Path = ("rules", index, "id")
    place = document.place_of(path)
    if rule_id in seen:
        first = document.place_of(("rules", seen[rule_id], "id"))
        yield Finding(path, place, f"this id is taken by the rule at line {first.line}")
    seen.setdefault(rule_id, index)
    if _SYSTEM_RULE.fullmatch(rule_id):
        yield Finding(path, place, "ids that begin with S- are those of the system rules")


def _find_condition_findings(document: PackDocument, index: int, condition: object) -> Iterator[Finding]:
    if not isinstance(condition, str):
        return
    path: Path = ("rules", index, "when")
    written = document.place_of(path)
    for problem in find_condition_problems(condition):
        place = place_inside(document, written, condition, line=problem.line, column=problem.column)
        yield Finding(path, place, problem.message)


def place_inside(document: PackDocument, written: Place, text: str, *, line: int, column: int) -> Place:
    """The place in the file of a line and column of a text, as far as its style keeps lines apart."""
    if written.style == "|":
        block = document.text.splitlines()[written.line :]
        first = next((source for source in block if source.strip()), "")
        return Place(written.line + line, len(first) - len(first.lstrip()) + column)
    if "\n" in text or line > 1 or written.style == ">":
        return written
    opening = 0 if written.style is None else 1
    return Place(written.line, written.column + opening + column - 1)


def _find_recipient_problems(document: PackDocument, index: int, notify: object) -> Iterator[Finding]:
    recipients = [entry for entry in notify if isinstance(entry, Mapping)] if isinstance(notify, list) else []
    counted = Counter(
        (str(entry.get("role")), str(entry.get("in"))) for entry in recipients if "role" in entry
    )
    path: Path = ("rules", index, "notify")
    for (role, _), count in counted.items():
        if count > 1:
            yield Finding(path, document.place_of(path), f"{role} is notified twice")
    for entry in recipients:
        if "role" in entry and entry.get("alternate") == entry["role"]:
            yield Finding(path, document.place_of(path), f"{entry['role']} cannot be its own alternate")


def _find_duty_problems(document: PackDocument, index: int, duties: object) -> Iterator[Finding]:
    for number, duty in enumerate(duties if isinstance(duties, list) else ()):
        if not isinstance(duty, Mapping):
            continue
        path: Path = ("rules", index, "duties", number)
        if "before" in duty and duty.keys() & {"within", "within_if", "from"}:
            message = "a duty has one clock: `before`, or `within` with `from`"
            yield Finding(path, document.place_of(path), message)
        if "within_if" in duty and "within" not in duty:
            yield Finding(
                path, document.place_of(path), "`within_if` needs a `within` for when the flag is not set"
            )


def find_clashes(packs: Sequence[tuple[str, PackDocument, ProtocolPack]]) -> Iterator[PackProblem]:
    """Sound packs that cannot stand side by side."""
    for number, (file, document, pack) in enumerate(packs):
        others = [(other_file, other) for other_file, _, other in packs[:number]]
        yield from find_clashes_with(others, file, document, pack)


def find_clashes_with(
    others: Sequence[tuple[str, ProtocolPack]], file: str, document: PackDocument, pack: ProtocolPack
) -> Iterator[PackProblem]:
    """Why a sound pack cannot stand beside others, each by what to call it."""
    for other_file, other in others:
        for path, message in _find_clashes(pack, other, other_file):
            yield build_problem(file, document, Finding(path, document.place_of(path), message))


def _find_clashes(pack: ProtocolPack, other: ProtocolPack, file: str) -> Iterator[tuple[Path, str]]:
    if pack.pack != other.pack:
        if _overlap(pack.applies_in, other.applies_in):
            taken = {rule.id for rule in other.rules}
            for index, rule in enumerate(pack.rules):
                if rule.id in taken:
                    yield ("rules", index, "id"), f"this id is taken by pack {other.label} ({file})"
        return
    if pack.version == other.version:
        yield ("version",), f"{pack.label} is also in {file}"
    elif pack.in_force_from == other.in_force_from:
        yield ("in_force_from",), f"{other.label} ({file}) comes into force at the same instant"


def _overlap(one: Sequence[str] | None, other: Sequence[str] | None) -> bool:
    return one is None or other is None or not set(one).isdisjoint(other)
