"""Root fields that keep a stall and its list of products: changes, deletion, import and export."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry

from core.ids import encode_id
from resolvers import listing as resolvers
from schema.auctions.errors import ImportRefused, SlugTaken
from schema.auctions.inputs import described
from schema.auctions.types import Product, Stall
from schema.common import Forbidden, IdempotencyConflict, InvalidInput, NotFound
from schema.fields import Context, argument, attribute, mutation
from schema.scalars import JSON, Upload


@strawberry.input(description="Changes of a stall: what is not given stays.")
class UpdateStallInput:
    stall_id: strawberry.ID = described("Your own stall.")
    name: strawberry.Maybe[str] = described("What it is called, 1 to 100 characters.")
    description: strawberry.Maybe[str] = described("5,000 characters at most.")
    slug: strawberry.Maybe[str] = described("Its public address; links to the old one end.")
    theme: strawberry.Maybe[JSON] = described("Colours and the like: a JSON object of 4 KiB.")
    active: strawberry.Maybe[bool] = described(
        "False closes it: nothing new is listed or put up. Not while an auction runs."
    )


def stall_changes(given: UpdateStallInput) -> dict[str, Any]:
    """The fields that were given, by the service's names."""
    names = vars(given).keys() - {"stall_id"}
    return {name: getattr(given, name).value for name in names if getattr(given, name) is not None}


@strawberry.input(description="A product to delete.")
class DeleteProductInput:
    product_id: strawberry.ID = described("Which product of your stall.")


@strawberry.input(description="Products as a CSV file.")
class ImportProductsInput:
    stall_id: strawberry.ID = described("Your stall.")
    file: Upload = described(
        "CSV (RFC 4180) in UTF-8, 2 MiB and 5,000 rows at most, with a header. Columns, in any "
        "order: `id` (empty: a new product), `kind`, `name`, `category`, `asset`, `price`, "
        "`inventoryCount`, `lowStockThreshold`, `region`, `tags` and `imageUrls` (between "
        "semicolons), `description`, `story`. Of a product that is there, columns that are not "
        "given stay; a new one needs `kind`, `name`, `category` and `asset`."
    )
    idempotency_key: str | None = described(
        "Your own name for this import, 1 to 200 characters. Sent again with the same key and "
        "file, nothing is listed twice.",
        default=None,
    )


@strawberry.input(description="A stall whose products are wanted as a CSV file.")
class ExportProductsInput:
    stall_id: strawberry.ID = described("Your stall.")
    after: strawberry.ID | None = described(
        "Go on after this product: the `nextAfter` of the export before.", default=None
    )


@strawberry.type(description="The stall was changed.")
class UpdateStallSuccess:
    stall: Stall = attribute("The stall as it is now.")


@strawberry.type(description="The product is out of its stall. Orders and auctions still show it.")
class DeleteProductSuccess:
    product: Product = attribute("The product; see `deletedAt`.")


@strawberry.type(description="Every row of the file was imported.")
class ImportProductsSuccess:
    created_count: int = attribute("How many products are new.")
    updated_count: int = attribute("How many were changed.")
    unchanged_count: int = attribute("How many were as the file has them.")
    stall: Stall = attribute("The stall.")


@strawberry.type(description="Products as a CSV file that can be imported again.")
class ExportProductsSuccess:
    csv: str = attribute(
        "The file. A cell that a spreadsheet would take for a formula has an apostrophe before "
        "it, which an import takes away."
    )
    row_count: int = attribute("How many products it has, 5,000 at most.")
    next_after: strawberry.ID | None = attribute(
        "The last product here, if the stall has more than fit: pass it as `after`."
    )


UpdateStallResult = Annotated[
    UpdateStallSuccess | SlugTaken | NotFound | Forbidden | InvalidInput,
    strawberry.union("UpdateStallResult", description="What became of a stall's changes."),
]
DeleteProductResult = Annotated[
    DeleteProductSuccess | NotFound | Forbidden | InvalidInput,
    strawberry.union("DeleteProductResult", description="What became of a deletion."),
]
ImportProductsResult = Annotated[
    ImportProductsSuccess
    | ImportRefused
    | IdempotencyConflict
    | NotFound
    | Forbidden
    | InvalidInput,
    strawberry.union("ImportProductsResult", description="What became of an import."),
]
ExportProductsResult = Annotated[
    ExportProductsSuccess | NotFound | Forbidden,
    strawberry.union("ExportProductsResult", description="What became of an export."),
]


@strawberry.type
class ListingMutation:
    @mutation("Change your stall; what is not given stays.", scopes=["auction:sell"])
    async def update_stall(
        self, info: Context, input: Annotated[UpdateStallInput, argument("The changes.")]
    ) -> UpdateStallResult:
        changes = stall_changes(input)
        return UpdateStallSuccess(
            stall=await resolvers.update_stall(info.context, input.stall_id, changes)
        )

    @mutation(
        "Take a product out of your stall for ever. Not while an auction of it runs.",
        scopes=["auction:sell"],
    )
    async def delete_product(
        self, info: Context, input: Annotated[DeleteProductInput, argument("Which product.")]
    ) -> DeleteProductResult:
        return DeleteProductSuccess(
            product=await resolvers.delete_product(info.context, input.product_id)
        )

    @mutation(
        "List and change products by a CSV file, all rows or none.",
        scopes=["auction:sell"],
        cost=100,
    )
    async def import_products(
        self, info: Context, input: Annotated[ImportProductsInput, argument("Where, and the file.")]
    ) -> ImportProductsResult:
        imported, stall = await resolvers.import_sheet(
            info.context, input.stall_id, input.file, input.idempotency_key
        )
        return ImportProductsSuccess(
            created_count=imported.created,
            updated_count=imported.updated,
            unchanged_count=imported.unchanged,
            stall=stall,
        )

    @mutation(
        "Your stall's products as a CSV file, the oldest first.", scopes=["auction:sell"], cost=100
    )
    async def export_products(
        self, info: Context, input: Annotated[ExportProductsInput, argument("Whose products.")]
    ) -> ExportProductsResult:
        exported = await resolvers.export_sheet(info.context, input.stall_id, input.after)
        last = exported.next_after
        return ExportProductsSuccess(
            csv=exported.csv,
            row_count=exported.row_count,
            next_after=None if last is None else strawberry.ID(encode_id("prd", last)),
        )
