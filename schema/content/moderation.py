"""Reports and what moderators do about them, as clients see them."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, cast

import strawberry

from core.ids import split_id
from loaders import users as user_loaders
from loaders.content import moderation as loaders
from loaders.content.moderation import ActionRow, ReportFilter, ReportRow
from resolvers.content import moderation as resolvers
from schema.common import Connection, Forbidden, InvalidInput, Node, NotFound
from schema.content.posts_inputs import described
from schema.fields import (
    After,
    Before,
    Context,
    First,
    Last,
    argument,
    attribute,
    loaded,
    mutation,
    page_size,
    resolved,
)
from schema.rows import shows
from schema.scalars import code_of
from services.content.moderation import Action

if TYPE_CHECKING:
    from schema.users.types import User

LazyUser = Annotated["User", strawberry.lazy("schema.users.types")]
QUEUE = [resolvers.QUEUE_SCOPE]


@strawberry.enum(description="What is wrong with something.")
class ReportReason(Enum):
    SPAM = strawberry.enum_value("SPAM", description="It advertises, or floods the place.")
    TOXICITY = strawberry.enum_value("TOXICITY", description="It insults, threatens or harasses.")
    INAPPROPRIATE = strawberry.enum_value("INAPPROPRIATE", description="It has no place here.")
    CULTURAL_MISREPRESENTATION = strawberry.enum_value(
        "CULTURAL_MISREPRESENTATION", description="It tells a culture wrongly, or as one's own."
    )
    FRAUD = strawberry.enum_value("FRAUD", description="It deceives, to take money or goods.")
    COPYRIGHT = strawberry.enum_value("COPYRIGHT", description="It is somebody else's work.")
    OTHER = strawberry.enum_value("OTHER", description="Something else: the details say what.")


@strawberry.enum(description="Whether a report still waits.")
class ReportStatus(Enum):
    OPEN = strawberry.enum_value("OPEN", description="Nobody has acted on it.")
    RESOLVED = strawberry.enum_value("RESOLVED", description="A moderator acted: see `action`.")
    DISMISSED = strawberry.enum_value("DISMISSED", description="A moderator saw no need to act.")


@strawberry.enum(description="What a moderator does.")
class ModerationKind(Enum):
    WARN = strawberry.enum_value("WARN", description="Tells the person that it must not be.")
    SUSPEND = strawberry.enum_value(
        "SUSPEND", description="Suspends the person, or the author: signed out within seconds."
    )
    REMOVE = strawberry.enum_value("REMOVE", description="Hides a post or the words of a comment.")
    RESTORE = strawberry.enum_value(
        "RESTORE", description="Takes a removal back; of a person, a suspension."
    )


@strawberry.federation.type(
    keys=["id"], description="What a moderator did. The person concerned and moderators see it."
)
@shows(ActionRow)
class ModerationAction(Node):
    action: ModerationKind = attribute("What was done.")
    reason: str = attribute("Why, in the moderator's words.")
    created_at: datetime = attribute("When it was done.")
    user: LazyUser = loaded(
        user_loaders.user_by_id, key="user_id", description="The person concerned."
    )

    @resolved("What it was done to; null where you may not see it any more.", viewer=True)
    async def subject(root: strawberry.Parent[Any], info: Context) -> Node | None:
        return await resolvers.subject_of(info.context, root)

    @classmethod
    async def resolve_reference(cls, info: Context, id: strawberry.ID) -> Any:
        return await resolvers.referred_action(info.context, id)


@strawberry.federation.type(
    keys=["id"], description="Someone's word that moderators should look at something."
)
@shows(ReportRow)
class Report(Node):
    reason: ReportReason = attribute("What is wrong with it.")
    details: str = attribute("More of it, in the reporter's words; may be empty.")
    status: ReportStatus = attribute("Whether it still waits.")
    created_at: datetime = attribute("When it was made.")
    resolved_at: datetime | None = attribute("When it was closed; null while it is open.")
    reporter: LazyUser = loaded(
        user_loaders.user_by_id, key="reporter_id", description="Who made it."
    )

    @resolved("What was done about it; for moderators and the person concerned.", viewer=True)
    async def action(root: strawberry.Parent[Any], info: Context) -> ModerationAction | None:
        return await resolvers.action_of(info.context, root)

    @resolved("What it is about; null where you may not see it any more.", viewer=True)
    async def subject(root: strawberry.Parent[Any], info: Context) -> Node | None:
        return await resolvers.subject_of(info.context, root)

    @classmethod
    async def resolve_reference(cls, info: Context, id: strawberry.ID) -> Any:
        return await resolvers.referred_report(info.context, id)


@strawberry.type
class ModerationUserFields:
    """What moderation adds to a user."""

    @resolved(
        "What moderators did about them, newest first; for themselves and moderators, else null.",
        viewer=True,
        list_size=page_size(),
    )
    async def moderation_actions(
        root: strawberry.Parent[Any],
        info: Context,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[ModerationAction] | None:
        return await resolvers.actions_of(info.context, root.id, first, after, last, before)


@strawberry.input(description="Which reports: all conditions hold together; null means any.")
class ReportFilterInput:
    status: list[ReportStatus] | None = described("In one of these states.", default=None)
    reason: ReportReason | None = described("For this reason.", default=None)
    subject: strawberry.ID | None = described("About this post, comment or user.", default=None)


def report_filter(given: ReportFilterInput | None) -> ReportFilter:
    """The loader's filter. Raises `BadUserInput` for a bad id."""
    if given is None:
        return ReportFilter()
    return ReportFilter(
        statuses=None if given.status is None else [code_of(status) for status in given.status],
        reason=None if given.reason is None else code_of(given.reason),
        subject_id=None if given.subject is None else split_id(given.subject)[1],
    )


@strawberry.type
class ModerationQuery:
    @resolved("The moderators' queue, oldest first.", scopes=QUEUE, list_size=page_size())
    async def reports(
        self,
        info: Context,
        filter: Annotated[ReportFilterInput | None, argument("Which; all if not given.")] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Report]:
        page = info.context.page_request(loaders.OLDEST_REPORTS, first, after, last, before)
        return await resolvers.reports(info.context, report_filter(filter), page)


@strawberry.input(description="Something to look at.")
class ReportContentInput:
    node_id: strawberry.ID = described("What: begins with `pst_`, `cmt_` or `usr_`.")
    reason: ReportReason = described("What is wrong with it.")
    details: str = described("More of it, 2,000 characters at most.", default="")


@strawberry.input(description="What to do, to what, and why.")
class ModerateContentInput:
    node_id: strawberry.ID = described("What: begins with `pst_`, `cmt_` or `usr_`.")
    action: ModerationKind = described("What to do. People are not removed but suspended.")
    reason: str = described("Why, 1 to 500 characters: the person concerned reads it.")


@strawberry.input(description="A report that needs nothing done.")
class DismissReportInput:
    report_id: strawberry.ID = described("Which report.")


@strawberry.type(description="Moderators will look at it.")
class ReportContentSuccess:
    report: Report = attribute("Your report; while it is open, another changes nothing.")


@strawberry.type(description="It is done, written down, and the person is told.")
class ModerateContentSuccess:
    action: ModerationAction = attribute("What was done.")


@strawberry.type(description="The report is closed.")
class DismissReportSuccess:
    report: Report = attribute("The report as it is now.")


ReportContentResult = Annotated[
    ReportContentSuccess | NotFound | InvalidInput,
    strawberry.union("ReportContentResult", description="What became of a report."),
]
ModerateContentResult = Annotated[
    ModerateContentSuccess | NotFound | Forbidden | InvalidInput,
    strawberry.union("ModerateContentResult", description="What became of a moderator's act."),
]
DismissReportResult = Annotated[
    DismissReportSuccess | NotFound | Forbidden,
    strawberry.union("DismissReportResult", description="What became of closing a report."),
]


@strawberry.type
class ModerationMutation:
    @mutation("Ask moderators to look at something, 10 a minute at most.", authenticated=True)
    async def report_content(
        self, info: Context, input: Annotated[ReportContentInput, argument("What, and why.")]
    ) -> ReportContentResult:
        report = await resolvers.report_content(
            info.context, input.node_id, reason=code_of(input.reason), details=input.details
        )
        return ReportContentSuccess(report=report)

    @mutation(
        "Act on a post, a comment or a person, for moderators: each act takes its own scope.",
        scopes=QUEUE,
    )
    async def moderate_content(
        self, info: Context, input: Annotated[ModerateContentInput, argument("What, and why.")]
    ) -> ModerateContentResult:
        action = cast(Action, code_of(input.action))
        return ModerateContentSuccess(
            action=await resolvers.moderate_content(
                info.context, input.node_id, action=action, reason=input.reason
            )
        )

    @mutation("Close a report without an act, for moderators.", scopes=QUEUE)
    async def dismiss_report(
        self, info: Context, input: Annotated[DismissReportInput, argument("Which report.")]
    ) -> DismissReportResult:
        return DismissReportSuccess(
            report=await resolvers.dismiss_report(info.context, input.report_id)
        )
