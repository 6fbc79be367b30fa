"""Receipts as they leave, read by the model that is the contract."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from schemas.receipt import (
    RECEIPT,
    Delivered,
    EndpointResumed,
    EndpointSuspended,
    Failed,
    ReceiptKind,
    Refused,
)
from schemas.vocabulary import RefusalReason
from services.notify import receipts
from services.notify.breaker import Resumed, Suspended, Suspension, SuspensionReason
from services.notify.delivery import Channel
from tests.unit.notify.records import alert_record

AT = datetime(2026, 3, 4, 6, 41, 0, 123456, tzinfo=UTC)


def every_kind() -> list[receipts.Receipt]:
    record, delivery_id = alert_record(), uuid4()
    return [
        receipts.stored(record, at=AT),
        receipts.delivered(record, at=AT, delivery_id=delivery_id, channel=Channel.WEBHOOK),
        receipts.failed(record, at=AT, delivery_id=delivery_id, channel=Channel.EMAIL, outcome="refused"),
        receipts.acknowledged(record, at=AT),
        receipts.refused(record, at=AT, reason=RefusalReason.NO_CAPACITY),
        receipts.unacknowledged(record, at=AT),
        receipts.unreachable(record, at=AT),
    ]


def test_each_receipt_is_of_the_contract_and_its_header_repeats_the_kind() -> None:
    for receipt in every_kind():
        model = RECEIPT.validate_json(receipt.value)
        assert model.kind.value.encode() == receipt.kind
        assert receipt.key == b"01JNF0Z6W3"
        assert model.at == AT


def test_a_receipt_of_a_delivery_names_it_and_its_channel() -> None:
    models = [RECEIPT.validate_json(receipt.value) for receipt in every_kind()]
    found = {
        model.kind: (model.channel, model.outcome if isinstance(model, Failed) else None)
        for model in models
        if isinstance(model, Delivered | Failed)
    }
    assert found == {
        ReceiptKind.DELIVERED: ("webhook", None),
        ReceiptKind.FAILED: ("email", "refused"),
    }


def test_a_refusal_says_why_in_a_word() -> None:
    models = [RECEIPT.validate_json(receipt.value) for receipt in every_kind()]
    assert [model.reason for model in models if isinstance(model, Refused)] == [RefusalReason.NO_CAPACITY]


def test_what_is_packed_comes_out_the_same() -> None:
    given = every_kind()
    assert receipts.unpack(receipts.pack(given)) == given


def test_nothing_packed_is_nothing() -> None:
    assert list(receipts.unpack(receipts.pack([]))) == []


@pytest.mark.parametrize(
    ("change", "model"), [(Suspended, EndpointSuspended), (Resumed, EndpointResumed)], ids=["begins", "ends"]
)
def test_a_receipt_of_an_endpoint_has_its_agency_for_a_key(
    change: type[Suspended | Resumed], model: type[EndpointSuspended | EndpointResumed]
) -> None:
    suspension = Suspension(
        endpoint_id="ep_one", agency="ag-kern-cw", reason=SuspensionReason.GONE, since=AT, probe_at=AT
    )
    receipt = receipts.endpoint_changed(change(suspension), at=AT)
    read = RECEIPT.validate_json(receipt.value)
    assert isinstance(read, model)
    assert (read.agency, read.endpoint_id, read.reason, read.since) == ("ag-kern-cw", "ep_one", "gone", AT)
    assert receipt.key == b"ag-kern-cw"
    assert receipts.unpack(receipts.pack([receipt])) == [receipt]
