"""What an endpoint is signed with: kept until somebody says otherwise, replaced with an overlap."""

from datetime import UTC, datetime, timedelta

import pytest

from schemas.directory import (
    Endpoint,
    EndpointLimits,
    EndpointRecord,
    endpoint_key_context,
    endpoint_seal_context,
)
from schemas.vocabulary import EndpointContent
from services.routing.handlers.endpoint_secrets import (
    MOST_REPLACED,
    OVERLAP,
    SecretKeeper,
    SecretKind,
    SecretMissingError,
)
from services.runtime.crypto import (
    SigningKeyError,
    new_key,
    new_signing_key,
    new_webhook_secret,
    open_sealed,
    public_key_of,
)

AGENCY, URL = "ag-kern-cw", "https://cw.example/tocsin"
NOW = datetime(2026, 3, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEY = new_key()
KEEPER = SecretKeeper(KEY)
OLD, NEW = new_webhook_secret(), new_webhook_secret()


def renew(previous: EndpointRecord | None, *, at: datetime = NOW, **given: str) -> EndpointRecord:
    renewed = KEEPER.renew(AGENCY, Endpoint.model_validate({"url": URL, **given}), previous, now=at)
    assert renewed.stale == ()
    return renewed.record


def opened(record: EndpointRecord, sealed: bytes, kind: SecretKind = SecretKind.SECRET) -> str:
    context = endpoint_seal_context if kind is SecretKind.SECRET else endpoint_key_context
    names = context(agency=AGENCY, endpoint=record.endpoint_id)
    return open_sealed(KEY, sealed, context=names).decode()


def in_force(record: EndpointRecord) -> str:
    return opened(record, record.secret_sealed)


def test_a_new_endpoint_is_sealed_and_has_nothing_to_retire() -> None:
    record = renew(None, secret=OLD, content="disclosed")
    assert in_force(record) == OLD
    assert (record.retiring, record.replaced, record.public_key) == ([], [], None)
    assert record.content is EndpointContent.DISCLOSED


def test_a_new_endpoint_without_a_secret_is_refused() -> None:
    with pytest.raises(SecretMissingError):
        renew(None)


@pytest.mark.parametrize("given", [{}, {"secret": OLD}])
def test_what_is_not_given_or_the_same_stays(given: dict[str, str]) -> None:
    first = renew(None, secret=OLD)
    assert renew(first, at=NOW + HOUR, **given) == first


def test_another_secret_in_the_file_is_a_rotation_with_a_day_of_overlap() -> None:
    record = renew(renew(None, secret=OLD), at=NOW + HOUR, secret=NEW)
    assert in_force(record) == NEW
    assert [(opened(record, kept.sealed), kept.until) for kept in record.retiring] == [
        (OLD, NOW + HOUR + OVERLAP)
    ]
    later = renew(record, at=NOW + HOUR + OVERLAP)
    assert (in_force(later), later.retiring) == (NEW, [])


def test_a_file_does_not_bring_back_what_was_rotated_away() -> None:
    first = renew(None, secret=OLD)
    rotated = KEEPER.rotate(AGENCY, first, SecretKind.SECRET, now=NOW, overlap=HOUR)
    assert in_force(rotated.record) == rotated.shown != OLD
    for later in (NOW, NOW + 100 * HOUR):
        again = KEEPER.renew(AGENCY, Endpoint(url=URL, secret=OLD), rotated.record, now=later)
        assert again.stale == (SecretKind.SECRET,)
        assert in_force(again.record) == rotated.shown


def test_rotating_twice_within_the_overlap_keeps_all_three() -> None:
    record = renew(None, secret=OLD)
    shown = []
    for hours in (0, 1):
        rotated = KEEPER.rotate(AGENCY, record, SecretKind.SECRET, now=NOW + hours * HOUR, overlap=2 * HOUR)
        record = rotated.record
        shown.append(rotated.shown)
    assert in_force(record) == shown[1]
    assert [opened(record, kept.sealed) for kept in record.retiring] == [shown[0], OLD]


def test_an_endpoint_gets_its_first_signing_key_and_only_the_public_one_is_shown() -> None:
    rotated = KEEPER.rotate(AGENCY, renew(None, secret=OLD), SecretKind.SIGNING_KEY, now=NOW, overlap=HOUR)
    record = rotated.record
    assert record.signing_key_sealed is not None
    key = opened(record, record.signing_key_sealed, SecretKind.SIGNING_KEY)
    assert rotated.shown == record.public_key == public_key_of(key)
    assert (in_force(record), record.retiring) == (OLD, [])


def test_a_signing_key_may_come_from_the_file_and_must_fit_its_public_half() -> None:
    mine, other = new_signing_key(), new_signing_key()
    assert renew(None, secret=OLD, signing_key=mine).public_key == public_key_of(mine)
    forged = mine[: 5 + 43] + other[5 + 43 :]
    with pytest.raises(SigningKeyError):
        renew(None, secret=OLD, signing_key=forged)


def test_what_does_not_open_is_replaced_and_retires_nothing() -> None:
    strange = SecretKeeper(new_key()).renew(AGENCY, Endpoint(url=URL, secret=OLD), None, now=NOW).record
    record = renew(strange, secret=NEW)
    assert (in_force(record), record.retiring) == (NEW, [])


def test_what_was_replaced_long_ago_is_remembered_but_not_for_ever() -> None:
    record = renew(None, secret=OLD)
    for _ in range(MOST_REPLACED + 1):
        record = KEEPER.rotate(AGENCY, record, SecretKind.SECRET, now=NOW, overlap=HOUR).record
        record = record.model_copy(update={"retiring": []})
    assert len(record.replaced) == MOST_REPLACED


def test_nothing_readable_is_in_the_record() -> None:
    key = new_signing_key()
    record = renew(renew(None, secret=OLD, signing_key=key), secret=NEW)
    document = record.model_dump_json()
    assert not [word for word in (OLD, NEW, key, key[5:40], OLD[6:30]) if word in document]


def test_limits_are_as_the_file_says_now() -> None:
    limits = EndpointLimits(per_second=5)
    first = KEEPER.renew(AGENCY, Endpoint(url=URL, secret=OLD, limits=limits), None, now=NOW).record
    assert first.limits == limits
    assert renew(first).limits is None
