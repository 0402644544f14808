"""Who is here by a connection of theirs: sockets and streams tell presence the same of it."""

from __future__ import annotations

from core.clock import utc_now
from resolvers.context import OperationContext
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
