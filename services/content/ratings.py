"""Ratings and reviews of titles; the sums of a title's ratings are kept in the transaction of
each."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy import text

from core.database import Transaction
from core.errors import InvalidInput, NotFound
from core.events import NewEvent
from core.ids import new_id
from core.text import clean_text
from models.content.viewing import HISTOGRAM_BUCKETS
from services.content.titles import require_title
from services.users.accounts import user_topic

RATING_MAX_TENTHS = 100
HEADLINE_MAX = 300
BODY_MAX = 10_000

# Its row is the lock under which a title's ratings change, so it is made before the first.
_LOCK_STATS = text(
    """
    INSERT INTO rating_stats AS s (title_id, count, sum_tenths, histogram)
    VALUES (:title, 0, 0, CAST(:empty AS int[]))
    ON CONFLICT (title_id) DO UPDATE SET count = s.count
    RETURNING count, sum_tenths, histogram
    """
)
_RATED = text("SELECT value_tenths FROM rating WHERE user_id = :viewer AND title_id = :title")
_RATE = text(
    """
    INSERT INTO rating (user_id, title_id, value_tenths) VALUES (:viewer, :title, :tenths)
    ON CONFLICT (user_id, title_id)
        DO UPDATE SET value_tenths = excluded.value_tenths, updated_at = clock_timestamp()
    """
)
_UNRATE = text("DELETE FROM rating WHERE user_id = :viewer AND title_id = :title")
_KEEP_STATS = text(
    """
    UPDATE rating_stats SET count = :count, sum_tenths = :sum,
        histogram = CAST(:histogram AS int[])
    WHERE title_id = :title
    """
)
_REVIEW = text(
    """
    INSERT INTO review (id, user_id, title_id, headline, body, spoilers)
    VALUES (:id, :viewer, :title, :headline, :body, :spoilers)
    ON CONFLICT (title_id, user_id) DO UPDATE SET headline = excluded.headline,
        body = excluded.body, spoilers = excluded.spoilers, updated_at = clock_timestamp()
    RETURNING id
    """
)
_DELETE_REVIEW = text("DELETE FROM review WHERE id = :id AND user_id = :viewer RETURNING title_id")


@dataclass(frozen=True, slots=True)
class Sums:
    """The fold of ratings: how many, their sum in tenths, how many in each whole number."""

    count: int
    sum_tenths: int
    histogram: tuple[int, ...]


EMPTY = Sums(0, 0, (0,) * HISTOGRAM_BUCKETS)


def folded(sums: Sums, *, before: int | None, after: int | None) -> Sums:
    """The sums once a rating went from `before` to `after` tenths; None is no rating."""
    histogram = list(sums.histogram)
    count, total = sums.count, sums.sum_tenths
    for tenths, step in ((before, -1), (after, 1)):
        if tenths is not None:
            histogram[tenths // 10] += step
            count, total = count + step, total + step * tenths
    return Sums(count, total, tuple(histogram))


def tenths_of(value: Decimal) -> int:
    """`Decimal("7.3")` → 73. Raises `InvalidInput("value")` outside 0 … 10, or between tenths."""
    if not value.is_finite() or not 0 <= value <= 10:
        raise InvalidInput("value", "from 0 to 10")
    if value != value.quantize(Decimal("0.1")):
        raise InvalidInput("value", "in steps of 0.1")
    return int(value * 10)


async def rate_title(
    tx: Transaction, *, viewer_id: UUID, title_id: UUID, value_tenths: int
) -> None:
    """Rate a title, or change one's rating. Raises `NotFound`, `InvalidInput`."""
    if not 0 <= value_tenths <= RATING_MAX_TENTHS:
        raise InvalidInput("value", "from 0 to 10")
    await require_title(tx, title_id=title_id, viewer_id=viewer_id)
    if not await _change(tx, viewer_id, title_id, value_tenths):
        return
    payload = {"title": title_id.hex, "valueTenths": value_tenths}
    tx.collect(NewEvent(user_topic(viewer_id), "TitleRated", payload, viewer_id))


async def unrate_title(tx: Transaction, *, viewer_id: UUID, title_id: UUID) -> bool:
    """Take one's rating back; False where there was none. Raises `NotFound`."""
    await require_title(tx, title_id=title_id, viewer_id=viewer_id)
    return await _change(tx, viewer_id, title_id, None)


async def _change(tx: Transaction, viewer_id: UUID, title_id: UUID, tenths: int | None) -> bool:
    """Whether something changed."""
    asked = {"viewer": viewer_id, "title": title_id}
    empty = {"title": title_id, "empty": list(EMPTY.histogram)}
    count, total, histogram = (await tx.execute(_LOCK_STATS, empty)).one()
    before: int | None = (await tx.execute(_RATED, asked)).scalar_one_or_none()
    if before == tenths:
        return False
    if tenths is None:
        await tx.execute(_UNRATE, asked)
    else:
        await tx.execute(_RATE, asked | {"tenths": tenths})
    sums = folded(Sums(count, total, tuple(histogram)), before=before, after=tenths)
    await tx.execute(
        _KEEP_STATS,
        {
            "title": title_id,
            "count": sums.count,
            "sum": sums.sum_tenths,
            "histogram": list(sums.histogram),
        },
    )
    return True


async def review_title(
    tx: Transaction,
    *,
    viewer_id: UUID,
    title_id: UUID,
    body: str,
    headline: str | None = None,
    spoilers: bool = False,
) -> UUID:
    """Write one's review of a title, or write it anew; its id. Raises `NotFound`, `InvalidInput`
    (headline 1-300 characters, body 1-10,000)."""
    values = {
        "id": new_id(),
        "viewer": viewer_id,
        "title": title_id,
        "headline": None
        if headline is None
        else clean_text(headline, field="headline", maximum=HEADLINE_MAX),
        "body": clean_text(body, field="body", maximum=BODY_MAX, multiline=True),
        "spoilers": spoilers,
    }
    await require_title(tx, title_id=title_id, viewer_id=viewer_id)
    review_id: UUID = (await tx.execute(_REVIEW, values)).scalar_one()
    if review_id == values["id"]:
        payload = {"title": title_id.hex, "review": review_id.hex}
        tx.collect(NewEvent(user_topic(viewer_id), "TitleReviewed", payload, viewer_id))
    return review_id


async def delete_review(tx: Transaction, *, viewer_id: UUID, review_id: UUID) -> UUID:
    """Take one's own review back; the title's id. Raises `NotFound`, also for another's."""
    found = await tx.execute(_DELETE_REVIEW, {"id": review_id, "viewer": viewer_id})
    title_id: UUID | None = found.scalar_one_or_none()
    if title_id is None:
        raise NotFound("review")
    return title_id
