"""Wallets through the real schema: one's own alone, refusals move nothing, changes in order."""

import asyncio
from contextlib import aclosing
from functools import partial

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from core.ids import encode_id, new_id


@pytest.fixture
def make_user(make_user):
    """People without money: what they have is what the test gives them."""
    return partial(make_user, funds=0)


DEPOSIT = """
mutation ($amount: Decimal!, $asset: AssetCode! = USD, $key: String! = "k") {
  depositFunds(input: {amount: {amount: $amount, asset: $asset}, idempotencyKey: $key}) {
    __typename
    ... on DepositFundsSuccess { payment {
      id status amount { amount asset minorUnits }
      transfer { id code debitAccount { kind balance { amount } }
        creditAccountAfter { balance { amount } } debitAccountAfter { balance { amount } } } } }
    ... on Error { code message }
  }
}
"""
WITHDRAW = """
mutation ($amount: Decimal!, $key: String! = "w") {
  withdrawFunds(input: {amount: {amount: $amount, asset: USD}, idempotencyKey: $key}) {
    __typename
    ... on WithdrawFundsSuccess { payment { status direction resolvedAt transfer {
      kind code pendingTransfer { kind } reference { __typename id } } } }
    ... on InsufficientFunds { available { amount } required { amount } }
  }
}
"""
TRANSFER = """
mutation ($legs: [TransferLegInput!]!, $key: String! = "t") {
  transferFunds(input: {legs: $legs, idempotencyKey: $key}) {
    __typename
    ... on TransferFundsSuccess { transfers { id sequence amount { amount }
      debitAccountAfter { balance { amount } available { amount } held { amount } }
      creditAccountAfter { balance { amount } } } }
    ... on InsufficientFunds { code available { amount } required { amount } }
    ... on AccountFrozen { accountId }
    ... on Error { code }
  }
}
"""
WALLET = """
query ($code: [TransferCode!], $asset: AssetCode) { wallet {
  account(asset: USD) { id status balance { amount } available { amount }
    pendingDebits { amount } holds { amount { amount } transfer { code } }
    eventCursor owner { id } }
  accounts { asset }
  transfers(filter: {code: $code, asset: $asset}) {
    totalCount nodes { id code amount { amount } } }
  payments { nodes { direction } }
  linkedAddresses { id address chainId }
} }
"""
CHANGED = """
subscription ($after: Cursor, $asset: AssetCode) { walletChanged(after: $after, asset: $asset) {
  cursor side amount { amount } balance { amount } available { amount }
  transfer { code } account { asset } } }
"""


def leg(person, amount, asset="USD"):
    return {"toUserId": person.public_id, "amount": {"amount": amount, "asset": asset}}


async def test_deposit_is_seen_in_the_wallet_with_its_balance_after(ask, make_user):
    ada = await make_user("ada")
    made = (await ask(DEPOSIT, ada, amount="12.50"))["depositFunds"]
    payment = made["payment"]
    assert payment["status"] == "SETTLED"
    assert payment["amount"] == {"amount": "12.50", "asset": "USD", "minorUnits": "1250"}
    assert payment["transfer"]["code"] == "DEPOSIT"
    assert payment["transfer"]["creditAccountAfter"] == {"balance": {"amount": "12.50"}}
    # The platform's own balances are nobody's to see.
    assert payment["transfer"]["debitAccountAfter"] is None
    assert payment["transfer"]["debitAccount"] == {"kind": "EXTERNAL", "balance": None}
    wallet = (await ask(WALLET, ada))["wallet"]
    assert wallet["account"]["balance"] == wallet["account"]["available"] == {"amount": "12.50"}
    assert wallet["account"]["owner"] == {"id": ada.public_id}
    assert wallet["accounts"] == [{"asset": "USD"}]
    assert wallet["transfers"]["totalCount"] == 1
    assert wallet["payments"]["nodes"] == [{"direction": "DEPOSIT"}]


async def test_withdrawal_posts_its_hold_and_refers_to_its_payment(ask, make_user):
    ada = await make_user("ada")
    await ask(DEPOSIT, ada, amount="10")
    made = (await ask(WITHDRAW, ada, amount="4"))["withdrawFunds"]["payment"]
    assert (made["status"], made["direction"]) == ("SETTLED", "WITHDRAWAL")
    assert made["transfer"]["pendingTransfer"] == {"kind": "PENDING"}
    assert made["transfer"]["reference"]["__typename"] == "Payment"
    refused = (await ask(WITHDRAW, ada, amount="6.01", key="more"))["withdrawFunds"]
    assert refused["available"] == {"amount": "6.00"}
    assert refused["required"] == {"amount": "6.01"}


async def test_legs_are_paid_together_and_each_tells_ones_own_side_alone(ask, make_user):
    ada, ben, cy = [await make_user(name) for name in ("ada", "ben", "cyd")]
    await ask(DEPOSIT, ada, amount="10")
    paid = await ask(TRANSFER, ada, legs=[leg(ben, "3"), leg(cy, "4")])
    first, second = paid["transferFunds"]["transfers"]
    assert int(first["sequence"]) < int(second["sequence"])
    assert second["debitAccountAfter"]["balance"] == {"amount": "3.00"}
    assert second["creditAccountAfter"] is None
    again = await ask(TRANSFER, ada, legs=[leg(ben, "3"), leg(cy, "4")])
    assert again == paid
    refused = await ask(TRANSFER, ada, legs=[leg(ben, "1"), leg(cy, "2.01")], key="more")
    assert refused["transferFunds"]["code"] == "INSUFFICIENT_FUNDS"
    assert refused["transferFunds"]["available"] == {"amount": "2.00"}
    conflict = await ask(TRANSFER, ada, legs=[leg(ben, "1")])
    assert conflict["transferFunds"]["code"] == "IDEMPOTENCY_CONFLICT"
    wallet = (await ask(WALLET, ada, code=["TRANSFER"], asset="USD"))["wallet"]
    assert [t["amount"]["amount"] for t in wallet["transfers"]["nodes"]] == ["4.00", "3.00"]
    assert (await ask(WALLET, ben))["wallet"]["account"]["balance"] == {"amount": "3.00"}


@pytest.mark.parametrize(
    ("legs", "code"),
    [
        ([], "INVALID_INPUT"),
        ([{"toUserId": "usr_" + "0" * 32, "amount": {"amount": "1", "asset": "USD"}}], "NOT_FOUND"),
        ([{"toUserId": "nobody", "amount": {"amount": "1", "asset": "USD"}}], "NOT_FOUND"),
    ],
)
async def test_payments_to_nobody_are_refused(ask, make_user, legs, code):
    ada = await make_user("ada")
    await ask(DEPOSIT, ada, amount="10")
    assert (await ask(TRANSFER, ada, legs=legs))["transferFunds"]["code"] == code


@pytest.mark.parametrize("amount", ["0", "-1", "0.001", "92233720368547758.08"])
async def test_amounts_that_are_none_are_refused(ask, make_user, amount):
    ada = await make_user("ada")
    assert (await ask(DEPOSIT, ada, amount=amount))["depositFunds"]["code"] == "INVALID_INPUT"


async def test_what_is_somebody_elses_is_null(ask, execute, make_user):
    ada, ben = await make_user("ada"), await make_user("ben")
    paid = (await ask(DEPOSIT, ada, amount="10"))["depositFunds"]["payment"]
    account = (await ask(WALLET, ada))["wallet"]["account"]["id"]
    query = """query ($user: ID!, $account: ID!, $transfer: ID!, $payment: ID!) {
      user(id: $user) { wallet { accounts { id } } }
      account(id: $account) { id } transfer(id: $transfer) { id }
      nodes(ids: [$account, $transfer, $payment]) { id }
    }"""
    ids = {
        "user": ada.public_id,
        "account": account,
        "transfer": paid["transfer"]["id"],
        "payment": paid["id"],
    }
    seen = await ask(query, ben, **ids)
    assert seen["user"] == {"wallet": None}
    assert (seen["account"], seen["transfer"]) == (None, None)
    assert seen["nodes"] == [None, None, None]
    own = await ask(query, ada, **ids)
    assert own["user"]["wallet"]["accounts"] == [{"id": account}]
    assert [node["id"] for node in own["nodes"]] == [account, ids["transfer"], ids["payment"]]
    anonymous = await execute("{ wallet { accounts { id } } }")
    assert anonymous.errors[0].extensions["code"] == "UNAUTHENTICATED"


MINT = """
mutation ($to: ID!, $amount: Decimal!, $asset: AssetCode! = SPARK, $key: String! = "m") {
  mintTokens(input: {toUserId: $to, amount: {amount: $amount, asset: $asset},
    idempotencyKey: $key}) {
    __typename ... on SupplyCapExceeded { cap { amount } supply { amount } }
    ... on AssetMismatch { expected given } ... on MintTokensSuccess { transfer { code } }
  }
}
"""


async def test_tokens_are_minted_by_scope_and_up_to_the_cap(ask, execute, make_user):
    ada, minter = await make_user("ada"), await make_user("minter", scopes=["ledger:mint"])
    refused = await execute(MINT, ada, to=ada.public_id, amount="1")
    assert refused.errors[0].extensions["code"] == "FORBIDDEN"
    made = await ask(MINT, minter, to=ada.public_id, amount="999999999.5")
    assert made["mintTokens"]["transfer"] == {"code": "MINT"}
    over = (await ask(MINT, minter, to=ada.public_id, amount="0.500001", key="o"))["mintTokens"]
    assert over["cap"] == {"amount": "1000000000.000000"}
    assert over["supply"] == {"amount": "999999999.500000"}
    other = await ask(MINT, minter, to=ada.public_id, amount="1", asset="EUR", key="e")
    assert other["mintTokens"]["given"] == "EUR"
    burn = """mutation { burnTokens(input: {amount: {amount: "0.5", asset: SPARK},
      idempotencyKey: "b"}) { ... on BurnTokensSuccess { transfer { code
      debitAccountAfter { balance { amount } } } } } }"""
    burned = (await ask(burn, ada))["burnTokens"]["transfer"]
    assert burned["debitAccountAfter"] == {"balance": {"amount": "999999999.000000"}}


async def test_frozen_account_pays_nothing(ask, make_user):
    ada, ben = await make_user("ada"), await make_user("ben")
    guard = await make_user("guard", scopes=["ledger:freeze"])
    await ask(DEPOSIT, ada, amount="10")
    account = (await ask(WALLET, ada))["wallet"]["account"]["id"]
    freeze = """mutation ($id: ID!) { freezeAccount(input: {accountId: $id, reason: "fraud"}) {
      ... on FreezeAccountSuccess { account { status balance { amount } } } } }"""
    frozen = (await ask(freeze, guard, id=account))["freezeAccount"]["account"]
    assert frozen == {"status": "FROZEN", "balance": {"amount": "10.00"}}
    refused = (await ask(TRANSFER, ada, legs=[leg(ben, "1")]))["transferFunds"]
    assert (refused["__typename"], refused["accountId"]) == ("AccountFrozen", account)
    thaw = freeze.replace("freezeAccount", "unfreezeAccount").replace("Freeze", "Unfreeze")
    await ask(thaw, guard, id=account)
    paid = (await ask(TRANSFER, ada, legs=[leg(ben, "1")]))["transferFunds"]
    assert paid["__typename"] == "TransferFundsSuccess"


LIMIT = """
mutation ($input: SetAssetLimitsInput!) { setAssetLimits(input: $input) {
  ... on SetAssetLimitsSuccess { asset { asset transferMaximum { amount } supplyCap { amount } } }
  ... on InvalidInput { field message } } }
"""
ASSETS = """
{ assets { asset scale supply { amount minorUnits } supplyCap { amount asset }
    transferMaximum { amount } } }
"""


async def test_limits_are_changed_by_scope_at_once(ask, make_user):
    ada, ben = await make_user("ada"), await make_user("ben")
    keeper = await make_user("keeper", scopes=["system:configure"])
    await ask(DEPOSIT, ada, amount="10")
    given = {"asset": "USD", "transferMaximum": "5", "reason": "trial"}
    made = (await ask(LIMIT, keeper, input=given))["setAssetLimits"]["asset"]
    assert made == {"asset": "USD", "transferMaximum": {"amount": "5.00"}, "supplyCap": None}
    refused = (await ask(TRANSFER, ada, legs=[leg(ben, "5.01")]))["transferFunds"]
    assert refused["code"] == "INVALID_INPUT"
    made = (await ask(LIMIT, keeper, input=given | {"transferMaximum": None}))["setAssetLimits"]
    assert made["asset"]["transferMaximum"] is None
    paid = (await ask(TRANSFER, ada, legs=[leg(ben, "5.01")]))["transferFunds"]
    assert paid["__typename"] == "TransferFundsSuccess"


async def test_who_mints_does_not_set_the_cap(execute, ask, make_user, shapes):
    minter = await make_user("minter", scopes=["ledger:mint"])
    given = {"asset": "SPARK", "supplyCap": None, "reason": "more for me"}
    assert shapes.codes(await execute(LIMIT, minter, input=given)) == ["FORBIDDEN"]
    assert shapes.codes(await execute(LIMIT, input=given)) == ["UNAUTHENTICATED"]
    [spark] = [a for a in (await ask(ASSETS))["assets"] if a["asset"] == "SPARK"]
    assert spark["supplyCap"] == {"amount": "1000000000.000000", "asset": "SPARK"}


async def test_assets_tell_anyone_what_exists_and_what_may(ask, make_user, statements):
    ada = await make_user("ada", scopes=["ledger:mint"])
    keeper = await make_user("keeper", scopes=["system:configure"])
    mint = """mutation ($to: ID!) { mintTokens(input: {toUserId: $to, idempotencyKey: "1",
      amount: {amount: "2.5", asset: SPARK}}) { __typename } }"""
    assert (await ask(mint, ada, to=ada.public_id))["mintTokens"] == {
        "__typename": "MintTokensSuccess"
    }
    given = {"asset": "SPARK", "supplyCap": "2.4", "transferMaximum": "1", "reason": "less"}
    refused = (await ask(LIMIT, keeper, input=given))["setAssetLimits"]
    assert refused["field"] == "supplyCap"
    await ask(LIMIT, keeper, input={"asset": "SPARK", "supplyCap": "2.5", "reason": "enough"})
    statements.clear()
    found = (await ask(ASSETS))["assets"]
    assert len(statements) == 1
    assert [(a["asset"], a["scale"]) for a in found] == [
        ("USD", 2),
        ("EUR", 2),
        ("INR", 2),
        ("JPY", 0),
        ("SPARK", 6),
    ]
    none = {"supply": None, "supplyCap": None, "transferMaximum": None}
    assert found[0] == {"asset": "USD", "scale": 2} | none
    assert found[4]["supply"] == {"amount": "2.500000", "minorUnits": "2500000"}
    assert found[4]["supplyCap"] == {"amount": "2.500000", "asset": "SPARK"}


async def test_address_is_linked_by_a_signature_and_unlinked(ask, make_user):
    ada, key = await make_user("ada"), Account.create()
    challenge = """mutation ($address: String!) {
      createWalletChallenge(input: {address: $address, chainId: "137"}) {
        ... on CreateWalletChallengeSuccess { message } } }"""
    link = """mutation ($message: String!, $signature: String!) {
      linkExternalWallet(input: {message: $message, signature: $signature}) {
        ... on LinkExternalWalletSuccess { linkedAddress { id address chainId } }
        ... on InvalidSignature { reason } } }"""
    asked = await ask(challenge, ada, address=key.address)
    message = asked["createWalletChallenge"]["message"]
    signature = "0x" + key.sign_message(encode_defunct(text=message)).signature.hex()
    linked = await ask(link, ada, message=message, signature=signature)
    address = linked["linkExternalWallet"]["linkedAddress"]
    assert (address["address"], address["chainId"]) == (key.address, "137")
    again = await ask(link, ada, message=message, signature=signature)
    assert "nonce" in again["linkExternalWallet"]["reason"]
    assert (await ask(WALLET, ada))["wallet"]["linkedAddresses"] == [address]
    unlink = """mutation ($id: ID!) { unlinkExternalWallet(input: {linkedAddressId: $id}) {
      __typename } }"""
    gone = await ask(unlink, ada, id=address["id"])
    assert gone["unlinkExternalWallet"]["__typename"] == "UnlinkExternalWalletSuccess"
    assert (await ask(WALLET, ada))["wallet"]["linkedAddresses"] == []


async def take(results, number):
    found = []
    async with asyncio.timeout(10):
        while len(found) < number:
            result = await anext(results)
            assert result.errors is None, result.errors
            found.append(result.data["walletChanged"])
    return found


async def test_changes_come_once_in_order_from_the_wallets_cursor_on(ask, stream, make_user):
    ada, ben = await make_user("ada"), await make_user("ben")
    await ask(DEPOSIT, ada, amount="10")
    cursor = (await ask(WALLET, ada))["wallet"]["account"]["eventCursor"]
    await ask(TRANSFER, ada, legs=[leg(ben, "1"), leg(ben, "2")])  # in between
    async with aclosing(await stream(CHANGED, ada, after=cursor)) as changes:
        between = await take(changes, 2)
        await ask(DEPOSIT, ada, amount="5", key="again")
        [after] = await take(changes, 1)
    assert [c["balance"]["amount"] for c in (*between, after)] == ["9.00", "7.00", "12.00"]
    assert [c["side"] for c in (*between, after)] == ["DEBIT", "DEBIT", "CREDIT"]
    async with aclosing(await stream(CHANGED, ada, after=between[0]["cursor"])) as changes:
        assert await take(changes, 2) == [between[1], after]


async def test_changes_are_of_the_asset_that_was_asked_for_and_ones_own(ask, stream, make_user):
    ada, ben = await make_user("ada"), await make_user("ben")
    await ask(DEPOSIT, ada, amount="1")
    cursor = (await ask(WALLET, ada))["wallet"]["account"]["eventCursor"]
    await ask(DEPOSIT, ada, amount="2", key="2")
    await ask(DEPOSIT, ada, amount="3", asset="EUR", key="3")
    async with aclosing(await stream(CHANGED, ada, after=cursor, asset="EUR")) as changes:
        [change] = await take(changes, 1)
    assert change["account"] == {"asset": "EUR"}
    async with aclosing(await stream(CHANGED, ben, after=cursor)) as changes:
        result = await anext(changes)
    assert result.errors[0].extensions["code"] == "BAD_USER_INPUT"
    async with aclosing(await stream(CHANGED)) as changes:
        result = await anext(changes)
    assert result.errors[0].extensions["code"] == "UNAUTHENTICATED"


async def test_account_of_a_lot_or_of_nobody_is_null(ask, make_user):
    ada = await make_user("ada")
    query = "query ($id: ID!) { account(id: $id) { id } }"
    for id in (encode_id("acc", new_id()), "acc_ffffffff0000700080000000000100000"[:36], "x"):
        assert (await ask(query, ada, id=id))["account"] is None
