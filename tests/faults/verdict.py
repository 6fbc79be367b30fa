"""What was wrong with what agencies got. Pure: it reads what witnesses kept, and no table of notify's.

What should have come is the simulator's (`stories`). The ledger is asked for two things: what became of an
event, and whose alert an e-mail is about, which a postcard does not say.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from tests.faults.case_verdict import climbing_rows, judge_case
from tests.faults.evidence import Evidence, Telling, group, match_tellings, name_heard
from tests.faults.stories import UNDRILLED, Row, rename_row
from tests.faults.witnesses import SLOWEST_SECONDS, Heard


def judge(evidence: Evidence) -> list[str]:
    """Everything that must not be, in words; empty when all is well."""
    tellings, strange = match_tellings(evidence)
    by_case: dict[str, list[Telling]] = defaultdict(list)
    for telling in tellings:
        by_case[telling.case.name].append(telling)
    return [
        *strange,
        *find_unsound(evidence.heard),
        *find_differing_copies(evidence.heard),
        *find_told_twice(tellings),
        *find_overtaking(evidence.heard, jumps=[at for at, _ in evidence.offsets[1:]]),
        *find_wrong_outcomes(evidence),
        *find_wrong_letters(evidence),
        *find_wrong_feeds(evidence),
        *(line for case in evidence.cases for line in judge_case(case, by_case[case.name], evidence)),
    ]


def find_unsound(heard: Iterable[Heard]) -> Iterator[str]:
    for one in heard:
        if not one.is_sound:
            yield f"{name_heard(one)}: its signature does not verify"
        if one.is_whole and one.data["agency"] != one.agency:
            yield f"{name_heard(one)}: it is for {one.data['agency']}"
        if one.endpoint == UNDRILLED and one.is_whole and one.data.get("exercise"):
            yield f"{name_heard(one)}: an exercise, which it does not accept"


def find_differing_copies(heard: Iterable[Heard]) -> Iterator[str]:
    """The same id means the same words."""
    for copies in group(heard, lambda one: f"{one.endpoint} {one.webhook_id}").values():
        if any(copy.event != copies[0].event for copy in copies):
            yield f"{name_heard(copies[0])}: two different things under one webhook-id"


def find_told_twice(tellings: Iterable[Telling]) -> Iterator[str]:
    """One thing has one id, however often it comes."""
    for same in group(tellings, lambda one: (one.agency, one.told)).values():
        ids = {telling.alert_id for telling in same}
        # Several ladders of one event may each tell the coordinator the same.
        most = len(list(_ladders(same[0]))) if same[0].told.escalation else _count(same[0])
        if len(ids) > most:
            yield f"{name_heard(same[0].copies[0])}: told under {len(ids)} ids ({same[0].case.story.name})"


def find_overtaking(heard: Iterable[Heard], *, jumps: Sequence[float]) -> Iterator[str]:
    """An update or a cancel is no more followed by what it is about, nor by what that was about.

    But while the clock jumps, for then a lease ends before its attempt has.
    """
    for copies in group(heard, lambda one: one.endpoint).values():
        replaced: set[str] = set()
        about = {one.alert_id: one.data.get("replaces") for one in copies if one.is_whole}
        for one in copies:
            has_jumped = any(one.at - SLOWEST_SECONDS - 1 < jump < one.at for jump in jumps)
            if one.alert_id in replaced and not has_jumped:
                yield f"{name_heard(one)}: it came after what takes its place"
            earlier = about.get(one.alert_id)
            while earlier is not None and earlier not in replaced:
                replaced.add(earlier)
                earlier = about.get(earlier)


def find_wrong_outcomes(evidence: Evidence) -> Iterator[str]:
    """Every accepted event has its one decision, and the one that the protocol says."""
    for case in evidence.cases:
        for event, outcomes in case.story.outcomes.items():
            name = f"{case.name}-{event}"
            if sorted(evidence.outcomes.get(name, [])) != sorted(outcomes):
                yield f"{name} ({case.story.name}): {evidence.outcomes.get(name)} and not {outcomes}"


def find_wrong_letters(evidence: Evidence) -> Iterator[str]:
    """A postcard goes to the contact of its alert's rung, and copies of it have one id."""
    for letter in evidence.letters:
        alert = evidence.alerts.get(letter.alert_id or "")
        if alert is None:
            yield f"an e-mail about an alert that the ledger does not know: {letter.alert_id}"
        elif evidence.contacts.get((alert.agency, alert.contact)) != letter.recipient:
            yield f"an e-mail of {alert.agency} ({alert.contact}) went to somebody else"
    for copies in group(evidence.letters, lambda one: f"{one.alert_id} {one.recipient}").values():
        revisions = {letter.message_id for letter in copies}
        if len(revisions) > 1 and copies[0].alert_id not in _amended(evidence):
            yield f"e-mails about {copies[0].alert_id} under {len(revisions)} ids"


def find_wrong_feeds(evidence: Evidence) -> Iterator[str]:
    """An agency can pull, once, whatever it was told and was not withdrawn."""
    for agency, feed in evidence.feeds.items():
        heard = {
            one.alert_id for one in evidence.heard if one.agency == agency and (one.is_alert or one.is_notice)
        }
        withdrawn = {alert_id for alert_id, alert in evidence.alerts.items() if alert.command == "stop"}
        if missing := sorted(heard - withdrawn - set(feed)):
            yield f"{agency} cannot pull what it was told: {missing}"
        if len(feed) != len(set(feed)):
            yield f"{agency} pulls the same thing twice"


def _ladders(telling: Telling) -> Iterator[Row]:
    return (row for row in climbing_rows(telling.case) if row.event == telling.told.event)


def _count(telling: Telling) -> int:
    """How often the protocol itself says this."""
    rows = [rename_row(row, telling.case.name) for row in telling.case.story.rows]
    return max(1, sum(row.matches(telling.told) for row in rows))


def _amended(evidence: Evidence) -> set[str]:
    """Alerts that were told in more than one revision."""
    return {alert_id for alert_id, alert in evidence.alerts.items() if alert.command != "deliver"}
