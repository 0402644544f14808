"""Wallets, accounts, transfers and payments as clients see them, and what wallets add to a user."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, cast

import strawberry

from core.money import ASSETS
from loaders import users as user_loaders
from loaders import wallets as loaders
from loaders.rows import Money as MoneyValue
from loaders.wallets import (
    AccountRow,
    AssetRow,
    HoldRow,
    LinkedAddressRow,
    PaymentRow,
    TransferRow,
)
from resolvers import wallets as resolvers
from resolvers.nodes import find_node
from resolvers.wallets import WalletRow
from schema.common import Connection, Money, Node
from schema.fields import (
    After,
    Before,
    Context,
    First,
    Last,
    argument,
    attribute,
    bounded,
    connected,
    loaded,
    page_size,
    resolved,
)
from schema.rows import found_by, shows
from schema.scalars import AssetCode, BigInt, Cursor, code_of
from schema.wallets.inputs import (
    AccountStatus,
    PaymentDirection,
    PaymentStatus,
    TransferCode,
    TransferFilterInput,
    TransferKind,
    transfer_filter,
)
from services.users.accounts import user_topic
from services.wallets.funds import TOKENS
from subscriptions.cursors import encode_cursor

if TYPE_CHECKING:
    from schema.users.types import User

LazyUser = Annotated["User", strawberry.lazy("schema.users.types")]
LazyTransfer = Annotated["Transfer", strawberry.lazy("schema.wallets.types")]
OURS = "Null unless the account is yours."


@strawberry.enum(description="Whose account it is.")
class AccountKind(Enum):
    USER = strawberry.enum_value("USER", description="A user's own account.")
    ESCROW = strawberry.enum_value("ESCROW", description="What is held or staked for one lot.")
    ISSUANCE = strawberry.enum_value(
        "ISSUANCE", description="Where tokens come from; its negative is the supply."
    )
    EXTERNAL = strawberry.enum_value("EXTERNAL", description="The world outside the platform.")
    FEES = strawberry.enum_value("FEES", description="What the platform earned.")
    REWARDS = strawberry.enum_value("REWARDS", description="What the platform gives away.")


@strawberry.type(description="What the ledger counts: a currency, or the platform's token.")
@shows(AssetRow)
class Asset:
    asset: AssetCode = attribute("The code it is named by in amounts.")

    @resolved("How many decimal places its amounts have.", cost=0)
    def scale(root: strawberry.Parent[AssetRow]) -> int:
        return ASSETS[root.asset].scale

    @resolved("How much was minted and not burned; null for money, which is not minted.", cost=0)
    def supply(root: strawberry.Parent[AssetRow]) -> Money | None:
        return _money(root.supply_minor, root.asset) if root.asset in TOKENS else None

    @resolved("How much of it may exist; null for no cap.", cost=0)
    def supply_cap(root: strawberry.Parent[AssetRow]) -> Money | None:
        return _money(root.supply_cap_minor, root.asset)

    @resolved("The most that a user may pay at once; null for no limit.", cost=0)
    def transfer_maximum(root: strawberry.Parent[AssetRow]) -> Money | None:
        return _money(root.transfer_max_minor, root.asset)


def _money(minor_units: int | None, asset: str) -> Money | None:
    return None if minor_units is None else cast(Money, MoneyValue(minor_units, asset))


@strawberry.type(description="An amount that is kept for something, and cannot be spent meanwhile.")
@shows(HoldRow)
class Hold:
    amount: Money = attribute("How much is held.")
    expires_at: datetime | None = attribute("When it is released by itself; null for never.")
    transfer: LazyTransfer = loaded(
        loaders.transfer_by_id, key="transfer_id", description="The transfer that holds it."
    )


@strawberry.federation.type(
    keys=["id"],
    description="Holds one asset for one owner. Its amounts and holds are of one moment.",
)
@shows(AccountRow)
@found_by(loaders.own_account_by_id, "acc")
class Account(Node):
    kind: AccountKind = attribute("Whose account it is.")
    asset: AssetCode = attribute("What it counts.")
    created_at: datetime = attribute("When it was first used.")
    owner: LazyUser | None = loaded(
        user_loaders.user_by_id,
        key="owner_id",
        description="The user whose it is; null for the platform's own.",
    )

    @resolved(f"Whether it takes part in transfers. {OURS}", viewer=True)
    def status(root: strawberry.Parent[Any], info: Context) -> AccountStatus | None:
        shown = resolvers.may_look(info.context, root)
        return AccountStatus(root.status) if shown else None

    @resolved(f"All that is in it, what is held included. {OURS}", viewer=True)
    def balance(root: strawberry.Parent[Any], info: Context) -> Money | None:
        return root.balance if resolvers.may_look(info.context, root) else None

    @resolved(f"What can be spent: the balance less what is held. {OURS}", viewer=True)
    def available(root: strawberry.Parent[Any], info: Context) -> Money | None:
        return root.available if resolvers.may_look(info.context, root) else None

    @resolved(f"What is held of it. {OURS}", viewer=True)
    def pending_debits(root: strawberry.Parent[Any], info: Context) -> Money | None:
        return root.pending_debits if resolvers.may_look(info.context, root) else None

    @resolved(f"What others hold for it. {OURS}", viewer=True)
    def pending_credits(root: strawberry.Parent[Any], info: Context) -> Money | None:
        return root.pending_credits if resolvers.may_look(info.context, root) else None

    @resolved(
        f"What is held of it, the newest 100 at most. {OURS}",
        viewer=True,
        list_size=bounded(loaders.HOLDS_MAX),
    )
    def holds(root: strawberry.Parent[Any], info: Context) -> list[Hold] | None:
        return root.holds if resolvers.may_look(info.context, root) else None

    @resolved(
        "The last event that these fields reflect: subscribe to `walletChanged` with it as "
        f"`after`, and nothing is missed. {OURS}",
        viewer=True,
    )
    def event_cursor(root: strawberry.Parent[Any], info: Context) -> Cursor | None:
        if root.owner_id is None or root.owner_id != info.context.viewer_id:
            return None
        return Cursor(encode_cursor(user_topic(root.owner_id), root.event_sequence or 0))


@strawberry.type(description="An account's amounts right after a transfer.")
class AccountAfter:
    balance: Money = attribute("All that was in it, what was held included.")
    available: Money = attribute("What could be spent.")
    held: Money = attribute("What was held of it.")


def account_after(balance_minor: int, held_minor: int, asset: str) -> AccountAfter:
    """The amounts that a transfer's row keeps of one of its accounts."""
    return AccountAfter(
        balance=cast(Money, MoneyValue(balance_minor, asset)),
        available=cast(Money, MoneyValue(balance_minor - held_minor, asset)),
        held=cast(Money, MoneyValue(held_minor, asset)),
    )


@strawberry.federation.type(
    keys=["id"],
    description="Value that went from one account to another, or is held. It never changes.",
)
@shows(TransferRow)
@found_by(loaders.own_transfer_by_id, "trf")
class Transfer(Node):
    code: TransferCode = attribute("What it was for.")
    kind: TransferKind = attribute("Whether it moved at once, holds, or ends a hold.")
    amount: Money = attribute("How much moved, is held or was released.")
    row_id: BigInt = attribute(
        "Rises in the order in which transfers were written; has gaps.", name="sequence"
    )
    created_at: datetime = attribute("When it was written, by the server's clock.")
    expires_at: datetime | None = attribute("When a hold is released by itself.")
    debit_account: Account = loaded(
        loaders.account_by_id, key="debit_account_id", description="The account that paid."
    )
    credit_account: Account = loaded(
        loaders.account_by_id, key="credit_account_id", description="The account that received."
    )
    pending_transfer: LazyTransfer | None = loaded(
        loaders.transfer_by_id,
        key="pending_id",
        description="The hold that this one posted, released or let expire; else null.",
    )

    @resolved(f"The paying account right after it. {OURS}", viewer=True)
    async def debit_account_after(
        root: strawberry.Parent[Any], info: Context
    ) -> AccountAfter | None:
        if not await resolvers.may_look_into(info.context, root.debit_account_id):
            return None
        return account_after(root.debit_balance_after, root.debit_held_after, root.asset)

    @resolved(f"The receiving account right after it. {OURS}", viewer=True)
    async def credit_account_after(
        root: strawberry.Parent[Any], info: Context
    ) -> AccountAfter | None:
        if not await resolvers.may_look_into(info.context, root.credit_account_id):
            return None
        return account_after(root.credit_balance_after, root.credit_held_after, root.asset)

    @resolved("What it was about: an auction, an order, a payment. Null if nothing.", viewer=True)
    async def reference(root: strawberry.Parent[Any], info: Context) -> Node | None:
        return None if root.reference is None else await find_node(info.context, root.reference)


@strawberry.federation.type(
    keys=["id"], description="Money that comes in from outside the platform, or goes out."
)
@shows(PaymentRow)
@found_by(loaders.own_payment_by_id, "pay")
class Payment(Node):
    direction: PaymentDirection = attribute("In or out.")
    status: PaymentStatus = attribute("How far it has got.")
    amount: Money = attribute("How much is paid in or out.")
    created_at: datetime = attribute("When it was begun.")
    resolved_at: datetime | None = attribute("When it was settled or failed; null until then.")
    transfer: Transfer | None = loaded(
        loaders.transfer_by_id,
        key="transfer_id",
        description="What it moved in the ledger; null until it is settled.",
    )


@strawberry.federation.type(
    keys=["id"], description="An address outside that a user has proved to be theirs."
)
@shows(LinkedAddressRow)
@found_by(loaders.own_address_by_id, "adr")
class LinkedAddress(Node):
    address: str = attribute("0x and 40 hex digits, in mixed case (EIP-55).")
    linked_at: datetime = attribute("When it was linked.")

    @resolved("The chain it was linked on (EIP-155), as `1` for Ethereum.")
    def chain_id(root: strawberry.Parent[Any]) -> strawberry.ID:
        return strawberry.ID(str(root.chain_id))


@strawberry.type(description="All that a user has. Nobody else sees it.")
@shows(WalletRow)
class Wallet:
    payments: Connection[Payment] = connected(
        loaders.payments_by_user_id,
        key="user_id",
        description="Money that came in or went out, newest first.",
    )

    @resolved("An account for each asset ever had.", list_size=bounded(len(ASSETS)))
    async def accounts(root: strawberry.Parent[WalletRow], info: Context) -> list[Account]:
        return cast(list[Account], await resolvers.accounts_of(info.context, root))

    @resolved("The account of one asset; null where there never was any.")
    async def account(
        root: strawberry.Parent[WalletRow],
        info: Context,
        asset: Annotated[AssetCode, argument("Which asset.")],
    ) -> Account | None:
        found = await resolvers.accounts_of(info.context, root)
        return next((account for account in found if account.asset == code_of(asset)), None)

    @resolved("Transfers to and from its accounts, newest first.", list_size=page_size())
    async def transfers(
        root: strawberry.Parent[WalletRow],
        info: Context,
        filter: Annotated[TransferFilterInput | None, argument("Which; all if not given.")] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Transfer]:
        request = info.context.page_request(loaders.NEWEST_TRANSFERS, first, after, last, before)
        wanted = transfer_filter(filter)
        return await resolvers.transfers_of(info.context, root, wanted, request)

    @resolved("Addresses proved to be theirs.", list_size=bounded(loaders.ADDRESSES_MAX))
    async def linked_addresses(
        root: strawberry.Parent[WalletRow], info: Context
    ) -> list[LinkedAddress]:
        return cast(list[LinkedAddress], await resolvers.addresses_of(info.context, root))


@strawberry.type
class WalletUserFields:
    """What wallets add to a user."""

    @resolved("Your own wallet; null for anyone but yourself.", viewer=True)
    def wallet(root: strawberry.Parent[Any], info: Context) -> Wallet | None:
        return cast("Wallet | None", resolvers.own_wallet(info.context, root.id))
