"""Tables of uploaded images. What is kept was encoded by us: never the bytes that somebody sent."""

from __future__ import annotations

from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, Table, Text, text
from sqlmodel import Field, SQLModel

from models.columns import key, moment, reference, words

KINDS = ("AVATAR", "BANNER", "PICTURE")
MEDIA_TYPES = ("image/jpeg", "image/png", "image/webp")
VARIANTS = ("original", "50", "100", "200", "400")
SIDE_MAX = 2_048
"""Longest side of what is kept, in pixels."""


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


class Image(SQLModel, table=True):
    """A picture that someone uploaded, for everyone to see. `width` and `height` are the
    original's as it is kept; `size_bytes` is what all its files take.

    The row is written before the files are stored: without `stored_at` it is on its way, or was
    lost on it. With `deleted_at` nobody is sent it any more; the row goes when its files are gone.
    """

    __tablename__ = "image"
    __table_args__ = (
        CheckConstraint(_one_of("kind", KINDS), name="kind_known"),
        CheckConstraint(_one_of("media_type", MEDIA_TYPES), name="media_type_known"),
        CheckConstraint(f"width BETWEEN 1 AND {SIDE_MAX}", name="width_bounded"),
        CheckConstraint(f"height BETWEEN 1 AND {SIDE_MAX}", name="height_bounded"),
        CheckConstraint("size_bytes > 0", name="size_positive"),
        Index("ix_image_owner", "owner_id", "created_at", "id"),
        Index(
            "ix_image_to_remove",
            "created_at",
            postgresql_where=text("stored_at IS NULL OR deleted_at IS NOT NULL"),
        ),
    )

    id: UUID = key()
    owner_id: UUID = reference("user_account.id")
    kind: str = words()
    media_type: str = words()
    width: int
    height: int
    size_bytes: int = Field(sa_type=BigInteger)
    created_at: datetime = moment(now=True)
    stored_at: datetime | None = moment(nullable=True)
    deleted_at: datetime | None = moment(nullable=True)


class ImageFile(SQLModel, table=True):
    """One size of an image: the original, or a variant by the length of its side in pixels."""

    __tablename__ = "image_file"
    __table_args__ = (
        CheckConstraint(_one_of("variant", VARIANTS), name="variant_known"),
        CheckConstraint("storage_key ~ '^[a-z-]+/[0-9a-f]{32}$'", name="storage_key_form"),
        CheckConstraint(f"width BETWEEN 1 AND {SIDE_MAX}", name="width_bounded"),
        CheckConstraint(f"height BETWEEN 1 AND {SIDE_MAX}", name="height_bounded"),
        CheckConstraint("size_bytes > 0", name="size_positive"),
        CheckConstraint("octet_length(sha256) = 32", name="sha256_length"),
        Index("uq_image_file_storage_key", "storage_key", unique=True),
    )

    image_id: UUID = reference("image.id", primary_key=True)
    variant: str = Field(primary_key=True, sa_type=Text)
    storage_key: str = words()
    width: int
    height: int
    size_bytes: int = Field(sa_type=BigInteger)
    sha256: bytes = Field(sa_type=LargeBinary)


def _table(model: type[SQLModel]) -> Table:
    return cast("Table", model.__table__)  # type: ignore[attr-defined]


images = _table(Image)
image_files = _table(ImageFile)
