"""Names that two services must agree on, though neither may import the other."""

from schemas.topics import ROUTING_RECEIPTS_GROUP
from services.notify.settings import NotifySettings
from services.routing.subscribers import RECEIPTS_GROUP


def test_notify_looks_at_the_group_in_which_routing_reads_receipts() -> None:
    assert RECEIPTS_GROUP == ROUTING_RECEIPTS_GROUP
    assert NotifySettings.model_fields["routing_receipts_group"].default == ROUTING_RECEIPTS_GROUP
