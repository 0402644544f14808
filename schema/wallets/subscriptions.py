"""Root fields that push what happens to the viewer's own wallet."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from enum import Enum
from typing import Annotated, cast

import strawberry

from loaders import wallets as loaders
from resolvers.wallets import watch_wallet
from schema.common import Money
from schema.fields import Context, argument, attribute, loaded, subscription
from schema.rows import shows
from schema.scalars import AssetCode, Cursor, code_of
from schema.wallets.types import Account, Transfer
from subscriptions.wallets import WalletChangeRow, change_of


@strawberry.enum(description="Which side of a transfer an account was on.")
class TransferSide(Enum):
    DEBIT = strawberry.enum_value("DEBIT", description="The account paid, or would.")
    CREDIT = strawberry.enum_value("CREDIT", description="The account received, or would.")


@strawberry.type(description="A transfer touched one of your accounts. Amounts are as of then.")
@shows(WalletChangeRow)
class WalletChange:
    cursor: Cursor = attribute("Where this event is in your stream: resume after it.")
    occurred_at: datetime = attribute("When it happened, by the server's clock.")
    side: TransferSide = attribute("Which side your account was on.")
    amount: Money = attribute("How much moved, is held or was released.")
    balance: Money = attribute("All that was in the account right after it.")
    available: Money = attribute("What could be spent right after it.")
    held: Money = attribute("What was held right after it.")
    transfer: Transfer = loaded(
        loaders.transfer_by_id, key="transfer_id", description="What touched it."
    )
    account: Account = loaded(
        loaders.account_by_id, key="account_id", description="Your account as it is now."
    )


@strawberry.type
class WalletSubscription:
    @subscription("Each transfer that touches your wallet, once, in order.", authenticated=True)
    async def wallet_changed(
        self,
        info: Context,
        asset: Annotated[AssetCode | None, argument("This asset alone; all if not given.")] = None,
        after: Annotated[
            Cursor | None,
            argument(
                "Go on after this event: the last `cursor` you saw, or `Account.eventCursor`. "
                "From now on if not given."
            ),
        ] = None,
    ) -> AsyncGenerator[WalletChange, None]:
        code = None if asset is None else code_of(asset)
        async with aclosing(watch_wallet(info.context, code, after)) as events:
            async for event in events:
                yield cast(WalletChange, change_of(event))
