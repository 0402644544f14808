"""What the viewer searched: their list, what they opened from it, and forgetting it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import strawberry

from core.ids import encode_id
from loaders.search import SearchRow
from resolvers import nodes
from resolvers import search_history as resolvers
from schema.common import InvalidInput, Node, NotFound
from schema.fields import (
    Context,
    argument,
    attribute,
    bounded,
    mutation,
    resolved,
)
from schema.rows import shows
from schema.search.types import SearchIntent
from services.search.history import CLICKS_MAX


@strawberry.type(description="A result that was opened from a search.")
class SearchClick:
    node_id: strawberry.ID = attribute("What was opened: `node` finds it, where it still is.")
    position: int = attribute("Where it stood in the list, from 1 on.")


@strawberry.federation.type(keys=["id"], description="A search that you made. Yours alone.")
@shows(SearchRow)
class SearchHistoryEntry(Node):
    query: str = attribute("What you typed.")
    intent: SearchIntent = attribute("What you were taken to be after.")
    results: int = attribute("How many results there were.")
    at: datetime = attribute("When you searched.")

    @resolved("What you opened from it, in that order.", list_size=bounded(CLICKS_MAX), cost=0)
    def clicked(root: strawberry.Parent[Any]) -> list[SearchClick]:
        return [
            SearchClick(
                node_id=strawberry.ID(
                    encode_id(resolvers.PREFIXES[each["kind"]], UUID(hex=each["id"]))
                ),
                position=each["position"],
            )
            for each in root.clicked
        ]

    @classmethod
    async def resolve_reference(cls, info: Context, id: strawberry.ID) -> Any:
        return await nodes.find_node(info.context, id)


@strawberry.input(description="A search to be forgotten.")
class DeleteSearchHistoryEntryInput:
    id: strawberry.ID = strawberry.field(description="Which one; begins with `srh_`.")


@strawberry.input(description="Which searches are to be forgotten.")
class ClearSearchHistoryInput:
    confirm: bool = strawberry.field(description="True: for good.")
    before: datetime | None = strawberry.field(
        default=None, description="Only those before this moment; all if not given."
    )


@strawberry.input(description="What is to be kept of your searches.")
class UpdateSearchSettingsInput:
    keep_history: bool = strawberry.field(
        description="Whether to keep them for you. If not, those kept are forgotten at once."
    )


@strawberry.input(description="A result that you opened.")
class RecordSearchClickInput:
    query: str = strawberry.field(description="The query as you sent it to `search`.")
    node_id: strawberry.ID = strawberry.field(description="What you opened.")
    position: int = strawberry.field(description="Where it stood, from 1 to 1,000.")


@strawberry.type(description="It is forgotten.")
class DeleteSearchHistoryEntrySuccess:
    deleted_id: strawberry.ID = attribute("Which it was.")


@strawberry.type(description="They are forgotten.")
class ClearSearchHistorySuccess:
    deleted: int = attribute("How many there were.")


@strawberry.type(description="It holds from now on.")
class UpdateSearchSettingsSuccess:
    keep_history: bool = attribute("Whether your searches are kept.")
    deleted: int = attribute("How many were forgotten.")


@strawberry.type(description="The click is known.")
class RecordSearchClickSuccess:
    counted: bool = attribute(
        "False where you opened it from this search before, or the search was not kept."
    )


DeleteSearchHistoryEntryResult = Annotated[
    DeleteSearchHistoryEntrySuccess | NotFound,
    strawberry.union("DeleteSearchHistoryEntryResult", description="What became of the search."),
]
ClearSearchHistoryResult = Annotated[
    ClearSearchHistorySuccess | InvalidInput,
    strawberry.union("ClearSearchHistoryResult", description="What became of the searches."),
]
UpdateSearchSettingsResult = Annotated[
    UpdateSearchSettingsSuccess | NotFound,
    strawberry.union("UpdateSearchSettingsResult", description="What became of the settings."),
]
RecordSearchClickResult = Annotated[
    RecordSearchClickSuccess | InvalidInput | NotFound,
    strawberry.union("RecordSearchClickResult", description="What became of the click."),
]


@strawberry.type
class SearchMutation:
    @mutation("Forget one search of yours.", authenticated=True)
    async def delete_search_history_entry(
        self,
        info: Context,
        input: Annotated[DeleteSearchHistoryEntryInput, argument("Which one.")],
    ) -> DeleteSearchHistoryEntryResult:
        deleted = await resolvers.delete_entry(info.context, input.id)
        return DeleteSearchHistoryEntrySuccess(deleted_id=strawberry.ID(deleted))

    @mutation("Forget what you searched.", authenticated=True)
    async def clear_search_history(
        self, info: Context, input: Annotated[ClearSearchHistoryInput, argument("Which ones.")]
    ) -> ClearSearchHistoryResult:
        deleted = await resolvers.clear(info.context, input.before, confirmed=input.confirm)
        return ClearSearchHistorySuccess(deleted=deleted)

    @mutation("Choose whether your searches are kept for you.", authenticated=True)
    async def update_search_settings(
        self, info: Context, input: Annotated[UpdateSearchSettingsInput, argument("The choice.")]
    ) -> UpdateSearchSettingsResult:
        deleted = await resolvers.keep(info.context, keep_history=input.keep_history)
        return UpdateSearchSettingsSuccess(keep_history=input.keep_history, deleted=deleted)

    @mutation(
        "Tell that you opened a result: it says what is good for a query, and how much a title is "
        "wanted. Once for each result of a search.",
        authenticated=True,
    )
    async def record_search_click(
        self, info: Context, input: Annotated[RecordSearchClickInput, argument("Which one.")]
    ) -> RecordSearchClickResult:
        counted = await resolvers.click(
            info.context, query=input.query, node_id=input.node_id, position=input.position
        )
        return RecordSearchClickSuccess(counted=counted)
