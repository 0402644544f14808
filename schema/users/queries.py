"""Root fields that read people, and those that find anything by its id."""

from __future__ import annotations

from typing import Annotated

import strawberry

from loaders import users as loaders
from resolvers import nodes
from resolvers import users as resolvers
from schema.common import Connection, Node
from schema.fields import (
    After,
    Before,
    Context,
    First,
    Last,
    argument,
    bounded,
    page_size,
    resolved,
)
from schema.users.inputs import UserFilterInput, user_filter
from schema.users.notifications import NotificationQuery
from schema.users.presence import PresenceQuery
from schema.users.types import User


@strawberry.type
class UserQuery(PresenceQuery, NotificationQuery):
    @resolved("You; null where nobody is signed in.", viewer=True)
    async def me(self, info: Context) -> User | None:
        user: User | None = await resolvers.me(info.context)
        return user

    @resolved("Someone, by id or by username; null where there is nobody to see.", viewer=True)
    async def user(
        self,
        info: Context,
        id: Annotated[strawberry.ID | None, argument("Begins with `usr_`.")] = None,
        username: Annotated[str | None, argument("In any case.")] = None,
    ) -> User | None:
        user: User | None = await resolvers.user(info.context, id, username)
        return user

    @resolved("All accounts, the newest first.", scopes=["admin:users"], list_size=page_size())
    async def users(
        self,
        info: Context,
        filter: Annotated[UserFilterInput | None, argument("Which; all if not given.")] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[User]:
        request = info.context.page_request(loaders.NEWEST_USERS, first, after, last, before)
        page: Connection[User] = await resolvers.users(info.context, user_filter(filter), request)
        return page

    @resolved("Anything by its id; null where there is nothing you may see.", viewer=True)
    async def node(
        self,
        info: Context,
        id: Annotated[strawberry.ID, argument("Any id of this graph.")],
    ) -> Node | None:
        return await nodes.find_node(info.context, id)

    @resolved(
        "Several things by their ids, in their order; null for each that you may not see.",
        viewer=True,
        list_size=bounded(nodes.NODES_MAX),
        sized_by="ids",
    )
    async def nodes(
        self,
        info: Context,
        ids: Annotated[list[strawberry.ID], argument("100 at most.")],
    ) -> list[Node | None]:
        return await nodes.find_nodes(info.context, ids)
