"""The platforms of the catalogue: who they are and how often they may be asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from core.database import Transaction
from core.errors import Forbidden, InvalidInput
from core.ids import new_id
from core.text import clean_text
from services.users.profiles import clean_url

PLATFORMS_MAX = 200
_SLUG = re.compile(r"[a-z0-9](-?[a-z0-9]){1,59}")

_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended('mela.platforms', 0))")
_OTHERS = text("SELECT count(*) FROM platform WHERE slug <> :slug")
_UPSERT = text(
    """
    INSERT INTO platform (id, slug, name, home_url, logo_url, active)
    VALUES (:id, :slug, :name, :home_url, :logo_url, :active)
    ON CONFLICT (slug) DO UPDATE SET name = excluded.name, home_url = excluded.home_url,
        logo_url = excluded.logo_url, active = excluded.active
    RETURNING id
    """
)


@dataclass(frozen=True, slots=True)
class PlatformDetails:
    """A platform, known by its slug (2-60 of a-z, 0-9 and hyphens); name 1-100 characters."""

    slug: str
    name: str
    home_url: str | None = None
    logo_url: str | None = None
    active: bool = True


async def upsert_platform(tx: Transaction, *, details: PlatformDetails) -> UUID:
    """Add a platform, or say anew what the one of this slug is; its id. Raises `InvalidInput`,
    `Forbidden` past 200."""
    if not _SLUG.fullmatch(details.slug):
        raise InvalidInput("slug", "2 to 60 of a-z and 0-9, with single hyphens between them")
    values = {
        "id": new_id(),
        "slug": details.slug,
        "name": clean_text(details.name, field="name", maximum=100),
        "home_url": None if details.home_url is None else clean_url("homeUrl", details.home_url),
        "logo_url": None if details.logo_url is None else clean_url("logoUrl", details.logo_url),
        "active": details.active,
    }
    await tx.execute(_ALONE)
    if (await tx.execute(_OTHERS, {"slug": details.slug})).scalar_one() >= PLATFORMS_MAX:
        raise Forbidden(f"there may be {PLATFORMS_MAX} platforms")
    platform_id: UUID = (await tx.execute(_UPSERT, values)).scalar_one()
    return platform_id
