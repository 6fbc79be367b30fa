"""The directory in memory."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from schemas.directory import (
    AgencyRecord,
    Contact,
    DirectorySnapshot,
    EndpointRecord,
    RetiringSecret,
    endpoint_key_context,
    endpoint_seal_context,
)
from schemas.vocabulary import AgencyStatus, EndpointContent, Role, Rung
from services.notify.directory import Directory, DirectoryBehindError, build_view
from services.notify.signing import parse_secret
from services.runtime.crypto import hash_api_key, new_key, new_signing_key, new_webhook_secret, seal

KEY = new_key()
SECRET = new_webhook_secret()


def endpoint(agency: str, *, key: bytes = KEY, secret: str = SECRET) -> EndpointRecord:
    sealed = seal(key, secret.encode(), context=endpoint_seal_context(agency=agency, endpoint="ep_1"))
    return EndpointRecord(
        endpoint_id="ep_1", url="https://x.example", content=EndpointContent.POINTER, secret_sealed=sealed
    )


def agency(name: str, **changes: object) -> AgencyRecord:
    given = {"id": name, "name": name, "roles": [Role.LEA_LOCAL], "counties": "*", **changes}
    return AgencyRecord.model_validate(given)


def snapshot(*agencies: AgencyRecord, version: int = 1) -> DirectorySnapshot:
    return DirectorySnapshot(
        version=version, applied_at=datetime(2026, 3, 1, tzinfo=UTC), agencies=list(agencies), sources=[]
    )


def test_a_key_opens_its_own_agency_alone() -> None:
    view = build_view(
        snapshot(
            agency("ag-one", key_hashes=[hash_api_key("tca_one"), hash_api_key("tca_new")]),
            agency("ag-two", key_hashes=[hash_api_key("tca_two")]),
        ),
        directory_key=KEY,
    )
    found = {key: view.authenticate(key) for key in ("tca_one", "tca_new", "tca_two", "tca_none", "")}
    assert {key: got.id for key, got in found.items() if got} == {
        "tca_one": "ag-one",
        "tca_new": "ag-one",
        "tca_two": "ag-two",
    }


def test_an_agency_that_left_is_let_in_no_more() -> None:
    left = agency("ag-one", key_hashes=[hash_api_key("tca_one")], status=AgencyStatus.OFFBOARDED)
    view = build_view(snapshot(left), directory_key=KEY)
    assert view.authenticate("tca_one") is None
    assert view.find_active("ag-one") is None
    assert view.find_agency("ag-one") is not None


def test_a_key_that_two_agencies_share_opens_neither() -> None:
    shared = [hash_api_key("tca_shared")]
    view = build_view(
        snapshot(agency("ag-one", key_hashes=shared), agency("ag-two", key_hashes=shared)), directory_key=KEY
    )
    assert view.authenticate("tca_shared") is None


def test_an_endpoint_whose_secret_does_not_open_has_no_key_and_is_named() -> None:
    view = build_view(
        snapshot(
            agency("ag-one", endpoints=[endpoint("ag-one")]),
            agency("ag-two", endpoints=[endpoint("ag-two", key=new_key())]),
            agency("ag-three", endpoints=[endpoint("ag-three", secret="whsec_short")]),
        ),
        directory_key=KEY,
    )
    keys = {name: len(found.keys) for name in view.agencies if (found := view.find_endpoint(name, "ep_1"))}
    assert keys == {"ag-one": 1, "ag-two": 0, "ag-three": 0}
    assert view.keyless_endpoints == ["ep_1", "ep_1"]


def test_a_secret_moved_to_another_agency_does_not_open() -> None:
    view = build_view(snapshot(agency("ag-two", endpoints=[endpoint("ag-one")])), directory_key=KEY)
    found = view.find_endpoint("ag-two", "ep_1")
    assert found is not None
    assert found.keys == ()


def test_secrets_and_urls_do_not_print() -> None:
    view = build_view(snapshot(agency("ag-one", endpoints=[endpoint("ag-one")])), directory_key=KEY)
    assert "x.example" not in repr(view.find_endpoint("ag-one", "ep_1"))


def test_the_duty_desk_is_the_coordinators() -> None:
    phone = Contact(rung=Rung.PRIMARY, email="a@b.example", phone="+1 661 555 0100")
    other = Contact(rung=Rung.PRIMARY, email="a@b.example", phone="+1 661 555 0199")
    police = agency("ag-one", contacts=[other])
    coordinator = agency("ag-tfc", roles=[Role.TF_COORDINATOR], contacts=[phone])
    assert build_view(snapshot(police), directory_key=KEY).duty_desk_phone is None
    assert build_view(snapshot(police, coordinator), directory_key=KEY).duty_desk_phone == phone.phone


async def test_waiting_for_a_version_ends_when_it_arrives() -> None:
    directory = Directory()
    waiting = asyncio.create_task(directory.wait_for(2, seconds=30))
    await directory.replace(build_view(snapshot(version=1), directory_key=KEY))
    await asyncio.sleep(0)
    assert not waiting.done()
    await directory.replace(build_view(snapshot(version=3), directory_key=KEY))
    assert (await waiting).version == 3


async def test_a_version_that_does_not_come_is_passing_trouble() -> None:
    with pytest.raises(DirectoryBehindError) as caught:
        await Directory().wait_for(1, seconds=0)
    assert isinstance(caught.value, TimeoutError)


def test_what_was_replaced_signs_beside_its_successor_until_its_time_is_over() -> None:
    now = datetime(2026, 3, 4, tzinfo=UTC)
    old, key = new_webhook_secret(), new_signing_key()
    context = endpoint_seal_context(agency="ag-one", endpoint="ep_1")
    key_context = endpoint_key_context(agency="ag-one", endpoint="ep_1")
    record = endpoint("ag-one").model_copy(
        update={
            "signing_key_sealed": seal(KEY, key.encode(), context=key_context),
            "retiring": [
                RetiringSecret(sealed=seal(KEY, old.encode(), context=context), until=now),
                RetiringSecret(sealed=b"does not open" * 4, until=now + timedelta(hours=1)),
            ],
        }
    )
    view = build_view(snapshot(agency("ag-one", endpoints=[record])), directory_key=KEY)
    found = view.find_endpoint("ag-one", "ep_1")
    assert found is not None
    assert view.keyless_endpoints == []
    before, after = found.keys_at(now - timedelta(seconds=1)), found.keys_at(now)
    assert before == (*after, parse_secret(old))
    assert (len(after), after[0]) == (2, parse_secret(SECRET))


def test_an_endpoint_whose_signing_key_does_not_open_signs_nothing() -> None:
    record = endpoint("ag-one").model_copy(update={"signing_key_sealed": b"sealed by somebody else" * 3})
    view = build_view(snapshot(agency("ag-one", endpoints=[record])), directory_key=KEY)
    assert view.keyless_endpoints == ["ep_1"]
