"""Argon2id in a few threads of its own, so that hashing stalls neither the event loop nor the rest.

What a password may be stands here too. No SQL: hash before a transaction, never inside one.
"""

from __future__ import annotations

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from core.errors import InvalidInput, Unavailable
from core.settings import Settings
from core.text import clean_text

T = TypeVar("T")

PASSWORD_MIN = 8
PASSWORD_MAX = 128
"""NIST SP 800-63B asks for at least 8, and to allow at least 64; all characters, none required."""

WORKERS = 2
WAITING_MAX = 100


class Passwords:
    """The hasher of one process. `verifications` counts every check, of the stand-in hash too."""

    def __init__(self, *, memory_kib: int, time_cost: int, workers: int = WORKERS) -> None:
        self._hasher = PasswordHasher(
            time_cost=time_cost, memory_cost=memory_kib, parallelism=1, hash_len=32, salt_len=16
        )
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="argon2")
        self._waiting = 0
        self._stand_in = self._hasher.hash(secrets.token_hex(16))
        self.verifications = 0

    async def hash(self, password: str) -> str:
        """The hash to store of a password that `clean_password` returned."""
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is the one hashed. None (no such account) costs the same time."""
        self.verifications += 1
        candidate = _normal(password) if len(password) <= PASSWORD_MAX else None
        target = self._stand_in if password_hash is None or candidate is None else password_hash
        matches = await self._run(lambda: self._matches(target, candidate or ""))
        return matches and target is not self._stand_in

    def is_outdated(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than those of now."""
        return self._hasher.check_needs_rehash(password_hash)

    def close(self) -> None:
        """Let running hashes end and take no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password.encode("utf-8", "surrogatepass"))
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        """Raises `Unavailable` where too many wait already: each hash takes memory and a core."""
        if self._waiting >= WAITING_MAX:
            raise Unavailable("too many sign-ins at once; try again in a moment")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def passwords_of(settings: Settings) -> Passwords:
    """The hasher that the settings ask for."""
    return Passwords(memory_kib=settings.argon2_memory_kib, time_cost=settings.argon2_time_cost)


def clean_password(password: str, *, field: str = "password") -> str:
    """The password in the form that is hashed (NFKC, so that each keyboard types the same one).

    Raises `InvalidInput(field)` outside 8 to 128 characters and for text `clean_text` refuses.
    """
    clean_text(password, field=field, minimum=PASSWORD_MIN, maximum=PASSWORD_MAX)
    normal = _normal(password)
    if not PASSWORD_MIN <= len(normal) <= PASSWORD_MAX:
        raise InvalidInput(field, f"{PASSWORD_MIN} to {PASSWORD_MAX} characters")
    return normal


def _normal(password: str) -> str:
    return unicodedata.normalize("NFKC", password)
