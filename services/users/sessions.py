"""Sessions: signed in, refreshed by a rotating token, listed, revoked.

Nothing here knows JWTs: a session's access token is made of what `OpenedSession` says.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import func, insert, select, update

from core.database import Database, Transaction, database_now
from core.errors import NotFound, Unauthenticated
from core.ids import new_id
from models.user_tables import SESSIONS_MAX, accounts, grants, refresh_tokens, roles, sessions
from services.users.access import scopes_of
from services.users.audit import audit
from services.users.errors import AccountSuspended, TokenReused
from services.users.revocations import Revocations

DEVICE_MAX = 200

RevokedReason = Literal[
    "SIGNED_OUT", "REVOKED", "TOKEN_REUSED", "PASSWORD_CHANGED", "STATUS_CHANGED", "TOO_MANY"
]


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session that was opened or refreshed. `refresh_token` exists here and nowhere else.

    `revoked` are other sessions that had to end for this one: publish them after the commit.
    """

    user_id: UUID
    session_id: UUID
    refresh_token: str
    scopes: frozenset[str]
    tier: str
    expires_at: datetime
    revoked: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Client:
    """Where a request comes from: the address, and the device as its user agent names it."""

    address: str | None = None
    device: str = ""


async def open_session(
    tx: Transaction, *, user_id: UUID, client: Client, refresh_token_s: int
) -> OpenedSession:
    """A new session of someone who has proved who they are; the caller holds the account's row."""
    now = await database_now(tx)
    expires_at = now + timedelta(seconds=refresh_token_s)
    session_id = new_id()
    await tx.execute(
        insert(sessions).values(
            id=session_id,
            user_id=user_id,
            device=_device(client.device),
            address=client.address,
            created_at=now,
            last_seen_at=now,
            expires_at=expires_at,
        )
    )
    await tx.execute(
        update(accounts)
        .where(accounts.c.id == user_id)
        .values(last_login_at=now, last_login_address=client.address)
    )
    revoked = await _make_room(tx, user_id)
    await audit(
        tx,
        "SIGNED_IN",
        user_id=user_id,
        actor_id=user_id,
        session_id=session_id,
        address=client.address,
    )
    return await _hand_out(tx, user_id, session_id, now, expires_at, revoked)


async def _hand_out(
    tx: Transaction,
    user_id: UUID,
    session_id: UUID,
    now: datetime,
    expires_at: datetime,
    revoked: Sequence[UUID] = (),
) -> OpenedSession:
    token = secrets.token_urlsafe(32)
    await tx.execute(
        insert(refresh_tokens).values(
            id=new_id(),
            session_id=session_id,
            token_hash=_digest(token),
            created_at=now,
            expires_at=expires_at,
        )
    )
    tier = (await tx.execute(select(accounts.c.tier).where(accounts.c.id == user_id))).scalar_one()
    return OpenedSession(
        user_id=user_id,
        session_id=session_id,
        refresh_token=token,
        scopes=await read_scopes(tx, user_id),
        tier=tier,
        expires_at=expires_at,
        revoked=tuple(revoked),
    )


async def read_scopes(tx: Transaction, user_id: UUID) -> frozenset[str]:
    """What the person's roles and grants carry at this moment."""
    held = await tx.execute(select(roles.c.role).where(roles.c.user_id == user_id))
    given = await tx.execute(select(grants.c.scope).where(grants.c.user_id == user_id))
    return scopes_of(held.scalars(), given.scalars())


async def refresh(
    db: Database,
    *,
    token: str,
    client: Client,
    refresh_token_s: int,
    revocations: Revocations,
) -> OpenedSession:
    """Trade a refresh token, once, for the next one. Roles and tier are read afresh.

    A second use revokes the session; that is committed and published before `TokenReused` is
    raised. Raises `Unauthenticated` for a token that is unknown
    (INVALID), too old (TOKEN_EXPIRED) or of a revoked session (REVOKED), and `AccountSuspended`.
    """
    outcome = await db.transaction(
        lambda tx: _refresh(tx, _digest(token), client=client, refresh_token_s=refresh_token_s)
    )
    if isinstance(outcome, UUID):
        await revocations.publish([outcome])
        raise TokenReused
    return outcome


async def _refresh(
    tx: Transaction, digest: bytes, *, client: Client, refresh_token_s: int
) -> OpenedSession | UUID:
    now = await database_now(tx)
    # One statement takes the token: of two that come at once, the second waits here and finds none.
    taken = (
        await tx.execute(
            update(refresh_tokens)
            .where(refresh_tokens.c.token_hash == digest, refresh_tokens.c.used_at.is_(None))
            .values(used_at=now)
            .returning(refresh_tokens.c.session_id, refresh_tokens.c.expires_at)
        )
    ).one_or_none()
    if taken is None:
        return await _reused(tx, digest, client)
    if taken.expires_at <= now:
        raise Unauthenticated("TOKEN_EXPIRED", "the refresh token has expired; sign in again")
    user_id = await _still_open(tx, taken.session_id)
    expires_at = now + timedelta(seconds=refresh_token_s)
    await tx.execute(
        update(sessions)
        .where(sessions.c.id == taken.session_id)
        .values(last_seen_at=now, address=client.address, expires_at=expires_at)
    )
    return await _hand_out(tx, user_id, taken.session_id, now, expires_at)


async def _still_open(tx: Transaction, session_id: UUID) -> UUID:
    row = (
        await tx.execute(
            select(sessions.c.user_id, sessions.c.revoked_at, accounts.c.status)
            .join(accounts, accounts.c.id == sessions.c.user_id)
            .where(sessions.c.id == session_id)
            .with_for_update(of=sessions)
        )
    ).one()
    if row.status == "SUSPENDED":
        raise AccountSuspended
    if row.revoked_at is not None or row.status != "ACTIVE":
        raise Unauthenticated("REVOKED", "this session was ended; sign in again")
    user_id: UUID = row.user_id
    return user_id


async def _reused(tx: Transaction, digest: bytes, client: Client) -> UUID:
    row = (
        await tx.execute(
            select(sessions.c.id, sessions.c.user_id)
            .join(refresh_tokens, refresh_tokens.c.session_id == sessions.c.id)
            .where(refresh_tokens.c.token_hash == digest)
        )
    ).one_or_none()
    if row is None:
        raise Unauthenticated("INVALID", "the refresh token is not valid")
    session_id: UUID = row.id
    await _revoke(tx, [session_id], "TOKEN_REUSED")
    await audit(
        tx, "TOKEN_REUSED", user_id=row.user_id, session_id=session_id, address=client.address
    )
    return session_id


async def sign_out(tx: Transaction, *, user_id: UUID, session_id: UUID) -> list[UUID]:
    """End the session one is in; the ids to publish. Ending an ended one does nothing."""
    revoked = await _revoke(tx, [session_id], "SIGNED_OUT", user_id=user_id)
    if revoked:
        await audit(tx, "SIGNED_OUT", user_id=user_id, actor_id=user_id, session_id=session_id)
    return revoked


async def revoke_session(tx: Transaction, *, user_id: UUID, session_id: UUID) -> list[UUID]:
    """End one of one's own sessions; the ids to publish.

    Raises `NotFound` for a session that is someone else's, has ended or never was.
    """
    revoked = await _revoke(tx, [session_id], "REVOKED", user_id=user_id)
    if not revoked:
        raise NotFound("session")
    await audit(tx, "SESSION_REVOKED", user_id=user_id, actor_id=user_id, session_id=session_id)
    return revoked


async def revoke_sessions(
    tx: Transaction,
    *,
    user_id: UUID,
    actor_id: UUID,
    reason: RevokedReason,
    but: UUID | None = None,
) -> list[UUID]:
    """End all live sessions of a person, save `but`; the ids to publish."""
    live = await tx.execute(
        select(sessions.c.id).where(
            sessions.c.user_id == user_id,
            sessions.c.revoked_at.is_(None),
            sessions.c.expires_at > func.clock_timestamp(),
        )
    )
    revoked = await _revoke(tx, [id for id in live.scalars() if id != but], reason)
    for session_id in revoked:
        await audit(
            tx,
            "SESSION_REVOKED",
            user_id=user_id,
            actor_id=actor_id,
            session_id=session_id,
            details={"reason": reason},
        )
    return revoked


async def _make_room(tx: Transaction, user_id: UUID) -> list[UUID]:
    oldest = (
        select(sessions.c.id)
        .where(
            sessions.c.user_id == user_id,
            sessions.c.revoked_at.is_(None),
            sessions.c.expires_at > func.clock_timestamp(),
        )
        .order_by(sessions.c.last_seen_at.desc(), sessions.c.id.desc())
        .offset(SESSIONS_MAX)
    )
    ids = list((await tx.execute(oldest)).scalars())
    return await _revoke(tx, ids, "TOO_MANY") if ids else []


async def _revoke(
    tx: Transaction,
    session_ids: Sequence[UUID],
    reason: RevokedReason,
    *,
    user_id: UUID | None = None,
) -> list[UUID]:
    statement = (
        update(sessions)
        .where(
            sessions.c.id.in_(session_ids),
            sessions.c.revoked_at.is_(None),
        )
        .values(revoked_at=func.clock_timestamp(), revoked_reason=reason)
        .returning(sessions.c.id)
    )
    if user_id is not None:
        statement = statement.where(sessions.c.user_id == user_id)
    return list((await tx.execute(statement)).scalars())


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _device(user_agent: str) -> str:
    return "".join(c for c in user_agent if c.isprintable())[:DEVICE_MAX]
