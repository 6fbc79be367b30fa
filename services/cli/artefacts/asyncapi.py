"""The AsyncAPI 3.0 document of the topics on which the services meet."""

from dataclasses import dataclass
from io import StringIO
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString

from schemas.receipt import KIND_HEADER, ReceiptKind
from schemas.topics import ALERTS, CASE_EVENTS, DIRECTORY, RECEIPTS, TOPICS, Topic
from services.cli.artefacts.artefact import Artefact
from services.intake import subscribers as intake
from services.notify import subscribers as notify
from services.routing import subscribers as routing

PATH: Final = "schemas/asyncapi.yaml"
JSON_SCHEMA: Final = "application/schema+json;version=2020-12"
BINDING_VERSION: Final = "0.5.0"

_DESCRIPTION: Final = LiteralScalarString("""\
Intake, routing and notify meet on these topics and nowhere else. Whatever could tell something of a person
is sealed with the key of its case (AES-256-GCM); what is in the clear is what delivering needs. The `type` of
a case event is generic on purpose: that a case has immigration events is itself a disclosure.
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What the records of a topic are: the name of their JSON Schema, and how they are labelled."""

    topic: Topic
    name: str
    schema: str
    title: str
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What one service does on one topic."""

    name: str
    action: str
    topic: Topic
    summary: str
    group: str | None = None
    """The consumer group; None reads the whole topic at each start."""


MESSAGES: Final = (
    Message(
        topic=CASE_EVENTS,
        name="SealedEvent",
        schema="sealed-event",
        title="An accepted case event, sealed",
        content_type="application/cloudevents+json",
    ),
    Message(
        topic=ALERTS, name="AlertRecord", schema="alert-record", title="An alert or a duty notice to deliver"
    ),
    Message(topic=RECEIPTS, name="Receipt", schema="receipt", title="A fact about an alert or an event"),
    Message(
        topic=DIRECTORY,
        name="DirectorySnapshot",
        schema="directory-snapshot",
        title="One version of the directory",
    ),
)

OPERATIONS: Final = (
    Operation(
        name="intakePublishesEvents", action="send", topic=CASE_EVENTS, summary="Before it answers 202."
    ),
    Operation(
        name="intakeReadsReceipts",
        action="receive",
        topic=RECEIPTS,
        summary="Learns what became of events.",
        group=intake.RECEIPTS_GROUP,
    ),
    Operation(
        name="intakeReadsDirectory", action="receive", topic=DIRECTORY, summary="Learns who may send what."
    ),
    Operation(
        name="routingReadsEvents",
        action="receive",
        topic=CASE_EVENTS,
        summary="Decides whom to tell what.",
        group=routing.EVENTS_GROUP,
    ),
    Operation(
        name="routingReadsReceipts",
        action="receive",
        topic=RECEIPTS,
        summary="Learns what was handed over.",
        group=routing.RECEIPTS_GROUP,
    ),
    Operation(name="routingPublishesAlerts", action="send", topic=ALERTS, summary="After its transaction."),
    Operation(
        name="routingPublishesReceipts", action="send", topic=RECEIPTS, summary="That an event was decided."
    ),
    Operation(
        name="routingPublishesDirectory", action="send", topic=DIRECTORY, summary="When one is applied."
    ),
    Operation(
        name="notifyReadsAlerts",
        action="receive",
        topic=ALERTS,
        summary="Delivers; never decides who.",
        group=notify.ALERTS_GROUP,
    ),
    Operation(
        name="notifyReadsDirectory", action="receive", topic=DIRECTORY, summary="Learns where to deliver."
    ),
    Operation(name="notifyPublishesReceipts", action="send", topic=RECEIPTS, summary="From its outbox."),
)


def build_asyncapi() -> Artefact:
    """The document as YAML, in the order in which one reads it."""
    text = StringIO()
    yaml = YAML()
    yaml.width = 110
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump(asyncapi_document(), text)
    return Artefact(PATH, text.getvalue())


def asyncapi_document() -> dict[str, Any]:
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tocsin",
            "version": "1.0.0",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {_channel_name(topic): _channel(topic) for topic in TOPICS},
        "operations": {operation.name: _operation(operation) for operation in OPERATIONS},
        "components": {"messages": {message.name: _message(message) for message in MESSAGES}},
    }


def _channel_name(topic: Topic) -> str:
    first, *others = topic.name.removeprefix("tocsin.").split("-")
    return first + "".join(part.capitalize() for part in others)


def _channel(topic: Topic) -> dict[str, Any]:
    names = [message.name for message in MESSAGES if message.topic is topic]
    return {
        "address": topic.name,
        "description": topic.meaning,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {key: _setting(key, value) for key, value in topic.config.items()},
                "bindingVersion": BINDING_VERSION,
            }
        },
    }


def _setting(key: str, value: str) -> object:
    """As the binding wants it: policies a list, everything else a number."""
    return value.split(",") if key == "cleanup.policy" else int(value)


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "action": operation.action,
        "summary": operation.summary,
        "channel": {"$ref": f"#/channels/{_channel_name(operation.topic)}"},
    }
    if operation.group is not None:
        group = {"type": "string", "enum": [operation.group]}
        described["bindings"] = {"kafka": {"groupId": group, "bindingVersion": BINDING_VERSION}}
    return described


def _message(message: Message) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": message.name,
        "title": message.title,
        "contentType": message.content_type,
        "payload": {"schemaFormat": JSON_SCHEMA, "schema": {"$ref": f"./json/{message.schema}.json"}},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": message.topic.key},
                "bindingVersion": BINDING_VERSION,
            }
        },
    }
    if message.topic is RECEIPTS:
        described["headers"] = _receipt_headers()
    return described


def _receipt_headers() -> dict[str, Any]:
    kinds = [kind.value for kind in ReceiptKind]
    return {
        "type": "object",
        "properties": {
            KIND_HEADER: {"type": "string", "enum": kinds, "description": "Repeats the receipt's kind."}
        },
        "required": [KIND_HEADER],
    }
