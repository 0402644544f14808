"""Batched reads of users, their profiles, sessions and follows. No password hash is in any row;
an e-mail address is in one, and is shown by rule alone."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, false, func, or_, select, true

from core.database import Database
from core.pagination import PageRequest
from loaders.base import Computed, PageBy, many_by, one_by, page_by, read_page
from loaders.pages import Page, order
from loaders.rows import Row, row_of
from models.user_tables import SESSIONS_MAX, accounts, blocks, follows, profiles, roles, sessions
from models.users import Profile, UserAccount, UserSession


class UserRow(row_of(UserAccount, "usr", without=("password_hash",))):  # type: ignore[misc]
    """An account; `email` is shown by rule, never as it is."""

    __slots__ = ()


FOLLOW_COLUMNS = [*(column.name for column in UserRow.__columns__), "followed_at"]
FollowColumns: Any = namedtuple("FollowColumns", FOLLOW_COLUMNS)  # type: ignore[misc]


class FollowRow(Row, FollowColumns):
    """An account in a list of follows, and when it came there."""

    __slots__ = ()
    __prefix__ = "usr"


class ProfileRow(row_of(Profile, "")):  # type: ignore[misc]
    """What someone tells of themselves, to those who may see it."""

    __slots__ = ()


class SessionRow(row_of(UserSession, "ses")):  # type: ignore[misc]
    """A live session, for its owner."""

    __slots__ = ()


USER_ROWS = (UserRow, FollowRow)
NEWEST_USERS = order("users", accounts.c.created_at, accounts.c.id, descending=True)


def unblocked(viewer_id: UUID | None, user_id: ColumnElement[UUID]) -> ColumnElement[bool]:
    """Neither has blocked the other."""
    if viewer_id is None:
        return true()
    # Two and not one with OR, which PostgreSQL would answer row by row for a long list of people.
    return and_(
        ~exists().where(blocks.c.blocker_id == viewer_id, blocks.c.blocked_id == user_id),
        ~exists().where(blocks.c.blocked_id == viewer_id, blocks.c.blocker_id == user_id),
    )


def open_to(viewer_id: UUID | None, user_id: ColumnElement[UUID]) -> ColumnElement[bool]:
    """The viewer may see the profile: public, one's own, or of someone one follows."""
    theirs = profiles.alias()
    public = exists().where(theirs.c.user_id == user_id, theirs.c.visibility == "PUBLIC")
    if viewer_id is None:
        return public
    followed = follows.alias()
    follower = exists().where(
        followed.c.follower_id == viewer_id, followed.c.followee_id == user_id
    )
    return and_(or_(public, user_id == viewer_id, follower), unblocked(viewer_id, user_id))


PRESENT = accounts.c.status != "DELETED"


def _follows(
    name: str,
    owner: ColumnElement[UUID],
    person: ColumnElement[UUID],
    *where: ColumnElement[bool],
) -> PageBy:
    """A list of the people in `person`, kept by the one in `owner`, newest follow first.

    Empty for who may not see the owner's profile, and without those who are absent to the viewer.
    The join is a subquery, which PostgreSQL dissolves: in a lateral one SQLAlchemy takes two tables
    with a WHERE between them for a cartesian product.
    """
    listed = (
        select(
            *UserRow.__columns__,
            follows.c.created_at.label("followed_at"),
            owner.label("owner_id"),
        )
        .select_from(follows.join(accounts, accounts.c.id == person))
        .where(PRESENT, *where)
        .subquery(name)
    )
    columns = tuple(listed.c[name] for name in FOLLOW_COLUMNS)
    row = type(name, (FollowRow,), {"__slots__": (), "__columns__": columns})
    return page_by(
        f"{name}_by_user_id",
        row,
        listed.c.owner_id,
        order=order(name, listed.c.followed_at, listed.c.id, descending=True),
        visible=lambda viewer_id: and_(
            open_to(viewer_id, listed.c.owner_id), unblocked(viewer_id, listed.c.id)
        ),
    )


# A reference that must exist (a seller, a bidder) is found whoever asks: what a viewer may not
# see of that user is decided field by field. Finding someone by id is another loader's business.
user_by_id = one_by("user_by_id", UserRow, accounts.c.id)
visible_user_by_id = one_by(
    "visible_user_by_id",
    UserRow,
    accounts.c.id,
    visible=lambda viewer_id: and_(PRESENT, unblocked(viewer_id, accounts.c.id)),
)
visible_user_by_username = Computed(
    "visible_user_by_username",
    lambda db, viewer_id, names: _users_by_username(db, viewer_id, names),
    viewer=True,
)
profile_by_user_id = one_by(
    "profile_by_user_id",
    ProfileRow,
    profiles.c.user_id,
    visible=lambda viewer_id: open_to(viewer_id, profiles.c.user_id),
)
sessions_by_user_id = many_by(
    "sessions_by_user_id",
    SessionRow,
    sessions.c.user_id,
    order_by=(sessions.c.last_seen_at.desc(), sessions.c.id),
    limit=SESSIONS_MAX,
    where=and_(sessions.c.revoked_at.is_(None), sessions.c.expires_at > func.clock_timestamp()),
    visible=lambda viewer_id: false() if viewer_id is None else sessions.c.user_id == viewer_id,
)
followers_by_user_id = _follows("followers", follows.c.followee_id, follows.c.follower_id)
following_by_user_id = _follows("following", follows.c.follower_id, follows.c.followee_id)
_back = follows.alias("back")
mutuals_by_user_id = _follows(
    "mutuals",
    follows.c.followee_id,
    follows.c.follower_id,
    exists().where(
        _back.c.follower_id == follows.c.followee_id, _back.c.followee_id == follows.c.follower_id
    ),
)
roles_by_user_id = Computed("roles_by_user_id", lambda db, _, keys: _roles(db, keys))
viewer_follows_user_id = Computed(
    "viewer_follows_user_id",
    lambda db, viewer_id, keys: _viewer_follows(db, viewer_id, keys),
    viewer=True,
)
hidden_from_viewer = Computed(
    "hidden_from_viewer",
    lambda db, viewer_id, keys: _hidden(db, viewer_id, keys),
    viewer=True,
)


async def _users_by_username(
    db: Database, viewer_id: UUID | None, names: Sequence[str]
) -> list[UserRow | None]:
    name = func.lower(accounts.c.username)
    statement = select(*UserRow.__columns__).where(
        name.in_([name.lower() for name in names]), PRESENT, unblocked(viewer_id, accounts.c.id)
    )
    async with db.read() as session:
        rows = [UserRow._make(row) for row in await session.execute(statement)]
    found = {row.username.lower(): row for row in rows}
    return [found.get(name.lower()) for name in names]


async def _roles(db: Database, user_ids: Sequence[UUID]) -> list[list[str]]:
    statement = select(roles.c.user_id, roles.c.role).where(roles.c.user_id.in_(user_ids))
    held: dict[UUID, list[str]] = {user_id: ["USER"] for user_id in user_ids}
    async with db.read() as session:
        for user_id, role in await session.execute(statement.order_by(roles.c.role)):
            held[user_id].append(role)
    return [held[user_id] for user_id in user_ids]


async def _viewer_follows(
    db: Database, viewer_id: UUID | None, user_ids: Sequence[UUID]
) -> list[bool]:
    if viewer_id is None:
        return [False] * len(user_ids)
    statement = select(follows.c.followee_id).where(
        follows.c.follower_id == viewer_id, follows.c.followee_id.in_(user_ids)
    )
    return await _among(db, statement, user_ids)


async def _hidden(db: Database, viewer_id: UUID | None, user_ids: Sequence[UUID]) -> list[bool]:
    if viewer_id is None:
        return [False] * len(user_ids)
    statement = select(accounts.c.id).where(
        accounts.c.id.in_(user_ids), ~unblocked(viewer_id, accounts.c.id)
    )
    return await _among(db, statement, user_ids)


async def _among(db: Database, statement: Select[UUID], keys: Sequence[UUID]) -> list[bool]:
    async with db.read() as session:
        found = set((await session.execute(statement)).scalars())
    return [key in found for key in keys]


@dataclass(frozen=True, slots=True)
class UserFilter:
    """What `users` narrows by; None means any. `text` is looked for in names and the address."""

    role: str | None = None
    status: str | None = None
    tier: str | None = None
    registered_from: datetime | None = None
    registered_to: datetime | None = None
    text: str | None = None


async def users_page(db: Database, wanted: UserFilter, request: PageRequest) -> Page:
    """One page of all accounts, the newest first: for who administers them."""
    return await read_page(db, UserRow, NEWEST_USERS, request, _conditions(wanted))


def _conditions(wanted: UserFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.status is not None:
        found.append(accounts.c.status == wanted.status)
    if wanted.tier is not None:
        found.append(accounts.c.tier == wanted.tier)
    if wanted.registered_from is not None:
        found.append(accounts.c.created_at >= wanted.registered_from)
    if wanted.registered_to is not None:
        found.append(accounts.c.created_at < wanted.registered_to)
    if wanted.text is not None:
        found.append(_contains(wanted.text))
    if wanted.role not in (None, "USER"):  # USER is everyone's and has no row
        found.append(exists().where(roles.c.user_id == accounts.c.id, roles.c.role == wanted.role))
    return found


def _contains(text: str) -> ColumnElement[bool]:
    fields = (accounts.c.username, accounts.c.display_name, accounts.c.email)
    return or_(*(field.icontains(text, autoescape=True) for field in fields))
