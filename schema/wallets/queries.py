"""Root fields that read the viewer's own wallet, and what there is to be counted."""

from __future__ import annotations

from typing import Annotated, cast

import strawberry

from core.money import ASSETS
from resolvers import wallets as resolvers
from schema.fields import Context, argument, bounded, resolved
from schema.wallets.types import Account, Asset, Transfer, Wallet


@strawberry.type
class WalletQuery:
    @resolved(
        "All that the ledger counts, with what exists of it and its limits.",
        list_size=bounded(len(ASSETS)),
    )
    async def assets(self, info: Context) -> list[Asset]:
        return cast(list[Asset], await resolvers.assets(info.context))

    @resolved("Your wallet.", authenticated=True, viewer=True)
    def wallet(self, info: Context) -> Wallet | None:
        context = info.context
        return cast("Wallet | None", resolvers.own_wallet(context, context.viewer_id))

    @resolved("An account of yours, by id; null for any other.", authenticated=True, viewer=True)
    async def account(
        self, info: Context, id: Annotated[strawberry.ID, argument("Begins with `acc_`.")]
    ) -> Account | None:
        return await resolvers.account(info.context, id)

    @resolved(
        "A transfer to or from you, by id; null for any other.", authenticated=True, viewer=True
    )
    async def transfer(
        self, info: Context, id: Annotated[strawberry.ID, argument("Begins with `trf_`.")]
    ) -> Transfer | None:
        return await resolvers.transfer(info.context, id)
