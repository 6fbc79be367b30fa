"""Rules that tell nobody anything another rule of the same pack does not tell at least as fast."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from schemas.pack import ConsentRecipient, ProtocolPack, RoleRecipient, Rule
from schemas.vocabulary import Basis, ConsentMode, EventType, Group
from services.routing.pack_file import Finding, PackDocument, Path

_Recipient = tuple[str, str | None, str | None]
_Footing = tuple[str, Basis, ConsentMode, EventType, _Recipient]


@dataclass(frozen=True, slots=True, eq=False)
class _Reach:
    """What a rule comes to, in sets that can be compared."""

    place: int
    rule: Rule
    events: frozenset[EventType]
    recipients: frozenset[_Recipient]
    disclosed: frozenset[Group]
    listed: frozenset[Group]
    duties: frozenset[str]

    def covers(self, other: "_Reach") -> bool:
        """Whether every agency learns by this rule, as soon, all it learns by the other."""
        return (
            self.events >= other.events
            and self.recipients >= other.recipients
            and self.disclosed >= other.disclosed
            and self.listed >= other.listed
            and self.duties >= other.duties
            and self.rule.urgency.rank >= other.rule.urgency.rank
        )


def find_shadows(document: PackDocument, pack: ProtocolPack) -> Iterator[Finding]:
    """Rules that another makes superfluous; of two alike, the later one."""
    reaches = [_reach(place, rule) for place, rule in enumerate(pack.rules)]
    by_footing: defaultdict[_Footing, list[_Reach]] = defaultdict(list)
    for reach in reaches:
        for event_type in reach.events:
            for recipient in reach.recipients:
                by_footing[_footing(reach, event_type, recipient)].append(reach)
    for reach in reaches:
        first = _footing(reach, min(reach.events), min(reach.recipients, key=str))
        other = next((o for o in by_footing[first] if _shadows(o, reach)), None)
        if other is not None:
            path: Path = ("rules", reach.place, "id")
            message = f"rule {other.rule.id} tells the same agencies all of this, at least as fast"
            yield Finding(path, document.place_of(path), message)


def _shadows(other: _Reach, reach: _Reach) -> bool:
    if other.place == reach.place or not other.covers(reach):
        return False
    return other.place < reach.place or not reach.covers(other)


def _footing(reach: _Reach, event_type: EventType, recipient: _Recipient) -> _Footing:
    """What two rules must share before one can stand for the other."""
    rule = reach.rule
    return " ".join(rule.when.split()), rule.basis, rule.consent, event_type, recipient


def _reach(place: int, rule: Rule) -> _Reach:
    return _Reach(
        place=place,
        rule=rule,
        events=frozenset(rule.on),
        recipients=frozenset(map(_recipient, rule.notify)),
        disclosed=frozenset(rule.disclose),
        listed=frozenset(rule.disclose).union(rule.disclose_with_consent),
        duties=frozenset(duty.model_dump_json() for duty in rule.duties),
    )


def _recipient(to: RoleRecipient | ConsentRecipient) -> _Recipient:
    if isinstance(to, ConsentRecipient):
        return to.holders_of, None, None
    return to.role, to.alternate, to.in_
