import re

from schemas.case_event import EventData
from schemas.details import DETAILS
from schemas.topics import CASE_EVENTS, DIRECTORY, TOPICS
from schemas.vocabulary import IDENTIFYING_GROUPS, EventType, Group, Urgency

ROUTING_FACTS = {
    "county",
    "discovered_at",
    "destinations",
    "corrects",
    "retracts",
    "prosecution",
    "flags",
}


def test_the_catalogue_has_forty_six_types() -> None:
    assert len(EventType) == 46
    assert all(re.fullmatch(r"[a-z]+\.[a-z_]+", event_type.value) for event_type in EventType)


def test_every_key_of_the_data_is_a_routing_fact_or_a_group() -> None:
    assert set(EventData.model_fields) == ROUTING_FACTS | {group.value for group in Group}


def test_details_count_as_identifying() -> None:
    assert Group.DETAILS in IDENTIFYING_GROUPS
    assert Group.AGE not in IDENTIFYING_GROUPS


def test_every_type_has_a_model_of_its_details() -> None:
    assert set(DETAILS) == set(EventType)


def test_the_highest_urgency_is_found_by_rank() -> None:
    assert max(Urgency, key=lambda urgency: urgency.rank) is Urgency.IMMEDIATE
    assert sorted(urgency.rank for urgency in Urgency) == [0, 1, 2, 3]


def test_events_are_never_compacted_and_the_directory_always_is() -> None:
    assert CASE_EVENTS.config["cleanup.policy"] == "delete"
    assert CASE_EVENTS.config["retention.ms"] == "-1"
    assert DIRECTORY.config["cleanup.policy"] == "compact"
    assert [topic.partitions for topic in TOPICS] == [6, 6, 6, 1]
