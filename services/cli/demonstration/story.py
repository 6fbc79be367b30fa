"""What happens in the demonstration, and who must be told what (DOMAIN 6.2, rules K-03 and K-07)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from schemas.vocabulary import Group, Urgency

EMITTER: Final = "ag-bpd"
SOURCE: Final = f"urn:tocsin:agency:{EMITTER}:cad"
CHILD_WELFARE: Final = "ag-kern-cw"
ADVOCATE: Final = "ag-kern-vsp"
VICTIM: Final = ("Marisol", "Ejemplovich")
"""Fictional, and spelt so that no library, log or table holds it by chance."""

DUTY_HOURS: Final = 36


@dataclass(frozen=True, slots=True)
class ExpectedAlert:
    """What one agency must get: no more, no less."""

    agency: str
    who: str
    urgency: Urgency
    rules: frozenset[str]
    disclosed: frozenset[Group]


EXPECTED: Final = (
    ExpectedAlert(
        agency=CHILD_WELFARE,
        who="Child welfare",
        urgency=Urgency.IMMEDIATE,
        rules=frozenset({"K-03"}),
        disclosed=frozenset(
            {
                Group.AGE,
                Group.DATE_OF_BIRTH,
                Group.EXPLOITATION,
                Group.GENDER,
                Group.LANGUAGE,
                Group.LOCATION,
                Group.NAME,
                Group.NARRATIVE,
                Group.SAFETY,
                Group.SUSPECT,
            }
        ),
    ),
    ExpectedAlert(
        agency=ADVOCATE,
        who="Victim advocate",
        urgency=Urgency.URGENT,
        rules=frozenset({"K-07"}),
        disclosed=frozenset(
            {Group.AGE, Group.EXPLOITATION, Group.GENDER, Group.LANGUAGE, Group.NEEDS, Group.SAFETY}
        ),
    ),
)


def build_event(*, event_id: str, case_ref: str, now: datetime) -> dict[str, Any]:
    """Build the report of a 15-year-old whom city police found half an hour ago; each id is a report."""
    found = now - timedelta(minutes=30)
    born = now.date() - timedelta(days=15 * 365 + 150)
    first, last = VICTIM
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": SOURCE,
        "type": "org.tocsin.victim.potential_identified.v1",
        "subject": case_ref,
        "time": found.isoformat(),
        "datacontenttype": "application/json",
        "data": {
            "county": "06029",
            "discovered_at": found.isoformat(),
            "exploitation": {
                "types": ["SexualExploitation"],
                "trafficking_status": "PossibleVictimOfTrafficking",
            },
            "date_of_birth": born.isoformat(),
            "name": {"full": f"{first} {last}", "aliases": [first]},
            "gender": "Feminine",
            "language": {"tag": "es-MX", "interpreter_needed": True},
            "needs": ["shelter", "interpreter"],
            "safety": {"risk": "high", "indicators": ["threats against family"]},
            "location": {"address": "Motel on Union Avenue, room 12"},
            "narrative": {"text": f"{first} asked the night clerk for help; he called the police."},
            "suspect": {"vehicle": "grey van, no plates"},
            "criminal_justice": {"text": "Return pasted from a records check."},
        },
    }
