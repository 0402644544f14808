"""Uploaded images as clients see them, and the root fields that change them."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from loaders.content.images import ImageRow
from resolvers.content import images as resolvers
from schema.common import Connection, Forbidden, InvalidInput, Node, NotFound
from schema.content.errors import ImageQuotaExceeded
from schema.content.posts_inputs import described
from schema.fields import (
    After,
    Before,
    Context,
    First,
    Last,
    argument,
    attribute,
    mutation,
    page_size,
    resolved,
)
from schema.rows import shows
from schema.scalars import URL, Upload, code_of

if TYPE_CHECKING:
    from schema.users.types import User

LazyUser = Annotated["User", strawberry.lazy("schema.users.types")]


@strawberry.enum(description="What an image is for: it says which sizes there are.")
class ImageKind(Enum):
    AVATAR = strawberry.enum_value(
        "AVATAR", description="Stands for a person. Its smaller sizes are squares of its middle."
    )
    BANNER = strawberry.enum_value("BANNER", description="Stands across the top of a profile.")
    PICTURE = strawberry.enum_value(
        "PICTURE", description="For anything else: covers and blocks of posts, products."
    )


@strawberry.enum(description="How large an image is wanted.")
class ImageSize(Enum):
    SMALL = strawberry.enum_value(
        "SMALL", description="AVATAR: 50 by 50 pixels. Others: whole, within 100 by 100."
    )
    LARGE = strawberry.enum_value(
        "LARGE", description="AVATAR: 200 by 200 pixels. Others: whole, within 400 by 400."
    )
    ORIGINAL = strawberry.enum_value(
        "ORIGINAL", description="Whole, at most 2,048 pixels on a side."
    )


_VARIANTS = {
    ImageSize.SMALL: ("50", "100"),
    ImageSize.LARGE: ("200", "400"),
    ImageSize.ORIGINAL: ("original", "original"),
}


@strawberry.federation.type(
    keys=["id"],
    description="An uploaded picture. Everyone may see it who has its address: upload nothing that "
    "is private. Where and with what it was taken is not in it any more.",
)
@shows(ImageRow)
class Image(Node):
    kind: ImageKind = attribute("What it is for.")
    media_type: str = attribute("`image/jpeg`, `image/png` or `image/webp`; a GIF became a PNG.")
    width: int = attribute("Of the original, in pixels.")
    height: int = attribute("Of the original, in pixels.")
    created_at: datetime = attribute("When it was uploaded.")

    @resolved("Where it is: an address that always gives the same picture, until it is deleted.")
    def url(
        root: strawberry.Parent[Any],
        info: Context,
        size: Annotated[ImageSize, argument("How large.")] = ImageSize.ORIGINAL,
    ) -> URL:
        variant = _VARIANTS[size][root.kind != ImageKind.AVATAR.value]
        return URL(resolvers.url_of(info.context, root, variant))

    @classmethod
    async def resolve_reference(cls, info: Context, id: strawberry.ID) -> Any:
        return await resolvers.referred_image(info.context, id)


@strawberry.type
class ImageUserFields:
    """What images add to a user."""

    @resolved(
        "What they uploaded, newest first; for themselves, else null.",
        viewer=True,
        list_size=page_size(),
    )
    async def images(
        root: strawberry.Parent[Any],
        info: Context,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Image] | None:
        return await resolvers.images_of(info.context, root.id, first, after, last, before)


@strawberry.input(description="A picture, and what it is for.")
class UploadImageInput:
    file: Upload = described(
        "A JPEG, PNG, WebP or GIF (its first frame) by its content, 40 million pixels at most."
    )
    kind: ImageKind = described("What it is for.")


@strawberry.input(description="A picture of you.")
class SetAvatarInput:
    image_id: strawberry.ID = described("An image of yours of kind AVATAR.")


@strawberry.input(description="A wide picture for your profile.")
class SetBannerInput:
    image_id: strawberry.ID = described("An image of yours of kind BANNER.")


@strawberry.input(description="An image to delete.")
class DeleteImageInput:
    image_id: strawberry.ID = described("An image of yours.")


@strawberry.type(description="The picture is kept.")
class UploadImageSuccess:
    image: Image = attribute("The image; its addresses work from now on.")


@strawberry.type(description="It is your avatar.")
class SetAvatarSuccess:
    user: LazyUser = attribute("You; see `avatarUrl`.")


@strawberry.type(description="It is your profile's banner.")
class SetBannerSuccess:
    user: LazyUser = attribute("You; see `profile.bannerUrl`.")


@strawberry.type(description="The image is gone; copies may live on in caches.")
class DeleteImageSuccess:
    image_id: strawberry.ID = attribute("Its id, which leads nowhere now.")


UploadImageResult = Annotated[
    UploadImageSuccess | ImageQuotaExceeded | InvalidInput,
    strawberry.union("UploadImageResult", description="What became of a picture."),
]
SetAvatarResult = Annotated[
    SetAvatarSuccess | NotFound | Forbidden | InvalidInput,
    strawberry.union("SetAvatarResult", description="What became of an avatar."),
]
SetBannerResult = Annotated[
    SetBannerSuccess | NotFound | Forbidden | InvalidInput,
    strawberry.union("SetBannerResult", description="What became of a banner."),
]
DeleteImageResult = Annotated[
    DeleteImageSuccess | NotFound | Forbidden,
    strawberry.union("DeleteImageResult", description="What became of a deletion."),
]


@strawberry.type
class ImageMutation:
    @mutation(
        "Upload a picture for everyone to see. It is encoded anew: nothing but its pixels stays.",
        authenticated=True,
    )
    async def upload_image(
        self, info: Context, input: Annotated[UploadImageInput, argument("The picture.")]
    ) -> UploadImageResult:
        image = await resolvers.upload_image(info.context, input.file, code_of(input.kind))
        return UploadImageSuccess(image=image)

    @mutation("Make an image of yours your avatar.", authenticated=True)
    async def set_avatar(
        self, info: Context, input: Annotated[SetAvatarInput, argument("Which image.")]
    ) -> SetAvatarResult:
        user = await resolvers.show_image(info.context, input.image_id, "AVATAR")
        return SetAvatarSuccess(user=user)

    @mutation("Make an image of yours your profile's banner.", authenticated=True)
    async def set_banner(
        self, info: Context, input: Annotated[SetBannerInput, argument("Which image.")]
    ) -> SetBannerResult:
        user = await resolvers.show_image(info.context, input.image_id, "BANNER")
        return SetBannerSuccess(user=user)

    @mutation(
        "Delete an image of yours. As your avatar or banner it is taken away; posts that name it "
        "show nothing there.",
        authenticated=True,
    )
    async def delete_image(
        self, info: Context, input: Annotated[DeleteImageInput, argument("Which image.")]
    ) -> DeleteImageResult:
        await resolvers.delete_image(info.context, input.image_id)
        return DeleteImageSuccess(image_id=input.image_id)
