"""From a field that keeps a stall and its list of products to one unit of work."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from core.files import UploadedFile
from loaders import auctions as loaders
from resolvers.auctions import named_key
from resolvers.context import OperationContext
from services.auctions import stalls
from services.auctions.importing import Exported, Imported, export_products, import_products
from services.auctions.sheet import MAX_BYTES


async def update_stall(context: OperationContext, stall_id: str, changes: Mapping[str, Any]) -> Any:
    """Change the given fields of the viewer's stall; the row."""
    viewer = context.signed_in()
    key = named_key(stall_id, "stl", "stall")
    await context.transact(
        partial(stalls.update_stall, viewer_id=viewer.user_id, stall_id=key, changes=changes)
    )
    context.forget()
    return await context.loaders.load(loaders.stall_by_id, key)


async def delete_product(context: OperationContext, product_id: str) -> Any:
    """Take a product out of the viewer's stall; the row as orders still show it."""
    viewer = context.signed_in()
    key = named_key(product_id, "prd", "product")
    await context.transact(partial(stalls.delete_product, viewer_id=viewer.user_id, product_id=key))
    context.forget()
    return await context.loaders.load(loaders.product_by_id, key)


async def import_sheet(
    context: OperationContext, stall_id: str, file: UploadedFile, idempotency_key: str | None
) -> tuple[Imported, Any]:
    """List and change products of the viewer's stall by a sheet; what it did, and the stall."""
    viewer = context.signed_in()
    key = named_key(stall_id, "stl", "stall")
    # One byte more than is allowed, so that too large a file is told from one that just fits.
    content = await asyncio.to_thread(file.content.read, MAX_BYTES + 1)
    imported = await context.transact(
        partial(
            import_products,
            viewer_id=viewer.user_id,
            stall_id=key,
            content=content,
            idempotency_key=idempotency_key,
        )
    )
    context.forget()
    return imported, await context.loaders.load(loaders.stall_by_id, key)


async def export_sheet(context: OperationContext, stall_id: str, after: str | None) -> Exported:
    """The products of the viewer's stall as a sheet."""
    viewer = context.signed_in()
    key = named_key(stall_id, "stl", "stall")
    last = None if after is None else named_key(after, "prd", "product")
    return await context.transact(
        partial(export_products, viewer_id=viewer.user_id, stall_id=key, after=last)
    )
