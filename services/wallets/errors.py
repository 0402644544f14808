"""What the ledger answers instead of moving money. Errors alone: no rule stands here."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from core.errors import DomainError
from core.money import to_decimal

Resolution = Literal["POST", "VOID", "EXPIRE"]


class InsufficientFunds(DomainError):
    """Less is available than is required; both in minor units of `asset`."""

    code = "INSUFFICIENT_FUNDS"

    def __init__(self, available_minor: int, required_minor: int, asset: str) -> None:
        super().__init__(
            f"{to_decimal(required_minor, asset)} {asset} required,"
            f" {to_decimal(available_minor, asset)} available"
        )
        self.available_minor = available_minor
        self.required_minor = required_minor
        self.asset = asset


class AssetMismatch(DomainError):
    """The two accounts, or the account and the amount, are not of one asset."""

    code = "ASSET_MISMATCH"

    def __init__(self, expected: str, given: str) -> None:
        super().__init__(f"{given} where {expected} is counted")
        self.expected = expected
        self.given = given


class AccountClosed(DomainError):
    """The account takes part in nothing any more."""

    code = "ACCOUNT_CLOSED"

    def __init__(self, account_id: UUID) -> None:
        super().__init__("the account is closed")
        self.account_id = account_id


class AccountFrozen(DomainError):
    """Nothing new leaves the account until it is unfrozen; credits and releases pass."""

    code = "ACCOUNT_FROZEN"

    def __init__(self, account_id: UUID) -> None:
        super().__init__("the account is frozen: nothing can leave it")
        self.account_id = account_id


class HoldAlreadyResolved(DomainError):
    """The hold was posted, voided or has expired."""

    code = "HOLD_ALREADY_RESOLVED"

    def __init__(self, hold_id: UUID, resolution: Resolution) -> None:
        words = {"POST": "posted", "VOID": "released", "EXPIRE": "expired"}
        super().__init__(f"the hold is resolved already: {words[resolution]}")
        self.hold_id = hold_id
        self.resolution = resolution


class SupplyCapExceeded(DomainError):
    """More would exist than the asset's cap; amounts in minor units."""

    code = "SUPPLY_CAP_EXCEEDED"

    def __init__(self, cap_minor: int, supply_minor: int, asset: str) -> None:
        super().__init__(
            f"of {to_decimal(cap_minor, asset)} {asset} at most,"
            f" {to_decimal(supply_minor, asset)} exist"
        )
        self.cap_minor = cap_minor
        self.supply_minor = supply_minor
        self.asset = asset


class InvalidSignature(DomainError):
    """The signature is not the address's, or not of the message that was to be signed."""

    code = "INVALID_SIGNATURE"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the signature does not hold: {reason}")
        self.reason = reason


class AddressTaken(DomainError):
    """The address is linked already, here or to another user."""

    code = "ADDRESS_TAKEN"

    def __init__(self, address: str) -> None:
        super().__init__("the address is linked already")
        self.address = address
