"""What the wallets' mutations answer instead of success, and the exceptions behind it."""

from __future__ import annotations

from enum import Enum

import strawberry

from core.ids import encode_id
from loaders.rows import Money as MoneyValue
from schema.common import Error, Money
from schema.errors import ErrorRow
from schema.fields import attribute
from schema.scalars import AssetCode
from services.wallets import errors


@strawberry.enum(description="What became of a hold.")
class HoldResolution(Enum):
    POST = strawberry.enum_value("POST", description="It was posted, all or in part.")
    VOID = strawberry.enum_value("VOID", description="It was released.")
    EXPIRE = strawberry.enum_value("EXPIRE", description="Its time was over.")


@strawberry.type(description="Less is available than is required. Nothing moved.")
class InsufficientFunds(Error):
    available: Money = attribute("What could be spent.")
    required: Money = attribute("What would have been needed.")


@strawberry.type(description="An amount of one asset where another is counted. Nothing moved.")
class AssetMismatch(Error):
    expected: AssetCode = attribute("The asset that is counted there.")
    given: AssetCode = attribute("The asset that was given.")


@strawberry.type(description="The account is closed for good. Nothing moved.")
class AccountClosed(Error):
    account_id: strawberry.ID = attribute("Which account.")


@strawberry.type(description="The account is frozen: it receives, and pays nothing.")
class AccountFrozen(Error):
    account_id: strawberry.ID = attribute("Which account.")


@strawberry.type(description="The hold was posted, was released or has expired before.")
class HoldAlreadyResolved(Error):
    hold_id: strawberry.ID = attribute("The transfer that held.")
    resolution: HoldResolution = attribute("What became of it.")


@strawberry.type(description="More would exist than may. Nothing was minted.")
class SupplyCapExceeded(Error):
    cap: Money = attribute("How much may exist.")
    supply: Money = attribute("How much exists.")


@strawberry.type(description="The signature does not hold. Nothing was linked.")
class InvalidSignature(Error):
    reason: str = attribute("What is wrong with it.")


@strawberry.type(description="The address is linked already, to you or to another user.")
class AddressTaken(Error):
    address: str = attribute("The address, in its mixed-case form.")


ERRORS: tuple[ErrorRow, ...] = (
    ErrorRow(
        errors.InsufficientFunds,
        InsufficientFunds,
        lambda e: {
            "available": MoneyValue(e.available_minor, e.asset),
            "required": MoneyValue(e.required_minor, e.asset),
        },
    ),
    ErrorRow(
        errors.AssetMismatch,
        AssetMismatch,
        lambda e: {"expected": AssetCode(e.expected), "given": AssetCode(e.given)},
    ),
    ErrorRow(
        errors.AccountClosed,
        AccountClosed,
        lambda e: {"account_id": encode_id("acc", e.account_id)},
    ),
    ErrorRow(
        errors.AccountFrozen,
        AccountFrozen,
        lambda e: {"account_id": encode_id("acc", e.account_id)},
    ),
    ErrorRow(
        errors.HoldAlreadyResolved,
        HoldAlreadyResolved,
        lambda e: {
            "hold_id": encode_id("trf", e.hold_id),
            "resolution": HoldResolution(e.resolution),
        },
    ),
    ErrorRow(
        errors.SupplyCapExceeded,
        SupplyCapExceeded,
        lambda e: {
            "cap": MoneyValue(e.cap_minor, e.asset),
            "supply": MoneyValue(e.supply_minor, e.asset),
        },
    ),
    ErrorRow(errors.InvalidSignature, InvalidSignature, lambda e: {"reason": e.reason}),
    ErrorRow(errors.AddressTaken, AddressTaken, lambda e: {"address": e.address}),
)
