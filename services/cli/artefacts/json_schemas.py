"""The JSON Schemas of everything an outsider writes or reads, from the models that parse it."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import DataclassField, ModelField, TypedDictField, WithDefaultSchema

from schemas.alert import AlertContent, AlertRecord, DutyNotice, WebhookAlert, WebhookDutyNotice
from schemas.case_event import REQUIRED, CaseEvent
from schemas.details import DETAILS
from schemas.directory import Agency, DirectoryFile, DirectorySnapshot
from schemas.endpoint_test import WebhookTest
from schemas.heartbeat import WebhookHeartbeat
from schemas.pack import ProtocolPack
from schemas.problem import IntakeResponse, Problem
from schemas.receipt import RECEIPT
from schemas.scenario import Scenario, SimulationResult, Step
from schemas.sealed import SealedContent, SealedEvent
from schemas.vocabulary import TYPE_PREFIX, TYPE_SUFFIX, EventType
from services.cli.artefacts.artefact import Artefact, build_json_artefact

FOLDER: Final = "schemas/json"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

MODELS: Final[Mapping[str, type[BaseModel]]] = {
    "alert-content": AlertContent,
    "alert-record": AlertRecord,
    "directory-file": DirectoryFile,
    "directory-snapshot": DirectorySnapshot,
    "duty-notice": DutyNotice,
    "intake-response": IntakeResponse,
    "problem": Problem,
    "protocol-pack": ProtocolPack,
    "sealed-content": SealedContent,
    "sealed-event": SealedEvent,
    "simulation-result": SimulationResult,
    "webhook-alert": WebhookAlert,
    "webhook-duty-notice": WebhookDutyNotice,
    "webhook-heartbeat": WebhookHeartbeat,
    "webhook-test": WebhookTest,
}
"""The models whose own schema says everything; the others are put together below."""


class WireSchema(GenerateJsonSchema):
    """Pydantic's generator, without the defaults and titles that tell a reader nothing or something wrong."""

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        """Leave out `"default": null` where null itself is refused."""
        described = super().default_schema(schema)
        if described.get("default", ...) is None and schema["schema"]["type"] != "nullable":
            del described["default"]
        return described

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401, ARG002 - pydantic's signature
        """A title that repeats the key is noise."""
        return False

    def field_is_required(
        self,
        field: ModelField | DataclassField | TypedDictField,
        total: bool,  # noqa: FBT001 - pydantic's signature
    ) -> bool:
        """A constant, such as `specversion`, is always there although our own code need not write it."""
        inner = field["schema"]
        if inner["type"] == "default" and inner["schema"]["type"] == "literal":
            return bool(inner["schema"]["expected"] == [inner.get("default")])
        return super().field_is_required(field, total)


def build_json_schemas() -> Iterator[Artefact]:
    """One file for each document, named after it."""
    for name, schema in _documents():
        yield build_json_artefact(
            f"{FOLDER}/{name}.json", {"$schema": DIALECT, "$id": f"urn:tocsin:schema:{name}", **schema}
        )


def _documents() -> Iterator[tuple[str, dict[str, Any]]]:
    yield "case-event", case_event_schema()
    yield "receipt", RECEIPT.json_schema(schema_generator=WireSchema)
    yield "scenario", scenario_schema()
    for name, model in MODELS.items():
        yield name, model.model_json_schema(schema_generator=WireSchema)


def case_event_schema() -> dict[str, Any]:
    """The envelope and the groups, and per event type what it requires and what its `details` may hold."""
    schema = CaseEvent.model_json_schema(schema_generator=WireSchema)
    schema["allOf"] = [_condition(event_type) for event_type in EventType]
    schema["properties"]["data"] = {
        "$ref": schema["properties"]["data"]["$ref"],
        "not": {"required": ["corrects", "retracts"]},
    }
    for event_type, model in DETAILS.items():
        if model.model_fields:
            details = model.model_json_schema(schema_generator=WireSchema)
            schema["$defs"][_details_name(event_type)] = details
    return schema


def _condition(event_type: EventType) -> dict[str, Any]:
    """When the type is this one, `data` has what it requires, and `details` its keys and no others."""
    data: dict[str, Any] = {"properties": {"details": _details_reference(event_type)}}
    for path in REQUIRED.get(event_type, ()):
        _require(data, path.split("/"))
    return {
        "if": {
            "properties": {"type": {"const": f"{TYPE_PREFIX}{event_type.value}{TYPE_SUFFIX}"}},
            "required": ["type"],
        },
        "then": {"properties": {"data": data}},
    }


def _details_reference(event_type: EventType) -> dict[str, Any]:
    if DETAILS[event_type].model_fields:
        return {"$ref": f"#/$defs/{_details_name(event_type)}"}
    return {"maxProperties": 0}


def _details_name(event_type: EventType) -> str:
    return DETAILS[event_type].__name__


def _require(schema: dict[str, Any], path: list[str]) -> None:
    key, *rest = path
    required = schema.setdefault("required", [])
    if key not in required:
        required.append(key)
    if rest:
        _require(schema.setdefault("properties", {}).setdefault(key, {}), rest)


def scenario_schema() -> dict[str, Any]:
    """Steps and agencies spelled out; the model keeps them raw, to merge them and to name a step at fault."""
    schema = Scenario.model_json_schema(schema_generator=WireSchema)
    steps = TypeAdapter[Any](Step).json_schema(schema_generator=WireSchema)
    agency = Agency.model_json_schema(schema_generator=WireSchema)
    schema["$defs"] |= steps.pop("$defs") | agency.pop("$defs")
    schema["properties"]["steps"]["items"] = steps
    # Merged per field before it is read: only the id has to be there.
    directory = schema["$defs"]["ScenarioDirectory"]
    directory["properties"]["agencies"]["items"] = agency | {"required": ["id"]}
    return schema
