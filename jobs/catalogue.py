"""The catalogue's background work: watchers told of changes, offers that end, trends. The rules
stand in services/."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from uuid import UUID

import orjson

from core.database import Database
from services.content.availability import TITLES_MAX, apply_reports
from services.content.availability_ends import tell_of_ends, tell_watchers
from services.content.new_titles import TELL_NEW_TITLE, tell_new_title
from services.content.offers import OfferReport
from services.content.trends import refresh_trends
from services.jobs import enqueue

PAGES_MAX = 1_000
"""Pages in one run: the next goes on."""
VIEWER_PAGES_MAX = 50
"""Pages of viewers in one job: another goes on, so that none runs for long."""


async def tell_watchers_of(db: Database, payload: bytes | None) -> None:
    """Tell the next watchers of a job's payload; once, however often it runs."""
    asked = orjson.loads(payload or b"{}")
    after = asked["after"]
    await db.transaction(
        partial(
            tell_watchers,
            key=asked["key"],
            title_id=UUID(hex=asked["title"]),
            changes=asked["changes"],
            after=None if after is None else UUID(hex=after),
        )
    )


async def tell_new_title_of(
    db: Database, payload: bytes | None, *, pages: int = VIEWER_PAGES_MAX
) -> None:
    """Tell viewers of a job's title, a page a transaction; each once, however often it runs."""
    asked = orjson.loads(payload or b"{}")
    page = partial(
        tell_new_title,
        title_id=UUID(hex=asked["title"]),
        added=[UUID(hex=offer) for offer in asked["added"]],
        before=[UUID(hex=offer) for offer in asked["before"]],
    )
    after: UUID | None = UUID(hex=asked["after"])
    for _ in range(pages):
        if after is None:
            return
        after = await db.transaction(partial(page, after=after))
    if after is not None:
        further = asked | {"after": after.hex}
        await db.transaction(partial(enqueue, job=TELL_NEW_TITLE, payload=further))


async def watch_ends(db: Database, *, stopping: Callable[[], bool] = bool) -> int:
    """Tell of every known end that came near or passed; how many titles. Safe beside other runs;
    stops between pages when `stopping()`."""
    total = 0
    for _ in range(PAGES_MAX):
        if stopping():
            break
        found = await db.transaction(tell_of_ends)
        total += found
        if found == 0:
            break
    return total


async def refresh(db: Database) -> int:
    """Compute the trends anew."""
    return await db.transaction(refresh_trends)


async def apply_all(db: Database, reports: Sequence[OfferReport], source: str) -> int:
    """Apply any number of reports, ten titles a transaction; how many changes there were."""
    by_title: dict[UUID, list[OfferReport]] = {}
    for report in reports:
        by_title.setdefault(report.title_id, []).append(report)
    title_ids, changes = sorted(by_title), 0
    for i in range(0, len(title_ids), TITLES_MAX):
        some = [report for key in title_ids[i : i + TITLES_MAX] for report in by_title[key]]
        changes += len(await db.transaction(partial(apply_reports, reports=some, source=source)))
    return changes
