"""What is done about topics, and what is too dangerous to work with."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from schemas.topics import ALERTS, CASE_EVENTS, DIRECTORY, TOPICS, Topic
from services.runtime.kafka import (
    Alter,
    Create,
    Keep,
    Refuse,
    TopicState,
    build_specs,
    find_dangers,
    plan_topics,
)
from services.runtime.settings import Durability

SAFE = {"min.insync.replicas": "2", "unclean.leader.election.enable": "false"}


def state(topic: Topic, *, copies: int = 3, partitions: int | None = None, **changed: str) -> TopicState:
    """As `tocsin topics apply` makes it, but for what is changed (`_` for `.`)."""
    settings: Mapping[str, str] = {
        **topic.config,
        **SAFE,
        **{name.replace("_", "."): value for name, value in changed.items()},
    }
    return TopicState(
        name=topic.name,
        partitions=partitions or topic.partitions,
        copies=copies,
        settings=settings,
        overrides=settings,
    )


def cluster(*states: TopicState) -> dict[str, TopicState]:
    """All four topics, these ones in place of the good ones."""
    return {topic.name: state(topic) for topic in TOPICS} | {each.name: each for each in states}


def dangers(*states: TopicState, durability: Durability = Durability.REPLICATED) -> list[str]:
    return find_dangers(build_specs(TOPICS), cluster(*states), durability=durability)


def test_what_is_missing_is_made_and_what_is_right_is_kept() -> None:
    steps = plan_topics(build_specs(TOPICS, copies=3), {CASE_EVENTS.name: state(CASE_EVENTS)})
    assert [type(step) for step in steps] == [Keep, Create, Create, Create]


def test_a_setting_that_differs_is_altered_and_what_others_set_is_kept() -> None:
    found = cluster(state(CASE_EVENTS, retention_ms="604800000", segment_bytes="1000000"))
    step, *others = plan_topics(build_specs(TOPICS, copies=3), found)
    assert isinstance(step, Alter)
    assert step.changes == {"retention.ms": ("604800000", "-1")}
    assert step.overrides["segment.bytes"] == "1000000"
    assert step.overrides["retention.ms"] == "-1"
    assert all(isinstance(other, Keep) for other in others)


def test_another_partition_count_is_refused_whatever_else_is_to_do() -> None:
    found = cluster(state(CASE_EVENTS, partitions=12, retention_ms="1"))
    step = plan_topics(build_specs(TOPICS, copies=3), found)[0]
    assert isinstance(step, Refuse)
    assert "12 partitions and must have 6" in step.reason


def test_another_number_of_copies_is_refused_unless_the_cluster_chose_it() -> None:
    found = cluster(state(CASE_EVENTS, copies=1))
    assert isinstance(plan_topics(build_specs(TOPICS, copies=3), found)[0], Refuse)
    assert isinstance(plan_topics(build_specs(TOPICS), found)[0], Keep)


@pytest.mark.parametrize(("copies", "in_sync"), [(1, "1"), (2, "2"), (3, "2"), (5, "2")])
def test_all_but_a_lonely_copy_must_be_two_before_a_record_counts(copies: int, in_sync: str) -> None:
    for spec in build_specs(TOPICS, copies=copies):
        assert spec.configs["min.insync.replicas"] == in_sync
        assert spec.configs["unclean.leader.election.enable"] == "false"


def test_topics_as_apply_makes_them_are_no_danger() -> None:
    assert dangers() == []


@pytest.mark.parametrize("policy", ["compact", "compact,delete"])
def test_compaction_of_the_case_events_is_a_danger_on_any_broker(policy: str) -> None:
    for durability in Durability:
        (danger,) = dangers(state(CASE_EVENTS, cleanup_policy=policy), durability=durability)
        assert danger == f"tocsin.case-events: cleanup.policy is {policy} and must be delete"


@pytest.mark.parametrize("setting", ["retention.ms", "retention.bytes"])
@pytest.mark.parametrize("topic", [CASE_EVENTS, ALERTS])
def test_limited_retention_is_a_danger(topic: Topic, setting: str) -> None:
    found = state(topic)
    limited = replace(found, settings={**found.settings, setting: "86400000"})
    (danger,) = dangers(limited, durability=Durability.DISK)
    assert danger == f"{topic.name}: {setting} is 86400000 and must be -1"


def test_a_directory_that_forgets_is_a_danger() -> None:
    assert len(dangers(state(DIRECTORY, cleanup_policy="delete"))) == 1


def test_unclean_leaders_are_a_danger() -> None:
    (danger,) = dangers(state(CASE_EVENTS, unclean_leader_election_enable="true"))
    assert "may become leader" in danger


def test_one_copy_is_a_danger_where_the_deployment_says_replicated_and_only_there() -> None:
    lonely = state(CASE_EVENTS, copies=1, min_insync_replicas="1")
    assert len(dangers(lonely)) == 2
    assert dangers(lonely, durability=Durability.DISK) == []


def test_three_copies_of_which_one_is_acknowledged_are_a_danger() -> None:
    (danger,) = dangers(state(CASE_EVENTS, min_insync_replicas="1"))
    assert "one copy is acknowledged" in danger


def test_another_partition_count_is_a_danger_and_a_missing_topic_is_waited_for() -> None:
    assert len(dangers(state(CASE_EVENTS, partitions=5))) == 1
    assert find_dangers(build_specs(TOPICS), {}, durability=Durability.REPLICATED) == []
