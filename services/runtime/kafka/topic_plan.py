"""What it takes to have the topics as they must be, and what is dangerous about them as they are. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from services.runtime.kafka.records import TopicSpec
from services.runtime.settings import Durability

MIN_IN_SYNC: Final = "min.insync.replicas"
UNCLEAN: Final = "unclean.leader.election.enable"

LEAST_COPIES: Final = 2
"""Of a topic that deserves the word `replicated`; so many must have a record before it counts."""


class TopicDescription(Protocol):
    """A topic as the wire describes it."""

    @property
    def name(self) -> str: ...
    @property
    def partitions(self) -> int: ...
    @property
    def config(self) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicState:
    """A topic as a cluster has it."""

    name: str
    partitions: int
    copies: int
    """Of the partition that has the fewest."""
    settings: Mapping[str, str]
    """In force, wherever they come from."""
    overrides: Mapping[str, str]
    """Those that were set on the topic itself."""


@dataclass(frozen=True, slots=True)
class Create:
    """The topic is missing."""

    spec: TopicSpec


@dataclass(frozen=True, slots=True)
class Alter:
    """Settings of the topic are not what they must be."""

    spec: TopicSpec
    changes: Mapping[str, tuple[str | None, str]]
    """Setting → what it is and what it must be."""
    overrides: Mapping[str, str]
    """All that must be set on the topic afterwards, what others set included."""


@dataclass(frozen=True, slots=True)
class Keep:
    """Nothing to do."""

    spec: TopicSpec


@dataclass(frozen=True, slots=True)
class Refuse:
    """What cannot be changed without losing the order of records or moving them: not by us."""

    spec: TopicSpec
    reason: str


TopicStep: TypeAlias = Create | Alter | Keep | Refuse


def build_specs(topics: Sequence[TopicDescription], *, copies: int = -1) -> list[TopicSpec]:
    """How the topics must be, with so many copies of each partition; -1 is what the cluster makes."""
    return [
        TopicSpec(
            topic.name, topic.partitions, {**topic.config, **_safety(copies)}, replication_factor=copies
        )
        for topic in topics
    ]


def plan_topics(specs: Sequence[TopicSpec], found: Mapping[str, TopicState]) -> list[TopicStep]:
    """One step for each topic."""
    return [_plan_topic(spec, found.get(spec.name)) for spec in specs]


def find_dangers(
    specs: Sequence[TopicSpec], found: Mapping[str, TopicState], *, durability: Durability
) -> list[str]:
    """Why nobody should rely on these topics; empty when one may. A missing topic is no danger."""
    return [
        danger
        for spec in specs
        if (state := found.get(spec.name)) is not None
        for danger in _list_dangers(spec, state, durability)
    ]


def _safety(copies: int) -> dict[str, str]:
    if copies < 1:
        return {}
    return {MIN_IN_SYNC: str(min(copies, LEAST_COPIES)), UNCLEAN: "false"}


def _plan_topic(spec: TopicSpec, state: TopicState | None) -> TopicStep:
    if state is None:
        return Create(spec)
    if state.partitions != spec.partitions:
        return Refuse(
            spec,
            f"it has {state.partitions} partitions and must have {spec.partitions}; with another count the "
            "records of one case would be in two partitions, and their order lost",
        )
    if spec.replication_factor not in {-1, state.copies}:
        return Refuse(
            spec,
            f"it has {state.copies} copies and was to have {spec.replication_factor}; move replicas with "
            "kafka-reassign-partitions, or say the --replication that there is",
        )
    changes = {
        name: (state.settings.get(name), value)
        for name, value in spec.configs.items()
        if state.settings.get(name) != value
    }
    return Alter(spec, changes, {**state.overrides, **spec.configs}) if changes else Keep(spec)


def _list_dangers(spec: TopicSpec, state: TopicState, durability: Durability) -> list[str]:
    dangers = [
        f"{spec.name}: {name} is {state.settings[name]} and must be {value}"
        for name, value in spec.configs.items()
        if name in state.settings and state.settings[name] != value
    ]
    if state.partitions != spec.partitions:
        dangers.append(f"{spec.name}: it has {state.partitions} partitions and must have {spec.partitions}")
    if state.settings.get(UNCLEAN) == "true":
        dangers.append(f"{spec.name}: {UNCLEAN} is true: a replica that misses records may become leader")
    if durability is Durability.REPLICATED:
        dangers += _list_lonely(spec, state)
    return dangers


def _list_lonely(spec: TopicSpec, state: TopicState) -> list[str]:
    """What makes `replicated` untrue."""
    lonely = []
    if state.copies < LEAST_COPIES:
        lonely.append(f"{spec.name}: {state.copies} copy of each partition, and TOCSIN_DURABILITY=replicated")
    if int(state.settings.get(MIN_IN_SYNC, "1")) < LEAST_COPIES:
        lonely.append(
            f"{spec.name}: {MIN_IN_SYNC} is {state.settings.get(MIN_IN_SYNC, '1')}: one copy is acknowledged"
        )
    return lonely
