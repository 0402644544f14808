"""Products out of a stall as a sheet, and from a sheet into it: all of it or nothing."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from core.database import Transaction
from core.errors import IdempotencyConflict, InvalidInput
from core.ids import new_id
from core.money import ASSETS, to_minor
from models.auctions import Product
from services.auctions.errors import ImportRefused
from services.auctions.sheet import (
    COLUMN_OF,
    ID,
    MAX_BYTES,
    MAX_FAULTS,
    MAX_ROWS,
    Fault,
    SheetRow,
    read_sheet,
    write_sheet,
)
from services.auctions.stalls import (
    ProductDetails,
    change_product,
    checked_details,
    product_event,
    require_seller,
)
from services.idempotency import idempotent_request, keep, recall

OPERATION = "importProducts"
READ_AT_ONCE = 500
NEEDED = ("kind", "name", "category", "asset")
"""Without these nothing can be listed."""

_FIELDS = tuple(ProductDetails.__dataclass_fields__)
# What stands in for a wrong value while the others of its row are judged.
_HARMLESS: Mapping[str, Any] = {
    "kind": "PHYSICAL",
    "name": "-",
    "category": "-",
    "asset": "USD",
    "price": None,
    "description": "",
    "story": "",
    "region": None,
    "tags": (),
    "imageUrls": (),
    "inventoryCount": 0,
    "lowStockThreshold": 0,
}
_FIELD_OF = {name: field for field, name in COLUMN_OF.items()} | {"price": "price_minor"}

# Two imports into one stall take turns.
_LOCK_STALL = text("SELECT 1 FROM stall WHERE id = :id FOR NO KEY UPDATE")
_ON_AUCTION = text(
    """
    SELECT DISTINCT product_id FROM auction
    WHERE product_id = ANY(CAST(:ids AS uuid[])) AND status IN ('SCHEDULED', 'OPEN')
    """
)


@dataclass(frozen=True, slots=True)
class Imported:
    """How many products a sheet made, changed, and left as they were."""

    created: int
    updated: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class Exported:
    """A sheet, how many products it has, and the last of them where the stall has more."""

    csv: str
    row_count: int
    next_after: UUID | None


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the rows come to: values by product, and those of new ones."""

    changes: Sequence[tuple[UUID, Mapping[str, Any]]]
    additions: Sequence[Mapping[str, Any]]


async def import_products(
    tx: Transaction,
    *,
    viewer_id: UUID,
    stall_id: UUID,
    content: bytes,
    idempotency_key: str | None = None,
) -> Imported:
    """List and change a stall's products by a sheet of 5,000 rows and 2 MiB at most (see `sheet`).
    A row that names a product changes the columns that the sheet has; one without makes a new one.
    A row that changes nothing writes nothing.

    Raises `ImportRefused` with what is wrong row by row, and then nothing is imported; `NotFound`,
    `Forbidden` (not one's stall), `InvalidInput`, `IdempotencyConflict`.
    """
    await require_seller(tx, stall_id, viewer_id)
    rows, faults = await asyncio.to_thread(read_sheet, content)
    await tx.execute(_LOCK_STALL, {"id": stall_id})
    request = None
    if idempotency_key is not None:
        arguments = {"stall": stall_id, "sheet": hashlib.sha256(content).hexdigest()}
        request = idempotent_request(viewer_id, idempotency_key, arguments)
        known = (await recall(tx, OPERATION, [request])).get(request)
        if isinstance(known, IdempotencyConflict):
            raise known
        if known is not None:
            return Imported(**known)
    products = await _locked(tx, stall_id, [row.product_id for row in rows if row.product_id])
    busy = await _on_auction(tx, list(products))
    plan = await asyncio.to_thread(_planned, rows, faults, products, busy)
    imported = _apply(tx, plan, products, stall_id, viewer_id)
    if request is not None:
        answer = {n: getattr(imported, n) for n in Imported.__dataclass_fields__}
        await keep(tx, OPERATION, {request: answer})
    return imported


async def export_products(
    tx: Transaction, *, viewer_id: UUID, stall_id: UUID, after: UUID | None = None
) -> Exported:
    """A stall's products as a sheet that can be imported again: the oldest first, from the one
    `after` on, as many as an import takes. Raises `NotFound`, `Forbidden` (not one's stall)."""
    await require_seller(tx, stall_id, viewer_id)
    products: list[Any] = []
    size = 0
    more = True
    while more and len(products) <= MAX_ROWS and size <= MAX_BYTES:
        batch = await _listed(tx, stall_id, products[-1].id if products else after)
        more = len(batch) == READ_AT_ONCE
        products += batch
        size += sum(len(product.description) + len(product.story) for product in batch)
    sheet, count = await asyncio.to_thread(
        write_sheet, products, max_rows=MAX_ROWS, max_bytes=MAX_BYTES
    )
    has_more = more or count < len(products)
    return Exported(sheet, count, products[count - 1].id if has_more and count else None)


async def _listed(tx: Transaction, stall_id: UUID, after: UUID | None) -> list[Any]:
    table: Any = Product  # its attributes are columns, which SQLModel's types do not say
    wanted = select(*Product.__table__.columns).where(  # type: ignore[attr-defined]
        table.stall_id == stall_id, table.deleted_at.is_(None)
    )
    if after is not None:
        wanted = wanted.where(table.id > after)
    return list((await tx.execute(wanted.order_by(table.id).limit(READ_AT_ONCE))).all())


async def _locked(tx: Transaction, stall_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Product]:
    """The stall's products among `ids`, locked in the order of their ids."""
    if not ids:
        return {}
    table: Any = Product
    wanted = select(Product).where(
        table.id.in_(ids), table.stall_id == stall_id, table.deleted_at.is_(None)
    )
    found = await tx.execute(wanted.order_by(table.id).with_for_update(key_share=True))
    return {product.id: product for product in found.scalars()}


async def _on_auction(tx: Transaction, ids: Sequence[UUID]) -> set[UUID]:
    if not ids:
        return set()
    return set((await tx.execute(_ON_AUCTION, {"ids": ids})).scalars())


def _planned(
    rows: Sequence[SheetRow],
    faults: Sequence[Fault],
    products: Mapping[UUID, Product],
    on_auction: Collection[UUID],
) -> _Plan:
    """Blocks: judges each row. Raises `ImportRefused` if one of them is wrong."""
    wrong = list(faults)
    changes: list[tuple[UUID, Mapping[str, Any]]] = []
    additions: list[Mapping[str, Any]] = []
    seen: set[UUID] = set()
    for row in rows:
        product = None if row.product_id is None else products.get(row.product_id)
        found = _about_id(row, product, seen)
        details, more = _details(row, product)
        found += more
        if product is not None and product.id in on_auction:
            found += _bound(row, product)
        checked, more = _checked(row, details)
        wrong += found + more
        if found or more:
            continue
        if product is None:
            additions.append(checked)
        else:
            changes.append((product.id, checked))
    if wrong:
        wrong.sort(key=lambda fault: fault.row)
        raise ImportRefused(tuple(wrong[:MAX_FAULTS]), len(wrong))
    return _Plan(changes, additions)


def _about_id(row: SheetRow, product: Product | None, seen: set[UUID]) -> list[Fault]:
    if row.product_id is None:
        missing = [COLUMN_OF[name] for name in NEEDED if name not in row.fields]
        return [Fault(row.number, name, "needed for a new product") for name in missing]
    if product is None:
        return [Fault(row.number, ID, "no product of this stall")]
    if row.product_id in seen:
        return [Fault(row.number, ID, "stands in a row above too")]
    seen.add(row.product_id)
    return []


def _details(row: SheetRow, product: Product | None) -> tuple[ProductDetails, list[Fault]]:
    """What the product would be; faults of the price, which alone depends on another column."""
    kept = _kept(product)
    given = {name: value for name, value in row.fields.items() if name != "price"}
    asset = str(given.get("asset", kept["asset"]))
    faults: list[Fault] = []
    if asset not in ASSETS:
        given["price_minor"] = None
    elif "price" in row.fields:
        price = row.fields["price"]
        try:
            given["price_minor"] = None if price is None else to_minor(price, asset, field="price")
        except InvalidInput as error:
            given["price_minor"] = None
            faults.append(Fault(row.number, "price", error.reason))
    elif asset != kept["asset"] and kept["price_minor"] is not None:
        faults.append(Fault(row.number, "price", "needed where the asset changes"))
    return ProductDetails(**{**kept, **given}), faults


def _kept(product: Product | None) -> dict[str, Any]:
    if product is not None:
        return {name: getattr(product, name) for name in _FIELDS}
    # What a new row does not give is said to be missing; its values need only be harmless.
    needed = {name: _HARMLESS[COLUMN_OF[name]] for name in NEEDED}
    usual = ProductDetails(**needed)
    return {name: getattr(usual, name) for name in _FIELDS}


def _bound(row: SheetRow, product: Product) -> list[Fault]:
    return [
        Fault(row.number, name, "stays as it is while an auction runs")
        for name in ("kind", "asset")
        if row.fields.get(name, getattr(product, name)) != getattr(product, name)
    ]


def _checked(row: SheetRow, details: ProductDetails) -> tuple[Mapping[str, Any], list[Fault]]:
    """The product's columns, or everything that is wrong with them."""
    given = {name: getattr(details, name) for name in _FIELDS}
    faults: list[Fault] = []
    while True:
        try:
            return checked_details(ProductDetails(**given)), faults
        except InvalidInput as error:
            faults.append(Fault(row.number, error.field, error.reason))
            given[_FIELD_OF[error.field]] = _HARMLESS[error.field]


def _apply(
    tx: Transaction,
    plan: _Plan,
    products: Mapping[UUID, Product],
    stall_id: UUID,
    viewer_id: UUID,
) -> Imported:
    updated = sum(
        change_product(tx, products[product_id], values, viewer_id)
        for product_id, values in plan.changes
    )
    for values in plan.additions:
        product = Product(id=new_id(), stall_id=stall_id, **values)
        tx.add(product)
        tx.collect(product_event(product, "ProductCreated", viewer_id))
    return Imported(
        created=len(plan.additions), updated=updated, unchanged=len(plan.changes) - updated
    )
