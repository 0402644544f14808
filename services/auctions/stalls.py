"""Stalls and the products they list: who may open and change them, within which limits."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from slugify import slugify
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from core.database import Transaction, database_now, violated_constraint
from core.errors import Forbidden, InvalidInput, NotFound
from core.events import NewEvent
from core.ids import new_id
from core.money import ASSETS, to_decimal
from core.text import clean_text
from models.auctions import Product, Stall, StallMember
from models.users import UserRole
from services.auctions.errors import SlugTaken
from services.auctions.stock import stall_topic, stock_events

MAX_TAGS = 20
MAX_IMAGES = 10
MAX_THEME_BYTES = 4_096
MAX_STALLS = 10
MAX_INVENTORY = 1_000_000
MAX_PRICE_CENTS = 9_999_999_999
_SLUG = re.compile(r"[a-z0-9](-?[a-z0-9]){2,59}")
_REGION = re.compile(r"[A-Z]{2}")
_URL = re.compile(r"https?://[^\s<>\"\\^`{|}\x00-\x20]{1,2040}")


@dataclass(frozen=True, slots=True)
class ProductDetails:
    """What a seller says of a product. Limits: name 1-200, texts ≤ 10,000, category 1-60
    characters, 20 tags of 1-40, 10 images, region ISO 3166-1 alpha-2, price ≤ 99,999,999.99,
    stock ≤ 1,000,000."""

    kind: str
    name: str
    category: str
    asset: str
    description: str = ""
    story: str = ""
    region: str | None = None
    tags: Sequence[str] = ()
    image_urls: Sequence[str] = ()
    price_minor: int | None = None
    inventory_count: int = 1
    low_stock_threshold: int = 0


async def create_stall(
    tx: Transaction,
    *,
    owner_id: UUID,
    name: str,
    description: str = "",
    slug: str | None = None,
    theme: Mapping[str, object] | None = None,
) -> UUID:
    """Open a stall and make its owner an ARTISAN; a person may have 10.

    Without `slug` one is made from the name. Raises `SlugTaken`, `InvalidInput`.
    """
    stall = Stall(
        id=new_id(),
        owner_id=owner_id,
        name=_stall_name(name),
        description=_stall_description(description),
        slug=_slug(slug, name),
        theme=_theme({} if theme is None else theme),
    )
    await _refuse_too_many(tx, owner_id)
    tx.add(stall)
    await _flush_slug(tx, stall.slug)
    await _make_artisan(tx, owner_id)
    tx.collect(NewEvent(stall_topic(stall.id), "StallOpened", {"owner": owner_id.hex}, owner_id))
    return stall.id


async def create_product(
    tx: Transaction, *, viewer_id: UUID, stall_id: UUID, details: ProductDetails
) -> UUID:
    """List a product. Raises `NotFound`, `Forbidden` (not one's stall), `InvalidInput`."""
    await require_seller(tx, stall_id, viewer_id)
    product = Product(id=new_id(), stall_id=stall_id, **checked_details(details))
    tx.add(product)
    tx.collect(product_event(product, "ProductCreated", viewer_id))
    return product.id


async def update_product(
    tx: Transaction, *, viewer_id: UUID, product_id: UUID, changes: Mapping[str, Any]
) -> UUID:
    """Change the given fields of a product, all or none; the same limits and errors as
    `create_product`. The kind and the asset of a product in an unfinished auction stay."""
    product = await lock_product(tx, product_id)
    await require_seller(tx, product.stall_id, viewer_id)
    fields = ProductDetails.__dataclass_fields__
    kept = {name: getattr(product, name) for name in fields}
    if {"kind", "asset"} & {n for n, v in changes.items() if kept[n] != v}:
        await refuse_while_on_auction(tx, product_id, "kind", "kind and asset stay as they are")
    change_product(tx, product, checked_details(ProductDetails(**{**kept, **changes})), viewer_id)
    return product_id


def change_product(
    tx: Transaction, product: Product, checked: Mapping[str, Any], actor_id: UUID
) -> bool:
    """Give a locked product these checked values, and tell of what that moves; whether anything
    moved."""
    moved = {name for name, value in checked.items() if getattr(product, name) != value}
    before = product.inventory_count
    for name in moved:
        setattr(product, name, checked[name])
    tx.add(product)
    if moved - {"inventory_count"}:
        tx.collect(product_event(product, "ProductChanged", actor_id, moved))
    after, low = product.inventory_count, product.low_stock_threshold
    for event in stock_events(product.stall_id, product.id, before, after, low, actor_id):
        tx.collect(event)
    return bool(moved)


async def delete_product(tx: Transaction, *, viewer_id: UUID, product_id: UUID) -> None:
    """Take a product out of its stall for ever; orders and ended auctions still show it.

    Raises `NotFound`, `Forbidden` (not one's stall), `InvalidInput` while an auction of it is to
    open or open.
    """
    product = await lock_product(tx, product_id)
    await require_seller(tx, product.stall_id, viewer_id)
    await refuse_while_on_auction(tx, product_id, "productId", "the product stays")
    product.deleted_at = await database_now(tx)
    tx.add(product)
    tx.collect(product_event(product, "ProductDeleted", viewer_id))


async def update_stall(
    tx: Transaction, *, viewer_id: UUID, stall_id: UUID, changes: Mapping[str, Any]
) -> None:
    """Change the given ones of name, description, slug, theme, active; for its owner alone. A
    stall that is not active lists and sells nothing new.

    Raises `NotFound`, `Forbidden`, `SlugTaken`, `InvalidInput` (also for closing a stall while an
    auction of it is to open or open).
    """
    stall = await tx.get(Stall, stall_id, with_for_update={"key_share": True})
    if stall is None:
        raise NotFound("stall")
    if stall.owner_id != viewer_id:
        raise Forbidden("only its owner may change a stall")
    if stall.active and changes.get("active") is False:
        await _refuse_closing(tx, stall_id)
    kept = {name: getattr(stall, name) for name in _STALL_CHECKS}
    moved = {
        name: value
        for name, value in ((n, _STALL_CHECKS[n](v)) for n, v in changes.items())
        if kept[name] != value
    }
    if not moved:
        return
    for name, value in moved.items():
        setattr(stall, name, value)
    tx.add(stall)
    await _flush_slug(tx, stall.slug)
    payload = {"stall": stall_id.hex, "active": stall.active}
    tx.collect(NewEvent(stall_topic(stall_id), "StallChanged", payload, viewer_id))


async def lock_product(tx: Transaction, product_id: UUID) -> Product:
    """The product, which nobody else changes, sells or deletes until this transaction ends. Raises
    `NotFound` for one that is not there, or was deleted."""
    product: Any = Product  # its attributes are columns, which SQLModel's types do not say
    wanted = select(Product).where(product.id == product_id, product.deleted_at.is_(None))
    found = await tx.execute(wanted.with_for_update(key_share=True))
    row = found.scalar_one_or_none()
    if row is None:
        raise NotFound("product")
    return row


async def refuse_while_on_auction(tx: Transaction, product_id: UUID, field: str, what: str) -> None:
    """Raises `InvalidInput(field)` while a lot of the product is to open or open. The caller has
    locked the product, so that none is made meanwhile."""
    found = await tx.execute(
        text(
            "SELECT 1 FROM auction WHERE product_id = :id AND status IN ('SCHEDULED', 'OPEN')"
            " LIMIT 1"
        ),
        {"id": product_id},
    )
    if found.first() is not None:
        raise InvalidInput(field, f"{what} while an auction runs")


def product_event(
    product: Product, type: str, actor_id: UUID, changed: Collection[str] = ()
) -> NewEvent:
    """What to tell of a product: its price as it is now, and whether that moved."""
    payload = {
        "product": product.id.hex,
        "price": product.price_minor,
        "asset": product.asset,
        "priceChanged": not {"price_minor", "asset"}.isdisjoint(changed),
    }
    return NewEvent(stall_topic(product.stall_id), type, payload, actor_id)


async def require_seller(tx: Transaction, stall_id: UUID, viewer_id: UUID) -> Stall:
    """The stall, if the viewer owns or shares it. Raises `NotFound`, or `Forbidden`."""
    stall = await tx.get(Stall, stall_id)
    if stall is None or not stall.active:
        raise NotFound("stall")
    if stall.owner_id != viewer_id and await tx.get(StallMember, (stall_id, viewer_id)) is None:
        raise Forbidden("this stall is not yours")
    return stall


def is_slug(text: str) -> bool:
    """Whether a stall could have this slug."""
    return _SLUG.fullmatch(text) is not None


def checked_tags(tags: Sequence[str]) -> list[str]:
    """20 tags at most, of 1-40 characters, each once."""
    if len(tags) > MAX_TAGS:
        raise InvalidInput("tags", f"{MAX_TAGS} at most")
    return list(dict.fromkeys(clean_text(tag, field="tags", maximum=40) for tag in tags))


def checked_region(region: str | None) -> str | None:
    """Two capital letters, ISO 3166-1."""
    if region is not None and not _REGION.fullmatch(region):
        raise InvalidInput("region", "two capital letters, as in FR (ISO 3166-1)")
    return region


def checked_details(details: ProductDetails) -> dict[str, Any]:
    """A product's columns from what its seller says. Raises `InvalidInput`."""
    if details.kind not in ("PHYSICAL", "DIGITAL"):
        raise InvalidInput("kind", "PHYSICAL or DIGITAL")
    if details.asset not in ASSETS:
        raise InvalidInput("asset", "unknown")
    if details.price_minor is not None:
        _check_price(details.price_minor, details.asset)
    return {
        "kind": details.kind,
        "name": clean_text(details.name, field="name", maximum=200),
        "category": clean_text(details.category, field="category", maximum=60),
        "asset": details.asset,
        "description": _long(details.description, "description"),
        "story": _long(details.story, "story"),
        "region": checked_region(details.region),
        "tags": checked_tags(details.tags),
        "image_urls": _images(details.image_urls),
        "price_minor": details.price_minor,
        "inventory_count": _count(details.inventory_count, "inventoryCount"),
        "low_stock_threshold": _count(details.low_stock_threshold, "lowStockThreshold"),
    }


def _check_price(price_minor: int, asset: str) -> None:
    most = MAX_PRICE_CENTS * 10 ** ASSETS[asset].scale // 100
    if not 0 < price_minor <= most:
        raise InvalidInput("price", f"more than zero, {to_decimal(most, asset)} at most")


def _long(value: str, field: str) -> str:
    return clean_text(value, field=field, minimum=0, maximum=10_000, multiline=True)


def _count(value: int, field: str) -> int:
    if not 0 <= value <= MAX_INVENTORY:
        raise InvalidInput(field, f"from 0 to {MAX_INVENTORY}")
    return value


def _images(urls: Sequence[str]) -> list[str]:
    if len(urls) > MAX_IMAGES:
        raise InvalidInput("imageUrls", f"{MAX_IMAGES} at most")
    if not all(_URL.fullmatch(url) for url in urls):
        raise InvalidInput("imageUrls", "absolute http or https addresses")
    return list(urls)


def _slug(given: str | None, name: str) -> str:
    slug = slugify(name, max_length=60) if given is None else given
    if not is_slug(slug):
        raise InvalidInput("slug", "3 to 60 of a-z and 0-9, with single hyphens between them")
    return slug


def _theme(theme: Mapping[str, object]) -> dict[str, Any]:
    try:
        size = len(orjson.dumps(theme))
    except TypeError:
        raise InvalidInput("theme", "not JSON that can be stored") from None
    if not isinstance(theme, dict) or size > MAX_THEME_BYTES or b"\\u0000" in orjson.dumps(theme):
        raise InvalidInput("theme", f"a JSON object of {MAX_THEME_BYTES} bytes at most")
    return theme


def _stall_name(name: str) -> str:
    return clean_text(name, field="name", maximum=100)


def _stall_description(text: str) -> str:
    return clean_text(text, field="description", minimum=0, maximum=5_000, multiline=True)


_STALL_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "name": _stall_name,
    "description": _stall_description,
    "slug": lambda slug: _slug(slug, ""),
    "theme": _theme,
    "active": bool,
}


async def _flush_slug(tx: Transaction, slug: str) -> None:
    """Write what waits. Raises `SlugTaken` where another stall has the slug."""
    try:
        await tx.flush()
    except IntegrityError as error:
        if violated_constraint(error) == "uq_stall_slug":
            raise SlugTaken(slug) from None
        raise


async def _refuse_closing(tx: Transaction, stall_id: UUID) -> None:
    found = await tx.execute(
        text(
            "SELECT 1 FROM auction WHERE stall_id = :id AND status IN ('SCHEDULED', 'OPEN') LIMIT 1"
        ),
        {"id": stall_id},
    )
    if found.first() is not None:
        raise InvalidInput("active", "the stall stays open while an auction of it runs")


async def _refuse_too_many(tx: Transaction, owner_id: UUID) -> None:
    # The owner's row is locked, so that two requests at once cannot both be the tenth.
    await tx.execute(text("SELECT 1 FROM user_account WHERE id = :id FOR UPDATE"), {"id": owner_id})
    owned = await tx.execute(
        text("SELECT count(*) FROM stall WHERE owner_id = :id"), {"id": owner_id}
    )
    if owned.scalar_one() >= MAX_STALLS:
        raise Forbidden(f"a person may have {MAX_STALLS} stalls")


async def _make_artisan(tx: Transaction, user_id: UUID) -> None:
    if await tx.get(UserRole, (user_id, "ARTISAN")) is None:
        tx.add(UserRole(user_id=user_id, role="ARTISAN"))
