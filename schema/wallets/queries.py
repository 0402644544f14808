"""Root fields that read the viewer's own wallet."""

from __future__ import annotations

from typing import Annotated, cast

import strawberry

from resolvers import wallets as resolvers
from schema.fields import Context, argument, resolved
from schema.wallets.types import Account, Transfer, Wallet


@strawberry.type
class WalletQuery:
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
