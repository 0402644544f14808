"""From a field of moderation to one unit of work: the viewer, ids decoded, a service."""

from __future__ import annotations

from functools import partial
from typing import Any

from core.pagination import PageRequest
from loaders.content import moderation as loaders
from loaders.content.moderation import ReportFilter
from resolvers.auctions import named_key, public_key
from resolvers.content.posts import comment_at, named_node, post_at
from resolvers.context import OperationContext
from resolvers.nodes import find_node
from services.content import moderation
from services.content.moderation import Action

QUEUE_SCOPE = "user:warn"
SUBJECTS = ("pst", "cmt", "usr")


def is_moderator(context: OperationContext) -> bool:
    """Whether the viewer works on the queue."""
    return context.viewer is not None and context.viewer.has(QUEUE_SCOPE)


async def report_content(
    context: OperationContext, node_id: str, *, reason: str, details: str
) -> Any:
    """Report something for the viewer; the report's row."""
    prefix, key = named_node(node_id, *SUBJECTS)
    report_id = await context.transact(
        partial(
            moderation.report_content,
            reporter_id=context.signed_in().user_id,
            prefix=prefix,
            subject_id=key,
            reason=reason,
            details=details,
        )
    )
    return await context.loaders.load(loaders.report_by_id, report_id)


async def moderate_content(
    context: OperationContext, node_id: str, *, action: Action, reason: str
) -> Any:
    """Act on something; the act's row. Sessions that it ended are made known everywhere."""
    prefix, key = named_node(node_id, *SUBJECTS)
    done = await context.transact(
        partial(
            moderation.moderate_content,
            actor=context.signed_in(),
            prefix=prefix,
            subject_id=key,
            action=action,
            reason=reason,
        )
    )
    await context.server.revocations.publish(done.revoked)
    context.forget()
    return await context.loaders.load(loaders.action_by_id, done.action_id)


async def dismiss_report(context: OperationContext, report_id: str) -> Any:
    """Close a report without an act; its row."""
    key = named_key(report_id, "rpt", "report")
    await context.transact(
        partial(moderation.dismiss_report, actor=context.signed_in(), report_id=key)
    )
    context.forget()
    return await context.loaders.load(loaders.report_by_id, key)


async def reports(context: OperationContext, wanted: ReportFilter, request: PageRequest) -> Any:
    """A page of the queue."""
    return await loaders.reports_page(context.server.db, wanted, request)


async def referred_report(context: OperationContext, public_id: str) -> Any:
    """A report that another subgraph names: one's own, or anyone's for moderators."""
    key = public_key(public_id, "rpt")
    loader = loaders.report_by_id if is_moderator(context) else loaders.own_report_by_id
    return None if key is None else await context.loaders.load(loader, key)


async def referred_action(context: OperationContext, public_id: str) -> Any:
    """An act that another subgraph names: one's own, or any for moderators."""
    key = public_key(public_id, "mod")
    loader = loaders.action_by_id if is_moderator(context) else loaders.own_action_by_id
    return None if key is None else await context.loaders.load(loader, key)


async def action_of(context: OperationContext, row: Any) -> Any:
    """What was done about a report, if the viewer may know it."""
    loader = loaders.action_by_id if is_moderator(context) else loaders.own_action_by_id
    return None if row.action_id is None else await context.loaders.load(loader, row.action_id)


async def subject_of(context: OperationContext, row: Any) -> Any:
    """What a report or an act is about, as the viewer may see it, or None."""
    if row.subject_kind == "pst":
        return await post_at(context, row.subject_id)
    if row.subject_kind == "cmt":
        return await comment_at(context, row.subject_id)
    return await find_node(context, row.subject)


async def actions_of(context: OperationContext, user_id: Any, *page: Any) -> Any:
    """A page of what moderators did about someone: for themselves and for moderators; else None."""
    if context.viewer_id != user_id and not is_moderator(context):
        return None
    loader = loaders.actions_by_user_id
    request = context.page_request(loader.order, *page)
    return await context.loaders.load(loader, (user_id, request))
