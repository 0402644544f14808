"""What the mutations of content answer instead of success, and the exceptions behind it."""

from __future__ import annotations

import strawberry

from core import errors
from schema.common import Error
from schema.errors import ErrorRow
from schema.fields import attribute
from schema.scalars import BigInt
from services.content.errors import ImageQuotaExceeded as QuotaExceeded


@strawberry.type(description="A platform does not answer, or not us. What was known stays known.")
class PlatformUnavailable(Error):
    platform_slug: str = attribute("Which platform.")


@strawberry.type(description="A platform may not be asked so soon again.")
class PlatformRateLimited(Error):
    platform_slug: str = attribute("Which platform.")
    retry_after: int = attribute("Seconds to wait before asking again.")


@strawberry.type(description="A platform answered what cannot be read; nothing of it was kept.")
class PlatformInvalidResponse(Error):
    platform_slug: str = attribute("Which platform.")


@strawberry.type(description="You have as many images as you may. Delete some first.")
class ImageQuotaExceeded(Error):
    images_max: int = attribute("How many images a person may have.")
    bytes_max: BigInt = attribute("How many bytes they may take together, in all their sizes.")


ERRORS: tuple[ErrorRow, ...] = (
    ErrorRow(
        errors.PlatformUnavailable, PlatformUnavailable, lambda e: {"platform_slug": e.platform}
    ),
    ErrorRow(
        errors.PlatformRateLimited,
        PlatformRateLimited,
        lambda e: {"platform_slug": e.platform, "retry_after": e.retry_after},
    ),
    ErrorRow(
        errors.PlatformInvalidResponse,
        PlatformInvalidResponse,
        lambda e: {"platform_slug": e.platform},
    ),
    ErrorRow(
        QuotaExceeded,
        ImageQuotaExceeded,
        lambda e: {"images_max": e.images_max, "bytes_max": e.bytes_max},
    ),
)
