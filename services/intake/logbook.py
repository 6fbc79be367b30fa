"""The log lines of intake: none joins a case with an event type, none tells what a refused event held."""

from types import MappingProxyType

from services.runtime.logbook import Catalogue, LogEntry

CATALOGUE: Catalogue = MappingProxyType(
    {
        "events.received": LogEntry(
            "info",
            "A request to POST /v1/events was answered. An event that came alone and was accepted is named.",
            (
                "source",
                "status",
                "event_count",
                "accepted_count",
                "duration_ms",
                "event_id",
                "case_ref",
            ),
            apart=("status",),
        ),
        "event.accepted": LogEntry(
            "info",
            "An event of a batch is on Kafka, acknowledged by every in-sync replica.",
            ("event_id", "source", "case_ref"),
        ),
        "event_status.asked": LogEntry(
            "info", "A source asked what became of an event.", ("status", "event_id"), apart=("status",)
        ),
        "events.not_stored": LogEntry(
            "warning",
            "Valid events could not be sealed or published; the source is told 503.",
            ("event_count",),
        ),
        "request.failed": LogEntry("error", "A request met a fault of ours; the source is told 500."),
        "directory.loaded": LogEntry(
            "info",
            "This version of the directory decides from now on who may send.",
            ("directory_version", "source_count"),
        ),
        "directory.key_shared": LogEntry(
            "warning",
            "Several sources share a key, which therefore opens nothing; each source needs its own.",
            ("directory_version", "key_count"),
        ),
        "directory.unreadable": LogEntry(
            "error",
            "A record on the directory topic is no directory; the one in force stays.",
            ("topic", "offset"),
        ),
        "event_status.recorded": LogEntry(
            "info", "What routing decided is ready for the sources to read.", ("event_count",)
        ),
        "receipt.unreadable": LogEntry(
            "error",
            "A receipt of a decision is unreadable and was passed over; its source cannot learn the status.",
            ("topic", "partition", "offset"),
        ),
    }
)
