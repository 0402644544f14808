"""People and one another: profiles, follows, blocks, mutes."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Column, Table, and_, delete, func, literal, or_, select, text
from sqlalchemy.dialects.postgresql import insert

from core.database import Transaction
from core.errors import Forbidden, InvalidInput, NotFound
from core.events import NewEvent
from models.user_tables import accounts, blocks, follows, mutes, profiles
from services.users.access import user_public_id
from services.users.accounts import user_topic
from services.users.notifications import notify

FOLLOWS_MAX = 10_000
BLOCKS_MAX = 10_000
MUTES_MAX = 10_000
"""How many people one person may follow, block, mute."""


async def follow(tx: Transaction, *, viewer_id: UUID, user_id: UUID) -> bool:
    """Follow someone; False where one did already.

    Who has a private profile is followed only by those they follow themselves: that is how they
    accept them. Raises `NotFound` (also where either blocks the other), `Forbidden`,
    `InvalidInput`.
    """
    await _lock_pair(tx, viewer_id, user_id)
    await _present(tx, viewer_id, user_id)
    if await _is(tx, follows, viewer_id, user_id):
        return False
    if not await _accepts(tx, user_id, viewer_id):
        raise Forbidden("this profile is private: its owner has to follow you first")
    await _room(tx, follows, viewer_id, FOLLOWS_MAX)
    await tx.execute(insert(follows).values(follower_id=viewer_id, followee_id=user_id))
    _tell(tx, user_id, "Followed", viewer_id)
    # Once for ever: to follow again and again must not ring again and again.
    await notify(
        tx,
        kind="FOLLOW",
        user_ids=[user_id],
        dedupe_key=f"follow:{viewer_id.hex}",
        actor_id=viewer_id,
        reference=user_public_id(viewer_id),
    )
    return True


async def unfollow(tx: Transaction, *, viewer_id: UUID, user_id: UUID) -> bool:
    """Stop following someone; False where one did not. Raises `NotFound`, `InvalidInput`."""
    await _lock_pair(tx, viewer_id, user_id)
    await _exists(tx, user_id)
    if not await _remove(tx, follows, viewer_id, user_id):
        return False
    _tell(tx, user_id, "Unfollowed", viewer_id)
    return True


async def block(tx: Transaction, *, viewer_id: UUID, user_id: UUID) -> bool:
    """Be absent for someone, and they for oneself; follows end both ways. False if so already.

    The one who is blocked is not told. Raises `NotFound`, `InvalidInput`.
    """
    await _lock_pair(tx, viewer_id, user_id)
    await _exists(tx, user_id)
    if await _is(tx, blocks, viewer_id, user_id):
        return False
    await _room(tx, blocks, viewer_id, BLOCKS_MAX)
    await tx.execute(insert(blocks).values(blocker_id=viewer_id, blocked_id=user_id))
    await _remove(tx, follows, viewer_id, user_id)
    await _remove(tx, follows, user_id, viewer_id)
    return True


async def unblock(tx: Transaction, *, viewer_id: UUID, user_id: UUID) -> bool:
    """Take a block back; follows do not return. Raises `NotFound`, `InvalidInput`."""
    await _lock_pair(tx, viewer_id, user_id)
    await _exists(tx, user_id)
    return await _remove(tx, blocks, viewer_id, user_id)


async def mute(tx: Transaction, *, viewer_id: UUID, user_id: UUID) -> bool:
    """Keep what someone does out of one's feeds. They are not told. Raises as `follow` does."""
    await _lock_pair(tx, viewer_id, user_id)
    await _present(tx, viewer_id, user_id)
    if await _is(tx, mutes, viewer_id, user_id):
        return False
    await _room(tx, mutes, viewer_id, MUTES_MAX)
    await tx.execute(insert(mutes).values(muter_id=viewer_id, muted_id=user_id))
    return True


async def unmute(tx: Transaction, *, viewer_id: UUID, user_id: UUID) -> bool:
    """Hear of someone again. Raises `NotFound`, `InvalidInput`."""
    await _lock_pair(tx, viewer_id, user_id)
    await _exists(tx, user_id)
    return await _remove(tx, mutes, viewer_id, user_id)


async def _lock_pair(tx: Transaction, one: UUID, other: UUID) -> None:
    """Let only one transaction at a time change what is between two people.

    An advisory lock, not the accounts' rows: those of someone much followed would be fought over.
    """
    if one == other:
        raise InvalidInput("userId", "this is yourself")
    pair = ":".join(sorted((one.hex, other.hex)))
    await tx.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:pair, 0))"), {"pair": f"people:{pair}"}
    )


async def _exists(tx: Transaction, user_id: UUID) -> None:
    found = await tx.execute(
        select(literal(1)).where(accounts.c.id == user_id, accounts.c.status != "DELETED")
    )
    if found.first() is None:
        raise NotFound("user")


async def _present(tx: Transaction, viewer_id: UUID, user_id: UUID) -> None:
    await _exists(tx, user_id)
    found = await tx.execute(
        select(literal(1)).where(
            or_(
                and_(blocks.c.blocker_id == viewer_id, blocks.c.blocked_id == user_id),
                and_(blocks.c.blocker_id == user_id, blocks.c.blocked_id == viewer_id),
            )
        )
    )
    if found.first() is not None:
        raise NotFound("user")


async def _accepts(tx: Transaction, owner_id: UUID, follower_id: UUID) -> bool:
    private = await tx.execute(
        select(literal(1)).where(profiles.c.user_id == owner_id, profiles.c.visibility == "PRIVATE")
    )
    return private.first() is None or await _is(tx, follows, owner_id, follower_id)


def _ends(table: Table) -> tuple[Column[UUID], Column[UUID]]:
    """The two columns of follows, blocks and mutes that make the key: who, and whom."""
    who, whom = table.primary_key.columns
    return who, whom


async def _is(tx: Transaction, table: Table, one: UUID, other: UUID) -> bool:
    from_column, to_column = _ends(table)
    found = await tx.execute(select(literal(1)).where(from_column == one, to_column == other))
    return found.first() is not None


async def _room(tx: Transaction, table: Table, one: UUID, maximum: int) -> None:
    from_column, _ = _ends(table)
    bounded = select(literal(1)).where(from_column == one).limit(maximum).subquery()
    if (await tx.execute(select(func.count()).select_from(bounded))).scalar_one() >= maximum:
        raise InvalidInput("userId", f"{maximum} people at most")


async def _remove(tx: Transaction, table: Table, one: UUID, other: UUID) -> bool:
    from_column, to_column = _ends(table)
    gone = await tx.execute(
        delete(table).where(from_column == one, to_column == other).returning(literal(1))
    )
    return gone.first() is not None


def _tell(tx: Transaction, user_id: UUID, kind: str, actor_id: UUID) -> None:
    payload = {"userId": user_public_id(user_id), "followerId": user_public_id(actor_id)}
    tx.collect(NewEvent(user_topic(user_id), kind, payload, actor_id=actor_id))
