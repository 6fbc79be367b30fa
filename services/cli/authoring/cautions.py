"""What a sound pack probably does not mean: warnings, each at its place, and only what is certain."""

from collections.abc import Iterator, Sequence

from schemas.directory import AgencyProfile
from schemas.pack import ProtocolPack
from schemas.vocabulary import EventType
from services.cli.authoring.domains import Scope
from services.cli.authoring.expression import UnreadableError
from services.cli.authoring.expression_reader import read_expression
from services.cli.authoring.gates import find_closed_groups
from services.cli.authoring.holders import find_unheld_roles
from services.cli.authoring.possibility import can_come_to
from services.cli.authoring.shadows import find_shadows
from services.cli.authoring.vocabularies import find_unknown_words
from services.routing.condition_text import facts_used, problem_at
from services.routing.pack_check import PackProblem, build_problem, place_inside
from services.routing.pack_file import Finding, PackDocument, Path, Place


def find_cautions(
    file: str,
    document: PackDocument,
    pack: ProtocolPack,
    *,
    agencies: Sequence[AgencyProfile],
    directory: str,
) -> Iterator[PackProblem]:
    """Every warning about one sound pack, in the order of the file."""
    findings = [
        *_find_idle_conditions(document, pack),
        *find_shadows(document, pack),
        *find_closed_groups(document, pack),
        *find_unheld_roles(document, pack, agencies, directory=directory),
    ]
    for finding in sorted(findings, key=lambda found: (found.place.line, found.place.column)):
        yield build_problem(file, document, finding)


def _find_idle_conditions(document: PackDocument, pack: ProtocolPack) -> Iterator[Finding]:
    """Conditions that hold for no event, and words in them that no event can say."""
    counties = None if pack.applies_in is None else tuple(pack.applies_in)
    judged: dict[tuple[str, frozenset[EventType]], str | None] = {}
    for index, rule in enumerate(pack.rules):
        path: Path = ("rules", index, "when")
        key = rule.when, frozenset(rule.on)
        if key not in judged:
            judged[key] = _judge_condition(rule.when, Scope(key[1], counties))
        message = judged[key]
        if message is not None:
            yield Finding(path, document.place_of(path), message)
        for place, problem in _find_words(document, path, rule.when):
            yield Finding(path, place, problem)


def _judge_condition(condition: str, scope: Scope) -> str | None:
    """What is wrong with a condition that holds never, or never on some of its events."""
    if not can_come_to(condition, outcome=True, scope=scope):
        return "this rule can never match: its condition holds for no event"
    if not any(fact.startswith(("details.", "event.")) for fact in facts_used(condition)):
        return None
    idle = [
        event_type.value
        for event_type in sorted(scope.event_types)
        if not can_come_to(condition, outcome=True, scope=Scope(frozenset({event_type}), scope.counties))
    ]
    return (
        f"this rule can never match {', '.join(idle)}: its condition holds for no such event"
        if idle
        else None
    )


def _find_words(document: PackDocument, path: Path, condition: str) -> Iterator[tuple[Place, str]]:
    try:
        unknown = list(find_unknown_words(read_expression(condition)))
    except UnreadableError:
        return
    for offset, message in unknown:
        found = problem_at(condition, offset, message)
        written = document.place_of(path)
        yield (
            place_inside(document, written, condition, line=found.line, column=found.column),
            message,
        )
