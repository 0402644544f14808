"""The whole schema, or any part of it: roots put together, errors and limits attached."""

from __future__ import annotations

from collections.abc import Iterable

import strawberry
from strawberry.schema.config import StrawberryConfig

from execution.limits import Limits
from schema.auctions.downloads import DownloadMutation
from schema.auctions.errors import ERRORS as AUCTION_ERRORS
from schema.auctions.listing import ListingMutation
from schema.auctions.mutations import AuctionMutation
from schema.auctions.parameters import ParameterMutation, ParameterQuery
from schema.auctions.queries import AuctionQuery
from schema.auctions.shop import ShopMutation, ShopQuery
from schema.auctions.stall_changes import StallSubscription
from schema.auctions.subscriptions import AuctionSubscription
from schema.content.errors import ERRORS as CONTENT_ERRORS
from schema.content.mutations import ContentMutation
from schema.content.queries import ContentQuery
from schema.content.subscriptions import ContentSubscription
from schema.errors import SHARED, exception_handlers
from schema.executing import ExecutorName, MelaSchema
from schema.projection import project
from schema.quests.boards import LeaderboardQuery, LeaderboardSubscription
from schema.quests.errors import ERRORS as QUEST_ERRORS
from schema.quests.impact import ImpactQuery
from schema.quests.mutations import QuestMutation
from schema.quests.player import PlayerQuery
from schema.quests.queries import QuestQuery
from schema.quests.recommending import QuestRecommendationQuery
from schema.quests.reviews import ERRORS as EVIDENCE_ERRORS
from schema.quests.reviews import EvidenceMutation, EvidenceQuery
from schema.quests.subscriptions import QuestSubscription
from schema.quests.summaries import ImpactSummaryQuery
from schema.scalars import SCALARS
from schema.search.history import SearchMutation
from schema.search.queries import SearchQuery
from schema.search.subscriptions import SearchSubscription
from schema.users.errors import ERRORS as USER_ERRORS
from schema.users.mutations import UserMutation
from schema.users.queries import UserQuery
from schema.users.subscriptions import UserSubscription
from schema.wallets.errors import ERRORS as WALLET_ERRORS
from schema.wallets.log import LedgerLogQuery
from schema.wallets.mutations import WalletMutation
from schema.wallets.queries import WalletQuery
from schema.wallets.subscriptions import WalletSubscription

DOMAINS = ("users", "content", "search", "wallets", "auctions", "quests")
"""In dependency order: a domain may know the ones before it."""


@strawberry.type(description="Everything that can be read.")
class Query(
    UserQuery,
    ContentQuery,
    SearchQuery,
    WalletQuery,
    LedgerLogQuery,
    AuctionQuery,
    ShopQuery,
    ParameterQuery,
    QuestQuery,
    EvidenceQuery,
    LeaderboardQuery,
    QuestRecommendationQuery,
    ImpactSummaryQuery,
    ImpactQuery,
    PlayerQuery,
):
    pass


@strawberry.type(description="Everything that can be done.")
class Mutation(
    UserMutation,
    ContentMutation,
    SearchMutation,
    WalletMutation,
    AuctionMutation,
    ListingMutation,
    DownloadMutation,
    ShopMutation,
    ParameterMutation,
    QuestMutation,
    EvidenceMutation,
):
    pass


@strawberry.type(description="Everything that is pushed as it happens.")
class Subscription(
    UserSubscription,
    ContentSubscription,
    SearchSubscription,
    WalletSubscription,
    AuctionSubscription,
    StallSubscription,
    LeaderboardSubscription,
    QuestSubscription,
):
    pass


def build_schema(
    domains: Iterable[str] | None = None,
    *,
    limits: Limits | None = None,
    executor: ExecutorName = "levels",
) -> MelaSchema:
    """The monolith's schema, or the subgraph of some domains, from the same types and resolvers.

    Raises `ValueError` for an unknown domain.
    """
    whole = MelaSchema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        domains=DOMAINS,
        limits=limits,
        executor=executor,
        config=StrawberryConfig(
            scalar_map=dict(SCALARS), enable_experimental_incremental_execution=True
        ),
        exception_handlers=exception_handlers(
            (
                *USER_ERRORS,
                *CONTENT_ERRORS,
                *WALLET_ERRORS,
                *AUCTION_ERRORS,
                *QUEST_ERRORS,
                *EVIDENCE_ERRORS,
                *SHARED,
            )
        ),
    )
    return whole if domains is None else project(whole, domains)
