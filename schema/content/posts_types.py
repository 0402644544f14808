"""Posts, comments, reactions and their shelves as clients see them, and what they add to a user."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from execution.caching import INHERITS
from loaders import users as user_loaders
from loaders.content import posts as loaders
from loaders.content.posts import CategoryRow, CommentRow, PostRow, ReactionCountRow, TagRow
from models.content.posts import REACTION_KINDS
from resolvers.content import posts as resolvers
from schema.common import Connection, Node
from schema.fields import Context, attribute, bounded, connected, loaded, resolved
from schema.rows import found_by, shows
from schema.scalars import JSON, URL, Cursor
from services.content.posts import TAGS_MAX
from services.content.posts_counts import post_topic
from subscriptions.cursors import encode_cursor

if TYPE_CHECKING:
    from schema.users.types import User

LazyUser = Annotated["User", strawberry.lazy("schema.users.types")]
KINDS_MAX = len(REACTION_KINDS)
BLOCKS = (
    "Its body: a JSON list of blocks, each an object with a `type`: `paragraph`, `heading` "
    "(`level` 1-6), `quote` (`cite`), `code` (`language`): all these with `text`; `list` "
    "(`ordered`, `items`), `image` (`url`, `alt`, `caption`), `video` (`url`, `caption`), "
    "`link` (`url`, `text`), `mention` (`userId`, `text`). Text is exactly as it was written: "
    "never interpret it as HTML."
)


@strawberry.enum(description="Who can read a post.")
class PostStatus(Enum):
    DRAFT = strawberry.enum_value("DRAFT", description="Its author alone.")
    PUBLISHED = strawberry.enum_value("PUBLISHED", description="Everyone; it is in the lists.")
    ARCHIVED = strawberry.enum_value(
        "ARCHIVED",
        description="Everyone who has its address; it is in no list and takes no comments.",
    )
    REMOVED = strawberry.enum_value("REMOVED", description="Moderators alone, who took it away.")


@strawberry.enum(description="What someone feels about a post or a comment.")
class ReactionKind(Enum):
    LIKE = strawberry.enum_value("LIKE", description="They like it.")
    LOVE = strawberry.enum_value("LOVE", description="They love it.")
    INSIGHTFUL = strawberry.enum_value("INSIGHTFUL", description="They learned something.")
    FUNNY = strawberry.enum_value("FUNNY", description="It made them laugh.")
    SUPPORT = strawberry.enum_value("SUPPORT", description="They stand by who wrote it.")
    CELEBRATE = strawberry.enum_value("CELEBRATE", description="They congratulate.")


@strawberry.type(description="How often one kind of reaction was given.", directives=[INHERITS])
@shows(ReactionCountRow)
class ReactionCount:
    kind: ReactionKind = attribute("Which kind.")
    count: int = attribute("By how many people.")


@strawberry.type
class Reactable:
    """What posts and comments have of reactions."""

    reaction_count: int = attribute("Reactions of all kinds together.")
    viewer_reactions: list[ReactionKind] = loaded(
        loaders.viewer_reactions_by_subject_id,
        key="id",
        description="Your own reactions; none where nobody is signed in.",
        viewer=True,
        list_size=bounded(KINDS_MAX),
    )

    @resolved(
        "How often each kind was given; kinds that nobody gave are left out.",
        cost=0,
        list_size=bounded(KINDS_MAX),
    )
    def reactions(root: strawberry.Parent[Any]) -> list[ReactionCount]:
        found: Any = loaders.reaction_counts(root)
        return found


@strawberry.type(description="A word that posts carry.", directives=[INHERITS])
@shows(TagRow)
class Tag:
    name: str = attribute("The word, as authors wrote it.")
    post_count: int = attribute("How many listed posts carry it.")


@strawberry.federation.type(keys=["id"], description="A shelf of posts.", directives=[INHERITS])
@shows(CategoryRow)
@found_by(loaders.category_by_id, "cat")
class Category(Node):
    slug: str = attribute("Its place in the public address: a-z, 0-9 and hyphens.")
    name: str = attribute("What it is called.")
    description: str = attribute("What belongs there.")
    position: int = attribute("Categories come in this order.")
    posts: Connection[Annotated[Post, strawberry.lazy("schema.content.posts_types")]] = connected(
        loaders.posts_by_category_id,
        key="id",
        description="Published posts there that you may see, newest first.",
        viewer=True,
    )


@strawberry.federation.type(
    keys=["id"],
    description="An answer to a post or to another comment. One that is taken away stays in its "
    "place without words and author, so that what answers it can be read.",
)
@shows(CommentRow)
class Comment(Reactable, Node):
    depth: int = attribute("1 for an answer to the post, 2 for an answer to that; 8 at most.")
    is_visible: bool = attribute("False where its author or a moderator took it away.")
    reply_count: int = attribute("Answers to this comment itself that were not taken away.")
    created_at: datetime = attribute("When it was written.")
    edited_at: datetime | None = attribute("When it was last changed; null if never.")
    post: Annotated[Post, strawberry.lazy("schema.content.posts_types")] = loaded(
        loaders.referred_post_by_id, key="post_id", description="What it stands under."
    )
    parent: Annotated[Comment, strawberry.lazy("schema.content.posts_types")] | None = loaded(
        loaders.comment_by_id,
        key="parent_id",
        description="What it answers; null for an answer to the post itself.",
        viewer=True,
    )
    replies: Connection[Annotated[Comment, strawberry.lazy("schema.content.posts_types")]] = (
        connected(
            loaders.replies_by_comment_id,
            key="id",
            description="What answers it, oldest first, without those of people you block.",
            viewer=True,
        )
    )

    @resolved(
        "Its words, exactly as they were written: never interpret them as HTML. Null where it was "
        "taken away; moderators read what they removed.",
        viewer=True,
        cost=0,
    )
    async def text(root: strawberry.Parent[Any], info: Context) -> str | None:
        return await resolvers.comment_text(info.context, root)

    @resolved("Who wrote it; null where it was taken away.", viewer=True)
    async def author(root: strawberry.Parent[Any], info: Context) -> LazyUser | None:
        found: Any = await resolvers.comment_author(info.context, root, user_loaders.user_by_id)
        return found

    @classmethod
    async def resolve_reference(cls, info: Context, id: strawberry.ID) -> Any:
        return await resolvers.referred_comment(info.context, id)


@strawberry.federation.type(
    keys=["id"], description="What someone wrote for everyone.", directives=[INHERITS]
)
@shows(PostRow)
class Post(Reactable, Node):
    title: str = attribute("What it is called.")
    slug: str = attribute("Its place in the public address; unique.")
    blocks: JSON = loaded(loaders.blocks_by_post_id, key="id", description=BLOCKS)
    summary: str = attribute(
        "What it is about: as its author says, or else the beginning of the text.", name="excerpt"
    )
    cover_url: URL | None = attribute("A picture to show with it.")
    tags: list[str] = attribute("Words to find it by.", list_size=bounded(TAGS_MAX))
    status: PostStatus = attribute("Who can read it.")
    reading_time_s: int = attribute(
        "Seconds it takes to read, at 230 words a minute.", name="readingTimeSeconds"
    )
    comment_count: int = attribute("Comments and replies that were not taken away.")
    share_count: int = attribute("People who passed it on.")
    view_count: int = attribute("How often it was read, counted once a day and person.")
    created_at: datetime = attribute("When its author began it.")
    published_at: datetime | None = attribute("When it was first published; null for a draft.")
    edited_at: datetime | None = attribute("When it was changed after that; null if never.")
    featured_at: datetime | None = attribute("When moderators featured it; null if they do not.")
    author: LazyUser = loaded(user_loaders.user_by_id, key="author_id", description="Who wrote it.")
    category: Category | None = loaded(
        loaders.category_by_id, key="category_id", description="Where it stands; null for nowhere."
    )
    comments: Connection[Comment] = connected(
        loaders.comments_by_post_id,
        key="id",
        description="Answers to the post itself, oldest first, without those of people you block.",
        viewer=True,
    )

    @resolved(
        "The last event that these fields reflect. Subscribe with it as `after`, and nothing is "
        "missed between this query and the subscription.",
        cost=0,
    )
    def event_cursor(root: strawberry.Parent[Any]) -> Cursor:
        return Cursor(encode_cursor(post_topic(root.id), root.event_sequence or 0))

    @classmethod
    async def resolve_reference(cls, info: Context, id: strawberry.ID) -> Any:
        return await resolvers.referred_post(info.context, id)


@strawberry.type
class PostUserFields:
    """What posts add to a user."""

    posts: Connection[Post] = connected(
        loaders.posts_by_author_id,
        key="id",
        description="What they published and you may see, last begun first; of your own, drafts "
        "and archived ones too.",
        viewer=True,
    )
