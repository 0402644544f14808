"""From a field of what people searched to one unit of work: their own, and nobody else's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from core.errors import BadUserInput, InvalidInput, NotFound
from core.ids import decode_id, split_id
from loaders import search as loaders
from resolvers.context import OperationContext
from services.search import history
from services.search.contract import Kind, SearchPage, SearchQuery

KINDS: Mapping[str, Kind] = {
    "ttl": "TITLE",
    "per": "PERSON",
    "pst": "POST",
    "usr": "USER",
    "prd": "PRODUCT",
    "auc": "AUCTION",
    "qst": "QUEST",
}
PREFIXES = {kind: prefix for prefix, kind in KINDS.items()}


def note_search(context: OperationContext, query: SearchQuery, page: SearchPage) -> None:
    """Have a search written down behind its answer: once, not for each of its pages."""
    if query.after is not None or query.before is not None or not query.text.strip():
        return
    viewer = context.viewer
    context.server.searched.record(
        history.Searched(
            query=query.text.strip(),
            intent=page.interpretation.intent,
            results=len(page.hits) if page.total is None else page.total,
            user_id=None if viewer is None else viewer.user_id,
            session_id=None if viewer is None else viewer.session_id,
        )
    )


async def own_searches(
    context: OperationContext,
    user_id: UUID,
    *page: Any,
) -> Any:
    """A page of the viewer's searches; None for anyone else's."""
    if user_id != context.viewer_id:
        return None
    request = context.page_request(loaders.NEWEST_SEARCHES, *page)
    return await loaders.searches_page(context.server.db, user_id, request)


async def keeps_history(context: OperationContext, user_id: UUID) -> bool | None:
    """Whether the viewer's searches are kept; None for anyone else."""
    if user_id != context.viewer_id:
        return None
    setting = await context.loaders.load(loaders.search_setting_by_user_id, user_id)
    return True if setting is None else bool(setting.keep_history)


async def delete_entry(context: OperationContext, public_id: str) -> str:
    """Forget one search of the viewer's; its id. Raises `NotFound`."""
    user_id = context.signed_in().user_id
    try:
        key = decode_id(public_id, loaders.SEARCH_PREFIX)
    except BadUserInput:
        raise NotFound("search") from None
    await context.transact(partial(history.delete_search, user_id=user_id, search_id=key))
    return public_id


async def clear(context: OperationContext, before: datetime | None, *, confirmed: bool) -> int:
    """Forget the viewer's searches; how many. Raises `InvalidInput`."""
    if not confirmed:
        raise InvalidInput("confirm", "must be true: what is forgotten is gone")
    user_id = context.signed_in().user_id
    return await context.transact(partial(history.clear_searches, user_id=user_id, before=before))


async def keep(context: OperationContext, *, keep_history: bool) -> int:
    """Whether to keep the viewer's searches from now on; how many were forgotten. Raises
    `NotFound`."""
    user_id = context.signed_in().user_id
    return await context.transact(
        partial(history.keep_searches, user_id=user_id, keep=keep_history)
    )


async def click(context: OperationContext, *, query: str, node_id: str, position: int) -> bool:
    """The viewer opened a result; whether it counts. Raises `InvalidInput`, `NotFound`."""
    user_id = context.signed_in().user_id
    try:
        prefix, key = split_id(node_id)
        kind = KINDS[prefix]
    except (BadUserInput, KeyError):
        raise NotFound("result") from None
    return await context.transact(
        partial(
            history.record_click,
            user_id=user_id,
            query=query.strip(),
            kind=kind,
            entity_id=key,
            position=position,
        )
    )
