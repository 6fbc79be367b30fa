"""The facts a condition may use: flat names, each with a type and a reading when the event is silent.

Because every fact always has a value, a condition over them has one too: nothing is ever "no such key".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from schemas.case_event import CaseEvent
from services.routing.age import Age

FactValue = bool | int | str | list[str]


class FactType(StrEnum):
    """What a fact holds, in the words of the conditions' language."""

    BOOL = "bool"
    INT = "int"
    STRING = "string"
    STRINGS = "list(string)"


class Reading(NamedTuple):
    """What facts are read from: the event, who sent it, and the age on the day of processing."""

    event: CaseEvent
    emitter_roles: list[str]
    age: Age


@dataclass(frozen=True, slots=True)
class FactSheet:
    """The facts that the rules of one time zone were judged by: its date decides who is a minor."""

    zone: str
    values: Mapping[str, FactValue]


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact: what it is called, what it holds, and what it reads as when the event says nothing."""

    name: str
    type: FactType
    when_absent: str
    meaning: str
    read: Callable[[Reading], FactValue]


_ABSENT: Final[Mapping[FactType, FactValue]] = {
    FactType.BOOL: False,
    FactType.INT: 0,
    FactType.STRING: "unknown",
    FactType.STRINGS: [],
}
_ABSENT_WORDS: Final = {
    FactType.BOOL: "false",
    FactType.INT: "0",
    FactType.STRING: '"unknown"',
    FactType.STRINGS: "[]",
}


def _given(name: str, kind: FactType, meaning: str) -> Fact:
    """A fact that lies at its own path in the event's data."""
    group, _, key = name.partition(".")
    absent = _ABSENT[kind]

    def read(reading: Reading) -> FactValue:
        holder = getattr(reading.event.data, group)
        value = getattr(holder, key) if key and holder is not None else holder
        return absent if value is None else value

    return Fact(name=name, type=kind, when_absent=_ABSENT_WORDS[kind], meaning=meaning, read=read)


def _detail(key: str, kind: FactType, meaning: str) -> Fact:
    """A key of `details`, which is a mapping and depends on the event's type."""
    absent = _ABSENT[kind]

    def read(reading: Reading) -> FactValue:
        details = reading.event.data.details
        return absent if details is None else details.get(key, absent)

    name = f"details.{key}"
    return Fact(name=name, type=kind, when_absent=_ABSENT_WORDS[kind], meaning=meaning, read=read)


def _known(name: str, kind: FactType, meaning: str, read: Callable[[Reading], FactValue]) -> Fact:
    """A fact that every event has."""
    return Fact(name=name, type=kind, when_absent="always present", meaning=meaning, read=read)


_B, _I, _S, _L = FactType.BOOL, FactType.INT, FactType.STRING, FactType.STRINGS

_ALL: Final = (
    _known("event.type", _S, "type of the event, as in `on`", lambda r: r.event.event_type.value),
    _known("emitter.roles", _L, "roles of the agency that sent it", lambda r: r.emitter_roles),
    _known("county", _S, "FIPS code of the event's county", lambda r: r.event.data.county),
    _known("minor", _B, "under 18 on the day of processing, or of unknown age", lambda r: r.age.minor),
    _known("presumed_minor", _B, "a minor only because the age is unknown", lambda r: r.age.presumed_minor),
    _known("age.band", _S, "under13, 13to15, 16to17, adult or unknown", lambda r: r.age.band.value),
    _given("destinations", _L, "FIPS codes of the counties the person is moved to"),
    _given("prosecution", _S, "state or federal"),
    _given("flags.safe_at_home", _B, "in the address confidentiality program"),
    _given("flags.unaccompanied", _B, "a child without parent or guardian here"),
    _given("flags.indian_child", _B, "an Indian child as the ICWA means it"),
    _given("flags.in_removal_proceedings", _B, "in removal proceedings"),
    _given("flags.exercise", _B, "a drill; routed alike whatever this says"),
    _given("exploitation.types", _L, "HTCDS codes of the kinds of exploitation"),
    _given("exploitation.trafficking_status", _S, "HTCDS code"),
    _given("gender", _S, "HTCDS code"),
    _given("language.tag", _S, "BCP 47 tag"),
    _given("language.interpreter_needed", _B, "an interpreter is needed"),
    _given("needs", _L, "what the person needs"),
    _given("safety.risk", _S, "none, low, moderate, high or imminent"),
    _given("safety.indicators", _L, "what the risk shows by"),
    _given("endangerment.facts", _L, "what endangers a missing child"),
    _given("citizenship.status", _S, "us_citizen, lawful_permanent_resident, foreign_national or unknown"),
    _given("employer.industry", _S, "industry of the employer"),
    _given("custody.status", _S, "dependency or wardship"),
    _given("custody.placement_type", _S, "kind of placement"),
    _given("suspect_status.custody", _S, "whether the suspect is held"),
    _given("court.hearing_type", _S, "kind of hearing"),
    _given("protective_order.type", _S, "kind of protective order"),
    _given("appointment.interview_type", _S, "initial, forensic or followup"),
    _given("operation_plan.expected_victims", _I, "how many victims an operation expects"),
    _given("operation_plan.minors_expected", _B, "whether it expects minors"),
    _detail("accessibility", _L, "shelter.bed_needed: what the place must allow for"),
    _detail("channel", _S, "tip.received: phone, text, chat, web or walkin"),
    _detail("charges", _L, "suspect.arrested"),
    _detail("condition", _S, "victim.recovered, child.located: well, injured or unknown"),
    _detail("conditions", _L, "suspect.release_scheduled"),
    _detail("decision", _S, "immigration.continued_presence_decided"),
    _detail("decision_making_org", _S, "victim.status_changed: HTCDS code"),
    _detail("disposition", _S, "tip.triaged: accepted, referred, unfounded or info_only"),
    _detail("evidence_of_age", _S, "victim.minor_confirmed: document, family, medical or self"),
    _detail("form", _S, "immigration.lea_declaration_requested"),
    _detail("from_county", _S, "case.cross_jurisdiction_movement: FIPS code"),
    _detail("hearing_type", _S, "court.hearing_scheduled"),
    _detail("hours_since_assault", _I, "medical.exam_requested; absent reads as just now"),
    _detail("indicators", _L, "school.risk_flagged"),
    _detail("industry", _S, "labor.complaint_received: ISIC section"),
    _detail("injury_class", _S, "medical.injury_reported"),
    _detail("interview_type", _S, "victim.interview_scheduled"),
    _detail("letter_type", _S, "immigration.hhs_letter_issued: interim, eligibility or denial"),
    _detail("method", _S, "victim.age_determined"),
    _detail("methods_of_control", _L, "labor.complaint_received: HTCDS codes"),
    _detail("order_type", _S, "order.protective_*: EPO, CPO, DVRO or CHRO"),
    _detail("party_size", _I, "shelter.bed_needed"),
    _detail("patient_consents", _B, "medical.exam_requested"),
    _detail("phoned_to", _S, "child.abuse_suspected"),
    _detail("placement_type", _S, "child.missing_from_care, child.placement_changed"),
    _detail("reason", _S, "service.referral_made, case.transferred, case.closed: HTCDS code"),
    _detail("reason_code", _S, "service.referral_declined"),
    _detail("report_form", _S, "child.abuse_suspected"),
    _detail("reporter_type", _S, "tip.received: victim, third_party or professional"),
    _detail("service", _S, "service.referral_made"),
    _detail("status", _S, "child.status_changed, case.transferred, case.closed"),
    _detail("to_agency", _S, "case.transferred: agency id"),
    _detail("workers_affected", _I, "labor.complaint_received"),
)

FACTS: Final[Mapping[str, Fact]] = {fact.name: fact for fact in _ALL}
"""Every fact by name. The guide for protocol authors is generated from this table."""
