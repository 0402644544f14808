"""Batched reads of accounts, transfers, payments and linked addresses.

A row of an account has everything as of one moment: counters, open holds, the place in the owner's
events. Rows may be anyone's; which fields are shown to whom is decided field by field.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Text, cast, false, func, or_, select
from sqlmodel import col

from core.database import Database
from core.money import ASSETS
from core.pagination import PageRequest
from loaders.base import many_by, one_by, page_by, read_page
from loaders.pages import Page, order
from loaders.rows import Money, row_of
from models.events import EventTopic
from models.wallets import LedgerAccount, LedgerAsset, LedgerHold, LinkedAddress, Payment, Transfer

HOLDS_MAX = 100
PLATFORM = UUID(int=0)
"""Who holds the platform's own accounts."""
ADDRESSES_MAX = 20

# In the row's own statement, so in its snapshot: a balance and the holds beside it never disagree,
# and who subscribes after the position misses nothing that the row does not show.
_newest_holds = (
    select(col(LedgerHold.transfer_id), col(LedgerHold.amount_minor), col(LedgerHold.expires_at))
    .where(col(LedgerHold.debit_account_id) == col(LedgerAccount.id))
    .order_by(col(LedgerHold.transfer_id).desc())
    .limit(HOLDS_MAX)
    .correlate(LedgerAccount)
    .subquery()
)
_HOLDS = (
    select(
        func.json_agg(
            func.json_build_array(
                _newest_holds.c.transfer_id,
                _newest_holds.c.amount_minor,
                _newest_holds.c.expires_at,
            )
        )
    )
    .scalar_subquery()
    .label("hold_rows")
)
_EVENT_SEQUENCE = (
    select(col(EventTopic.head))
    .where(
        col(EventTopic.topic)
        == "user:" + func.replace(cast(col(LedgerAccount.owner_id), Text), "-", "")
    )
    .correlate(LedgerAccount)
    .scalar_subquery()
    .label("event_sequence")
)


class HoldRow(NamedTuple):
    """An open hold of an account."""

    transfer_id: UUID
    amount: Money
    expires_at: datetime | None


class AccountRow(row_of(LedgerAccount, "acc", extra=(_HOLDS, _EVENT_SEQUENCE))):  # type: ignore[misc]
    """An account; `event_sequence` is its owner's last event that the row reflects."""

    __slots__ = ()

    @property
    def balance(self) -> Money:
        """Posted credits less posted debits."""
        return Money(self.credits_posted - self.debits_posted, self.asset)

    @property
    def available(self) -> Money:
        """The balance less what is held."""
        return Money(self.credits_posted - self.debits_posted - self.debits_pending, self.asset)

    @property
    def pending_debits(self) -> Money:
        """What is held of it."""
        return Money(self.debits_pending, self.asset)

    @property
    def pending_credits(self) -> Money:
        """What others hold for it."""
        return Money(self.credits_pending, self.asset)

    @property
    def holds(self) -> list[HoldRow]:
        """The newest open holds, 100 at most."""
        return [
            HoldRow(
                UUID(id),
                Money(amount, self.asset),
                None if expires is None else datetime.fromisoformat(expires),
            )
            for id, amount, expires in self.hold_rows or ()
        ]


class AssetRow(NamedTuple):
    """An asset, its limits, and how much of it was minted and not burned; minor units."""

    asset: str
    supply_minor: int
    supply_cap_minor: int | None
    transfer_max_minor: int | None


class TransferRow(row_of(Transfer, "trf", without=("transaction_id",))):  # type: ignore[misc]
    """A transfer as it was written."""

    __slots__ = ()

    @property
    def amount(self) -> Money:
        """What moved, or is held or released."""
        return Money(self.amount_minor, self.asset)


class PaymentRow(row_of(Payment, "pay")):  # type: ignore[misc]
    """A payment in or out."""

    __slots__ = ()

    @property
    def amount(self) -> Money:
        """How much."""
        return Money(self.amount_minor, self.asset)


class LinkedAddressRow(row_of(LinkedAddress, "adr")):  # type: ignore[misc]
    """An outside address of a user."""

    __slots__ = ()


NEWEST_TRANSFERS = order("transfers", Transfer.row_id, descending=True)
NEWEST_PAYMENTS = order("payments", Payment.created_at, Payment.id, descending=True)


def _own(column: Any, viewer_id: UUID | None) -> ColumnElement[bool]:
    return false() if viewer_id is None else col(column) == viewer_id


def _party(owner_id: UUID, asset: str | None = None) -> ColumnElement[bool]:
    own = select(col(LedgerAccount.id)).where(col(LedgerAccount.owner_id) == owner_id)
    if asset is not None:
        own = own.where(col(LedgerAccount.asset) == asset)
    return or_(col(Transfer.debit_account_id).in_(own), col(Transfer.credit_account_id).in_(own))


# References that must exist, whoever asks; finding something by its id is for its owner alone.
account_by_id = one_by("account_by_id", AccountRow, LedgerAccount.id)
transfer_by_id = one_by("transfer_by_id", TransferRow, Transfer.id)
own_account_by_id = one_by(
    "own_account_by_id",
    AccountRow,
    LedgerAccount.id,
    visible=lambda viewer_id: _own(LedgerAccount.owner_id, viewer_id),
)
own_transfer_by_id = one_by(
    "own_transfer_by_id",
    TransferRow,
    Transfer.id,
    visible=lambda viewer_id: false() if viewer_id is None else _party(viewer_id),
)
own_payment_by_id = one_by(
    "own_payment_by_id",
    PaymentRow,
    Payment.id,
    visible=lambda viewer_id: _own(Payment.user_id, viewer_id),
)
own_address_by_id = one_by(
    "own_address_by_id",
    LinkedAddressRow,
    LinkedAddress.id,
    visible=lambda viewer_id: _own(LinkedAddress.user_id, viewer_id),
)
accounts_by_owner_id = many_by(
    "accounts_by_owner_id",
    AccountRow,
    LedgerAccount.owner_id,
    order_by=(LedgerAccount.asset,),
    limit=len(ASSETS),
)
addresses_by_user_id = many_by(
    "addresses_by_user_id",
    LinkedAddressRow,
    LinkedAddress.user_id,
    order_by=(LinkedAddress.linked_at, LinkedAddress.id),
    limit=ADDRESSES_MAX,
)
payments_by_user_id = page_by(
    "payments_by_user_id", PaymentRow, Payment.user_id, order=NEWEST_PAYMENTS
)


@dataclass(frozen=True, slots=True)
class TransferFilter:
    """What a wallet's transfers are narrowed by; None means any."""

    codes: Sequence[str] | None = None
    asset: str | None = None
    since: datetime | None = None
    before: datetime | None = None


async def transfers_page(
    db: Database, owner_id: UUID, wanted: TransferFilter, request: PageRequest
) -> Page:
    """One page of the transfers to and from a user's accounts, newest first."""
    conditions = [_party(owner_id, wanted.asset)]
    if wanted.codes is not None:
        conditions.append(col(Transfer.code).in_(wanted.codes))
    if wanted.since is not None:
        conditions.append(col(Transfer.created_at) >= wanted.since)
    if wanted.before is not None:
        conditions.append(col(Transfer.created_at) < wanted.before)
    return await read_page(db, TransferRow, NEWEST_TRANSFERS, request, conditions)


async def all_assets(db: Database) -> list[AssetRow]:
    """Every asset, in the order of `core.money.ASSETS`; one statement."""
    statement = select(
        col(LedgerAsset.asset),
        col(LedgerAccount.debits_posted) - col(LedgerAccount.credits_posted),
        col(LedgerAsset.supply_cap_minor),
        col(LedgerAsset.transfer_max_minor),
    ).join(
        LedgerAccount,
        (col(LedgerAccount.asset) == col(LedgerAsset.asset))
        & (col(LedgerAccount.holder_id) == PLATFORM)
        & (col(LedgerAccount.kind) == "ISSUANCE"),
    )
    async with db.read() as session:
        rows = [AssetRow(*row) for row in await session.execute(statement)]
    places = list(ASSETS)
    return sorted(rows, key=lambda row: places.index(row.asset))
