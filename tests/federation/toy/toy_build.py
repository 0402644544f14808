"""Puts the toy domains together, as `schema/build.py` does the real ones."""

from __future__ import annotations

import strawberry
from strawberry.schema.config import StrawberryConfig
from toy_auctions import AuctionMutation, AuctionQuery, AuctionSubscription
from toy_common import SCALARS
from toy_search import SearchQuery
from toy_users import Missing, UserMutation, UserQuery

from schema.projection import DomainSchema, project

DOMAINS = ("toy_users", "toy_auctions", "toy_search")


@strawberry.type
class Query(UserQuery, AuctionQuery, SearchQuery):
    pass


@strawberry.type
class Mutation(UserMutation, AuctionMutation):
    pass


@strawberry.type
class Subscription(AuctionSubscription):
    pass


def build_schema(domains: frozenset[str] | None = None) -> DomainSchema:
    """The whole schema, or the subgraph of `domains`."""
    whole = DomainSchema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        domains=DOMAINS,
        max_entities=5,
        exception_handlers=[Missing()],
        config=StrawberryConfig(scalar_map=SCALARS),
    )
    return whole if domains is None else project(whole, domains)
