"""What changes between two packs, for people and for programs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import orjson

from schemas.pack import ProtocolPack
from services.cli.authoring.change import Change, Effect

_HEADINGS: Final[Mapping[Effect, str]] = {
    Effect.MORE: "Told more",
    Effect.LESS: "Told less",
    Effect.FASTER: "Told faster, or due sooner",
    Effect.SLOWER: "Told slower, or due later",
    Effect.OTHERWISE: "Otherwise",
    Effect.WORDING: "Wording only",
}


def show_difference(old: ProtocolPack, new: ProtocolPack, changes: Sequence[Change], *, as_json: bool) -> str:
    """The changes by what they mean, or one JSON object."""
    if as_json:
        return orjson.dumps(_document(old, new, changes), option=orjson.OPT_INDENT_2).decode()
    return "\n".join(_lines(old, new, changes))


def _document(old: ProtocolPack, new: ProtocolPack, changes: Sequence[Change]) -> dict[str, object]:
    of_rules = [change for change in changes if change.rule is not None]
    added = [change.rule for change in of_rules if change.what == "rule" and change.before is None]
    removed = [change.rule for change in of_rules if change.what == "rule" and change.after is None]
    changed = dict.fromkeys(change.rule for change in of_rules if change.what != "rule")
    return {
        "from": {"pack": old.pack, "version": old.version, "in_force_from": old.in_force_from},
        "to": {"pack": new.pack, "version": new.version, "in_force_from": new.in_force_from},
        "added": added,
        "removed": removed,
        "changed": list(changed),
        "changes": changes,
    }


def _lines(old: ProtocolPack, new: ProtocolPack, changes: Sequence[Change]) -> Iterator[str]:
    yield f"{old.label} -> {new.label}"
    for effect, heading in _HEADINGS.items():
        mine = [change for change in changes if change.effect is effect]
        if mine:
            yield f"{heading}:"
            yield from (f"  {_line(change)}" for change in mine)
    if all(change.effect is Effect.WORDING for change in changes):
        yield "Nobody is told anything else, sooner or later."


def _line(change: Change) -> str:
    whom = ", ".join(change.roles)
    place = change.rule or "the pack"
    return f"{whom} ({place}): {change.words}" if whom else f"{place}: {change.words}"
