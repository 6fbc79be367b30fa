"""Case keys: one per case, whoever asks first, and none once shredded."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from services.runtime.crypto import Kek, SealError, new_key
from services.runtime.database import Pool, connection, open_pool
from services.runtime.keyring import CACHE_SECONDS, Keyring
from tests.integration.runtime.conftest import HandClock
from tests.support.servers import Database

KEK = Kek({1: new_key()}, current=1)


@pytest.fixture
async def intake_pool(database: Database) -> AsyncIterator[Pool]:
    async with open_pool(database.url("intake"), size=4) as opened:
        yield opened


@pytest.fixture
def keyring(intake_pool: Pool) -> Keyring:
    return Keyring(intake_pool, KEK)


def new_refs(count: int) -> list[str]:
    return [f"case-{uuid4()}" for _ in range(count)]


async def shred(pool: Pool, case_ref: str) -> None:
    async with connection(pool) as acquired:
        await acquired.execute("UPDATE keyring.case_key SET wrapped = NULL WHERE case_ref = $1", case_ref)


async def test_a_case_keeps_its_key(keyring: Keyring, intake_pool: Pool) -> None:
    refs = new_refs(50)
    made = await keyring.ensure_keys(refs)
    assert set(made) == set(refs)
    assert len({key.secret for key in made.values()}) == 50
    assert await Keyring(intake_pool, KEK).ensure_keys(refs) == made


async def test_two_processes_that_race_agree_on_every_key(database: Database) -> None:
    refs = new_refs(200)
    async with (
        open_pool(database.url("intake"), size=4) as one,
        open_pool(database.url("intake"), size=4) as other,
    ):
        rings = [Keyring(pool, KEK) for pool in (one, other) for _ in range(3)]
        orders = [refs, refs[::-1], refs[50:] + refs[:50]] * 2
        answers = await asyncio.gather(
            *(ring.ensure_keys(order) for ring, order in zip(rings, orders, strict=True))
        )
    assert all(answer == answers[0] for answer in answers)
    assert len(answers[0]) == 200


async def test_a_key_is_found_by_its_id_by_a_service_that_only_reads(
    keyring: Keyring, database: Database
) -> None:
    (key,) = (await keyring.ensure_keys(new_refs(1))).values()
    async with open_pool(database.url("routing"), size=1) as pool:
        assert await Keyring(pool, KEK).find_keys([key.key_id]) == {key.key_id: key}


@pytest.mark.parametrize("service", ["routing", "notify"])
async def test_a_service_that_only_reads_cannot_make_a_key(database: Database, service: str) -> None:
    async with open_pool(database.url(service), size=1) as pool:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await Keyring(pool, KEK).ensure_keys(new_refs(1))


@pytest.mark.parametrize("service", ["intake", "routing", "notify"])
async def test_no_service_can_shred_or_delete(database: Database, service: str) -> None:
    async with open_pool(database.url(service), size=1) as pool, connection(pool) as acquired:
        for statement in ("UPDATE keyring.case_key SET wrapped = NULL", "DELETE FROM keyring.case_key"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await acquired.execute(statement)


async def test_a_shredded_case_has_no_key_and_gets_no_new_one(
    keyring: Keyring, intake_pool: Pool, pool: Pool
) -> None:
    gone, kept = new_refs(2)
    keys = await keyring.ensure_keys([gone, kept])
    await shred(pool, gone)
    fresh = Keyring(intake_pool, KEK)
    assert await fresh.ensure_keys([gone, kept]) == {kept: keys[kept]}
    assert await fresh.find_keys([keys[gone].key_id, keys[kept].key_id]) == {
        keys[gone].key_id: None,
        keys[kept].key_id: keys[kept],
    }


async def test_an_unknown_id_has_no_key(keyring: Keyring) -> None:
    unknown = uuid4()
    assert await keyring.find_keys([unknown]) == {unknown: None}


async def test_a_key_is_kept_for_a_minute_and_no_longer(
    intake_pool: Pool, pool: Pool, clock: HandClock
) -> None:
    keyring = Keyring(intake_pool, KEK, clock=clock)
    (ref,) = new_refs(1)
    keys = await keyring.ensure_keys([ref])
    await shred(pool, ref)
    clock.seconds = CACHE_SECONDS - 1
    assert await keyring.ensure_keys([ref]) == keys
    clock.seconds = CACHE_SECONDS
    assert await keyring.ensure_keys([ref]) == {}


async def test_a_key_that_was_dropped_is_not_remembered(keyring: Keyring, pool: Pool) -> None:
    (ref,) = new_refs(1)
    key = (await keyring.ensure_keys([ref]))[ref]
    await shred(pool, ref)
    keyring.forget_all()
    assert await keyring.find_keys([key.key_id]) == {key.key_id: None}
    assert await keyring.ensure_keys([ref]) == {}


async def test_the_least_used_key_is_dropped_when_there_are_too_many(intake_pool: Pool, pool: Pool) -> None:
    keyring = Keyring(intake_pool, KEK, size=2)
    first, second, third = new_refs(3)
    for ref in (first, second, first, third):
        await keyring.ensure_keys([ref])
    for ref in (first, second, third):
        await shred(pool, ref)
    assert set(await keyring.ensure_keys([first, second, third])) == {first, third}


async def test_more_keys_than_are_kept_are_still_all_answered(intake_pool: Pool) -> None:
    refs = new_refs(10)
    assert set(await Keyring(intake_pool, KEK, size=3).ensure_keys(refs)) == set(refs)


async def test_a_wrapped_key_moved_to_another_case_does_not_unwrap(
    keyring: Keyring, intake_pool: Pool, pool: Pool
) -> None:
    mine, other = new_refs(2)
    await keyring.ensure_keys([mine, other])
    async with connection(pool) as acquired:
        await acquired.execute(
            "UPDATE keyring.case_key SET wrapped = (SELECT wrapped FROM keyring.case_key WHERE case_ref = $1)"
            " WHERE case_ref = $2",
            mine,
            other,
        )
    with pytest.raises(SealError):
        await Keyring(intake_pool, KEK).ensure_keys([other])


async def test_no_key_lies_in_the_table_in_the_clear(keyring: Keyring, pool: Pool) -> None:
    (ref,) = new_refs(1)
    key = (await keyring.ensure_keys([ref]))[ref]
    async with connection(pool) as acquired:
        row = await acquired.fetchval(
            "SELECT to_jsonb(k)::text FROM keyring.case_key k WHERE case_ref = $1", ref
        )
    assert key.secret.hex() not in row
    assert key.secret.hex() not in repr(key)
