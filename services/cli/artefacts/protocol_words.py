"""docs/protocol-words.md: every word a protocol pack may use, from the tables that let it pass."""

from collections.abc import Iterable, Iterator
from typing import Final

from schemas.details import DETAILS
from schemas.vocabulary import IDENTIFYING_GROUPS, EventType, Group, Role
from services.cli.artefacts.artefact import Artefact
from services.cli.authoring.vocabularies import VOCABULARIES
from services.routing.condition_text import METHODS
from services.routing.disclosure import OPEN_TO
from services.routing.facts import FACTS

PATH: Final = "docs/protocol-words.md"

_HEAD: Final = """\
# Words of protocol packs

Generated from the code. How to write a pack: [protocols](protocols.md).
"""
_CONDITIONS: Final = """\
## Facts of conditions

A condition compares facts with `==`, `!=`, `<`, `<=`, `>`, `>=` and `in`, joins with `&&` and `||`, negates
with `!` and chooses with `? :`. Of texts and lists it may ask {methods}.
Every fact has a value for every event: when the event says nothing, the one in the third column.

| fact | holds | when the event is silent | meaning |
|---|---|---|---|
"""
_GROUPS: Final = """\
## Groups

What a rule lists under `disclose`. A gate after the rule takes away what a role may never see. A group that
identifies also needs a consent when a victim service, a shelter, an immigration lawyer or a hospital reports
and no law orders the disclosure.

| group | identifies | who may see it without a consent that names them |
|---|---|---|
"""


def build_protocol_words() -> Artefact:
    parts = [_HEAD, _facts(), _vocabularies(), _roles(), _groups(), _event_types()]
    return Artefact(PATH, "\n".join(parts))


def _facts() -> str:
    methods = ", ".join(f"`{name}`" for name in sorted(METHODS))
    rows = [
        f"| `{fact.name}` | {fact.type} | {_reading(fact.when_absent)} | {fact.meaning} |\n"
        for fact in FACTS.values()
    ]
    return _CONDITIONS.format(methods=methods) + "".join(rows)


def _reading(when_absent: str) -> str:
    return when_absent if " " in when_absent else f"`{when_absent}`"


def _vocabularies() -> str:
    rows = [
        f"| `{fact}` | {_list(words)} |\n"
        for fact, words in sorted(VOCABULARIES.items())
        if fact not in {"emitter.roles", "event.type"}
    ]
    head = (
        "## What closed facts can say\n\nA word that is not here is never said, and `check` warns of it.\n\n"
    )
    return f"{head}| fact | words |\n|---|---|\n{''.join(rows)}"


def _roles() -> str:
    return f"## Roles\n\n{_list(Role)}\n"


def _groups() -> str:
    rows = "".join(
        f"| `{group}` | {'yes' if group in IDENTIFYING_GROUPS else ''} | {_gate(group)} |\n"
        for group in Group
    )
    return f"{_GROUPS}{rows}"


def _gate(group: Group) -> str:
    if group is Group.PRIVILEGED:
        return "nobody, consent or not"
    if group is Group.SUBSTANCE_USE:
        return "nobody"
    return _list(sorted(OPEN_TO[group])) if group in OPEN_TO else "whoever the rule tells"


def _event_types() -> str:
    rows = "".join(f"| `{name}` | {keys} |\n" for name, keys in _details())
    head = (
        "## Event types\n\nWhat stands under `on`, and the facts of `details` that this type can carry.\n\n"
    )
    return f"{head}| type | `details.` |\n|---|---|\n{rows}"


def _details() -> Iterator[tuple[str, str]]:
    for event_type in EventType:
        keys = [key for key in DETAILS[event_type].model_fields if f"details.{key}" in FACTS]
        yield event_type.value, _list(keys)


def _list(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)
