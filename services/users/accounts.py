"""Accounts: made, renamed, given a new password, suspended."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from core.database import Database, Transaction, violated_constraint
from core.errors import DomainError, Forbidden, InvalidInput, NotFound
from core.events import NewEvent
from core.ids import new_id
from core.text import clean_text
from models.user_tables import accounts, profiles, roles
from services.users.access import Viewer, user_public_id
from services.users.audit import audit
from services.users.errors import EmailTaken, InvalidCredentials, UsernameTaken
from services.users.passwords import Passwords, clean_password
from services.users.sessions import Client, revoke_sessions
from services.users.throttle import Throttle

EMAIL_MAX = 320
REASON_MAX = 500

AccountStatus = Literal["ACTIVE", "SUSPENDED", "DELETED"]

_USERNAME = re.compile(r"[A-Za-z0-9_]{3,30}")


@dataclass(frozen=True, slots=True)
class NewAccount:
    """A checked account to be, its password already hashed."""

    email: str
    username: str
    password_hash: str


async def prepare_account(
    passwords: Passwords, *, email: str, username: str, password: str
) -> NewAccount:
    """Check what someone signs up with, and hash: before the transaction, for it takes its time.

    Raises `InvalidInput` for `email`, `username` or `password`; `Unavailable`.
    """
    checked = clean_email(email), clean_username(username)
    return NewAccount(*checked, await passwords.hash(clean_password(password)))


async def sign_up(tx: Transaction, *, account: NewAccount, client: Client) -> UUID:
    """Make the account, with a public profile that tells nothing yet. The display name is the
    username until `update_profile` says otherwise. Raises `EmailTaken`, `UsernameTaken`.
    """
    user_id = new_id()
    try:
        await tx.execute(
            insert(accounts).values(
                id=user_id,
                email=account.email,
                username=account.username,
                password_hash=account.password_hash,
                display_name=account.username,
            )
        )
    except IntegrityError as error:
        raise _taken(error) from None
    await tx.execute(insert(profiles).values(user_id=user_id))
    await audit(tx, "SIGNED_UP", user_id=user_id, actor_id=user_id, address=client.address)
    _tell(tx, user_id, "SignedUp", actor_id=user_id)
    return user_id


async def change_username(tx: Transaction, *, user_id: UUID, username: str) -> None:
    """Give oneself another username. Raises `InvalidInput`, `UsernameTaken`."""
    clean_username(username)
    before = await _locked(tx, user_id)
    if before.username == username:
        return
    try:
        await tx.execute(update(accounts).where(accounts.c.id == user_id).values(username=username))
    except IntegrityError as error:
        raise _taken(error) from None
    await audit(tx, "USERNAME_CHANGED", user_id=user_id, actor_id=user_id)
    _tell(tx, user_id, "UsernameChanged", actor_id=user_id)


async def change_password(
    db: Database,
    *,
    viewer: Viewer,
    current: str,
    new: str,
    client: Client,
    passwords: Passwords,
    throttle: Throttle,
) -> list[UUID]:
    """Set a new password and end all other sessions; their ids are to be published.

    Takes the database, as `sign_in` does. Raises `InvalidInput("newPassword")`,
    `InvalidCredentials` for a wrong current one, `RateLimited`, `Unavailable`.
    """
    cleaned = clean_password(new, field="newPassword")
    await throttle.try_account(viewer.user_id.hex)
    async with db.read() as session:
        before: str | None = (
            await session.execute(
                select(accounts.c.password_hash).where(accounts.c.id == viewer.user_id)
            )
        ).scalar_one_or_none()
    if not await passwords.verify(before, current):
        await db.transaction(lambda tx: _password_refused(tx, viewer, client))
        raise InvalidCredentials
    password_hash = await passwords.hash(cleaned)
    revoked = await db.transaction(
        lambda tx: _set_password(tx, viewer, before, password_hash, client)
    )
    await throttle.forgive_account(viewer.user_id.hex)
    return revoked


async def _password_refused(tx: Transaction, viewer: Viewer, client: Client) -> None:
    await audit(
        tx,
        "PASSWORD_CHANGE_FAILED",
        user_id=viewer.user_id,
        actor_id=viewer.user_id,
        session_id=viewer.session_id,
        address=client.address,
    )


async def _set_password(
    tx: Transaction, viewer: Viewer, before: str | None, password_hash: str, client: Client
) -> list[UUID]:
    row = await _locked(tx, viewer.user_id)
    if row.password_hash != before:
        raise InvalidCredentials
    await tx.execute(
        update(accounts).where(accounts.c.id == viewer.user_id).values(password_hash=password_hash)
    )
    await audit(
        tx,
        "PASSWORD_CHANGED",
        user_id=viewer.user_id,
        actor_id=viewer.user_id,
        session_id=viewer.session_id,
        address=client.address,
    )
    return await revoke_sessions(
        tx,
        user_id=viewer.user_id,
        actor_id=viewer.user_id,
        reason="PASSWORD_CHANGED",
        but=viewer.session_id,
    )


async def set_user_status(
    tx: Transaction, *, actor: Viewer, user_id: UUID, status: AccountStatus, reason: str
) -> list[UUID]:
    """Suspend, delete (softly) or readmit someone; the sessions that ended are to be published.

    Moderators may suspend and readmit members; what concerns a moderator or an administrator takes
    `admin:users`, and `DELETED`, either way, takes `user:delete`. Nobody does it to themselves.
    Raises `NotFound`, `Forbidden`, `InvalidInput("reason")`.
    """
    clean_text(reason, field="reason", maximum=REASON_MAX, multiline=True)
    if user_id == actor.user_id:
        raise Forbidden("nobody changes the status of their own account")
    row = await _locked(tx, user_id)
    await _may_set(tx, actor, user_id, {row.status, status})
    if row.status == status:
        return []
    await tx.execute(update(accounts).where(accounts.c.id == user_id).values(status=status))
    await audit(
        tx,
        "STATUS_CHANGED",
        user_id=user_id,
        actor_id=actor.user_id,
        session_id=actor.session_id,
        details={"from": row.status, "to": status, "reason": reason},
    )
    _tell(tx, user_id, "StatusChanged", actor_id=actor.user_id, status=status)
    if status == "ACTIVE":
        return []
    return await revoke_sessions(
        tx, user_id=user_id, actor_id=actor.user_id, reason="STATUS_CHANGED"
    )


async def _may_set(tx: Transaction, actor: Viewer, user_id: UUID, statuses: set[str]) -> None:
    if "DELETED" in statuses and not actor.has("user:delete"):
        raise Forbidden("only an administrator deletes accounts or brings them back")
    held = await tx.execute(select(roles.c.role).where(roles.c.user_id == user_id))
    if {"MODERATOR", "ADMIN"}.intersection(held.scalars()) and not actor.has("admin:users"):
        raise Forbidden("only an administrator suspends moderators and administrators")


async def _locked(tx: Transaction, user_id: UUID) -> Row[str, str, str]:
    row = (
        await tx.execute(
            select(accounts.c.status, accounts.c.username, accounts.c.password_hash)
            .where(accounts.c.id == user_id)
            .with_for_update(key_share=True)
        )
    ).one_or_none()
    if row is None:
        raise NotFound("user")
    return row


def clean_email(email: str) -> str:
    """The address with its domain in lower case. Its form is checked, no DNS is asked.

    Raises `InvalidInput("email")`.
    """
    clean_text(email, field="email", maximum=EMAIL_MAX)
    try:
        # `.test` (RFC 6761) never resolves anywhere: it is what demonstrations and tests use.
        return validate_email(
            email, check_deliverability=False, test_environment=True, strict=True
        ).normalized
    except EmailNotValidError as error:
        raise InvalidInput("email", str(error)) from None


def clean_username(username: str) -> str:
    """The username itself. Raises `InvalidInput("username")`."""
    if _USERNAME.fullmatch(username) is None:
        raise InvalidInput("username", "3 to 30 characters, each a letter a-z, a digit or _")
    return username


def _taken(error: IntegrityError) -> DomainError | IntegrityError:
    match violated_constraint(error):
        case "uq_user_account_email":
            return EmailTaken()
        case "uq_user_account_username":
            return UsernameTaken()
        case _:
            return error


def _tell(tx: Transaction, user_id: UUID, kind: str, *, actor_id: UUID, **facts: str) -> None:
    payload = {"userId": user_public_id(user_id), **facts}
    tx.collect(NewEvent(user_topic(user_id), kind, payload, actor_id=actor_id))


def user_topic(user_id: UUID) -> str:
    """The topic of all that concerns one person."""
    return f"user:{user_id.hex}"
