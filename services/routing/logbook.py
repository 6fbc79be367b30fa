"""The log lines of routing."""

from types import MappingProxyType
from typing import Final

from services.runtime.logbook import Catalogue, LogEntry

_ALERT: Final = ("alert_id", "event_id", "source", "case_ref")
_EVENT: Final = ("event_id", "source", "case_ref", "partition", "offset")

CATALOGUE: Final[Catalogue] = MappingProxyType(
    {
        "event.decided": LogEntry(
            "info",
            "One event was decided, or found to be a duplicate; `lag_ms` counts from its acceptance.",
            (
                *_EVENT,
                "outcome",
                "alert_count",
                "external_count",
                "notice_count",
                "duty_count",
                "matched_count",
                "directory_version",
                "lag_ms",
            ),
        ),
        "event.quarantined": LogEntry(
            "error",
            "Nobody may act on this record; it is kept whole and the coordinators are told.",
            (*_EVENT, "reason", "alert_count"),
            apart=("reason",),
        ),
        "decision.undeliverable": LogEntry(
            "error",
            "A problem that no coordinator could be told of: the directory has none.",
            (*_EVENT, "reason"),
        ),
        "batch.decided": LogEntry(
            "info",
            "One batch of events was decided, stored and published.",
            (
                "record_count",
                "republished_count",
                "quarantined_count",
                "alert_count",
                "partitions",
                "duration_ms",
            ),
        ),
        "batch.recorded": LogEntry(
            "info",
            "One batch of receipts was recorded.",
            (
                "record_count",
                "stored_count",
                "delivered_count",
                "failed_count",
                "acknowledged_count",
                "refused_count",
                "unacknowledged_count",
                "unreachable_count",
                "evidence_count",
                "endpoint_suspended_count",
                "endpoint_resumed_count",
                "decided_count",
                "endpoint_added_count",
                "pulse_count",
                "partitions",
                "duration_ms",
            ),
        ),
        "alert.escalated": LogEntry(
            "info",
            "Nobody acknowledged an alert in time: others were told; `escalation` is the rung.",
            (*_ALERT, "escalation", "alert_count"),
        ),
        "alert.amended": LogEntry(
            "info",
            "A consent, an agreement or a conflict changed: an alert not yet delivered shows less.",
            _ALERT,
        ),
        "alert.not_amended": LogEntry(
            "error",
            "An alert on its way could not be judged anew, and was stopped. Tell the agency by telephone.",
            _ALERT,
        ),
        "alert.stopped": LogEntry(
            "info",
            "An alert must not arrive any more: who or what may be told changed, or another takes its place.",
            _ALERT,
        ),
        "alert.exhausted": LogEntry(
            "error",
            "Nobody took responsibility for an alert up to its last rung, or no coordinator is left to tell.",
            _ALERT,
        ),
        "exercise.exhausted": LogEntry(
            "info",
            "Nobody acknowledged an exercise up to its last rung: for those who hold it, and no alarm.",
            _ALERT,
        ),
        "endpoint.added": LogEntry(
            "info",
            "An endpoint that passed its probes is in the directory.",
            ("directory_version", "agency", "endpoint_id", "operator"),
        ),
        "endpoint.not_added": LogEntry(
            "warning",
            "An endpoint passed its probes, but its agency has left or is not in the directory.",
            ("agency", "endpoint_id", "operator"),
        ),
        "endpoint.removed": LogEntry(
            "info",
            "An operator took an endpoint out of the directory.",
            ("directory_version", "agency", "endpoint_id", "operator"),
        ),
        "duty.reminded": LogEntry(
            "info",
            "A duty is due soon (percent of its time left) or overdue: its holder and, once it is overdue, "
            "coordinators are told; `alert_count` is 0 if none of them may be.",
            ("duty_id", "agency", "step", "alert_count"),
        ),
        "duties.not_reminded": LogEntry(
            "warning",
            "PostgreSQL or Kafka was away when duties were to be looked at; looking again.",
            ("reason",),
        ),
        "reminder.failed": LogEntry(
            "error",
            "A duty's case does not open or cannot be judged: nobody is reminded; tried again in a minute.",
            ("duty_id",),
        ),
        "ladder.failed": LogEntry(
            "error", "An alert's next rung could not be decided; it is tried again in a minute.", _ALERT
        ),
        "ladders.not_climbed": LogEntry(
            "warning", "Alerts that nobody acknowledged could not be looked at; they are, later.", ("reason",)
        ),
        "alerts.not_withdrawn": LogEntry(
            "warning",
            "What is on its way to agencies that may be told no more could not be looked at; it is, later.",
            ("reason",),
        ),
        "answer.not_applied": LogEntry(
            "error",
            "An acknowledgement stopped nothing, or a refusal for a conflict of interest keeps nobody from "
            "being told more, because its case does not open.",
            ("alert_id", "kind"),
        ),
        "notice.told": LogEntry(
            "info",
            "An agency or a coordinator is told that something of ours is out of order, or in order again.",
            ("alert_id", "agency", "reason"),
        ),
        "notice.undeliverable": LogEntry(
            "error",
            "Something of ours is out of order, and the directory has no coordinator to tell.",
            ("agency", "reason"),
        ),
        "receipt.quarantined": LogEntry(
            "error", "A record of the receipts is no receipt; it is kept whole.", ("partition", "offset")
        ),
        "duties.read": LogEntry(
            "info",
            "An operator read the register of duties; `agency` and `event_id` say if only of these.",
            ("operator", "agency", "event_id", "found_count"),
        ),
        "consumer.gap_found": LogEntry(
            "error",
            "Records are missing from the log; nothing is decided without them, and the process ends.",
            ("topic", "partition", "offset", "expected_offset"),
        ),
        "consumer.stopped": LogEntry(
            "error",
            "Too many records could not be decided: the fault is ours. Nothing is read until a restart.",
            ("topic", "partition", "offset", "quarantined_count"),
        ),
        "messages.republished": LogEntry(
            "warning",
            "Alerts or receipts that nobody had taken over were published again.",
            ("record_count", "cluster_id", "reason"),
        ),
        "messages.not_republished": LogEntry(
            "warning", "What is not taken over could not be published again; it is tried later.", ("reason",)
        ),
        "messages.not_settled": LogEntry(
            "warning",
            "How far intake has read could not be asked; what it has read stays in the outbox for now.",
        ),
        "packs.loaded": LogEntry(
            "info",
            "Decisions use these protocol packs from now on; `revision` counts the approvals.",
            ("revision", "pack_count"),
        ),
        "packs.not_loaded": LogEntry(
            "error",
            "What was approved cannot be loaded, or was altered. The packs in force before go on.",
            ("revision",),
        ),
        "pack.seeded": LogEntry(
            "info",
            "A pack of the folder was published and approved by the deployment itself.",
            ("pack", "sha256"),
        ),
        "pack.not_seeded": LogEntry(
            "warning",
            "A pack of the folder decides nothing: packs are published, but where a deployment begins.",
            ("pack", "reason"),
        ),
        "pack.published": LogEntry(
            "info",
            "An operator published a version; it decides nothing before another approves it.",
            ("pack", "sha256", "operator"),
        ),
        "pack.approved": LogEntry(
            "info",
            "Another operator approved a version; it comes into force when it says, or now.",
            ("pack", "sha256", "operator"),
        ),
        "pack.refused": LogEntry(
            "info",
            "A pack was not published or not approved; nothing changed.",
            ("pack", "reason", "error_count", "operator"),
        ),
        "pack.loaded": LogEntry(
            "info", "A protocol pack is ready to decide by.", ("pack", "rule_count", "sha256")
        ),
        "directory.applied": LogEntry(
            "info",
            "An operator applied a directory; `changed` is false if it is the version in force.",
            ("directory_version", "agency_count", "source_count", "changed", "operator"),
        ),
        "endpoint.rotated": LogEntry(
            "info",
            "An operator gave an endpoint a fresh secret or signing key; the old one signs on for a while.",
            ("directory_version", "agency", "endpoint_id", "kind", "operator"),
        ),
        "directory.loaded": LogEntry(
            "info",
            "Decisions use this version of the directory from now on.",
            ("directory_version", "agency_count"),
        ),
        "directory.published": LogEntry(
            "info", "The directory in force was published for the other services.", ("directory_version",)
        ),
        "directory.made_good": LogEntry(
            "warning",
            "A version in force was not on the topic, and notify waited for it: it is published now.",
            ("directory_version",),
        ),
        "directory.not_published": LogEntry(
            "warning", "Whether the directory in force is published could not be seen to; it is tried again."
        ),
        "directory.refused": LogEntry(
            "info", "A directory was refused; nothing changed.", ("error_count", "operator")
        ),
        "decision.read": LogEntry(
            "info",
            "An operator read why agencies were told of an event.",
            ("event_id", "operator", "found_count"),
        ),
        "request.failed": LogEntry("error", "A request met a fault of ours."),
        "operator.refused": LogEntry(
            "warning", "A request without a valid operator key was refused.", ("path",)
        ),
    }
)
