"""Root fields that move money, and that change who may; what they answer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, cast

import strawberry

from resolvers import wallets as resolvers
from schema.common import IdempotencyConflict, InvalidInput, NotFound
from schema.fields import Context, argument, attribute, bounded, mutation
from schema.scalars import code_of
from schema.wallets.errors import (
    AccountClosed,
    AccountFrozen,
    AddressTaken,
    AssetMismatch,
    HoldAlreadyResolved,
    InsufficientFunds,
    InvalidSignature,
    SupplyCapExceeded,
)
from schema.wallets.inputs import (
    BurnTokensInput,
    CreateWalletChallengeInput,
    DepositFundsInput,
    FreezeAccountInput,
    LinkExternalWalletInput,
    MintTokensInput,
    SetAssetLimitsInput,
    TransferFundsInput,
    UnfreezeAccountInput,
    UnlinkExternalWalletInput,
    WithdrawFundsInput,
    amount_of,
    chain_id_of,
    limits_given,
)
from schema.wallets.types import Account, Asset, LinkedAddress, Payment, Transfer
from services.wallets.transfers import MAX_LEGS


@strawberry.type(description="The payment is begun; it may have been settled at once.")
class DepositFundsSuccess:
    payment: Payment = attribute("The payment; see its `status` and `transfer`.")


@strawberry.type(description="The payment is begun, and its amount is held until it is settled.")
class WithdrawFundsSuccess:
    payment: Payment = attribute("The payment; see its `status` and `transfer`.")


@strawberry.type(description="All was paid.")
class TransferFundsSuccess:
    transfers: list[Transfer] = attribute(
        "A transfer for each leg, in their order.", list_size=bounded(MAX_LEGS)
    )


@strawberry.type(description="The tokens exist.")
class MintTokensSuccess:
    transfer: Transfer = attribute("What made them.")


@strawberry.type(description="The tokens exist no longer.")
class BurnTokensSuccess:
    transfer: Transfer = attribute("What destroyed them.")


@strawberry.type(description="Nothing new leaves the account; saying it twice changes nothing.")
class FreezeAccountSuccess:
    account: Account = attribute("The account as it is now.")


@strawberry.type(description="The account pays again; saying it twice changes nothing.")
class UnfreezeAccountSuccess:
    account: Account = attribute("The account as it is now.")


@strawberry.type(description="The limits hold for every transfer that begins from now on.")
class SetAssetLimitsSuccess:
    asset: Asset = attribute("The asset as it is now.")


@strawberry.type(description="Sign `message` with the address, then call `linkExternalWallet`.")
class CreateWalletChallengeSuccess:
    message: str = attribute("What to sign, byte by byte (EIP-4361).")
    nonce: str = attribute("What makes it a message for once.")
    expires_at: datetime = attribute("Until when it can be answered.")


@strawberry.type(description="The address is linked.")
class LinkExternalWalletSuccess:
    linked_address: LinkedAddress = attribute("The address, now yours.")


@strawberry.type(
    description="The address is linked no longer; anyone who holds its key may link it."
)
class UnlinkExternalWalletSuccess:
    linked_address_id: strawberry.ID = attribute("What was forgotten.")


DepositFundsResult = Annotated[
    DepositFundsSuccess | AccountClosed | IdempotencyConflict | InvalidInput,
    strawberry.union("DepositFundsResult", description="What became of a deposit."),
]
WithdrawFundsResult = Annotated[
    WithdrawFundsSuccess
    | InsufficientFunds
    | AccountFrozen
    | AccountClosed
    | HoldAlreadyResolved
    | IdempotencyConflict
    | InvalidInput,
    strawberry.union("WithdrawFundsResult", description="What became of a withdrawal."),
]
TransferFundsResult = Annotated[
    TransferFundsSuccess
    | InsufficientFunds
    | AccountFrozen
    | AccountClosed
    | IdempotencyConflict
    | NotFound
    | InvalidInput,
    strawberry.union("TransferFundsResult", description="What became of payments."),
]
MintTokensResult = Annotated[
    MintTokensSuccess
    | SupplyCapExceeded
    | AssetMismatch
    | AccountClosed
    | IdempotencyConflict
    | NotFound
    | InvalidInput,
    strawberry.union("MintTokensResult", description="What became of new tokens."),
]
BurnTokensResult = Annotated[
    BurnTokensSuccess
    | InsufficientFunds
    | AssetMismatch
    | AccountFrozen
    | AccountClosed
    | IdempotencyConflict
    | InvalidInput,
    strawberry.union("BurnTokensResult", description="What became of tokens to destroy."),
]
FreezeAccountResult = Annotated[
    FreezeAccountSuccess | AccountClosed | NotFound | InvalidInput,
    strawberry.union("FreezeAccountResult", description="What became of a freeze."),
]
UnfreezeAccountResult = Annotated[
    UnfreezeAccountSuccess | AccountClosed | NotFound | InvalidInput,
    strawberry.union("UnfreezeAccountResult", description="What became of an unfreezing."),
]
SetAssetLimitsResult = Annotated[
    SetAssetLimitsSuccess | InvalidInput,
    strawberry.union("SetAssetLimitsResult", description="What became of new limits."),
]
CreateWalletChallengeResult = Annotated[
    CreateWalletChallengeSuccess | InvalidInput,
    strawberry.union("CreateWalletChallengeResult", description="What became of the wish."),
]
LinkExternalWalletResult = Annotated[
    LinkExternalWalletSuccess | InvalidSignature | AddressTaken | InvalidInput,
    strawberry.union("LinkExternalWalletResult", description="What became of the answer."),
]
UnlinkExternalWalletResult = Annotated[
    UnlinkExternalWalletSuccess | NotFound,
    strawberry.union("UnlinkExternalWalletResult", description="What became of the wish."),
]


@strawberry.type
class WalletMutation:
    @mutation("Pay money in, through the payment provider.", authenticated=True)
    async def deposit_funds(
        self,
        info: Context,
        input: Annotated[DepositFundsInput, argument("How much of what.")],
    ) -> DepositFundsResult:
        amount, key = amount_of(input.amount), input.idempotency_key
        payment = await resolvers.make_payment(info.context, "DEPOSIT", amount, key)
        return DepositFundsSuccess(payment=payment)

    @mutation("Be paid out, through the payment provider.", authenticated=True)
    async def withdraw_funds(
        self,
        info: Context,
        input: Annotated[WithdrawFundsInput, argument("How much of what.")],
    ) -> WithdrawFundsResult:
        amount, key = amount_of(input.amount), input.idempotency_key
        payment = await resolvers.make_payment(info.context, "WITHDRAWAL", amount, key)
        return WithdrawFundsSuccess(payment=payment)

    @mutation("Pay others: all legs, or none.", authenticated=True)
    async def transfer_funds(
        self, info: Context, input: Annotated[TransferFundsInput, argument("Whom, how much.")]
    ) -> TransferFundsResult:
        legs = [(leg.to_user_id, amount_of(leg.amount)) for leg in input.legs]
        made = await resolvers.transfer_funds(info.context, legs, input.idempotency_key)
        return TransferFundsSuccess(transfers=made)

    @mutation("Make tokens.", scopes=["ledger:mint"])
    async def mint_tokens(
        self, info: Context, input: Annotated[MintTokensInput, argument("For whom, how many.")]
    ) -> MintTokensResult:
        amount, key = amount_of(input.amount), input.idempotency_key
        made = await resolvers.mint_tokens(info.context, input.to_user_id, amount, key)
        return MintTokensSuccess(transfer=made)

    @mutation("Destroy tokens of your own.", authenticated=True)
    async def burn_tokens(
        self, info: Context, input: Annotated[BurnTokensInput, argument("How many of which token.")]
    ) -> BurnTokensResult:
        amount, key = amount_of(input.amount), input.idempotency_key
        return BurnTokensSuccess(transfer=await resolvers.burn_tokens(info.context, amount, key))

    @mutation("Let nothing new leave an account.", scopes=["ledger:freeze"])
    async def freeze_account(
        self, info: Context, input: Annotated[FreezeAccountInput, argument("Which, and why.")]
    ) -> FreezeAccountResult:
        given = (input.account_id, input.reason)
        account = await resolvers.set_frozen(info.context, *given, frozen=True)
        return FreezeAccountSuccess(account=account)

    @mutation("Let an account pay again.", scopes=["ledger:freeze"])
    async def unfreeze_account(
        self, info: Context, input: Annotated[UnfreezeAccountInput, argument("Which, and why.")]
    ) -> UnfreezeAccountResult:
        given = (input.account_id, input.reason)
        account = await resolvers.set_frozen(info.context, *given, frozen=False)
        return UnfreezeAccountSuccess(account=account)

    # Not ledger:mint: whoever makes tokens must not be who says how many there may be.
    @mutation("Change the limits of an asset while all goes on.", scopes=["system:configure"])
    async def set_asset_limits(
        self, info: Context, input: Annotated[SetAssetLimitsInput, argument("Which limits.")]
    ) -> SetAssetLimitsResult:
        given = limits_given(input)
        row = await resolvers.set_asset_limits(
            info.context, code_of(input.asset), given, input.reason
        )
        return SetAssetLimitsSuccess(asset=cast(Asset, row))

    @mutation("Ask for a message to sign with an address outside.", authenticated=True)
    async def create_wallet_challenge(
        self,
        info: Context,
        input: Annotated[CreateWalletChallengeInput, argument("Which address.")],
    ) -> CreateWalletChallengeResult:
        chain_id = chain_id_of(input.chain_id)
        made = await resolvers.create_challenge(info.context, input.address, chain_id)
        return CreateWalletChallengeSuccess(
            message=made.message, nonce=made.nonce, expires_at=made.expires_at
        )

    @mutation("Link the address that signed a challenge.", authenticated=True)
    async def link_external_wallet(
        self,
        info: Context,
        input: Annotated[LinkExternalWalletInput, argument("The message and its signature.")],
    ) -> LinkExternalWalletResult:
        linked = await resolvers.link_wallet(info.context, input.message, input.signature)
        return LinkExternalWalletSuccess(linked_address=linked)

    @mutation("Forget a linked address.", authenticated=True)
    async def unlink_external_wallet(
        self,
        info: Context,
        input: Annotated[UnlinkExternalWalletInput, argument("Which one.")],
    ) -> UnlinkExternalWalletResult:
        gone = await resolvers.unlink_wallet(info.context, input.linked_address_id)
        return UnlinkExternalWalletSuccess(linked_address_id=strawberry.ID(gone))
