"""The inputs and enums of the wallets' fields, and what they become for the resolvers."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import Enum

import strawberry

from core.errors import BadUserInput
from loaders.wallets import TransferFilter
from resolvers.wallets import Amount
from schema.auctions.inputs import described
from schema.common import MoneyInput
from schema.scalars import AssetCode, code_of
from services.wallets.limits import Limit

CODES_MAX = 20
KEY = (
    "Your own name for this request, 1 to 200 characters. Sent again with the same key, nothing "
    "moves twice; you get the first answer."
)


@strawberry.enum(description="Whether an account takes part in transfers.")
class AccountStatus(Enum):
    OPEN = strawberry.enum_value("OPEN", description="It pays and receives.")
    FROZEN = strawberry.enum_value("FROZEN", description="It receives, and pays nothing new.")
    CLOSED = strawberry.enum_value("CLOSED", description="It is empty for good.")


@strawberry.enum(description="What a transfer was for.")
class TransferCode(Enum):
    DEPOSIT = strawberry.enum_value("DEPOSIT", description="Money came in from outside.")
    WITHDRAWAL = strawberry.enum_value("WITHDRAWAL", description="Money went out.")
    TRANSFER = strawberry.enum_value("TRANSFER", description="One user paid another.")
    MINT = strawberry.enum_value("MINT", description="Tokens were made.")
    BURN = strawberry.enum_value("BURN", description="Tokens were destroyed.")
    BID = strawberry.enum_value("BID", description="The maximum of who leads an auction.")
    SALE = strawberry.enum_value("SALE", description="The price of what an auction sold.")
    FEE = strawberry.enum_value("FEE", description="The platform's part of a price.")
    PURCHASE = strawberry.enum_value("PURCHASE", description="Something was bought in a stall.")
    REFUND = strawberry.enum_value("REFUND", description="A price was given back.")
    STAKE = strawberry.enum_value("STAKE", description="Put aside for a quest.")
    REWARD = strawberry.enum_value("REWARD", description="Earned in a quest.")
    SPONSORSHIP = strawberry.enum_value("SPONSORSHIP", description="Given for a quest's rewards.")
    ADJUSTMENT = strawberry.enum_value("ADJUSTMENT", description="A correction by the platform.")


@strawberry.enum(description="How a transfer moves its amount.")
class TransferKind(Enum):
    SINGLE = strawberry.enum_value("SINGLE", description="It moved at once.")
    PENDING = strawberry.enum_value("PENDING", description="It holds the amount.")
    POST = strawberry.enum_value("POST", description="It moved what was held, or a part of it.")
    VOID = strawberry.enum_value("VOID", description="It released what was held.")
    EXPIRE = strawberry.enum_value("EXPIRE", description="It released what was held too long.")


@strawberry.enum(description="Which way a payment goes.")
class PaymentDirection(Enum):
    DEPOSIT = strawberry.enum_value("DEPOSIT", description="Into the wallet, from outside.")
    WITHDRAWAL = strawberry.enum_value("WITHDRAWAL", description="Out of the wallet.")


@strawberry.enum(description="How far a payment has got.")
class PaymentStatus(Enum):
    PENDING = strawberry.enum_value("PENDING", description="The provider is at it.")
    SETTLED = strawberry.enum_value("SETTLED", description="The money has moved.")
    FAILED = strawberry.enum_value("FAILED", description="It will not move; a hold is released.")


@strawberry.input(description="Which transfers: all conditions hold together; null means any.")
class TransferFilterInput:
    code: list[TransferCode] | None = described("For one of these things.", default=None)
    asset: AssetCode | None = described("Of this asset.", default=None)
    since: datetime | None = described("Written at this moment or later.", default=None)
    before: datetime | None = described("Written before this moment.", default=None)


def transfer_filter(given: TransferFilterInput | None) -> TransferFilter:
    """The loader's filter. Raises `BadUserInput` for more than 20 codes."""
    if given is None:
        return TransferFilter()
    if len(given.code or ()) > CODES_MAX:
        raise BadUserInput(f"{CODES_MAX} codes at most")
    return TransferFilter(
        codes=None if given.code is None else [code_of(code) for code in given.code],
        asset=None if given.asset is None else code_of(given.asset),
        since=given.since,
        before=given.before,
    )


def amount_of(given: MoneyInput) -> Amount:
    """What the resolvers take."""
    return Amount(given.amount, code_of(given.asset))


@strawberry.input(description="Money to be paid in.")
class DepositFundsInput:
    amount: MoneyInput = described("How much of which currency.")
    idempotency_key: str = described(KEY)


@strawberry.input(description="Money to be paid out.")
class WithdrawFundsInput:
    amount: MoneyInput = described("How much of which currency.")
    idempotency_key: str = described(KEY)


@strawberry.input(description="One payment of several.")
class TransferLegInput:
    to_user_id: strawberry.ID = described("Who is paid.")
    amount: MoneyInput = described("How much of what.")


@strawberry.input(description="Payments to others: all are made, or none.")
class TransferFundsInput:
    legs: list[TransferLegInput] = described("The payments, 1 to 100.")
    idempotency_key: str = described(KEY)


@strawberry.input(description="Tokens to be made.")
class MintTokensInput:
    to_user_id: strawberry.ID = described("Who gets them.")
    amount: MoneyInput = described("How many of which token.")
    idempotency_key: str = described(KEY)


@strawberry.input(description="Tokens of your own to be destroyed.")
class BurnTokensInput:
    amount: MoneyInput = described("How many of which token.")
    idempotency_key: str = described(KEY)


@strawberry.input(description="An account that is to pay nothing new.")
class FreezeAccountInput:
    account_id: strawberry.ID = described("Which account.")
    reason: str = described("Why, for the audit log: 1 to 500 characters.")


@strawberry.input(description="An account that may pay again.")
class UnfreezeAccountInput:
    account_id: strawberry.ID = described("Which account.")
    reason: str = described("Why, for the audit log: 1 to 500 characters.")


@strawberry.input(description="An asset's limits, from now on: what is not given stays.")
class SetAssetLimitsInput:
    asset: AssetCode = described("Which asset.")
    supply_cap: strawberry.Maybe[Decimal | None] = described(
        "How much of a token may exist, in whole units: no less than exists; null for no cap."
    )
    transfer_maximum: strawberry.Maybe[Decimal | None] = described(
        "The most that a user may pay at once, in whole units; null for no limit."
    )
    reason: str = described("Why, for the audit log: 1 to 500 characters.")


def limits_given(given: SetAssetLimitsInput) -> dict[Limit, Decimal | None]:
    """The limits that were given, null for none, by the service's names."""
    named: dict[Limit, strawberry.Maybe[Decimal | None]] = {
        "supplyCap": given.supply_cap,
        "transferMaximum": given.transfer_maximum,
    }
    return {limit: some.value for limit, some in named.items() if some is not None}


@strawberry.input(description="An address that you want to link.")
class CreateWalletChallengeInput:
    address: str = described("0x and 40 hex digits; in mixed case it is checked (EIP-55).")
    chain_id: strawberry.ID = described("The chain you are on (EIP-155), as `1` for Ethereum.")


def chain_id_of(given: str) -> int:
    """The number. Raises `BadUserInput` for what is none of 1 to 16 digits."""
    if not (given.isascii() and given.isdigit() and len(given) <= 16):
        raise BadUserInput("chainId must be a number of 16 digits at most")
    return int(given)


@strawberry.input(description="A challenge, answered.")
class LinkExternalWalletInput:
    message: str = described("The challenge's message, as it was given.")
    signature: str = described("The wallet's signature (personal_sign): 0x and 130 hex digits.")


@strawberry.input(description="A linked address to be forgotten.")
class UnlinkExternalWalletInput:
    linked_address_id: strawberry.ID = described("Which one: begins with `adr_`.")
