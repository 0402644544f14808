"""From a field of users to one unit of work: the viewer, checked input, a service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from core.clock import utc_now
from core.database import Transaction
from core.errors import BadUserInput, NotFound
from core.ids import decode_id
from core.pagination import PageRequest
from core.tokens import issue_access_token, verify_access_token
from loaders import users as loaders
from loaders.users import UserFilter, UserRow
from resolvers.context import OperationContext
from services.users import accounts, profiles, sessions
from services.users.access import (
    SESSION_PREFIX,
    USER_PREFIX,
    session_public_id,
    user_public_id,
    viewer_of,
)
from services.users.accounts import AccountStatus
from services.users.sessions import Client, OpenedSession
from services.users.signing_in import sign_in as check_and_open

ADMIN_SCOPE = "admin:users"
MODERATOR_SCOPE = "user:suspend"
USERNAME_MAX = 30

Between = Callable[..., Awaitable[bool]]
"""A service between two people, as `people.follow`: `(tx, *, viewer_id, user_id)`."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What someone who signed in is given."""

    access_token: str
    refresh_token: str
    expires_at: datetime
    user: UserRow


async def sign_up(
    context: OperationContext, *, email: str, username: str, password: str
) -> SignedIn:
    """Make an account and open its first session, in one unit of work."""
    server = context.server
    account = await accounts.prepare_account(
        server.passwords, email=email, username=username, password=password
    )
    client = _client(context)

    async def work(tx: Transaction) -> OpenedSession:
        user_id = await accounts.sign_up(tx, account=account, client=client)
        return await sessions.open_session(
            tx,
            user_id=user_id,
            client=client,
            refresh_token_s=server.settings.refresh_token_s,
        )

    return await _signed_in(context, await context.transact(work))


async def sign_in(context: OperationContext, *, login: str, password: str) -> SignedIn:
    """Open a session by name and password."""
    server = context.server
    opened = await check_and_open(
        server.db,
        login=login,
        password=password,
        client=_client(context),
        passwords=server.passwords,
        throttle=server.throttle,
        refresh_token_s=server.settings.refresh_token_s,
    )
    return await _signed_in(context, opened)


async def refresh_token(context: OperationContext, token: str) -> SignedIn:
    """Trade a refresh token for the next pair."""
    opened = await sessions.refresh(
        context.server.db,
        token=token,
        client=_client(context),
        refresh_token_s=context.server.settings.refresh_token_s,
        revocations=context.server.revocations,
    )
    return await _signed_in(context, opened)


async def _signed_in(context: OperationContext, opened: OpenedSession) -> SignedIn:
    server = context.server
    await server.revocations.publish(opened.revoked)
    now = utc_now()
    issued = issue_access_token(
        server.keys,
        server.tokens,
        subject=user_public_id(opened.user_id),
        session_id=session_public_id(opened.session_id),
        scopes=opened.scopes,
        tier=opened.tier,
        now=now,
    )
    # Whoever has just signed in sees their own account in the same answer.
    claims = verify_access_token(server.keys, server.tokens, issued.token, now=now)
    context.viewer = viewer_of(claims)
    context.forget()
    user = await context.loaders.load(loaders.user_by_id, opened.user_id)
    return SignedIn(issued.token, opened.refresh_token, issued.expires_at, user)


async def sign_out(context: OperationContext, *, everywhere: bool) -> int:
    """End the viewer's session or all of them; how many ended."""
    if everywhere:
        return await revoke_all_sessions(context, keep_current=False)
    viewer = context.signed_in()
    revoked = await context.transact(
        partial(sessions.sign_out, user_id=viewer.user_id, session_id=viewer.session_id)
    )
    return await _publish(context, revoked)


async def revoke_session(context: OperationContext, session_id: str) -> str:
    """End one of the viewer's sessions; its id."""
    viewer = context.signed_in()
    key = _named(session_id, SESSION_PREFIX, "session")
    revoked = await context.transact(
        partial(sessions.revoke_session, user_id=viewer.user_id, session_id=key)
    )
    await _publish(context, revoked)
    return session_id


async def revoke_all_sessions(context: OperationContext, *, keep_current: bool) -> int:
    """End the viewer's sessions; how many ended. Raises `NotFound` where there was none."""
    viewer = context.signed_in()
    revoked = await context.transact(
        partial(
            sessions.revoke_sessions,
            user_id=viewer.user_id,
            actor_id=viewer.user_id,
            reason="REVOKED",
            but=viewer.session_id if keep_current else None,
        )
    )
    return await _publish(context, revoked)


async def _publish(context: OperationContext, revoked: list[UUID]) -> int:
    if not revoked:
        raise NotFound("session")
    await context.server.revocations.publish(revoked)
    return len(revoked)


async def update_profile(context: OperationContext, changes: Mapping[str, object | None]) -> Any:
    """Change the viewer's profile; the viewer's row."""
    viewer = context.signed_in()
    await context.transact(
        partial(profiles.update_profile, user_id=viewer.user_id, changes=changes)
    )
    return await _afresh(context, viewer.user_id)


async def change_username(context: OperationContext, username: str) -> Any:
    """Rename the viewer; the viewer's row."""
    viewer = context.signed_in()
    await context.transact(
        partial(accounts.change_username, user_id=viewer.user_id, username=username)
    )
    return await _afresh(context, viewer.user_id)


async def change_password(context: OperationContext, *, current: str, new: str) -> int:
    """Give the viewer a new password; how many other sessions ended."""
    revoked = await accounts.change_password(
        context.server.db,
        viewer=context.signed_in(),
        current=current,
        new=new,
        client=_client(context),
        passwords=context.server.passwords,
        throttle=context.server.throttle,
    )
    await context.server.revocations.publish(revoked)
    return len(revoked)


async def set_user_status(
    context: OperationContext, user_id: str, *, status: AccountStatus, reason: str
) -> Any:
    """Set someone's status; their row."""
    key = _named(user_id, USER_PREFIX, "user")
    revoked = await context.transact(
        partial(
            accounts.set_user_status,
            actor=context.signed_in(),
            user_id=key,
            status=status,
            reason=reason,
        )
    )
    await context.server.revocations.publish(revoked)
    return await _afresh(context, key)


async def between(context: OperationContext, verb: Between, user_id: str) -> Any:
    """Run a service between the viewer and a user; the user's row."""
    viewer = context.signed_in()
    key = _named(user_id, USER_PREFIX, "user")
    await context.transact(partial(verb, viewer_id=viewer.user_id, user_id=key))
    # Blocks and follows decide who sees whose presence: open subscriptions look again.
    context.server.live.presence.tell_recheck(viewer.user_id, key)
    return await _afresh(context, key)


async def me(context: OperationContext) -> Any:
    """The viewer's row, or None."""
    if context.viewer is None:
        return None
    return await context.loaders.show(loaders.user_by_id, context.viewer.user_id, "User")


async def user(context: OperationContext, user_id: str | None, username: str | None) -> Any:
    """The one user of that id or username, or None where there is none to see."""
    if (user_id is None) == (username is None):
        raise BadUserInput("give id or username: one of them")
    if username is not None:
        name = username if username.isascii() and username.isprintable() else ""
        return await context.loaders.load(
            loaders.visible_user_by_username, name[: USERNAME_MAX + 1]
        )
    return await find_user(context, user_id or "")


async def find_user(context: OperationContext, user_id: str) -> Any:
    """The user of that id whom the viewer may see, or None: for `user` and `node`."""
    key = _key(user_id)
    if key is None:
        return None
    return await context.loaders.show(loaders.visible_user_by_id, key, "User")


async def referred_user(context: OperationContext, user_id: str) -> Any:
    """The user another subgraph refers to, whoever asks, or None."""
    key = _key(user_id)
    return None if key is None else await context.loaders.load(loaders.user_by_id, key)


async def users(context: OperationContext, wanted: UserFilter, request: PageRequest) -> Any:
    """A page of all accounts."""
    return await loaders.users_page(context.server.db, wanted, request)


def is_own(context: OperationContext, row: Any, *scopes: str) -> bool:
    """Whether the row is the viewer's own, or the viewer has one of these scopes."""
    viewer = context.viewer
    return viewer is not None and (
        viewer.user_id == row.id or any(viewer.has(scope) for scope in scopes)
    )


async def shown_email(context: OperationContext, row: Any) -> str | None:
    """The address, for oneself, administrators, and everyone where `showEmail` says so."""
    email: str = row.email
    if is_own(context, row, ADMIN_SCOPE):
        return email
    if not row.show_email or await context.loaders.load(loaders.hidden_from_viewer, row.id):
        return None
    return email


async def _afresh(context: OperationContext, user_id: UUID) -> Any:
    context.forget()
    return await context.loaders.load(loaders.user_by_id, user_id)


def _client(context: OperationContext) -> Client:
    return Client(address=context.address, device=context.user_agent)


def _key(public_id: str) -> UUID | None:
    try:
        return decode_id(public_id, USER_PREFIX)
    except BadUserInput:
        return None


def _named(public_id: str, prefix: str, what: str) -> UUID:
    try:
        return decode_id(public_id, prefix)
    except BadUserInput:
        raise NotFound(what) from None
