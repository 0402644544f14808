"""Tables of digital products: their files, who may download them, and each download."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from models.columns import UUID, datetime, key, moment, reference, words


class ProductFile(SQLModel, table=True):
    """A file that a digital product is delivered as, and the terms it is licensed on.

    The row is written before the file is stored: without `stored_at` it is on its way, or was lost
    on it. A product has one file at a time; one that was replaced stays for whoever bought it, and
    its content is removed when nobody may download it any more.
    """

    __tablename__ = "product_file"
    __table_args__ = (
        CheckConstraint("storage_key ~ '^[a-z-]+/[0-9a-f]{32}$'", name="storage_key_form"),
        CheckConstraint("char_length(file_name) BETWEEN 1 AND 200", name="file_name_length"),
        CheckConstraint("size_bytes > 0", name="size_positive"),
        CheckConstraint("octet_length(sha256) = 32", name="sha256_length"),
        CheckConstraint("char_length(licence) <= 10000", name="licence_length"),
        UniqueConstraint("storage_key"),
        Index(
            "uq_product_file_current",
            "product_id",
            unique=True,
            postgresql_where=text("stored_at IS NOT NULL AND replaced_at IS NULL"),
        ),
        Index("ix_product_file_product", "product_id", "created_at"),
    )

    id: UUID = key()
    product_id: UUID = reference("product.id")
    storage_key: str = words()
    file_name: str = words()
    media_type: str = words()
    size_bytes: int = Field(sa_type=BigInteger)
    sha256: bytes = Field(sa_type=LargeBinary)
    licence: str = words(default="")
    created_at: datetime = moment(now=True)
    stored_at: datetime | None = moment(nullable=True)
    replaced_at: datetime | None = moment(nullable=True)
    removed_at: datetime | None = moment(nullable=True)


class DownloadGrant(SQLModel, table=True):
    """That an order's buyer may download a file: until when, how often, and how often they did."""

    __tablename__ = "download_grant"
    __table_args__ = (
        CheckConstraint("download_limit > 0", name="limit_positive"),
        CheckConstraint("download_count BETWEEN 0 AND download_limit", name="count_within_limit"),
        UniqueConstraint("order_id", "product_file_id"),
        Index("ix_download_grant_file", "product_file_id", "expires_at"),
    )

    id: UUID = key()
    order_id: UUID = reference("sale_order.id")
    product_file_id: UUID = reference("product_file.id")
    expires_at: datetime = moment()
    download_limit: int
    download_count: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    created_at: datetime = moment(now=True)


class DownloadLog(SQLModel, table=True):
    """A download that began. Never changed; it names no address: the grant says whose it was."""

    __tablename__ = "download_log"
    __table_args__ = (Index("ix_download_log_grant", "grant_id", "at"),)

    id: UUID = key()
    grant_id: UUID = reference("download_grant.id")
    at: datetime = moment(now=True)
