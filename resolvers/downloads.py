"""From a field of files and downloads to one unit of work, and the links that open downloads."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from core.files import UploadedFile
from core.links import sign_link
from loaders import auctions as auction_loaders
from loaders.downloads import DownloadRow, downloads_by_order_id
from loaders.orders import OrderRow
from resolvers.auctions import named_key
from resolvers.context import OperationContext
from services.auctions.downloads import end_of
from services.auctions.product_files import set_product_file

LINK_PURPOSE = "download"
LINK_PATH = "/downloads"
LINK_FOR = timedelta(minutes=15)


async def replace_file(
    context: OperationContext, product_id: str, file: UploadedFile, licence: str
) -> Any:
    """Make a file what a product of the viewer's stall is delivered as; the product."""
    key = await set_product_file(
        context.server.db,
        context.server.storage,
        viewer_id=context.signed_in().user_id,
        product_id=named_key(product_id, "prd", "product"),
        file=file,
        licence=licence,
    )
    context.forget()
    return await context.loaders.load(auction_loaders.product_by_id, key)


async def downloads_of(context: OperationContext, order: OrderRow) -> Any:
    """What the viewer may download of an order of theirs; nothing of anyone else's."""
    if order.buyer_id != context.viewer_id:
        return []
    return await context.loaders.load(downloads_by_order_id, order.id)


def download_url(context: OperationContext, row: DownloadRow) -> str | None:
    """A fresh link, for 15 minutes at most; None where there is nothing to download any more."""
    ended = end_of(
        expires_at=row.expires_at,
        left=row.remaining,
        order_status=row.order_status,
        removed=row.removed,
        now=row.read_at,
    )
    if ended is not None:
        return None
    expires_at = min(row.read_at + LINK_FOR, row.expires_at)
    token = sign_link(context.server.keys, LINK_PURPOSE, row.id, expires_at=expires_at)
    return f"{context.server.settings.public_url}{LINK_PATH}/{token}"
