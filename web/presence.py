"""Viewers of connections that last, sockets and streams: that they are here, and for how long."""

from __future__ import annotations

import asyncio

from core.clock import utc_now
from core.errors import Unauthenticated
from resolvers.context import OperationContext
from services.users.access import Viewer
from services.users.revocations import Revocations
from subscriptions.presence_store import OpenConnection


def join_presence(context: OperationContext) -> None:
    """Whoever is signed in is here, by the connection that the context names."""
    viewer = context.viewer
    if viewer is None:
        return
    assert context.connection_id is not None
    connection = OpenConnection(
        id=context.connection_id,
        user_id=viewer.user_id,
        session_id=viewer.session_id,
        device=context.user_agent,
        since=utc_now().timestamp(),
    )
    context.server.live.presence.join(connection)


async def until_signed_out(viewer: Viewer, revocations: Revocations) -> Unauthenticated:
    """Why the viewer is signed in no longer, when that is so: whatever comes first, the token's end
    or the session's."""
    left_s = (viewer.expires_at - utc_now()).total_seconds()
    try:
        async with asyncio.timeout(max(0.0, left_s)):
            await revocations.wait_revoked(viewer)
    except TimeoutError:
        return Unauthenticated("TOKEN_EXPIRED", "the token expired")
    return Unauthenticated("REVOKED", "this session was revoked")
