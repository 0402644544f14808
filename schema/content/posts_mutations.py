"""Root fields that change posts, comments and reactions; what they answer."""

from __future__ import annotations

from typing import Annotated

import strawberry

from resolvers.content import posts as resolvers
from schema.common import Forbidden, IdempotencyConflict, InvalidInput, Node, NotFound
from schema.content.posts_inputs import (
    AddCommentInput,
    CreateCategoryInput,
    CreatePostInput,
    DeleteCommentInput,
    FeaturePostInput,
    PostInput,
    ReactionInput,
    UpdateCommentInput,
    UpdatePostInput,
    post_changes,
    post_details,
)
from schema.content.posts_types import Category, Comment, Post
from schema.fields import Context, argument, attribute, mutation
from schema.scalars import code_of
from services.content import posts, posts_comments

WhichPost = Annotated[PostInput, argument("Which post.")]


@strawberry.type(description="The post is written.")
class CreatePostSuccess:
    post: Post = attribute("The post: a draft, unless it was to be published.")


@strawberry.type(description="The post was changed.")
class UpdatePostSuccess:
    post: Post = attribute("The post as it is now.")


@strawberry.type(description="The post is published.")
class PublishPostSuccess:
    post: Post = attribute("The post as it is now.")


@strawberry.type(description="The post is in no list any more.")
class ArchivePostSuccess:
    post: Post = attribute("The post as it is now.")


@strawberry.type(description="The post is gone.")
class DeletePostSuccess:
    post_id: strawberry.ID = attribute("Its id, which leads nowhere now.")


@strawberry.type(description="Done; saying it twice changes nothing.")
class FeaturePostSuccess:
    post: Post = attribute("The post; see `featuredAt`.")


@strawberry.type(description="Done; the same reader counts once a day.")
class RecordPostViewSuccess:
    post: Post = attribute("The post; see `viewCount`.")


@strawberry.type(description="Done; the same person counts once.")
class SharePostSuccess:
    post: Post = attribute("The post; see `shareCount`.")


@strawberry.type(description="The category is made.")
class CreateCategorySuccess:
    category: Category = attribute("The category.")


@strawberry.type(description="The comment is written.")
class AddCommentSuccess:
    comment: Comment = attribute("The comment; its post has the new count.")


@strawberry.type(description="The comment was changed.")
class UpdateCommentSuccess:
    comment: Comment = attribute("The comment as it is now.")


@strawberry.type(description="The comment's words are gone; its place stays.")
class DeleteCommentSuccess:
    comment: Comment = attribute("What is left of it.")


@strawberry.type(description="The reaction is there; saying it twice changes nothing.")
class ReactSuccess:
    subject: Node = attribute("The post or comment, with its counts.")


@strawberry.type(description="The reaction is not there; saying it twice changes nothing.")
class UnreactSuccess:
    subject: Node = attribute("The post or comment, with its counts.")


CreatePostResult = Annotated[
    CreatePostSuccess | NotFound | IdempotencyConflict | InvalidInput,
    strawberry.union("CreatePostResult", description="What became of a new post."),
]
UpdatePostResult = Annotated[
    UpdatePostSuccess | NotFound | Forbidden | InvalidInput,
    strawberry.union("UpdatePostResult", description="What became of a post's changes."),
]
PublishPostResult = Annotated[
    PublishPostSuccess | NotFound | Forbidden,
    strawberry.union("PublishPostResult", description="What became of a publication."),
]
ArchivePostResult = Annotated[
    ArchivePostSuccess | NotFound | Forbidden,
    strawberry.union("ArchivePostResult", description="What became of archiving a post."),
]
DeletePostResult = Annotated[
    DeletePostSuccess | NotFound | Forbidden,
    strawberry.union("DeletePostResult", description="What became of a deletion."),
]
FeaturePostResult = Annotated[
    FeaturePostSuccess | NotFound | Forbidden,
    strawberry.union("FeaturePostResult", description="What became of the mark."),
]
RecordPostViewResult = Annotated[
    RecordPostViewSuccess | NotFound,
    strawberry.union("RecordPostViewResult", description="Whether there was something to read."),
]
SharePostResult = Annotated[
    SharePostSuccess | NotFound,
    strawberry.union("SharePostResult", description="Whether there was something to share."),
]
CreateCategoryResult = Annotated[
    CreateCategorySuccess | InvalidInput,
    strawberry.union("CreateCategoryResult", description="What became of a new category."),
]
AddCommentResult = Annotated[
    AddCommentSuccess | NotFound | Forbidden | IdempotencyConflict | InvalidInput,
    strawberry.union("AddCommentResult", description="What became of a new comment."),
]
UpdateCommentResult = Annotated[
    UpdateCommentSuccess | NotFound | Forbidden | InvalidInput,
    strawberry.union("UpdateCommentResult", description="What became of a comment's change."),
]
DeleteCommentResult = Annotated[
    DeleteCommentSuccess | NotFound | Forbidden,
    strawberry.union("DeleteCommentResult", description="What became of a deletion."),
]
ReactResult = Annotated[
    ReactSuccess | NotFound | Forbidden,
    strawberry.union("ReactResult", description="What became of a reaction."),
]
UnreactResult = Annotated[
    UnreactSuccess | NotFound,
    strawberry.union("UnreactResult", description="What became of taking a reaction back."),
]


@strawberry.type
class PostMutation:
    @mutation("Write a post, 10 a minute at most.", scopes=["post:create"])
    async def create_post(
        self, info: Context, input: Annotated[CreatePostInput, argument("What you write.")]
    ) -> CreatePostResult:
        post = await resolvers.create_post(
            info.context,
            post_details(input),
            input.category_id,
            slug=input.slug,
            publish=input.publish,
            idempotency_key=input.idempotency_key,
        )
        return CreatePostSuccess(post=post)

    @mutation("Change your post; what is not given stays.", scopes=["post:create"])
    async def update_post(
        self, info: Context, input: Annotated[UpdatePostInput, argument("The changes.")]
    ) -> UpdatePostResult:
        changes = post_changes(input)
        return UpdatePostSuccess(
            post=await resolvers.update_post(info.context, input.post_id, changes)
        )

    @mutation(
        "Show your draft to everyone, or put an archived post back into the lists.",
        scopes=["post:create"],
    )
    async def publish_post(self, info: Context, input: WhichPost) -> PublishPostResult:
        return PublishPostSuccess(
            post=await resolvers.act_on_post(info.context, posts.publish_post, input.post_id)
        )

    @mutation("Take your post out of all lists; its address stays.", authenticated=True)
    async def archive_post(self, info: Context, input: WhichPost) -> ArchivePostResult:
        return ArchivePostSuccess(
            post=await resolvers.act_on_post(info.context, posts.archive_post, input.post_id)
        )

    @mutation("Delete your post, for good.", authenticated=True)
    async def delete_post(self, info: Context, input: WhichPost) -> DeletePostResult:
        post_id = await resolvers.delete_post(info.context, input.post_id)
        return DeletePostSuccess(post_id=strawberry.ID(post_id))

    @mutation("Mark a post as worth reading, for moderators.", scopes=["post:update"])
    async def feature_post(
        self, info: Context, input: Annotated[FeaturePostInput, argument("Which post.")]
    ) -> FeaturePostResult:
        post = await resolvers.act_on_post(
            info.context, posts.feature_post, input.post_id, featured=input.featured
        )
        return FeaturePostSuccess(post=post)

    @mutation("Say that you are reading a post.", authenticated=True)
    async def record_post_view(self, info: Context, input: WhichPost) -> RecordPostViewResult:
        return RecordPostViewSuccess(
            post=await resolvers.record_post_view(info.context, input.post_id)
        )

    @mutation("Say that you passed a post on to others.", authenticated=True)
    async def share_post(self, info: Context, input: WhichPost) -> SharePostResult:
        return SharePostSuccess(post=await resolvers.share_post(info.context, input.post_id))

    @mutation("Make a category, for administrators.", scopes=["content:write"])
    async def create_category(
        self, info: Context, input: Annotated[CreateCategoryInput, argument("The category.")]
    ) -> CreateCategoryResult:
        category = await resolvers.create_category(
            info.context,
            name=input.name,
            slug=input.slug,
            description=input.description,
            position=input.position,
        )
        return CreateCategorySuccess(category=category)

    @mutation("Answer a post or a comment, 20 times a minute at most.", scopes=["comment:create"])
    async def add_comment(
        self, info: Context, input: Annotated[AddCommentInput, argument("The comment.")]
    ) -> AddCommentResult:
        comment = await resolvers.add_comment(
            info.context,
            input.post_id,
            input.parent_id,
            text=input.text,
            idempotency_key=input.idempotency_key,
        )
        return AddCommentSuccess(comment=comment)

    @mutation("Change the words of your comment.", scopes=["comment:create"])
    async def update_comment(
        self, info: Context, input: Annotated[UpdateCommentInput, argument("The words.")]
    ) -> UpdateCommentResult:
        comment = await resolvers.act_on_comment(
            info.context, posts_comments.update_comment, input.comment_id, text=input.text
        )
        return UpdateCommentSuccess(comment=comment)

    @mutation("Take your comment away; what answers it stays.", authenticated=True)
    async def delete_comment(
        self, info: Context, input: Annotated[DeleteCommentInput, argument("Which comment.")]
    ) -> DeleteCommentResult:
        comment = await resolvers.act_on_comment(
            info.context, posts_comments.delete_comment, input.comment_id
        )
        return DeleteCommentSuccess(comment=comment)

    @mutation("React to a post or a comment, 120 times a minute at most.", authenticated=True)
    async def react(
        self, info: Context, input: Annotated[ReactionInput, argument("To what, and how.")]
    ) -> ReactResult:
        kind = code_of(input.kind)
        return ReactSuccess(subject=await resolvers.react(info.context, input.node_id, kind))

    @mutation("Take a reaction back.", authenticated=True)
    async def unreact(
        self, info: Context, input: Annotated[ReactionInput, argument("To what, and which.")]
    ) -> UnreactResult:
        kind = code_of(input.kind)
        return UnreactSuccess(subject=await resolvers.unreact(info.context, input.node_id, kind))
