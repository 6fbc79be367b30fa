"""The AsyncAPI document: every reference leads somewhere, and it says what the topics are.

It was checked against the meta-schema of AsyncAPI 3.0.0, which no package brings; what is tested here is what
an edit of ours can break.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from ruamel.yaml import YAML

from schemas.topics import TOPICS, Topic
from tests.support.examples import ROOT

PATH = ROOT / "schemas" / "asyncapi.yaml"
DOCUMENT: dict[str, Any] = YAML(typ="safe").load(PATH.read_text())

ALLOWED = {
    "": {"asyncapi", "info", "defaultContentType", "channels", "operations", "components"},
    "channel": {"address", "description", "messages", "bindings"},
    "operation": {"action", "summary", "channel", "bindings"},
    "message": {"name", "title", "contentType", "payload", "bindings", "headers"},
}
"""The keys of AsyncAPI 3.0 that are used here."""


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(reference: str) -> object:
    file, _, fragment = reference.partition("#")
    if file:
        return (PATH.parent / file).exists() or None
    node: Any = DOCUMENT
    for part in fragment.strip("/").split("/"):
        node = node.get(part) if isinstance(node, dict) else None
    return node


def test_the_document_is_asyncapi_3_with_the_keys_of_that_version() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert set(DOCUMENT) <= ALLOWED[""]
    assert all(set(channel) <= ALLOWED["channel"] for channel in DOCUMENT["channels"].values())
    assert all(set(operation) <= ALLOWED["operation"] for operation in DOCUMENT["operations"].values())
    assert all(set(message) <= ALLOWED["message"] for message in DOCUMENT["components"]["messages"].values())


def test_every_reference_leads_somewhere() -> None:
    found = list(references(DOCUMENT))
    assert len(found) > 10
    assert [reference for reference in found if resolve(reference) is None] == []


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_each_topic_is_a_channel_with_its_partitions_and_settings(topic: Topic) -> None:
    channel = next(c for c in DOCUMENT["channels"].values() if c["address"] == topic.name)
    kafka = channel["bindings"]["kafka"]
    settings = {
        key: ",".join(value) if isinstance(value, list) else str(value)
        for key, value in kafka["topicConfiguration"].items()
    }
    assert kafka["partitions"] == topic.partitions
    assert settings == topic.config


def test_there_is_no_channel_beside_the_topics() -> None:
    assert {c["address"] for c in DOCUMENT["channels"].values()} == {topic.name for topic in TOPICS}


def test_every_topic_is_written_by_somebody_and_read_by_somebody() -> None:
    uses = {
        (operation["channel"]["$ref"].rpartition("/")[2], operation["action"])
        for operation in DOCUMENT["operations"].values()
    }
    assert uses == {(channel, action) for channel in DOCUMENT["channels"] for action in ("send", "receive")}
