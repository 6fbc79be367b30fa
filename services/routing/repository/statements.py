"""Inserting many rows with one statement: each column travels as one array."""

from collections.abc import Mapping
from typing import Final

_ARRAY_TYPES: Final = {"words": "text", "json": "text"}
_EXPRESSIONS: Final = {"words": "string_to_array({}, ' ')", "json": "{}::jsonb"}


def build_insert(table: str, columns: Mapping[str, str], *, keep_first: str | None = None) -> str:
    """An INSERT that takes an array for each column, in their order.

    Types are PostgreSQL's, or `words` (one text, separated by spaces, into a text[]: an array of arrays would
    have to be rectangular) or `json` (one text into a jsonb). With `keep_first`, a key, a row that is there
    already stays.
    """
    names = [f'"{name}"' for name in columns]
    arrays = [f"${n}::{_ARRAY_TYPES.get(kind, kind)}[]" for n, kind in enumerate(columns.values(), start=1)]
    values = [
        _EXPRESSIONS.get(kind, "{}").format(name) for name, kind in zip(names, columns.values(), strict=True)
    ]
    conflict = "" if keep_first is None else f"ON CONFLICT ({keep_first}) DO NOTHING"
    # Only names that stand in our code are put together here; what is inserted is parameters.
    return (
        f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)} "  # noqa: S608 -- see above
        f"FROM unnest({', '.join(arrays)}) AS fresh ({', '.join(names)}) {conflict}"
    )


INSERT_DECISIONS: Final = build_insert(
    "routing.decision",
    {
        "source": "text",
        "event_id": "text",
        "case_ref": "text",
        "county": "text",
        "outcome": "text",
        "packs": "words",
        "errors": "json",
        "key_id": "uuid",
        "content_digest": "bytea",
        "detail": "bytea",
        "duties_sealed": "bytea",
        "undeliverable": "text",
        "directory_version": "integer",
        "decided_at": "timestamptz",
        "correlation_id": "text",
        "cluster_id": "text",
        "partition": "integer",
        "offset": "bigint",
    },
)

# A reused id that comes again with the same other content is the same alert.
INSERT_ALERTS: Final = build_insert(
    "routing.alert",
    {
        "alert_id": "uuid",
        "revision": "integer",
        "source": "text",
        "event_id": "text",
        "case_ref": "text",
        "form": "text",
        "kind": "text",
        "agency": "text",
        "role": "text",
        "contact": "text",
        "rules": "words",
        "urgency": "text",
        "acknowledge_by": "timestamptz",
        "escalation": "integer",
        "reason": "text",
        "exercise": "boolean",
        "decided_at": "timestamptz",
    },
    keep_first="alert_id, revision",
)

INSERT_DUTIES: Final = build_insert(
    "routing.duty",
    {
        "duty_id": "uuid",
        "source": "text",
        "event_id": "text",
        "case_ref": "text",
        "rule": "text",
        "holder": "text",
        "what": "text",
        "due": "timestamptz",
        "decided_at": "timestamptz",
    },
)

INSERT_MESSAGES: Final = build_insert(
    "routing.outbox",
    {
        "message_id": "uuid",
        "revision": "integer",
        "topic": "text",
        "key": "text",
        "record": "bytea",
        "cluster_id": "text",
        "partition": "integer",
        "offset": "bigint",
        "published_to": "text",
        "created_at": "timestamptz",
        "publish_after": "timestamptz",
    },
    keep_first="message_id, revision",
)

INSERT_QUARANTINES: Final = build_insert(
    "routing.quarantine",
    {
        "cluster_id": "text",
        "topic": "text",
        "partition": "integer",
        "offset": "bigint",
        "record_key": "bytea",
        "record": "bytea",
        "source": "text",
        "event_id": "text",
        "case_ref": "text",
        "reason": "text",
        "content_digest": "bytea",
        "error_type": "text",
        "error_at": "text",
        "quarantined_at": "timestamptz",
    },
)

# Notify tells a fact again when it is not sure that we have it.
INSERT_RECEIPTS: Final = build_insert(
    "routing.receipt",
    {
        "alert_id": "uuid",
        "revision": "integer",
        "kind": "text",
        "delivery_id": "uuid",
        "channel": "text",
        "outcome": "text",
        "at": "timestamptz",
    },
    keep_first="alert_id, revision, kind, delivery_id",
)
