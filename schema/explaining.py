"""Telling plans of real operations, with what loaders will send: found out without a database."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, Protocol, cast

from graphql import GraphQLSchema, OperationType

from core.clock import utc_now
from core.database import Database
from core.ids import new_id
from core.reads import Lead
from core.settings import Settings
from execution.explain import Loading, Plan, plan_of
from execution.levels import LevelExecutor
from execution.needed import Needed, shown_as
from execution.store import DocumentStore
from loaders.base import Loaders, ManyBy, PageBy
from loaders.beside import may_be_beside
from loaders.recording import DryDatabase
from resolvers.context import OperationContext, Server
from services.users.access import KNOWN_SCOPES, Viewer


class Explained(Protocol):
    """The schema whose operations are explained, as far as it is looked at."""

    documents: DocumentStore
    levels: type[LevelExecutor] | None
    _schema: GraphQLSchema


class NotExplained(Exception):
    """There is no plan of this; the message says why."""


async def explain(
    schema: Explained,
    text: str,
    *,
    variables: dict[str, Any] | None = None,
    operation_name: str | None = None,
) -> Plan:
    """The plan of an operation for somebody signed in who has every scope, with the statements that
    a run of it begins with. No database is needed. Raises `NotExplained`."""
    prepared = schema.documents.prepare(schema._schema, text)
    operation = prepared.operation(operation_name)
    if schema.levels is None or operation is None or prepared.errors:
        said = [error.message for error in prepared.errors] or ["no such operation"]
        raise NotExplained("; ".join(said))
    context = _dry_context()
    begun = schema.levels.begin(
        schema._schema, prepared, operation, variables=variables, context_value=context
    )
    if isinstance(begun, list):
        raise NotExplained("; ".join(error.message for error in begun))
    plan = await told(schema, begun)
    if operation.operation is not OperationType.QUERY:
        return plan
    sent = cast(DryDatabase, context.server.db).sent
    with suppress(Exception):  # what needs more of a server is known when it is run
        await begun.answer()
    return replace(plan, statements=tuple(sent))


async def told(schema: Explained, executor: LevelExecutor) -> Plan:
    """The plan of an operation that could begin, with the statements of its loaders."""
    fragments = tuple(executor.fragment_definitions.values())
    needed = schema.documents.plans.needed(schema._schema, executor.operation, fragments)
    met: dict[Any, Any] = {}

    def meet(keyed: Any, arguments: Mapping[str, Any], type_: Any) -> Loading:
        met[_key(keyed, arguments, type_)] = keyed, arguments, shown_as(type_)
        return Loading(keyed.loader.name)

    plan_of(executor, meet)
    found = {key: await _loading(*each, needed=needed) for key, each in met.items()}
    return plan_of(executor, lambda *loaded: found[_key(*loaded)])


def _key(keyed: Any, arguments: Mapping[str, Any], type_: Any) -> tuple[int, str, str]:
    """Of arguments as they are: those that never change come as another kind of mapping from the
    second time on."""
    return id(keyed), repr(dict(arguments)), str(type_)


async def _loading(
    keyed: Any, arguments: Mapping[str, Any], type_name: str | None, *, needed: Needed
) -> Loading:
    """How a declared field is loaded: asked of it, for a row that does not exist."""
    context, loader = _dry_context(), keyed.loader
    context.loaders.needs, context.loaders.leads = needed
    row = SimpleNamespace(**{keyed.key: new_id()})
    with suppress(Exception):  # what is computed may want more than a key
        await keyed.answer(context, [row], arguments, type_name)
    sent = cast(DryDatabase, context.server.db).sent
    columns = context.loaders._shown(loader, type_name).columns
    return Loading(
        loader.name,
        paged=isinstance(loader, ManyBy | PageBy),
        columns=columns,
        statement=sent[0] if sent else None,
        beside=_leads(needed, keyed, type_name) and may_be_beside(loader, columns),
    )


def _leads(needed: Needed, keyed: Any, type_name: str | None) -> bool:
    lead = Lead(keyed.key, keyed.loader, type_name)
    return any(lead in leads for leads in needed.leads.values())


def _dry_context() -> OperationContext:
    """Of somebody who does not exist, at a server that has nothing but settings."""
    dry: Any = DryDatabase([])
    server: Any = SimpleNamespace(settings=Settings.model_construct(), db=dry)
    viewer = Viewer(
        user_id=new_id(),
        session_id=new_id(),
        scopes=KNOWN_SCOPES,
        token_id="",
        tier="FREE",
        expires_at=utc_now() + timedelta(hours=1),
    )
    return OperationContext(
        server=cast(Server, server),
        viewer=viewer,
        request_id="explained",
        address=None,
        user_agent="",
        loaders=Loaders(cast(Database, dry), viewer.user_id),
    )
