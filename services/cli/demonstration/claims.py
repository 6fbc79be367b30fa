"""The claims of the demonstration, each checked against what really happened."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from services.cli.demonstration.search import Finding
from services.cli.demonstration.story import DUTY_HOURS, EMITTER, EXPECTED, ExpectedAlert

_REFUSED: Final = 401
_TAKEN: Final = 204


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence, whether it held, and what was seen."""

    text: str
    held: bool
    seen: str = ""


@dataclass(frozen=True, slots=True)
class Webhook:
    """One request at a receiver, verified there by the public library."""

    agency: str
    webhook_id: str
    verified: bool
    event: Mapping[str, Any]

    @property
    def data(self) -> Mapping[str, Any]:
        """The CloudEvent's data."""
        data: Mapping[str, Any] = self.event["data"]
        return data

    @property
    def event_id(self) -> str:
        """Of the case event that it tells of."""
        return str(self.data["event_id"])

    @property
    def alert_id(self) -> str:
        """Of the alert or notice; `webhook_id` has the revision, too."""
        return self.webhook_id.rsplit("_", 1)[0]

    @property
    def link(self) -> str:
        """What the e-mail beside it links to."""
        return f"/a/{self.alert_id}"


def check_alerts(webhooks: Sequence[Webhook]) -> Iterator[Claim]:
    """Exactly the expected alerts, with exactly the groups the protocol allows."""
    for expected in EXPECTED:
        found = [hook for hook in webhooks if hook.agency == expected.agency]
        yield _check_alert(expected, found)


def _check_alert(expected: ExpectedAlert, found: Sequence[Webhook]) -> Claim:
    text = f"{expected.who} was told once, {expected.urgency.value}, and saw {len(expected.disclosed)} groups"
    if len(found) != 1:
        return Claim(text, held=False, seen=f"{len(found)} webhooks")
    data = found[0].data
    seen = {
        "urgency": data.get("urgency") == expected.urgency.value,
        "rules": set(data.get("rules", ())) == expected.rules,
        "groups": set(data.get("disclosed", ())) == {group.value for group in expected.disclosed},
        "signature": found[0].verified,
    }
    wrong = ", ".join(name for name, right in seen.items() if not right)
    return Claim(text, held=not wrong, seen=wrong and f"wrong: {wrong}")


def check_duty(webhooks: Sequence[Webhook], *, discovered_at: datetime) -> Claim:
    """The police got notice of their own duty, with the hour it ends, and no fact of the case."""
    text = f"The police got a notice of their own {DUTY_HOURS}-hour duty, and no fact of the case"
    found = [hook for hook in webhooks if hook.agency == EMITTER]
    if len(found) != 1 or found[0].event["type"] != "org.tocsin.duty.v1":
        return Claim(text, held=False, seen=f"{len(found)} webhooks")
    duties = found[0].data["duties"]
    due = discovered_at + timedelta(hours=DUTY_HOURS)
    right = any(datetime.fromisoformat(duty["due"]) == due for duty in duties if duty["due"])
    bare = "disclosed" not in found[0].data
    return Claim(text, held=right and bare and found[0].verified, seen=f"due {due:%Y-%m-%d %H:%M} UTC")


def check_silence(webhooks: Sequence[Webhook], *, listening: Sequence[str]) -> Claim:
    """Every other agency had a receiver listening, and heard nothing."""
    told = {expected.agency for expected in EXPECTED} | {EMITTER}
    others = [agency for agency in listening if agency not in told]
    heard = sorted({hook.agency for hook in webhooks} - told)
    text = f"Silence: {len(others)} other agencies were listening and heard nothing"
    return Claim(text, held=bool(others) and not heard, seen=", ".join(heard))


def check_postcards(mails: Sequence[str], *, ids: Mapping[str, str]) -> Claim:
    """One postcard per recipient: urgency, opaque id, deadline, link; and no word of the case."""
    text = f"{len(ids)} e-mails: urgency, an opaque id, a deadline and a link; nothing else"
    right = len(mails) == len(ids) and all(
        sum(f"/a/{alert_id}" in mail for mail in mails) == 1 for alert_id in ids.values()
    )
    forbidden = ("victim", "traffick", "minor", "child", "police", "06029", "kern", "exploit")
    told = sorted({word for word in forbidden for mail in mails if word in _own_words(mail).lower()})
    return Claim(
        text, held=right and not told, seen="" if right and not told else f"{len(mails)} e-mails, {told}"
    )


def _own_words(mail: str) -> str:
    """The mail without its To line, which is the duty desk's own address."""
    return "\n".join(line for line in mail.splitlines() if not line.lower().startswith("to:"))


def check_replay(webhooks: Sequence[Webhook], mails: Sequence[str], *, behind: str, told: int) -> Claim:
    """Sending an event again told nobody again; what was sent behind it arrived, so that this can be known.

    These are all webhooks and e-mails there are; the event and the one behind it tell so many agencies each.
    """
    text = "The same event sent again: nothing was sent twice"
    followed = [hook for hook in webhooks if hook.event_id == behind]
    postcards = [mail for mail in mails if any(hook.link in mail for hook in followed)]
    if min(len(followed), len(postcards)) < told:
        seen = f"of what was sent behind it {len(followed)} webhooks and {len(postcards)} e-mails, not {told}"
        return Claim(text, held=False, seen=seen)
    extra = len(webhooks) + len(mails) - 2 * (told + told)
    return Claim(text, held=extra == 0, seen=f"{extra} more" if extra else "")


def check_tampering(*, changed: int, untouched: int) -> Claim:
    """A changed body was refused; the untouched one was not, so the refusal means something."""
    text = "A webhook changed on the way was refused by the receiver; the untouched one was not"
    return Claim(
        text, held=changed == _REFUSED and untouched == _TAKEN, seen=f"HTTP {changed} and {untouched}"
    )


def check_finding(finding: Finding) -> Claim:
    """The name is nowhere in this place, and a control planted there was found."""
    text = f"The victim's name is not in {finding.place}: {finding.read_bytes:,} bytes, control found"
    if finding.ok:
        return Claim(text, held=True)
    return Claim(
        text, held=False, seen="the name is there" if finding.name_found else "the control was not found"
    )
