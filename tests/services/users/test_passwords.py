"""Passwords: what may be one, and that checking one costs the same whoever asks."""

import asyncio

import pytest

from core.errors import InvalidInput, Unavailable
from services.users import passwords as module
from services.users.passwords import Passwords, clean_password


async def test_a_password_is_hashed_by_argon2id_with_a_salt_of_its_own(passwords):
    one, other = await passwords.hash("hunter22"), await passwords.hash("hunter22")
    assert one.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert one != other
    assert await passwords.verify(one, "hunter22")
    assert not await passwords.verify(one, "hunter23")


async def test_no_account_costs_a_verification_too_and_never_matches(passwords):
    before = passwords.verifications
    assert not await passwords.verify(None, "hunter22")
    assert not await passwords.verify("$argon2id$nonsense", "hunter22")
    assert not await passwords.verify(await passwords.hash("x" * 129), "x" * 129)
    assert passwords.verifications == before + 3


async def test_the_same_password_typed_on_another_keyboard_matches(passwords):
    composed, decomposed = "caf\u00e9 cr\u00e8me", "cafe\u0301 cre\u0300me"
    stored = await passwords.hash(clean_password(decomposed))
    assert await passwords.verify(stored, composed)


@pytest.mark.parametrize("password", ["12345678", "x" * 128, "        .", "\U0001f600" * 8])
def test_any_characters_make_a_password(password):
    assert clean_password(password) == password


@pytest.mark.parametrize(
    "password", ["", "1234567", "x" * 129, "12345678\0", "1234567\ud800", "\ufdfa" * 20]
)
def test_what_is_no_password_is_refused(password):
    with pytest.raises(InvalidInput) as refused:
        clean_password(password, field="newPassword")
    assert refused.value.field == "newPassword"


async def test_a_lone_surrogate_is_a_wrong_password_not_a_crash(passwords):
    assert not await passwords.verify(await passwords.hash("hunter22"), "hunter2\ud800")


async def test_hashing_leaves_the_event_loop_free(passwords):
    slow = Passwords(memory_kib=65_536, time_cost=3, workers=1)
    hashing = asyncio.create_task(slow.hash("hunter22"))
    turns = 0
    while not hashing.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 100
    slow.close()


async def test_more_hashes_than_may_wait_are_refused(passwords, monkeypatch):
    monkeypatch.setattr(module, "WAITING_MAX", 3)
    results = await asyncio.gather(
        *(passwords.hash("hunter22") for _ in range(5)), return_exceptions=True
    )
    assert [type(r) for r in results] == [str, str, str, Unavailable, Unavailable]
    assert await passwords.hash("hunter22")


async def test_a_hash_of_older_parameters_is_known_as_such(passwords):
    assert not passwords.is_outdated(await passwords.hash("hunter22"))
    other = Passwords(memory_kib=16, time_cost=1)
    assert passwords.is_outdated(await other.hash("hunter22"))
    other.close()
