"""The directory changes while everything runs: once `tocsin directory apply` returns, it counts."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from nacl.signing import VerifyKey
from standardwebhooks import Webhook

from services.runtime.crypto import new_api_key
from tests.support.command import Done, tocsin
from tests.support.story import (
    ADVOCATE,
    CHILD_WELFARE,
    COORDINATOR,
    POLICE,
    adult_found_by_police,
    found_by_police,
)
from tests.support.task_force import SERVICES, TaskForce, build_directory, build_endpoint
from tests.support.waiting import SECONDS, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Operator:
    """Applies changes of the sample directory."""

    def __init__(self, task_force: TaskForce, folder: Path) -> None:
        self._task_force = task_force
        self._file = folder / "directory.json"

    async def apply(self, *changes: dict[str, Any], **more: object) -> Done:
        """The sample with the receivers' endpoints, these agencies changed, and these other keys."""
        directory = build_directory(self._task_force.receivers, changes) | more
        self._file.write_bytes(orjson.dumps(directory))
        return await tocsin(
            "directory", "apply", self._file, "--json", "--data-dir", self._task_force.stack.data_dir
        )


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def operator(
    task_force: TaskForce, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Operator]:
    """The directory is put back at the end; a change replaces the one before."""
    operator = Operator(task_force, tmp_path_factory.mktemp("operator"))
    yield operator
    assert (await operator.apply()).exit_code == 0


async def versions(task_force: TaskForce) -> set[int]:
    return {
        (await task_force.get(f"{task_force.url(name)}/readyz")).json()["directory_version"]
        for name in SERVICES
    }


async def test_an_offboarded_agency_hears_nothing_more_and_the_coordinator_is_told(
    task_force: TaskForce, operator: Operator
) -> None:
    (before,) = await versions(task_force)
    done = await operator.apply({"id": ADVOCATE, "status": "offboarded"})
    assert (done.exit_code, done.json()["version"]) == (0, before + 1)
    # At once: every service has it, or the command would not have returned.
    assert await versions(task_force) == {before + 1}

    event = adult_found_by_police(name="offboarded")
    await task_force.accept(event)
    alarm = (await task_force.hears(COORDINATOR, event)).data
    assert (alarm["reason"], alarm["rules"]) == ("OFFBOARDED", ["S-04"])
    assert task_force.who_heard(event) == {COORDINATOR}


async def test_what_an_offboarded_agency_was_told_before_is_closed_to_it(
    task_force: TaskForce, operator: Operator
) -> None:
    assert (await operator.apply()).exit_code == 0
    event = adult_found_by_police(name="closed")
    await task_force.accept(event)
    path = f"/v1/alerts/{(await task_force.hears(ADVOCATE, event)).data['alert_id']}"
    assert (await task_force.ask_notify("GET", path, agency=ADVOCATE)).status == 200
    await operator.apply({"id": ADVOCATE, "status": "offboarded"})
    assert (await task_force.ask_notify("GET", path, agency=ADVOCATE)).status == 401


async def test_the_next_alert_goes_to_the_new_endpoint_alone(
    task_force: TaskForce, operator: Operator
) -> None:
    moved = "child-welfare-moved"
    endpoints = [build_endpoint(task_force.receivers, moved)]
    assert (await operator.apply({"id": CHILD_WELFARE, "endpoints": endpoints})).exit_code == 0

    event = found_by_police(name="moved")
    await task_force.accept(event)
    await task_force.hears(moved, event)
    assert task_force.heard(CHILD_WELFARE, event) == []


async def test_a_new_source_key_counts_and_the_old_one_does_not(
    task_force: TaskForce, operator: Operator
) -> None:
    old, new = task_force.stack.keys["sources"][POLICE], new_api_key("tcs")
    others = {**task_force.stack.keys["sources"], POLICE: new}
    sources = [{"source": source, "key": key, "types": ["*"]} for source, key in others.items()]
    assert (await operator.apply(sources=sources)).exit_code == 0

    event = adult_found_by_police(name="new-key")
    assert (await task_force.post(event, key=old)).status == 401
    assert (await task_force.post(event, key=new)).status == 202
    assert task_force.stack.keys["sources"][POLICE] == new


async def test_a_faulty_file_names_the_places_and_changes_nothing(
    task_force: TaskForce, operator: Operator
) -> None:
    before = await versions(task_force)
    done = await operator.apply(
        {"id": ADVOCATE, "confidentiality": "standard"},
        {"id": COORDINATOR, "contacts": [{"rung": "third", "email": "nobody"}]},
    )
    assert (done.exit_code, done.output) == (1, "")
    place = [agency["id"] for agency in build_directory(task_force.receivers)["agencies"]].index(COORDINATOR)
    assert f"/agencies/{place}/contacts/0/rung" in done.errors
    assert "nobody" not in done.errors
    assert await versions(task_force) == before


async def test_a_laxer_confidentiality_than_the_role_allows_is_refused(
    task_force: TaskForce, operator: Operator
) -> None:
    done = await operator.apply({"id": ADVOCATE, "confidentiality": "standard"})
    assert done.exit_code == 1
    assert "/confidentiality" in done.errors


async def test_a_file_that_is_not_there_is_said_to_be_missing(task_force: TaskForce, tmp_path: Path) -> None:
    done = await tocsin("directory", "apply", tmp_path / "none.yaml", "--data-dir", task_force.stack.data_dir)
    assert done.exit_code == 2
    assert "none.yaml" in done.errors


async def test_an_endpoint_is_rotated_and_old_and_new_secret_verify(task_force: TaskForce) -> None:
    receiver = task_force.receivers[CHILD_WELFARE]
    words = ("endpoint", "rotate", CHILD_WELFARE, receiver.url, "--json")
    data_dir = ("--data-dir", task_force.stack.data_dir)
    rotated = (await tocsin(*words, *data_dir)).json()
    keyed = (await tocsin(*words, "--signing-key", *data_dir)).json()

    async def is_in_force() -> bool:
        return all(version >= keyed["version"] for version in await versions(task_force))

    await eventually(is_in_force, what="every service uses the rotated secret")
    event = found_by_police(name="rotated")
    await task_force.accept(event)
    arrival = await task_force.hears(CHILD_WELFARE, event)
    assert arrival.is_verified
    headers = dict(arrival.headers)
    assert Webhook(rotated["secret"]).verify(arrival.body, headers)
    (signature,) = [
        part.removeprefix("v1a,")
        for part in headers["webhook-signature"].split(" ")
        if part.startswith("v1a,")
    ]
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + arrival.body
    public = base64.b64decode(keyed["public_key"].removeprefix("whpk_"))
    VerifyKey(public).verify(content, base64.b64decode(signature))


async def test_what_cannot_be_rotated_is_refused_with_1(task_force: TaskForce) -> None:
    words = ("endpoint", "rotate", CHILD_WELFARE, "https://nobody.example/")
    done = await tocsin(*words, "--data-dir", task_force.stack.data_dir)
    assert (done.exit_code, done.output) == (1, "")
    assert "tocsin directory show" in done.errors
    wrong = await tocsin(*words, "--overlap", "a while", "--data-dir", task_force.stack.data_dir)
    assert wrong.exit_code == 2


async def test_an_endpoint_is_added_once_its_receiver_refuses_what_it_must_and_gets_the_next_alert(
    task_force: TaskForce, operator: Operator, tmp_path: Path
) -> None:
    assert (await operator.apply()).exit_code == 0
    receiver, secret_file = task_force.receivers["onboarded"], tmp_path / "cw.secret"
    folder = ("--data-dir", task_force.stack.data_dir)
    words = ("endpoint", "add", CHILD_WELFARE, receiver.url, "--secret-file", secret_file, *folder)
    made = await tocsin(*words)
    assert (made.exit_code, secret_file.stat().st_mode & 0o777) == (3, 0o600)
    refused = await tocsin(*words)
    assert refused.exit_code == 1
    assert "the signed test message: answered 401 Unauthorized" in refused.errors
    receiver.secret = secret_file.read_text().strip()
    added = await tocsin(*words)
    assert (added.exit_code, added.errors) == (0, "")
    assert "unsigned: answered 401 Unauthorized" in added.output
    assert "is in force." in added.output
    shown = await tocsin("directory", "show", CHILD_WELFARE, *folder)
    assert receiver.url in shown.output, shown.errors
    nobody = await tocsin("directory", "show", "ag-nobody", *folder)
    assert (nobody.exit_code, nobody.output) == (1, "")
    assert receiver.secret not in added.output

    event = found_by_police(name="onboarded")
    await task_force.accept(event)
    async with asyncio.timeout(SECONDS), receiver.changed:
        await receiver.changed.wait_for(lambda: any("alert_id" in each.data for each in receiver.arrivals))
    assert receiver.arrivals[-1].is_verified

    # A file that says nothing of it does not silence it.
    applied = await operator.apply({"id": CHILD_WELFARE, "name": "Another name"})
    assert applied.exit_code == 0
    removed = await tocsin("endpoint", "remove", CHILD_WELFARE, receiver.url, *folder)
    assert (removed.exit_code, removed.output[:26]) == (0, "Gone as of directory versi")
    again = await tocsin("endpoint", "remove", CHILD_WELFARE, receiver.url, *folder)
    assert again.exit_code == 1
