"""Every fact has a value for every event, so a condition over facts has one too."""

import pytest

from schemas.details import DETAILS
from schemas.vocabulary import AgeBand, EventType
from services.routing.age import Age
from services.routing.conditions import Conditions
from services.routing.facts import FACTS, Fact, FactType, Reading
from tests.unit.routing.building import build_event

SILENT = Reading(build_event("tip.received"), ["LEA_LOCAL"], Age(AgeBand.UNKNOWN))
READINGS = {FactType.BOOL: False, FactType.INT: 0, FactType.STRING: "unknown", FactType.STRINGS: []}
ALWAYS = {"event.type", "emitter.roles", "county", "minor", "presumed_minor", "age.band"}


@pytest.mark.parametrize("fact", FACTS.values(), ids=FACTS)
def test_a_fact_the_event_is_silent_on_reads_as_declared(fact: Fact) -> None:
    value = fact.read(SILENT)
    if fact.name in ALWAYS:
        assert fact.when_absent == "always present"
    else:
        assert value == READINGS[fact.type]
        assert type(value) is type(READINGS[fact.type])
    same = f"{fact.name} == {fact.name}"
    assert Conditions([same]).evaluate({fact.name: value}) == (True,)


def test_facts_of_an_event_are_read_from_it() -> None:
    event = build_event(
        "medical.exam_requested",
        county="06019",
        exploitation={"types": ["ForcedLabour"], "trafficking_status": "ActualVictimOfTrafficking"},
        safety={"risk": "high", "indicators": ["threats"]},
        citizenship={"status": "foreign_national"},
        prosecution="federal",
        flags={"indian_child": True},
        gender="Feminine",
        needs=["legal"],
        details={"hours_since_assault": 20, "patient_consents": True},
    )
    reading = Reading(event, ["SART_HOSPITAL"], Age(AgeBand.ADULT))
    expected = {
        "event.type": "medical.exam_requested",
        "emitter.roles": ["SART_HOSPITAL"],
        "county": "06019",
        "minor": False,
        "age.band": "adult",
        "exploitation.types": ["ForcedLabour"],
        "exploitation.trafficking_status": "ActualVictimOfTrafficking",
        "safety.risk": "high",
        "safety.indicators": ["threats"],
        "citizenship.status": "foreign_national",
        "prosecution": "federal",
        "flags.indian_child": True,
        "gender": "Feminine",
        "needs": ["legal"],
        "details.hours_since_assault": 20,
        "details.patient_consents": True,
    }
    assert {name: FACTS[name].read(reading) for name in expected} == expected


def test_every_fact_about_details_is_a_key_that_some_event_may_carry() -> None:
    keys = {key for event_type in EventType for key in DETAILS[event_type].model_fields}
    named = {name.removeprefix("details.") for name in FACTS if name.startswith("details.")}
    assert named <= keys


def test_no_fact_is_made_of_free_text_or_identity() -> None:
    groups = {name.partition(".")[0] for name in FACTS}
    assert groups.isdisjoint(
        {
            "name",
            "contact",
            "narrative",
            "privileged",
            "medical",
            "immigration",
            "intelligence",
            "date_of_birth",
        }
    )
