"""Signing in: throttled, the password checked outside any transaction, refusals all alike."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, or_, select, update

from core.database import Database, Transaction
from models.user_tables import accounts
from services.users.audit import audit
from services.users.errors import AccountSuspended, InvalidCredentials
from services.users.passwords import Passwords
from services.users.sessions import Client, OpenedSession, open_session
from services.users.throttle import Throttle

LOGIN_MAX = 320


async def sign_in(
    db: Database,
    *,
    login: str,
    password: str,
    client: Client,
    passwords: Passwords,
    throttle: Throttle,
    refresh_token_s: int,
) -> OpenedSession:
    """Open a session for an e-mail address or username and its password.

    Takes the database and not a transaction: the password is checked between two short units, for
    a connection that waits for Argon2 is missing elsewhere. Raises `InvalidCredentials` (after the
    same work, whatever was wrong), `AccountSuspended`, `RateLimited`, `Unavailable`.
    """
    await throttle.try_address(client.address)
    account = await _find_account(db, login)
    throttled = throttle_key(account.id if account else None, login)
    await throttle.try_account(throttled)
    right = await passwords.verify(account.password_hash if account else None, password)
    if account is None or not right:
        await _refuse(db, account.id if account else None, client)
        raise InvalidCredentials
    renewed = await _renewed_hash(passwords, account.password_hash, password)
    opened = await db.transaction(
        lambda tx: _enter(tx, account, renewed, client=client, refresh_token_s=refresh_token_s)
    )
    await throttle.forgive_account(throttled)
    return opened


@dataclass(frozen=True, slots=True)
class _Account:
    id: UUID
    password_hash: str


async def _find_account(db: Database, login: str) -> _Account | None:
    if len(login) > LOGIN_MAX or "\0" in login or not login.isprintable():
        return None
    name = func.lower(unicodedata.normalize("NFC", login))
    statement = select(accounts.c.id, accounts.c.password_hash).where(
        or_(func.lower(accounts.c.email) == name, func.lower(accounts.c.username) == name),
        accounts.c.status != "DELETED",
    )
    async with db.read() as session:
        row = (await session.execute(statement)).one_or_none()
    return None if row is None else _Account(row.id, row.password_hash)


def throttle_key(user_id: UUID | None, login: str = "") -> str:
    """One window for each account, whichever name is used; one for each name nobody has, too."""
    if user_id is not None:
        return user_id.hex
    return hashlib.sha256(login.lower().encode("utf-8", "surrogatepass")).hexdigest()


async def _refuse(db: Database, user_id: UUID | None, client: Client) -> None:
    # What was typed is not kept: people type passwords into the wrong field.
    await db.transaction(
        lambda tx: audit(tx, "SIGN_IN_FAILED", user_id=user_id, address=client.address)
    )


async def _renewed_hash(passwords: Passwords, password_hash: str, password: str) -> str | None:
    if not passwords.is_outdated(password_hash):
        return None
    return await passwords.hash(password)


async def _enter(
    tx: Transaction,
    account: _Account,
    renewed: str | None,
    *,
    client: Client,
    refresh_token_s: int,
) -> OpenedSession:
    row = (
        await tx.execute(
            select(accounts.c.status, accounts.c.password_hash)
            .where(accounts.c.id == account.id)
            .with_for_update(key_share=True)
        )
    ).one()
    if row.status == "SUSPENDED":
        raise AccountSuspended
    # The password was changed, or the account deleted, while the old one was being checked.
    if row.status != "ACTIVE" or row.password_hash != account.password_hash:
        raise InvalidCredentials
    if renewed is not None:
        await tx.execute(
            update(accounts).where(accounts.c.id == account.id).values(password_hash=renewed)
        )
    return await open_session(
        tx, user_id=account.id, client=client, refresh_token_s=refresh_token_s
    )
