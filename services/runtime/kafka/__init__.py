"""Kafka, as this project uses it: batches of raw bytes in, every acknowledgement awaited out.

Two ways to get partitions (``settings.Membership``): ``static`` is a consumer group with static members;
``sole`` assigns every partition by hand to this process and still commits. Tansu, the embedded broker, makes
a member wait 3 to 6 s to join, so the embedded stack is ``sole``.
"""

from services.runtime.kafka.admin import (
    KafkaAdmin,
    TopicMismatchError,
    committed_offsets,
    ensure_topics,
    open_admin,
)
from services.runtime.kafka.batches import RecordTooLargeError
from services.runtime.kafka.cluster import ClusterWatch, open_cluster_watch, stop_on_cluster_change
from services.runtime.kafka.consumers import (
    Pace,
    build_broker,
    open_consumers,
    subscribe,
    subscriber_options,
    topic_arguments,
)
from services.runtime.kafka.fate import BatchHandler, is_passing_trouble, next_pause
from services.runtime.kafka.gathering import GatheringPublisher
from services.runtime.kafka.offsets import find_committed, rewind_commits
from services.runtime.kafka.publisher import (
    Place,
    ProducerDeadError,
    Publisher,
    next_offsets,
    open_producer,
    open_publisher,
)
from services.runtime.kafka.readiness import PartitionsReady
from services.runtime.kafka.reading import FindEnds, open_end_finder, read_topic_to_end
from services.runtime.kafka.records import (
    Headers,
    PublishError,
    ReceivedRecord,
    Record,
    TopicLike,
    TopicSpec,
    latest_by_key,
)
from services.runtime.kafka.topic_admin import (
    DangerousTopicsError,
    TopicsRefusedError,
    apply_topics,
    check_topics,
    plan_cluster,
)
from services.runtime.kafka.topic_plan import (
    Alter,
    Create,
    Keep,
    Refuse,
    TopicDescription,
    TopicState,
    TopicStep,
    build_specs,
    find_dangers,
    plan_topics,
)
from services.runtime.kafka.waiting import KAFKA_ERRORS
from services.runtime.kafka_access import KafkaAccess, KafkaAddress, KafkaSecurity
from services.runtime.settings import KafkaSettings, Membership

__all__ = [
    "KAFKA_ERRORS",
    "Alter",
    "BatchHandler",
    "ClusterWatch",
    "Create",
    "DangerousTopicsError",
    "FindEnds",
    "GatheringPublisher",
    "Headers",
    "KafkaAccess",
    "KafkaAddress",
    "KafkaAdmin",
    "KafkaSecurity",
    "KafkaSettings",
    "Keep",
    "Membership",
    "Pace",
    "PartitionsReady",
    "Place",
    "ProducerDeadError",
    "PublishError",
    "Publisher",
    "ReceivedRecord",
    "Record",
    "RecordTooLargeError",
    "Refuse",
    "TopicDescription",
    "TopicLike",
    "TopicMismatchError",
    "TopicSpec",
    "TopicState",
    "TopicStep",
    "TopicsRefusedError",
    "apply_topics",
    "build_broker",
    "build_specs",
    "check_topics",
    "committed_offsets",
    "ensure_topics",
    "find_committed",
    "find_dangers",
    "is_passing_trouble",
    "latest_by_key",
    "next_offsets",
    "next_pause",
    "open_admin",
    "open_cluster_watch",
    "open_consumers",
    "open_end_finder",
    "open_producer",
    "open_publisher",
    "plan_cluster",
    "plan_topics",
    "read_topic_to_end",
    "rewind_commits",
    "stop_on_cluster_change",
    "subscribe",
    "subscriber_options",
    "topic_arguments",
]
