"""What changes when one pack takes the place of another: who will be told more, less, faster or slower."""

from collections.abc import Iterator

from schemas.pack import ProtocolPack, Rule
from schemas.vocabulary import Urgency
from services.cli.authoring.change import Change, Effect, join, judge_lengths, render_length, sort_out
from services.cli.authoring.rule_difference import RulePair, compare_rules, list_roles


def compare_packs(old: ProtocolPack, new: ProtocolPack) -> list[Change]:
    """Every change: those of the pack, then rule by rule in the order of the new pack, then what is gone."""
    changes = [*_compare_heads(old, new), *_compare_counties(old, new), *_compare_urgencies(old, new)]
    before = {rule.id: rule for rule in old.rules}
    for rule in new.rules:
        if rule.id in before:
            changes += compare_rules(RulePair(old, new, before[rule.id], rule))
        else:
            changes.append(_appear(rule))
    kept = {rule.id for rule in new.rules}
    changes += [_vanish(rule) for rule in old.rules if rule.id not in kept]
    return changes


def _compare_heads(old: ProtocolPack, new: ProtocolPack) -> Iterator[Change]:
    if old.pack != new.pack:
        words = f"this is another pack: {old.pack}, now {new.pack}"
        yield _of_pack("pack", Effect.OTHERWISE, words, before=old.pack, after=new.pack)
    if old.version != new.version:
        yield _of_pack("version", Effect.WORDING, f"is {new.version}", before=old.version, after=new.version)
    if old.in_force_from != new.in_force_from:
        before, after = old.in_force_from.isoformat(), new.in_force_from.isoformat()
        yield _of_pack(
            "in_force_from",
            Effect.OTHERWISE,
            f"in force from {after}, not {before}",
            before=before,
            after=after,
        )
    if old.timezone != new.timezone:
        words = f"ages and days are counted in {new.timezone}, not {old.timezone}"
        yield _of_pack("timezone", Effect.OTHERWISE, words, before=old.timezone, after=new.timezone)
    for what in ("title", "notice"):
        before, after = getattr(old, what), getattr(new, what)
        if before != after:
            yield _of_pack(what, Effect.WORDING, f"{what} is worded otherwise", before=before, after=after)


def _of_pack(what: str, effect: Effect, words: str, *, before: str | None, after: str | None) -> Change:
    return Change(rule=None, what=what, before=before, after=after, effect=effect, roles=(), words=words)


def _compare_counties(old: ProtocolPack, new: ProtocolPack) -> Iterator[Change]:
    if old.applies_in is None and new.applies_in is None:
        return
    if old.applies_in is None or new.applies_in is None:
        effect = Effect.MORE if new.applies_in is None else Effect.LESS
        where = "every county" if new.applies_in is None else f"{join(new.applies_in)} only"
        before, after = (join(pack.applies_in or ["every county"]) for pack in (old, new))
        yield _of_pack("applies_in", effect, f"applies in {where}", before=before, after=after)
        return
    gone, more = sort_out(old.applies_in, new.applies_in)
    if more:
        yield _of_pack(
            "applies_in", Effect.MORE, f"applies in {join(more)}, too", before=None, after=join(more)
        )
    if gone:
        yield _of_pack(
            "applies_in", Effect.LESS, f"no longer applies in {join(gone)}", before=join(gone), after=None
        )


def _compare_urgencies(old: ProtocolPack, new: ProtocolPack) -> Iterator[Change]:
    for urgency in Urgency:
        before, after = old.urgencies.time_for(urgency), new.urgencies.time_for(urgency)
        if before != after:
            told = [role for rule in new.rules if rule.urgency is urgency for role in list_roles(rule)]
            yield Change(
                rule=None,
                what=f"urgencies.{urgency}",
                before=render_length(before),
                after=render_length(after),
                effect=judge_lengths(before, after),
                roles=tuple(dict.fromkeys(told)),
                words=f"{urgency} means {render_length(after)} to acknowledge, not {render_length(before)}",
            )


def _appear(rule: Rule) -> Change:
    return Change(
        rule=rule.id,
        what="rule",
        before=None,
        after=rule.title,
        effect=Effect.MORE,
        roles=list_roles(rule),
        words=f"new rule ({rule.title}): {_describe(rule)}",
    )


def _vanish(rule: Rule) -> Change:
    return Change(
        rule=rule.id,
        what="rule",
        before=rule.title,
        after=None,
        effect=Effect.LESS,
        roles=list_roles(rule),
        words=f"the rule is gone ({rule.title}): {_describe(rule)}",
    )


def _describe(rule: Rule) -> str:
    condition = "" if rule.when.strip() == "true" else f" if `{' '.join(rule.when.split())}`"
    seen = join([group.value for group in rule.disclose]) or "nothing of the case"
    return f"{rule.urgency}, on {join([t.value for t in rule.on])}{condition}; sees {seen}"
