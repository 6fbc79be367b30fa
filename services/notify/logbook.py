"""The log lines of notify. None holds a URL, an e-mail address, a name or a word that a person typed."""

from types import MappingProxyType
from typing import Final

from services.runtime.logbook import Catalogue, LogEntry

_DELIVERY: Final = ("delivery_id", "alert_id", "agency", "channel", "endpoint_id")

_HEARTBEAT: Final = ("endpoint_id", "agency", "sequence", "alert_count", "status_code", "detail")

CATALOGUE: Catalogue = MappingProxyType(
    {
        "alerts.stored": LogEntry(
            "info",
            "A batch of alerts is stored with its deliveries, and their first attempts begin.",
            ("alert_count", "duplicate_count", "delivery_count", "duration_ms"),
        ),
        "alert.without_path": LogEntry(
            "warning",
            "An alert is stored, but its agency has neither an endpoint nor a contact for it: it learns of "
            "it when it asks, and the next rung is told at once.",
            ("alert_id", "agency"),
        ),
        "exercise.without_path": LogEntry(
            "info",
            "An exercise is stored; nothing of its agency accepts exercises, so it shows only to who asks, "
            "and the next rung is told at once.",
            ("alert_id", "agency"),
        ),
        "exercise.withheld": LogEntry(
            "info",
            "An exercise was planned for an endpoint or a contact that accepts none any more: not sent.",
            _DELIVERY,
        ),
        "alert.unreadable": LogEntry(
            "error",
            "A record on the alerts topic is no alert; it is kept in notify.unreadable.",
            ("topic", "partition", "offset"),
        ),
        "alert.acknowledged": LogEntry(
            "info",
            "A person took responsibility; only the first acknowledgement of an alert counts.",
            ("alert_id", "agency", "is_first"),
        ),
        "alert.refused": LogEntry(
            "info",
            "A person at the agency does not take it over; routing is told, and asks others. Only the first "
            "refusal of an alert counts, or the first for a conflict of interest.",
            ("alert_id", "agency", "reason", "is_recorded"),
        ),
        "alert.read": LogEntry(
            "info",
            "A person who is signed in was shown an alert; it is in notify.alert_read, too.",
            ("alert_id", "agency", "person_id"),
        ),
        "person.invited": LogEntry(
            "info",
            "An operator or an agency made a one-time code for a contact.",
            ("person_id", "agency"),
        ),
        "person.enrolled": LogEntry(
            "info", "A one-time code was used up: somebody may sign in.", ("person_id", "agency")
        ),
        "person.removed": LogEntry(
            "info", "Somebody may no longer sign in; their sessions ended.", ("person_id",)
        ),
        "sign_in.accepted": LogEntry("info", "Somebody signed in.", ("person_id", "agency")),
        "sign_in.refused": LogEntry(
            "warning", "Name, passphrase and code did not fit, or the code was used before."
        ),
        "sign_in.limited": LogEntry(
            "warning", "Somebody tries too often; nothing is judged until the while is over."
        ),
        "sessions.ended": LogEntry(
            "info", "Contacts left the directory; who was signed in there no longer is.", ("session_count",)
        ),
        "alerts.unacknowledged": LogEntry(
            "warning",
            "The time to acknowledge these has passed and nobody had; routing is told, and decides.",
            ("alert_count",),
        ),
        "alerts.unreachable": LogEntry(
            "warning",
            "Every path of these has failed; routing is told, and decides who is told instead.",
            ("alert_count",),
        ),
        "alerts.not_watched": LogEntry(
            "warning", "PostgreSQL was away when late acknowledgements were looked for; looking again."
        ),
        "duty.closed": LogEntry(
            "info",
            "An agency said what it did for a duty; only the first evidence counts.",
            ("duty_id", "agency", "is_first"),
        ),
        "duty.unreadable": LogEntry(
            "warning",
            "An alert does not open, so the register of duties has none of it: its case was shredded "
            "(`key_shredded`), or it was damaged.",
            ("alert_id", "agency", "detail"),
        ),
        "delivery.attempted": LogEntry(
            "info",
            "One try and how it ended. `endpoint_id` is the rung of the contact for an e-mail.",
            (
                *_DELIVERY,
                "attempt",
                "outcome",
                "status_code",
                "enhanced_code",
                "detail",
                "duration_ms",
                "next_step",
            ),
            apart=("channel", "outcome"),
        ),
        "delivery.held": LogEntry(
            "info",
            "An update or a cancel is not sent now: an attempt at its alert is under way on its path "
            "(`wait`), or its alert never arrived there and there is nothing to cancel (`silence`).",
            (*_DELIVERY, "turn"),
        ),
        "delivery.spared": LogEntry(
            "info",
            "Another alert of its ladder makes it needless, and it is tried no more: a later one reached "
            "the agency (`superseded`), somebody took the alert over (`acknowledged`), or the agency has a "
            "conflict of interest (`declined`).",
            (*_DELIVERY, "state"),
        ),
        "delivery.refused": LogEntry(
            "error",
            "A dead letter: asking again cannot help. Somebody must look.",
            (*_DELIVERY, "attempt", "status_code", "enhanced_code", "detail"),
        ),
        "delivery.exhausted": LogEntry(
            "error",
            "A dead letter: every attempt of the schedule was made. Somebody must look.",
            (*_DELIVERY, "attempt", "status_code", "enhanced_code", "detail"),
        ),
        "delivery.failed": LogEntry(
            "error", "An attempt met a fault of ours; it is made again on schedule.", _DELIVERY
        ),
        "delivery.postponed": LogEntry(
            "warning", "PostgreSQL was away when an attempt needed it; it is made again.", _DELIVERY
        ),
        "delivery.recovered": LogEntry(
            "info",
            "What an earlier life of this process, or a statement without an answer, had begun is "
            "attempted again.",
            ("delivery_count",),
        ),
        "delivery.not_claimed": LogEntry(
            "warning", "PostgreSQL was away when retries were due; asking again."
        ),
        "delivery.given_back": LogEntry(
            "info", "The process ends; what it never began is due for the next.", ("delivery_count",)
        ),
        "delivery.released": LogEntry(
            "info",
            "An endpoint answers again; what waited for it is attempted at once.",
            ("endpoint_id", "delivery_count"),
        ),
        "heartbeat.sent": LogEntry(
            "info",
            "An endpoint took its heartbeat, which listed so many alerts.",
            _HEARTBEAT,
        ),
        "heartbeat.failed": LogEntry(
            "warning",
            "An endpoint did not take its heartbeat; what it listed is listed by the next one.",
            _HEARTBEAT,
        ),
        "heartbeats.not_sent": LogEntry(
            "warning", "PostgreSQL was away when heartbeats were due; looking again."
        ),
        "pulse.lost": LogEntry(
            "error",
            "The chain does not move, or never did so far: `hops` are the furthest behind (decided: routing "
            "and case events; told: routing and receipts; answered: intake and receipts; taken_over: notify "
            "and alerts).",
            ("hops",),
        ),
        "pulse.regained": LogEntry("info", "The whole chain moves.", ("hops",)),
        "pulse.missed": LogEntry(
            "warning", "PostgreSQL or Kafka was away when the chain was to be proved; trying again."
        ),
        "pulse.ping_failed": LogEntry(
            "warning", "The monitor outside (TOCSIN_NOTIFY_PULSE_URL) did not take our ping."
        ),
        "endpoint.tested": LogEntry(
            "info",
            "An endpoint that is to be added was tried: unsigned, wrongly signed, signed.",
            ("endpoint_id", "agency", "operator", "passed"),
        ),
        "endpoint.limited": LogEntry(
            "warning",
            "An agency had endpoints tried too often; nothing more is tried until the while is over. If it "
            "knows nothing of it, its key is in other hands.",
            ("agency",),
        ),
        "endpoint.suspended": LogEntry(
            "error",
            "An endpoint keeps failing, or answered 410. Only what a law orders is tried there, and now and "
            "then a probe. Somebody must call the agency.",
            ("endpoint_id", "agency", "reason"),
        ),
        "endpoint.resumed": LogEntry(
            "info",
            "An endpoint that was suspended took a webhook; it gets everything again.",
            ("endpoint_id", "agency", "reason"),
        ),
        "endpoint.not_kept": LogEntry(
            "warning", "PostgreSQL was away when suspensions were to be written or read; trying again."
        ),
        "dead_letters.not_counted": LogEntry(
            "warning", "PostgreSQL was away when dead letters were to be counted; counting again."
        ),
        "deliveries.redriven": LogEntry(
            "info",
            "An operator had dead letters tried again.",
            ("delivery_count", "operator"),
        ),
        "deliveries.recovered": LogEntry(
            "info",
            "An agency had what its endpoint missed sent again.",
            ("agency", "endpoint_id", "delivery_count"),
        ),
        "operator.refused": LogEntry("warning", "A request without a valid operator key was refused."),
        "receipts.published": LogEntry(
            "info",
            "Receipts are on Kafka, acknowledged by every in-sync replica.",
            ("receipt_count", "batch_count"),
        ),
        "receipts.recovered": LogEntry(
            "info", "Receipts that routing may not have are published again.", ("batch_count",)
        ),
        "receipts.not_swept": LogEntry(
            "warning", "PostgreSQL or Kafka was away when the outbox was to be tidied; trying again."
        ),
        "receipts.not_written": LogEntry(
            "warning",
            "PostgreSQL was away when routing was to hear of stored alerts; trying again, or it asks again.",
        ),
        "results.postponed": LogEntry(
            "warning", "Results or receipts could not be handed on; trying again.", ("queue", "item_count")
        ),
        "results.unfinished": LogEntry(
            "warning",
            "The process ended before everything was handed on; the database knows what is missing.",
            ("queue", "item_count"),
        ),
        "email.not_configured": LogEntry(
            "warning", "There is no mail server (TOCSIN_NOTIFY_SMTP): no e-mail is sent."
        ),
        "directory.loaded": LogEntry(
            "info",
            "This version of the directory decides from now on where alerts go.",
            ("directory_version", "agency_count", "endpoint_count"),
        ),
        "directory.secret_unreadable": LogEntry(
            "error",
            "An endpoint's secret does not open: nothing can be signed for it. Apply the directory again.",
            ("directory_version", "endpoint_id"),
        ),
        "directory.unreadable": LogEntry(
            "error",
            "A record of the directory topic, or our copy of one, is no directory; the one in force stays.",
            ("topic", "offset"),
        ),
        "request.failed": LogEntry("error", "A request met a fault of ours; the agency is told 500."),
        "request.postponed": LogEntry(
            "warning", "PostgreSQL was away when a request needed it; the agency is told 503."
        ),
    }
)
