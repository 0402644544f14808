"""The inputs of the posts' fields, and what they become for the resolvers."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any

import strawberry

from core.errors import BadUserInput
from core.ids import decode_id
from loaders.content.feeds import PostFilter
from schema.content.posts_types import ReactionKind
from schema.scalars import JSON, URL
from services.content.posts import TAGS_MAX, PostDetails


def described(description: str, **options: Any) -> Any:
    """An input field with its description; `default` makes it optional."""
    return strawberry.field(description=description, **options)


BLOCKS = (
    "A JSON list of 200 blocks at most, in the form that `Post.blocks` tells; 10,000 characters of "
    "text in each. HTML is text like any other."
)
ONCE = (
    "Your own name for this, 1 to 200 characters. Sent again with the same key, it is not done "
    "twice; you get the first answer."
)


@strawberry.enum(description="In which order posts come.")
class PostOrder(Enum):
    NEWEST = strawberry.enum_value("NEWEST", description="The last published first.")
    POPULAR = strawberry.enum_value(
        "POPULAR",
        description="The most popular first: a reaction is worth 1, a comment 2, a share 3.",
    )
    TRENDING = strawberry.enum_value(
        "TRENDING",
        description="The hottest first: a post twice as popular is as hot as one that is twelve "
        "hours younger.",
    )


@strawberry.input(description="Which posts: all conditions hold together; null means any.")
class PostFilterInput:
    category: strawberry.ID | None = described("In this category.", default=None)
    author: strawberry.ID | None = described("Written by this user.", default=None)
    tags: list[str] | None = described("With all these tags, 20 at most.", default=None)
    featured: bool | None = described("Featured by moderators, or not.", default=None)
    published_from: datetime | None = described("Published at this moment or later.", default=None)
    published_to: datetime | None = described("Published before this moment.", default=None)


def post_filter(given: PostFilterInput | None) -> PostFilter:
    """The loader's filter. Raises `BadUserInput` for a bad id or too many tags."""
    if given is None:
        return PostFilter()
    if len(given.tags or ()) > TAGS_MAX:
        raise BadUserInput(f"{TAGS_MAX} tags at most")
    refuse_nul(*(given.tags or ()))
    return PostFilter(
        category_id=None if given.category is None else decode_id(given.category, "cat"),
        author_id=None if given.author is None else decode_id(given.author, "usr"),
        tags=given.tags,
        featured=given.featured,
        published_from=given.published_from,
        published_to=given.published_to,
    )


def refuse_nul(*texts: str | None) -> None:
    """Raises `BadUserInput` for what the database would not even take."""
    if any("\0" in text for text in texts if text is not None):
        raise BadUserInput("text must not contain a NUL character")


@strawberry.input(description="A new post.")
class CreatePostInput:
    title: str = described("What it is called, 1 to 300 characters.")
    blocks: JSON = described(BLOCKS)
    excerpt: str | None = described(
        "What it is about, 500 characters at most; the beginning of the text if not given.",
        default=None,
    )
    cover_url: URL | None = described("A picture to show with it.", default=None)
    tags: list[str] = described(
        "Words to find it by: 20 at most, of 1 to 40 characters.", default_factory=list
    )
    category_id: strawberry.ID | None = described("Where it stands.", default=None)
    slug: str | None = described(
        "Its public address: 3 to 120 of a-z, 0-9 and hyphens; made from the title if not given.",
        default=None,
    )
    publish: bool = described("Publish it at once; else it is a draft.", default=False)
    idempotency_key: str | None = described(ONCE, default=None)


def post_details(given: CreatePostInput) -> PostDetails:
    """What the service takes, without the category."""
    blocks: Any = given.blocks
    return PostDetails(
        title=given.title,
        blocks=blocks,
        excerpt=given.excerpt,
        cover_url=given.cover_url,
        tags=given.tags,
    )


@strawberry.input(description="Changes of your post: what is not given stays.")
class UpdatePostInput:
    post_id: strawberry.ID = described("Which post.")
    title: strawberry.Maybe[str] = described("What it is called, 1 to 300 characters.")
    blocks: strawberry.Maybe[JSON] = described(BLOCKS)
    excerpt: strawberry.Maybe[str | None] = described(
        "500 characters at most; null for the beginning of the text."
    )
    cover_url: strawberry.Maybe[URL | None] = described("A picture; null for none.")
    tags: strawberry.Maybe[list[str]] = described("20 at most, of 1 to 40 characters.")
    category_id: strawberry.Maybe[strawberry.ID | None] = described(
        "Where it stands; null for nowhere."
    )
    slug: strawberry.Maybe[str] = described(
        "Its public address, 3 to 120 of a-z, 0-9 and hyphens; the old one leads nowhere then."
    )


def post_changes(given: UpdatePostInput) -> dict[str, Any]:
    """The fields that were given, by the service's names."""
    names = (set(PostDetails.__dataclass_fields__) | {"slug"}) & vars(given).keys()
    return {name: getattr(given, name).value for name in names if getattr(given, name) is not None}


@strawberry.input(description="One of your own posts.")
class PostInput:
    post_id: strawberry.ID = described("Which post.")


@strawberry.input(description="A post to feature, or to feature no longer.")
class FeaturePostInput:
    post_id: strawberry.ID = described("Which post.")
    featured: bool = described("False to take the mark away.", default=True)


@strawberry.input(description="A new category.")
class CreateCategoryInput:
    name: str = described("What it is called, 1 to 60 characters.")
    slug: str | None = described("1 to 60 of a-z, 0-9 and hyphens; from the name if not given.")
    description: str = described("What belongs there, 1,000 characters at most.", default="")
    position: int = described("Categories come in this order, from 0.", default=0)


@strawberry.input(description="A new comment.")
class AddCommentInput:
    post_id: strawberry.ID = described("Under which post.")
    text: str = described(
        "What you say, 1 to 5,000 characters. HTML is text like any other; `@username` tells the "
        "person, five at most."
    )
    parent_id: strawberry.ID | None = described(
        "Which comment you answer; the post itself if not given. Replies go 8 deep.", default=None
    )
    idempotency_key: str | None = described(ONCE, default=None)


@strawberry.input(description="Other words for your comment.")
class UpdateCommentInput:
    comment_id: strawberry.ID = described("Which comment.")
    text: str = described("What it says from now on, 1 to 5,000 characters.")


@strawberry.input(description="One of your own comments.")
class DeleteCommentInput:
    comment_id: strawberry.ID = described("Which comment.")


@strawberry.input(description="A reaction to a post or a comment.")
class ReactionInput:
    node_id: strawberry.ID = described("To what: begins with `pst_` or `cmt_`.")
    kind: ReactionKind = described("Which kind; a person may give several.")
