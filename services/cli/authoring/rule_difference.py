"""What changed in one rule, and what each change means for those it tells."""

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.pack import ConsentRecipient, ProtocolPack, RoleRecipient, Rule
from schemas.vocabulary import Basis, ConsentMode
from services.cli.authoring.change import Change, Effect, join, judge_lengths, render_length, sort_out
from services.cli.authoring.domains import Scope
from services.cli.authoring.duty_difference import compare_duties
from services.cli.authoring.possibility import Likeness, compare_conditions

_MOST_FIRST = (ConsentMode.NONE, ConsentMode.BASE, ConsentMode.REQUIRED)
_CONDITION = {
    Likeness.MORE_OFTEN: (Effect.MORE, "matches more events"),
    Likeness.LESS_OFTEN: (Effect.LESS, "matches fewer events"),
    Likeness.DIFFERENT: (Effect.OTHERWISE, "matches other events"),
    Likeness.UNKNOWN: (Effect.OTHERWISE, "may match other events"),
    Likeness.SAME: (Effect.WORDING, "is worded otherwise and matches the same events"),
}


@dataclass(frozen=True, slots=True)
class RulePair:
    """The same rule in two packs."""

    old_pack: ProtocolPack
    new_pack: ProtocolPack
    old: Rule
    new: Rule

    @property
    def roles(self) -> tuple[str, ...]:
        """Whom the rule tells now."""
        return list_roles(self.new)

    def change(
        self,
        what: str,
        effect: Effect,
        words: str,
        *,
        before: str | None,
        after: str | None,
        roles: tuple[str, ...] | None = None,
    ) -> Change:
        """A change of this rule; it concerns all whom the rule tells unless it says whom."""
        told = self.roles if roles is None else roles
        return Change(
            rule=self.new.id, what=what, before=before, after=after, effect=effect, roles=told, words=words
        )


def list_roles(rule: Rule) -> tuple[str, ...]:
    """Whom a rule tells."""
    return tuple(dict.fromkeys(to.role.value for to in rule.notify if isinstance(to, RoleRecipient)))


def compare_rules(pair: RulePair) -> Iterator[Change]:
    """Every change, in the order in which a rule is written."""
    yield from _compare_events(pair)
    yield from _compare_conditions(pair)
    yield from _compare_recipients(pair)
    yield from _compare_urgency(pair)
    yield from _compare_footing(pair)
    yield from _compare_groups(pair)
    for change in compare_duties(pair.old.duties, pair.new.duties):
        yield pair.change("duties", change.effect, change.words, before=change.before, after=change.after)
    yield from _compare_texts(pair)


def _compare_events(pair: RulePair) -> Iterator[Change]:
    gone, new = sort_out(pair.old.on, pair.new.on)
    if new:
        yield pair.change("on", Effect.MORE, f"is told of {join(new)}, too", before=None, after=join(new))
    if gone:
        yield pair.change(
            "on", Effect.LESS, f"is no longer told of {join(gone)}", before=join(gone), after=None
        )


def _compare_conditions(pair: RulePair) -> Iterator[Change]:
    old, new = pair.old.when.strip(), pair.new.when.strip()
    if old == new:
        return
    shared = frozenset(pair.old.on) & frozenset(pair.new.on)
    likeness = compare_conditions(old, new, Scope(shared or frozenset(pair.new.on), _shared_counties(pair)))
    effect, words = _CONDITION[likeness]
    yield pair.change("when", effect, f"its condition {words}: `{old}`, now `{new}`", before=old, after=new)


def _shared_counties(pair: RulePair) -> tuple[str, ...] | None:
    old, new = pair.old_pack.applies_in, pair.new_pack.applies_in
    return None if old is None or new is None else tuple(dict.fromkeys([*old, *new]))


def _compare_recipients(pair: RulePair) -> Iterator[Change]:
    old, new = ({_name(to): to for to in rule.notify} for rule in (pair.old, pair.new))
    for name in [name for name in new if name not in old]:
        yield pair.change("notify", Effect.MORE, "is told now", before=None, after=name, roles=(name,))
    for name in [name for name in old if name not in new]:
        yield pair.change("notify", Effect.LESS, "is no longer told", before=name, after=None, roles=(name,))
    for name in [name for name in new if name in old]:
        yield from _compare_alternates(pair, name, _alternate(old[name]), _alternate(new[name]))


def _name(to: RoleRecipient | ConsentRecipient) -> str:
    if isinstance(to, ConsentRecipient):
        return "holders of the consent"
    return f"{to.role} of the destinations" if to.in_ else to.role.value


def _alternate(to: RoleRecipient | ConsentRecipient) -> str | None:
    return to.alternate.value if isinstance(to, RoleRecipient) and to.alternate else None


def _compare_alternates(pair: RulePair, name: str, old: str | None, new: str | None) -> Iterator[Change]:
    if old == new:
        return
    if new:
        words = f"stands in for {name} now"
        yield pair.change("alternate", Effect.MORE, words, before=old, after=new, roles=(new,))
    if old:
        words = f"no longer stands in for {name}"
        yield pair.change("alternate", Effect.LESS, words, before=old, after=new, roles=(old,))


def _compare_urgency(pair: RulePair) -> Iterator[Change]:
    old, new = pair.old.urgency, pair.new.urgency
    if old is new:
        return
    before = pair.old_pack.urgencies.time_for(old)
    after = pair.new_pack.urgencies.time_for(new)
    words = f"{old} ({render_length(before)}) becomes {new} ({render_length(after)})"
    yield pair.change("urgency", judge_lengths(before, after), words, before=old, after=new)


def _compare_footing(pair: RulePair) -> Iterator[Change]:
    """On what footing it discloses: by law or by agreement, and with what consent."""
    if pair.old.basis is not pair.new.basis:
        is_mandated = pair.new.basis is Basis.MANDATED
        words = (
            "the law orders it now: no agreement and no consent of a strict emitter is needed"
            if is_mandated
            else "it rests on the agreement now: one that ended stops it, a strict emitter needs a consent"
        )
        effect = Effect.MORE if is_mandated else Effect.LESS
        yield pair.change("basis", effect, words, before=pair.old.basis, after=pair.new.basis)
    if pair.old.consent is not pair.new.consent:
        fewer = _MOST_FIRST.index(pair.new.consent) > _MOST_FIRST.index(pair.old.consent)
        words = f"consent `{pair.old.consent}` becomes `{pair.new.consent}`"
        effect = Effect.LESS if fewer else Effect.MORE
        yield pair.change("consent", effect, words, before=pair.old.consent, after=pair.new.consent)


def _compare_groups(pair: RulePair) -> Iterator[Change]:
    old, new = _footing_of_groups(pair.old), _footing_of_groups(pair.new)
    for group in dict.fromkeys([*old, *new]):
        before, after = old.get(group), new.get(group)
        if before != after:
            yield pair.change(
                "disclose", *_word_group(group, before, after), before=before and group, after=after and group
            )


def _footing_of_groups(rule: Rule) -> dict[str, str]:
    listed = dict.fromkeys([group.value for group in rule.disclose_with_consent], "with consent")
    return listed | dict.fromkeys([group.value for group in rule.disclose], "always")


def _word_group(group: str, before: str | None, after: str | None) -> tuple[Effect, str]:
    match (before, after):
        case (None, "always"):
            return Effect.MORE, f"sees {group}"
        case (None, _):
            return Effect.MORE, f"sees {group} with consent"
        case (_, None):
            return Effect.LESS, f"no longer sees {group}"
        case (_, "always"):
            return Effect.MORE, f"sees {group} without consent"
        case _:
            return Effect.LESS, f"sees {group} only with consent"


def _compare_texts(pair: RulePair) -> Iterator[Change]:
    if pair.old.authority != pair.new.authority:
        old, new = "; ".join(pair.old.authority), "; ".join(pair.new.authority)
        yield pair.change("authority", Effect.WORDING, f"rests on {new}", before=old, after=new)
    if pair.old.title != pair.new.title:
        words = f"is called {pair.new.title}"
        yield pair.change("title", Effect.WORDING, words, before=pair.old.title, after=pair.new.title)
