"""Batched reads of what people searched: their own, and nobody else's."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ColumnElement, false
from sqlmodel import col

from core.database import Database
from core.pagination import PageRequest
from loaders.base import one_by, read_page
from loaders.pages import Page, order
from loaders.rows import row_of
from models.search import SearchHistory, SearchSetting

SEARCH_PREFIX = "srh"


class SearchRow(row_of(SearchHistory, SEARCH_PREFIX, without=("session_id",))):  # type: ignore[misc]
    """A search that somebody made."""

    __slots__ = ()


class SearchSettingRow(row_of(SearchSetting, "")):  # type: ignore[misc]
    """What somebody wants of search."""

    __slots__ = ()


NEWEST_SEARCHES = order("searches", SearchHistory.at, SearchHistory.id, descending=True)


def _own(viewer_id: UUID | None) -> ColumnElement[bool]:
    return false() if viewer_id is None else col(SearchHistory.user_id) == viewer_id


own_search_by_id = one_by("own_search_by_id", SearchRow, SearchHistory.id, visible=_own)
search_setting_by_user_id = one_by(
    "search_setting_by_user_id", SearchSettingRow, SearchSetting.user_id
)


async def searches_page(db: Database, user_id: UUID, request: PageRequest) -> Page:
    """One page of a person's searches, the newest first."""
    return await read_page(db, SearchRow, NEWEST_SEARCHES, request, [_own(user_id)])
