"""Anything by its id: which loader answers for which prefix."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from core.errors import BadUserInput
from core.ids import split_id
from loaders import auctions, notifications, orders, search, users, wallets
from loaders.base import Loader
from loaders.content import availability, images, moderation, posts, titles, viewing
from resolvers.auctions import MODERATOR_SCOPE
from resolvers.context import OperationContext

NODES_MAX = 100

NODES: Mapping[str, Loader] = {
    "usr": users.visible_user_by_id,
    "ntf": notifications.own_notification_by_id,
    "stl": auctions.stall_by_id,
    "prd": auctions.listed_product_by_id,
    "auc": auctions.auction_by_id,
    "bid": auctions.bid_by_id,
    "ord": orders.own_order_by_id,
    "acc": wallets.own_account_by_id,
    "trf": wallets.own_transfer_by_id,
    "pay": wallets.own_payment_by_id,
    "adr": wallets.own_address_by_id,
    "ttl": titles.title_by_id,
    "per": titles.person_by_id,
    "plt": availability.platform_by_id,
    "rvw": viewing.review_by_id,
    "vwr": viewing.own_view_by_id,
    "pst": posts.post_by_id,
    "cmt": posts.comment_by_id,
    "cat": posts.category_by_id,
    "img": images.image_by_id,
    "rpt": moderation.own_report_by_id,
    "mod": moderation.own_action_by_id,
    "srh": search.own_search_by_id,
}
"""Each loader leaves out what the viewer may not see, so absent and hidden answer alike."""

FOR_MODERATORS: Mapping[str, Loader] = {"ord": orders.order_by_id}
"""What moderators see of more than their own."""


async def find_node(context: OperationContext, public_id: str) -> Any:
    """The row of an id, or None where there is nothing to see or the id is of no known form."""
    try:
        prefix, key = split_id(public_id)
    except BadUserInput:
        return None
    loader = NODES.get(prefix)
    if context.viewer is not None and context.viewer.has(MODERATOR_SCOPE):
        loader = FOR_MODERATORS.get(prefix, loader)
    return None if loader is None else await context.loaders.load(loader, key)


async def find_nodes(context: OperationContext, public_ids: Sequence[str]) -> list[Any]:
    """The rows of several ids, in order; one statement a type. Raises `BadUserInput` past 100."""
    if len(public_ids) > NODES_MAX:
        raise BadUserInput(f"{NODES_MAX} ids at most", {"maximum": NODES_MAX})
    return await asyncio.gather(*(find_node(context, id) for id in public_ids))
