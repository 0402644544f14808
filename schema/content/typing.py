"""Who is typing under a post at this moment."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, cast

import strawberry

from loaders import users as user_loaders
from resolvers.content import typing as resolvers
from resolvers.content.typing import TypingRow
from schema.common import NotFound
from schema.fields import Context, argument, attribute, loaded, mutation, subscription
from schema.rows import shows

if TYPE_CHECKING:
    from schema.users.types import User

LazyUser = Annotated["User", strawberry.lazy("schema.users.types")]


@strawberry.type(description="Someone began to type under a post, or stopped.")
@shows(TypingRow)
class TypingChange:
    typing: bool = attribute("Whether they type now. It ends by itself after 5 seconds.")
    user: LazyUser = loaded(user_loaders.user_by_id, key="user_id", description="Who types.")


@strawberry.input(description="Whether you type.")
class SetTypingInput:
    post_id: strawberry.ID = strawberry.field(description="Under which post.")
    typing: bool = strawberry.field(
        default=True,
        description="Say true again every 3 seconds while you type: it ends by itself after 5.",
    )


@strawberry.type(description="Who watches the post hears of it.")
class SetTypingSuccess:
    typing: bool = attribute("What you said.")


SetTypingResult = Annotated[
    SetTypingSuccess | NotFound,
    strawberry.union("SetTypingResult", description="What became of it."),
]


@strawberry.type
class TypingMutation:
    @mutation("Say that you are typing under a post, or have stopped.", authenticated=True)
    async def set_typing(
        self, info: Context, input: Annotated[SetTypingInput, argument("Where, and whether.")]
    ) -> SetTypingResult:
        said = await resolvers.set_typing(info.context, input.post_id, typing=input.typing)
        return SetTypingSuccess(typing=said)


@strawberry.type
class TypingSubscription:
    @subscription(
        "Who types under a post, from those who do now on; not yourself. It cannot be resumed.",
        viewer=True,
    )
    async def typing(
        self, info: Context, post_id: Annotated[strawberry.ID, argument("Under which post.")]
    ) -> AsyncGenerator[TypingChange, None]:
        changes = resolvers.watch_typing(info.context, post_id)
        async with aclosing(changes):
            async for row in changes:
                yield cast(TypingChange, row)
