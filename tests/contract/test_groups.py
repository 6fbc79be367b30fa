"""Names that two services must agree on, though neither may import the other."""

from schemas.topics import INTAKE_RECEIPTS_GROUP, ROUTING_RECEIPTS_GROUP
from services.intake import subscribers as intake
from services.notify.settings import NotifySettings
from services.routing.settings import RoutingSettings
from services.routing.subscribers import RECEIPTS_GROUP


def test_notify_looks_at_the_group_in_which_routing_reads_receipts() -> None:
    assert RECEIPTS_GROUP == ROUTING_RECEIPTS_GROUP
    assert NotifySettings.model_fields["routing_receipts_group"].default == ROUTING_RECEIPTS_GROUP


def test_routing_looks_at_the_group_in_which_intake_reads_receipts() -> None:
    assert intake.RECEIPTS_GROUP == INTAKE_RECEIPTS_GROUP
    assert RoutingSettings.model_fields["intake_receipts_group"].default == INTAKE_RECEIPTS_GROUP
