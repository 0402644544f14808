"""Typing under a post: the viewer says so, and hears of others."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple
from uuid import UUID

from core.errors import BadUserInput, NotFound
from loaders import users as users_loaders
from loaders.content import posts as loaders
from resolvers.auctions import find, named_key
from resolvers.context import OperationContext


class TypingRow(NamedTuple):
    """Someone began to type under a post, or stopped."""

    post_id: UUID
    user_id: UUID
    typing: bool


async def set_typing(context: OperationContext, post_id: str, *, typing: bool) -> bool:
    """Say that the viewer types, or has stopped. Raises `NotFound` for a post that is not there to
    see, `Unavailable`."""
    key = named_key(post_id, "pst", "post")
    if await context.loaders.load(loaders.post_by_id, key) is None:
        raise NotFound("post")
    user_id = context.signed_in().user_id
    await context.server.live.typing.say(key, user_id, typing=typing)
    return typing


async def watch_typing(context: OperationContext, post_id: str) -> AsyncGenerator[TypingRow, None]:
    """Who types under a post, but for the viewer and those who are blocked either way. Raises
    `BadUserInput` for a post that is not there to see."""
    post = await find(context, loaders.post_by_id, post_id, "pst")
    if post is None:
        raise BadUserInput("no such post")
    key: UUID = post.id
    changes = context.server.live.typing.changes(key)
    async with aclosing(changes):
        async for user_id, typing in changes:
            context.renew()
            hidden = await context.loaders.load(users_loaders.hidden_from_viewer, user_id)
            if not hidden and user_id != context.viewer_id:
                yield TypingRow(key, user_id, typing)
