"""Files of digital products and their downloads as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from loaders.downloads import DOWNLOADS_MAX, DownloadRow, ProductFileRow, file_by_product_id
from resolvers import downloads as resolvers
from schema.common import Forbidden, InvalidInput, NotFound
from schema.fields import Context, argument, attribute, bounded, loaded, mutation, resolved
from schema.rows import shows
from schema.scalars import URL, Upload

if TYPE_CHECKING:
    from schema.auctions.types import Product


@strawberry.type(description="The file that a digital product is delivered as.")
@shows(ProductFileRow)
class ProductFile:
    file_name: str = attribute("What it is called.")
    media_type: str = attribute("What its own bytes say that it is: `application/pdf` …")
    size_bytes: int = attribute("How long it is, in bytes.", name="size")
    licence: str = attribute("The terms on which a buyer gets it; empty where none are given.")
    stored_at: datetime = attribute("When it was put there.")

    @resolved("SHA-256 of its content, in hex.", cost=0)
    def sha256(root: strawberry.Parent[Any]) -> str:
        return str(root.sha256.hex())


@strawberry.type(description="A file that you bought.")
@shows(DownloadRow)
class Download:
    file_name: str = attribute("What it is called.")
    media_type: str = attribute("What its own bytes say that it is: `application/pdf` …")
    size_bytes: int = attribute("How long it is, in bytes.", name="size")
    licence: str = attribute("The terms on which you have it; empty where none were given.")
    expires_at: datetime = attribute("Until when you may download it.")
    remaining: int = attribute("How often you may still download it.")

    @resolved("SHA-256 of its content, in hex.", cost=0)
    def sha256(root: strawberry.Parent[Any]) -> str:
        return str(root.sha256.hex())

    @resolved(
        "Where it is downloaded: a link that works for 15 minutes, for whoever has it; ask again "
        "for another. Each download counts. Null when none are left, or the order was refunded."
    )
    def url(root: strawberry.Parent[Any], info: Context) -> URL | None:
        link = resolvers.download_url(info.context, root)
        return None if link is None else URL(link)


@strawberry.type
class DownloadProductFields:
    """What downloads add to a product."""

    file: ProductFile | None = loaded(
        file_by_product_id,
        key="id",
        description="What a DIGITAL product is delivered as; null while there is none.",
    )


@strawberry.type
class DownloadOrderFields:
    """What downloads add to an order."""

    @resolved(
        "What you may download, having bought it; nothing for anyone but the buyer.",
        viewer=True,
        list_size=bounded(DOWNLOADS_MAX),
    )
    async def downloads(root: strawberry.Parent[Any], info: Context) -> list[Download]:
        return await resolvers.downloads_of(info.context, root)


@strawberry.input(description="A file for a digital product.")
class SetProductFileInput:
    product_id: strawberry.ID = strawberry.field(
        description="A DIGITAL product of your stall. Who bought before keeps the file they bought."
    )
    file: Upload = strawberry.field(
        description="A document, book, picture, sound, film, font, text or archive, by its content."
    )
    licence: str = strawberry.field(
        description="The terms on which buyers get it, 10,000 characters at most.", default=""
    )


@strawberry.type(description="The product is delivered as this file from now on.")
class SetProductFileSuccess:
    product: Annotated[Product, strawberry.lazy("schema.auctions.types")] = attribute(
        "The product; see `file`."
    )


SetProductFileResult = Annotated[
    SetProductFileSuccess | NotFound | Forbidden | InvalidInput,
    strawberry.union("SetProductFileResult", description="What became of a product's file."),
]


@strawberry.type
class DownloadMutation:
    @mutation("Set the file that a digital product is delivered as.", scopes=["auction:sell"])
    async def set_product_file(
        self, info: Context, input: Annotated[SetProductFileInput, argument("Which, and the file.")]
    ) -> SetProductFileResult:
        return SetProductFileSuccess(
            product=await resolvers.replace_file(
                info.context, input.product_id, input.file, input.licence
            )
        )
