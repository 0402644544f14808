"""From a field of wallets to one unit of work: the viewer, checked input, a service."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from core.errors import InvalidInput
from core.money import to_minor
from core.pagination import PageRequest
from loaders import wallets as loaders
from loaders.wallets import PaymentRow, TransferFilter, TransferRow
from resolvers.auctions import find, named_key
from resolvers.context import OperationContext
from services.wallets import accounts, external, funds, payments
from services.wallets.ledger import Written
from services.wallets.limits import Limit, set_limits
from services.wallets.payments import Direction, payment_request
from services.wallets.transfers import Leg, transfer_request
from subscriptions.log import LogEvent
from subscriptions.wallets import wallet_changes

FREEZE_SCOPE = "ledger:freeze"


class WalletRow(NamedTuple):
    """A user's wallet: nothing but whose it is."""

    user_id: UUID


def own_wallet(context: OperationContext, user_id: UUID | None) -> WalletRow | None:
    """The wallet of `user_id`, for themselves; else None."""
    if user_id is None or user_id != context.viewer_id:
        return None
    return WalletRow(user_id)


def may_look(context: OperationContext, account: Any) -> bool:
    """Whether the viewer sees into an account: its owner, and who freezes accounts."""
    viewer = context.viewer
    if viewer is None:
        return False
    return account.owner_id == viewer.user_id or viewer.has(FREEZE_SCOPE)


async def may_look_into(context: OperationContext, account_id: UUID) -> bool:
    """As `may_look`, by the account's key."""
    return may_look(context, await context.loaders.load(loaders.account_by_id, account_id))


async def accounts_of(context: OperationContext, wallet: WalletRow) -> list[Any]:
    """All accounts of a wallet, one an asset that it ever had."""
    loader = loaders.accounts_by_owner_id
    found: list[Any] = await context.loaders.load(loader, (wallet.user_id, loader.limit))
    return found


async def addresses_of(context: OperationContext, wallet: WalletRow) -> list[Any]:
    """The addresses linked to a wallet, the first linked first."""
    loader = loaders.addresses_by_user_id
    found: list[Any] = await context.loaders.load(loader, (wallet.user_id, loader.limit))
    return found


async def transfers_of(
    context: OperationContext, wallet: WalletRow, wanted: TransferFilter, request: PageRequest
) -> Any:
    """A page of a wallet's transfers."""
    return await loaders.transfers_page(context.server.db, wallet.user_id, wanted, request)


async def account(context: OperationContext, account_id: str) -> Any:
    """An account of the viewer's, or None."""
    return await find(context, loaders.own_account_by_id, account_id, "acc")


async def transfer(context: OperationContext, transfer_id: str) -> Any:
    """A transfer to or from the viewer, or None."""
    return await find(context, loaders.own_transfer_by_id, transfer_id, "trf")


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount as it comes in, in whole units."""

    amount: Decimal
    asset: str

    @property
    def minor(self) -> int:
        """In minor units. Raises `InvalidInput("amount")`."""
        return to_minor(self.amount, self.asset)


async def make_payment(
    context: OperationContext, direction: Direction, amount: Amount, idempotency_key: str
) -> Any:
    """Pay in or out for the viewer; the payment's row."""
    request = payment_request(
        user_id=context.signed_in().user_id,
        direction=direction,
        asset=amount.asset,
        amount_minor=amount.minor,
        idempotency_key=idempotency_key,
    )
    made = await payments.make_payment(context.server.db, context.server.payments, request)
    context.forget()
    return PaymentRow._make(getattr(made, column.name) for column in PaymentRow.__columns__)


async def transfer_funds(
    context: OperationContext, legs: Sequence[tuple[str, Amount]], idempotency_key: str
) -> list[Any]:
    """Pay others for the viewer, all legs or none; the transfers' rows."""
    viewer = context.signed_in()
    request = transfer_request(
        payer_id=viewer.user_id,
        legs=[
            Leg(named_key(user_id, "usr", "user"), amount.asset, amount.minor)
            for user_id, amount in legs
        ],
        idempotency_key=idempotency_key,
    )
    made = await context.server.transfers.transfer(request)
    context.forget()
    return [transfer_row(written) for written in made]


async def mint_tokens(
    context: OperationContext, to_user_id: str, amount: Amount, idempotency_key: str
) -> Any:
    """Make tokens for somebody; the transfer's row."""
    made = await context.transact(
        partial(
            funds.mint_tokens,
            actor_id=context.signed_in().user_id,
            to_user_id=named_key(to_user_id, "usr", "user"),
            asset=amount.asset,
            amount_minor=amount.minor,
            idempotency_key=idempotency_key,
        )
    )
    context.forget()
    return transfer_row(made)


async def burn_tokens(context: OperationContext, amount: Amount, idempotency_key: str) -> Any:
    """Destroy tokens of the viewer's; the transfer's row."""
    made = await context.transact(
        partial(
            funds.burn_tokens,
            user_id=context.signed_in().user_id,
            asset=amount.asset,
            amount_minor=amount.minor,
            idempotency_key=idempotency_key,
        )
    )
    context.forget()
    return transfer_row(made)


def transfer_row(written: Written) -> Any:
    """A transfer just made, as the loaders would read it: no second read is needed."""
    here = {"row_id": written.row_id, "created_at": written.created_at}
    names = [column.name for column in TransferRow.__columns__]
    return TransferRow._make(
        here[name] if name in here else getattr(written.entry, name) for name in names
    )


async def set_frozen(
    context: OperationContext, account_id: str, reason: str, *, frozen: bool
) -> Any:
    """Freeze or unfreeze an account; its row."""
    viewer = context.signed_in()
    key = named_key(account_id, "acc", "account")
    service = accounts.freeze_account if frozen else accounts.unfreeze_account
    await context.transact(partial(service, account_id=key, actor_id=viewer.user_id, reason=reason))
    context.forget()
    return await context.loaders.load(loaders.account_by_id, key)


async def assets(context: OperationContext) -> list[loaders.AssetRow]:
    """All assets with their limits and what exists of them."""
    return await loaders.all_assets(context.server.db)


async def set_asset_limits(
    context: OperationContext, asset: str, given: Mapping[Limit, Decimal | None], reason: str
) -> loaders.AssetRow:
    """Change the given limits of an asset at once, for all; the asset as it is then."""
    minor = {
        limit: None if value is None else to_minor(value, asset, field=limit)
        for limit, value in given.items()
    }
    await context.transact(
        partial(
            set_limits,
            asset=asset,
            limits=minor,
            reason=reason,
            actor_id=context.signed_in().user_id,
        )
    )
    return next(row for row in await assets(context) if row.asset == asset)


async def create_challenge(
    context: OperationContext, address: str, chain_id: int
) -> external.Challenge:
    """A message for the viewer to sign with an outside address."""
    return await context.transact(
        partial(
            external.create_challenge,
            user_id=context.signed_in().user_id,
            address=address,
            chain_id=chain_id,
            site_url=context.server.settings.public_url,
        )
    )


async def link_wallet(context: OperationContext, message: str, signature: str) -> Any:
    """Link the address that signed; its row."""
    if "\0" in message:
        raise InvalidInput("message", "must not contain a NUL character")
    link_id = await external.link_wallet(
        context.server.db,
        user_id=context.signed_in().user_id,
        message=message,
        signature=signature,
        site_url=context.server.settings.public_url,
    )
    return await context.loaders.load(loaders.own_address_by_id, link_id)


async def unlink_wallet(context: OperationContext, address_id: str) -> str:
    """Forget an address of the viewer's; its id."""
    key = named_key(address_id, "adr", "linked address")
    user_id = context.signed_in().user_id
    await context.transact(partial(external.unlink_wallet, user_id=user_id, link_id=key))
    return address_id


async def watch_wallet(
    context: OperationContext, asset: str | None, after: str | None
) -> AsyncGenerator[LogEvent, None]:
    """Changes of the viewer's own wallet from a cursor on; each event with loaders of its own."""
    user_id = context.signed_in().user_id
    server = context.server
    after = context.resume_after(after)
    changes = wallet_changes(server.hub, server.db, user_id, asset=asset, after=after)
    async with aclosing(changes):
        async for event in changes:
            context.begin_event(event)
            yield event
